"""Every key with values good and bad: what the official parser takes, oxkeeper starts with, too.

usage: config.py [KEY ...] (env SUT_A: the official server, whose jars are used; SUT_B: oxkeeper); a KEY may be written ensemble:KEY

The judge is `QuorumPeerConfig` itself, in one JVM (Verdicts.java). oxkeeper is started for real, on a port that is taken and a data
directory that is a file, so that it ends at once: with 2 when it refuses the configuration, with 1 or 3 when it took it and then missed
the one or the other, or when it is no member of ensembles and says that and nothing else. The keys of ensemble-keys.txt are also asked about
in the file of member 1 of three (named ensemble:KEY), and the files of ensembles.txt, with a myid or without. What the official server
makes of lists of members must be what memberships.tsv says, which the library is tested with (Memberships.java). Where the two differ there must be a row in deliberate.tsv, with the reason; a row that no pair needs is
a failure, too. Lines of published files follow the pairs. The last line is `N passed, N failed`; the status is 1 on any failure."""
import concurrent.futures
import fnmatch
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
VERSION = os.environ.get("ZKV", "3.9.5")
PATIENCE_S = 60
# In front of keys that are asked about in an ensemble.
ENSEMBLE = "ensemble:"
# Of member 1 of three.
MEMBER = ["initLimit=10", "syncLimit=5", "server.1=127.0.0.1:2888:3888", "server.2=127.0.0.1:2889:3889", "server.3=127.0.0.1:2890:3890"]

# What people write: nothing, numbers in and out of range, sizes and times with units, words for yes and no, names.
VALUES = ["", "0", "1", "2", "3", "-1", "-5", "+7", "5000", "100,000", "64M", "10s", "1.5", "0.5", "0x10", "010", "99999999999",
          "true", "TRUE", "false", "yes", "no", "on", "abc", "/tmp", "*"]


def published():
    """Lines as they stand in files that projects publish, in one piece."""
    with open(os.path.join(HERE, "published.txt")) as f:
        parts = f.read().split("\n\n")
    return [[line for line in part.splitlines() if line and not line.startswith("#")] for part in parts]


def keys():
    def listed(name, prefix=""):
        with open(os.path.join(HERE, name)) as f:
            return [prefix + line.strip() for line in f if line.strip() and not line.startswith("#")]
    return listed("keys.txt") + listed("ensemble-keys.txt", ENSEMBLE)


def ensembles():
    """Titles, texts of myid (None: no such file) and lines of files of ensembles."""
    with open(os.path.join(HERE, "ensembles.txt")) as f:
        parts = [part.splitlines() for part in f.read().strip().split("\n\n")]
    for part in parts:
        title, myid, lines = part[0], part[1], part[2:]
        assert title.startswith("# ") and (myid == "no myid" or myid.startswith("myid=")), part
        yield title[2:], None if myid == "no myid" else myid[len("myid="):], lines


def deliberate():
    """Rows of key, value, who starts, reason; key and value are patterns."""
    with open(os.path.join(HERE, "deliberate.tsv")) as f:
        rows = [line.rstrip("\n").split("\t") for line in f if line.strip() and not line.startswith("#")]
    assert all(len(row) == 4 and row[2] in ("official", "oxkeeper") for row in rows), rows
    return rows


class Judge:
    """The official parser, and what it makes of lists of members."""

    def __init__(self, work):
        # Fetches the jars; a file that is not there ends it.
        subprocess.run(shlex.split(os.environ["SUT_A"]) + [os.path.join(work, "none")], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=600, env=dict(os.environ, ZKV=VERSION))
        jars = os.environ.get("ZK_JARS", os.path.join(HERE, "..", "apache", "target"))
        self.java = ["java", "-XX:+UseSerialGC", "-Xmx256m", "-cp", "%s/*:%s/*" % (os.path.join(jars, VERSION), os.path.join(jars, "log")),
                     "-Dlogback.configurationFile=" + os.path.join(HERE, "quiet.xml")]
        self.file = os.path.join(work, "official.cfg")

    def verdicts(self, texts):
        return self.answers(["Verdicts.java", self.file], texts)

    def memberships(self, texts):
        return self.answers(["Memberships.java"], texts)

    def answers(self, program, texts):
        asked = "".join(text.replace("\n", "\\n") + "\n" for text in texts)
        command = self.java + [os.path.join(HERE, program[0])] + program[1:]
        done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=600)
        answers = done.stdout.splitlines()
        if len(answers) != len(texts):
            sys.exit("the official parser answered %d of %d: %s" % (len(answers), len(texts), done.stderr[-2000:]))
        return answers


def ours(path):
    """Whether oxkeeper takes the configuration, and what it says."""
    done = subprocess.run(shlex.split(os.environ["SUT_B"]) + [path], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=PATIENCE_S, env=dict(os.environ, RUST_LOG="info"))
    refusals = done.stderr.count("configuration refused: ")
    if done.returncode == 2 or (refusals and done.returncode == 1):
        return "refuses " + done.stderr.strip()
    if done.returncode in (1, 3) and ("listen" in done.stderr or "data directory" in done.stderr):
        return "takes " + done.stderr.strip()
    return "fails with %d: %s" % (done.returncode, done.stderr[-400:])


def main():
    wanted = sys.argv[1:] or keys()
    with tempfile.TemporaryDirectory() as work, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        os.mkdir(os.path.join(work, "plain"))
        open(os.path.join(work, "file"), "w").close()
        base = {"dataDir": os.path.join(work, "file"), "clientPort": str(taken.getsockname()[1])}

        def text(lines, data_dir=base["dataDir"]):
            given = {line.split("=", 1)[0] for line in lines}
            rest = ["%s=%s" % pair for pair in dict(base, dataDir=data_dir).items() if pair[0] not in given]
            return "\n".join(rest + lines) + "\n"

        def member(name, myid):
            """A data directory with this number in myid."""
            path = os.path.join(work, name)
            os.mkdir(path)
            if myid is not None:
                with open(os.path.join(path, "myid"), "w") as f:
                    f.write(myid)
            return path
        first = member("first", "1")

        def pair(key, value):
            bare = key[len(ENSEMBLE):] if key.startswith(ENSEMBLE) else None
            if bare is None:
                return text(["%s=%s" % (key, value)])
            return text([line for line in MEMBER if not line.startswith(bare + "=")] + ["%s=%s" % (bare, value)], first)
        asked = [(key, value, pair(key, value)) for key in wanted for value in VALUES]
        if len(sys.argv) == 1:
            # Their own port and directory are not ours to take.
            own = re.compile(r"^(dataDir|dataLogDir|clientPort)\s*=")
            asked += [("published", " / ".join(part[:1]), text([line for line in part if not own.match(line)])) for part in published()]
            asked += [("ensemble", title, text(lines, member("member-%d" % n, myid))) for n, (title, myid, lines) in enumerate(ensembles())]
        official = Judge(work)
        answers = official.verdicts([entry[2] for entry in asked])
        stale = stale_memberships(official) if len(sys.argv) == 1 else []

        def one(number):
            path = os.path.join(work, "zoo-%d.cfg" % number)
            with open(path, "w") as f:
                f.write(asked[number][2])
            return ours(path)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            replies = list(pool.map(one, range(len(asked))))
    judge(asked, answers, replies, deliberate(), len(sys.argv) == 1, stale)


def stale_memberships(official):
    """Rows of memberships.tsv that the official server does not confirm, with what it says."""
    with open(os.path.join(HERE, "memberships.tsv")) as f:
        rows = [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]
    said = official.memberships([text for text, _ in rows])
    return ["%s: %s, and not %s" % (text, now, then) for (text, then), now in zip(rows, said) if now != then]


def judge(asked, answers, replies, rows, whole, stale):
    needed, passed, failed = set(), 0, len(stale)
    for row in stale:
        print("FAIL memberships.tsv: " + row)
    both = sum(1 for official, reply in zip(answers, replies) if official == "takes" and reply.startswith("takes"))
    for (key, value, _), official, reply in zip(asked, answers, replies):
        official_starts, we_start = official == "takes", reply.startswith("takes")
        odd = not reply.startswith(("takes", "refuses"))
        who = "official" if official_starts else "oxkeeper"
        row = next((i for i, r in enumerate(rows) if r[2] == who and fnmatch.fnmatchcase(key, r[0]) and fnmatch.fnmatchcase(value, r[1])), None)
        # The parser's own refusals may be milder here, where nothing depends on the value, but not without a word.
        if not odd and (official_starts == we_start or row is not None):
            passed += 1
            if official_starts != we_start:
                needed.add(row)
            continue
        failed += 1
        print("FAIL %s=%s: the official parser %s; oxkeeper %s" % (key, value, official, reply[-300:]))
    for i, row in enumerate(rows if whole else []):
        if i not in needed:
            failed += 1
            print("FAIL no pair needs the row %s" % "\t".join(row))
    print("%d pairs, %d that both take, %d deliberate differences" % (len(asked), both, sum(1 for a, r in zip(answers, replies) if (a == "takes") != r.startswith("takes"))))
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

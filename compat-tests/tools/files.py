#!/usr/bin/env python3
"""The scripts for logs and snapshots, and the official classes behind them, on the same files: the directories that official servers of each
version wrote, and what is wrong with them in each way that a file can be. Exit codes, what is printed and what is written have to be
the same, but for what DELIBERATE lists with its reason.

usage: files.py [WORD ...]     only cases whose name holds a word. The last line is `N passed, M failed`."""
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
sys.path.insert(0, os.path.join(HERE, "..", "common"))
from applib import judged, need  # noqa: E402

APACHE = os.path.join(HERE, "..", "apache")
OXKEEPER = os.environ.get("OXKEEPER", os.path.join(ROOT, "target", "release", "oxkeeper"))
OFFICIAL = "3.9.5"
WRITTEN = os.path.join(ROOT, "tests", "storage_official")
LOG = "org.apache.zookeeper.server.persistence.TxnLogToolkit"
SHOW = "org.apache.zookeeper.server.SnapshotFormatter"
SUM = "org.apache.zookeeper.server.SnapshotRecursiveSummary"
COMPARE = "org.apache.zookeeper.server.SnapshotComparer"
PURGE = "org.apache.zookeeper.server.PurgeTxnLog"
SCRIPTS = {LOG: "zkTxnLogToolkit.sh", SHOW: "zkSnapShotToolkit.sh", SUM: "zkSnapshotRecursiveSummaryToolkit.sh", COMPARE: "zkSnapshotComparer.sh"}

# Case -> (what is expected of ours instead, and why).
DELIBERATE = {
    "show a cut snapshot": ("a snapshot without its end is damaged, and is not shown as if it were whole", {"code": 1, "out": ""}),
    "show a flipped byte": ("the checksum tells that it is damaged", {"code": 1, "out": ""}),
    "give a repair up": ("what was given up leaves no file", {"files": ["log"]}),
    "chop behind the end": ("a log that is not chopped is not called so: no file", {"files": ["log"]}),
    "chop between two": ("the same", {"files": ["log"]}),
    "chop a damaged log": ("the same", {"files": ["log"]}),
    "chop what is no log": ("the same", {"files": ["log"]}),
    "sum up what is not there": ("the text, not a stack trace, says what is wrong", {"out": ""}),
    "an unlucky length": ("the same", {}),
}


def jars():
    """The official classes, as the server of the other judges has them."""
    lib = os.path.join(APACHE, "target")
    if not os.path.exists(os.path.join(lib, OFFICIAL, ".done")):
        subprocess.run([os.path.join(APACHE, "apache"), "/nonexistent"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
    return "%s/%s/*:%s/log/*" % (lib, OFFICIAL, lib)


def entries(log):
    """(offset, length of the body) of each entry."""
    at = 16
    while at + 12 <= len(log):
        length = struct.unpack(">i", log[at + 8:at + 12])[0]
        if length <= 0:
            return
        yield at, length
        at += 12 + length + 1


def official_file(version, name):
    with open(os.path.join(WRITTEN, version, name), "rb") as f:
        return f.read()


def with_bad_checksums(log, *which):
    log = bytearray(log)
    for n, (at, _) in enumerate(entries(bytes(log))):
        if n in which:
            log[at + 7] ^= 1
    return bytes(log)


def zxids(log):
    return [struct.unpack(">q", log[at + 12 + 12:at + 12 + 20])[0] for at, _ in entries(log)]


def tidy(text, kind):
    """What cannot be the same in two runs, and the order of children and sessions, which is that of a Java hash table."""
    if kind == "show":
        head, *blocks = text.split("----\n")
        return [head] + sorted("\n".join(sorted(b.split("\n"))) if b.startswith("Session Details") else b for b in blocks)
    if kind == "sum":
        return sorted(re.findall(r"(?:--)* /.*\n.*children: .*\n.*data: .*\n|.+\n?", text))
    if kind == "json":
        if not text:
            return text
        def by_name(tree):
            if isinstance(tree, dict):
                return {k: v for k, v in tree.items() if k not in ("ino", "timestamp")}
            return tree[:1] * 0 + [by_name(tree[0])] + sorted(map(by_name, tree[1:]), key=lambda t: json.dumps(t)) if tree else tree
        doc = json.loads(text)
        return doc[:2] + [by_name(doc[2])] + [by_name(t) for t in doc[3:]]
    if kind == "usage":
        return text.splitlines()[:1]
    return re.sub(r"in \d+\.\d+ seconds", "in N seconds", text)


class Case:
    def __init__(self, name, tool, args, files, kind="", answers="", keeps=()):
        self.name, self.tool, self.args, self.files, self.kind, self.answers, self.keeps = name, tool, args, files, kind, answers, keeps

    def run(self, command):
        where = tempfile.mkdtemp(prefix="tools-")
        try:
            for name, content in self.files.items():
                path = os.path.join(where, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as f:
                    f.write(content)
                os.utime(path, (1.8e9, 1.8e9))
            done = subprocess.run(command + self.args, cwd=where, input=self.answers.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=120, env=dict(os.environ, TZ="UTC", LC_ALL="C.UTF-8"))
            there = {}
            for at, _, names in os.walk(where):
                for name in names:
                    path = os.path.join(at, name)
                    with open(path, "rb") as f:
                        there[os.path.relpath(path, where)] = hashlib.sha256(f.read()).hexdigest()[:16]
            # Which java runs is said when JAVA_HOME is not set; that is the environment's.
            return {"code": done.returncode, "out": done.stdout.decode(), "files": there, "err": done.stderr.decode()}
        finally:
            shutil.rmtree(where)

    def official(self, classes):
        return self.run(["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Duser.language=en", "-Duser.country=US",
                         "-Dlogback.configurationFile=" + os.path.join(HERE, "quiet.xml"), "-cp", classes, self.tool])

    def ours(self):
        script = SCRIPTS.get(self.tool)
        command = [os.path.join(ROOT, "scripts", script)] if script else [OXKEEPER, "official", "PurgeTxnLog"]
        return self.run(command)


def cases():
    log = official_file("3.9.5", "log.1")
    all_zxids = zxids(log)
    first, middle, last = all_zxids[0], all_zxids[len(all_zxids) // 2], all_zxids[-1]
    bad = with_bad_checksums(log, 1, 4)
    for version in sorted(os.listdir(WRITTEN)):
        for name in sorted(os.listdir(os.path.join(WRITTEN, version))):
            content = official_file(version, name)
            if name.startswith("log.") and (name == "log.1" or version == "3.9.5"):
                yield Case("dump %s %s" % (version, name), LOG, [name], {name: content})
            # Names with a zxid that a snapshot is behind: the last one that the file tells of is what counts.
            if name.startswith("snapshot.") and (name.startswith("snapshot.0") or version == "3.9.5"):
                yield Case("show %s %s" % (version, name), SHOW, [name], {name: content}, "show")
        newest = max((n for n in os.listdir(os.path.join(WRITTEN, version)) if n.startswith("snapshot.")), key=lambda n: int(n.split(".")[1], 16))
        content = official_file(version, newest)
        yield Case("show the data of %s %s" % (version, newest), SHOW, ["-d", newest], {newest: content}, "show")
        yield Case("show %s %s as JSON" % (version, newest), SHOW, ["-json", newest], {newest: content}, "json")
        yield Case("sum up %s %s" % (version, newest), SUM, [newest, "/", "0"], {newest: content}, "sum")
    yield Case("dump bad checksums", LOG, ["log"], {"log": bad})
    yield Case("dump asked for", LOG, ["-d", "log"], {"log": log})
    yield Case("dump a cut log", LOG, ["log"], {"log": log[:700]})
    yield Case("dump a log of a header", LOG, ["log"], {"log": log[:16]})
    yield Case("dump what is no log", LOG, ["log"], {"log": b"X" * 40})
    yield Case("dump nothing", LOG, ["log"], {"log": b""})
    yield Case("dump a missing file", LOG, ["nowhere"], {})
    at = list(entries(log))[3][0]
    yield Case("an unlucky length", LOG, ["log"], {"log": log[:at + 8] + struct.pack(">i", -5) + log[at + 12:]})
    at, length = list(entries(log))[3]
    yield Case("dump an entry without its end", LOG, ["log"], {"log": log[:at + 12 + length] + b"X" + log[at + 13 + length:]})
    yield Case("no arguments", LOG, [], {}, "usage")
    yield Case("-h", LOG, ["-h"], {}, "usage")
    yield Case("--help", LOG, ["--help"], {}, "usage")
    yield Case("an unknown option", LOG, ["-x", "log"], {"log": log}, "usage")
    yield Case("-z without a zxid", LOG, ["-c", "log", "-z"], {"log": log}, "usage")
    yield Case("repair", LOG, ["-r", "-y", "log"], {"log": bad})
    yield Case("repair with long options", LOG, ["--recover", "--yes", "log"], {"log": bad})
    yield Case("repair in short", LOG, ["-ry", "log"], {"log": bad})
    yield Case("repair and tell all", LOG, ["-r", "-y", "-v", "log"], {"log": bad})
    yield Case("repair what is good", LOG, ["-r", "log"], {"log": log})
    yield Case("repair by answers", LOG, ["-r", "log"], {"log": bad}, answers="perhaps\nn\nYes\n")
    yield Case("repair none", LOG, ["-r", "log"], {"log": bad}, answers="n\nn\n")
    yield Case("give a repair up", LOG, ["-r", "log"], {"log": bad}, answers="n\na\n")
    yield Case("repair over a file", LOG, ["-r", "-y", "log"], {"log": bad, "log.fixed": b"mine"})
    yield Case("chop", LOG, ["-c", "log", "-z", hex(middle)], {"log": log})
    yield Case("chop in decimal", LOG, ["--chop", "log", "--zxid", str(middle)], {"log": log})
    yield Case("chop at the first", LOG, ["-c", "-z", str(first), "log"], {"log": log})
    yield Case("chop behind the end", LOG, ["-c", "log", "-z", str(last + 5)], {"log": log})
    gap = b"".join([log[:16]] + [log[at:at + 13 + length] for n, (at, length) in enumerate(entries(log)) if n != 3])
    yield Case("chop between two", LOG, ["-c", "log", "-z", str(all_zxids[3])], {"log": gap})
    yield Case("chop over a gap", LOG, ["-c", "log", "-z", str(middle)], {"log": gap})
    yield Case("chop a damaged log", LOG, ["-c", "log", "-z", str(middle)], {"log": bad})
    yield Case("chop what is no log", LOG, ["-c", "log", "-z", "3"], {"log": b"X" * 40})
    yield Case("-c without -z", LOG, ["-c", "log"], {"log": log})
    snapshot, other = official_file("3.9.5", "snapshot.21"), official_file("3.9.5", "snapshot.55")
    two = {"a": snapshot, "b": other}
    yield Case("show nothing", SHOW, [], {}, "usage")
    yield Case("show a missing file", SHOW, ["nowhere"], {})
    yield Case("show too many", SHOW, ["a", "b"], two)
    yield Case("show in both ways", SHOW, ["-d", "-json", "a"], two)
    yield Case("show what is no snapshot", SHOW, ["x"], {"x": b"X" * 400})
    yield Case("show a flipped byte", SHOW, ["x"], {"x": snapshot[:len(snapshot) // 2] + bytes([snapshot[len(snapshot) // 2] ^ 0x80]) + snapshot[len(snapshot) // 2 + 1:]})
    yield Case("show a cut snapshot", SHOW, ["snapshot.21"], {"snapshot.21": snapshot[:-30]}, "show")
    for depth in ("1", "2"):
        yield Case("sum up to depth %s" % depth, SUM, ["b", "/", depth], two, "sum")
    yield Case("sum up a part", SUM, ["b", "/zookeeper", "0"], two, "sum")
    yield Case("sum up what is not there", SUM, ["b", "/nowhere", "0"], two, "sum")
    yield Case("sum up too little", SUM, ["b", "/"], two)
    yield Case("sum up to no depth", SUM, ["b", "/", "x"], two)
    for name, options in (("all", "0 0"), ("some", "2 1"), ("none", "9999999 9999999"), ("any", "-1 -1")):
        size, count = options.split()
        yield Case("compare, %s" % name, COMPARE, ["-l", "a", "-r", "b", "-b", size, "-n", count], two)
    yield Case("compare the same", COMPARE, ["--left", "a", "--right", "a", "--bytes=0", "--nodes=0"], two)
    yield Case("compare and tell", COMPARE, ["-l", "a", "-r", "b", "-b", "2", "-n", "1", "-d"], two)
    yield Case("compare by answers", COMPARE, ["-l", "a", "-r", "b", "-b", "2", "-n", "1", "-i"], two, answers="\n/zookeeper\n/nowhere\n7777\nx\n1\n\n\n\n\n\n\n\n")
    yield Case("compare without options", COMPARE, [], {}, "usage")
    yield Case("compare with one option", COMPARE, ["-l", "a"], two, "usage")
    yield Case("compare a damaged one", COMPARE, ["-l", "x", "-r", "b", "-b", "2", "-n", "1"], dict(two, x=b"X" * 400))
    directory = {"d/version-2/" + n: official_file("3.9.5", n) for n in os.listdir(os.path.join(WRITTEN, "3.9.5")) if n != "tree.tsv"}
    for count in ("3", "4", "9", "2", "x", "-1"):
        yield Case("purge -n %s" % count, PURGE, ["d", "-n", count], directory, "usage" if count in ("2", "x", "-1") else "")
    apart = {("l" if "/log." in n else "d") + n[1:]: c for n, c in directory.items()}
    yield Case("purge two directories", PURGE, ["l", "d", "-n", "3"], apart)
    yield Case("purge without a count", PURGE, ["d", "3"], directory, "usage")
    yield Case("purge nowhere", PURGE, ["nowhere", "-n", "3"], directory, "usage")
    yield Case("purge beside a damaged one", PURGE, ["d", "-n", "3"], dict(directory, **{"d/version-2/snapshot.55": other[:50]}))


def judge(case, official):
    ours, want = case.ours(), official.result()
    expected = {"code": want["code"], "out": tidy(want["out"], case.kind), "files": want["files"]}
    if case.kind == "usage" and not want["out"]:
        expected["out"] = []
    got = {"code": ours["code"], "out": tidy(ours["out"], case.kind), "files": ours["files"]}
    why = ""
    if case.name in DELIBERATE:
        why, other = DELIBERATE[case.name]
        for key, value in other.items():
            if key == "files":
                got["files"], value = sorted(got["files"]), sorted(value)
            expected[key] = tidy(value, case.kind) if key == "out" else value
    for key in expected:
        need(got[key] == expected[key], "%s: %s\nofficial: %s\nstderr: %s" % (key, str(got[key])[:1500], str(expected[key])[:1500], (ours["err"], want["err"][:300])))
    need(bool(ours["err"]) == bool(want["err"]) or case.name in DELIBERATE, "stderr: %r, officially %r" % (ours["err"][:300], want["err"][:300]))
    return why or "alike"


def main():
    words = sys.argv[1:]
    chosen = [c for c in cases() if not words or any(w in c.name for w in words)]
    classes = jars()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        official = {c.name: pool.submit(c.official, classes) for c in chosen}
        by_name = {c.name: c for c in chosen}
        need(len(by_name) == len(chosen), "two cases have one name")
        return judged(list(by_name), lambda name: judge(by_name[name], official[name]))


if __name__ == "__main__":
    sys.exit(main())

"""Feeds the official shell of one version with commands, one at a time, and prints what it says to each.

usage: drive.py VERSION LIBDIR   (env ZK: host:port; SHELL_UNDER_TEST: another shell instead of the official one)
Fails if the shell's own help names a command that this script does not use."""
import os
import queue
import re
import shlex
import subprocess
import sys
import threading
import time

VERSION, LIB = sys.argv[1:]
OLD = VERSION.startswith("3.4")
# the shell has no way of saying "done": a redo out of range is answered by itself, without the server
MARK, DONE = "redo 99999", "Command index out of range"
EVENT = re.compile(r"WATCHER::|^WatchedEvent |^$")

ACL_ALICE = "digest:alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=:cdrwa"    # alice:secret

# (command, lines of output to wait for that come on the event thread)
COMMON = [
    ("ls /", 0), ("create /a one", 0), ("create /a again", 0), ("create /a/b two", 0), ("create /no/parent x", 0),
    ("create -s /a/s- seq", 0), ("create -s /a/s- seq", 0), ("create -e /a/e eph", 0), ("create -e -s /a/es- eph", 0),
    ("create /a/e/child x", 0), ("create bad-path x", 0), ("create /a//b x", 0), ("create /a/ x", 0), ("create / x", 0),
    ("create /acl data world:anyone:cr", 0), ("getAcl /acl", 0), ("set /acl new", 0), ("delete /acl", 0),
    ("create /acl2 data digest:x:y:z:cdrwa", 0), ("create /acl3 data nonsense:anyone:cdrwa", 0),
    ("create /acl4 data auth::cdrwa", 0), ("create /acl5 data ip:127.0.0.1:cdrwa", 0), ("getAcl /acl5", 0),
    ("create /acl6 data ip:10.0.0.0/8:cdrwa", 0), ("get /acl6", 0),
    ("get /a", 0), ("get /none", 0), ("stat /a", 0), ("stat /none", 0), ("set /a changed", 0), ("set /none x", 0),
    ("ls /a", 0), ("ls /none", 0), ("getAcl /a", 0), ("getAcl /none", 0), ("getAcl /", 0),
    ("setAcl /a world:anyone:cdrwa", 0), ("setAcl /none world:anyone:cdrwa", 0), ("setAcl /a garbage", 0),
    ("delete /a", 0), ("delete /none", 0), ("delete /a/b", 0),
    ("addauth digest alice:secret", 0), ("addauth", 0), ("create /mine secret auth::cdrwa", 0), ("getAcl /mine", 0),
    ("create /hers secret " + ACL_ALICE, 0), ("getAcl /hers", 0), ("get /hers", 0),
    ("create /hers/child x", 0), ("setAcl /hers " + ACL_ALICE.replace("cdrwa", "r"), 0), ("set /hers more", 0),
    ("setAcl /hers world:anyone:r", 0),
    ("create /q quota", 0), ("setquota -n 3 /q", 0), ("listquota /q", 0), ("create /q/1 x", 0), ("create /q/2 x", 0),
    ("create /q/3 x", 0), ("listquota /q", 0), ("setquota -b 100 /q", 0), ("listquota /q", 0), ("delquota -n /q", 0),
    ("listquota /q", 0), ("delquota -b /q", 0), ("delquota /q", 0), ("listquota /q", 0), ("delquota /q", 0),
    ("setquota -n 3 /none", 0), ("setquota -n 1 /zookeeper/quota", 0), ("listquota /none", 0), ("setquota", 0),
    ("ls /zookeeper", 0), ("ls /zookeeper/quota", 0), ("create /zookeeper/x y", 0), ("delete /zookeeper", 0),
    ("create /\u0416\u00fc\u4e2d unicode-\u0416", 0), ("get /\u0416\u00fc\u4e2d", 0), ("ls /", 0),
    ("printwatches", 0), ("printwatches off", 0), ("printwatches", 0), ("printwatches on", 0),
    ("history", 0), ("redo 3", 0), ("redo 0", 0), ("nonsense", 0),
]

NEW_ONLY = [
    ("create /bare", 0), ("get /bare", 0), ("create -c /cont data", 0), ("stat /cont", 0), ("create -c -e /x y", 0),
    ("create -t 3600000 /ttl data", 0), ("stat /ttl", 0), ("create -s -t 3600000 /ttl- data", 0), ("create -t 0 /t0 x", 0),
    ("create -t -5 /t0 x", 0), ("create -e -t 1000 /t0 x", 0), ("create -c -s /cs- x", 0), ("create", 0),
    ("get -s /a", 0), ("get -s -b /a", 0), ("get -x /a", 0), ("set -s /a versioned", 0), ("set -v 99 /a x", 0),
    ("set -v 2 /a right", 0), ("set -b /a AAEC", 0), ("get -b /a", 0), ("get -x /a", 0),
    ("ls -s /a", 0), ("ls -R /", 0), ("ls -R /none", 0), ("ls -s -R /a", 0),
    ("getAcl -s /a", 0), ("setAcl -s /a world:anyone:cdrwa", 0), ("setAcl -v 99 /a world:anyone:cdrwa", 0),
    ("setAcl -v 2 /a world:anyone:cdrwa", 0), ("create /r x", 0), ("create /r/1 x", 0), ("create /r/1/2 x", 0),
    ("setAcl -R /r world:anyone:cdra", 0), ("getAcl /r/1/2", 0), ("set /r/1/2 x", 0), ("setAcl -R /none world:anyone:r", 0),
    ("delete -v 99 /a/s-0000000001", 0), ("delete -v 0 /a/s-0000000001", 0),
    ("deleteall /r", 0), ("deleteall /none", 0), ("deleteall -b 2 /a", 0), ("ls /", 0), ("deleteall /zookeeper", 0), ("ls -R /zookeeper", 0),
    ("create /a one", 0), ("create -e /a/mine x", 0), ("getEphemerals", 0), ("getEphemerals /a", 0), ("getEphemerals /none", 0),
    ("getAllChildrenNumber /", 0), ("getAllChildrenNumber /a", 0), ("getAllChildrenNumber /none", 0),
    ("setquota -N 2 /q", 0), ("listquota /q", 0), ("create /q/4 x", 0), ("delquota -N /q", 0), ("setquota -B 10 /q", 0),
    ("set /q 0123456789-too-long", 0), ("listquota /q", 0), ("delquota -B /q", 0), ("delquota /q", 0),
    ("setquota -n 1 /q", 0), ("setquota -n 3 /q/1", 0), ("setquota -n 0 /q", 0), ("setquota -n x /q", 0), ("delquota /q", 0),
    ("create -e /q/eph x", 0), ("sync /a", 0), ("sync /none", 0), ("whoami", 0), ("version", 0),
    ("addauth digest bob:pw", 0), ("whoami", 0),
    # watches: each event is waited for
    ("get -w /a", 0), ("set /a fire", 1), ("set /a silent", 0), ("stat -w /w", 0), ("create /w x", 1),
    ("ls -w /w", 0), ("create /w/c x", 1), ("delete /w/c", 0), ("stat -w /w", 0), ("delete /w", 1),
    ("addWatch /p", 0), ("create /p x", 1), ("create /p/1 x", 1), ("set /p y", 1), ("create /p/1/2 x", 1),
    ("removewatches /p -a", 1), ("set /p z", 0),
    ("addWatch -m PERSISTENT /p", 0), ("set /p y", 1), ("create /p/2 x", 1), ("create /p/2/3 x", 0), ("deleteall /p/2", 1),
    ("removewatches /p -d", 0), ("removewatches /none -a", 0), ("get -w /p", 0), ("ls -w /p", 0),
    ("removewatches /p -c", 1), ("removewatches /p -d", 1), ("addWatch -m NONSENSE /p", 0), ("removewatches /p -l", 1),
    # the answer of sync comes on the event thread, too: behind it the event was swallowed
    ("printwatches off", 0), ("get -w /p", 0), ("set /p quiet", 0), ("sync /p", 0), ("printwatches on", 0),
    ("config", 0), ("config -s", 0), ("config -c", 0), ("config -w", 0),
    ("reconfig -remove 1", 0), ("reconfig -add server.1=localhost:2888:3888;2181", 0), ("reconfig -members server.1=localhost:2888:3888;2181", 0),
    ("reconfig -v 5 -remove 1", 0), ("reconfig", 0),
    ("addauth digest super:admin", 0), ("get /hers", 0), ("set /hers by-super", 0), ("reconfig -remove 1", 0),
    ("delete /zookeeper/config", 0), ("get -s /zookeeper/config", 0), ("getAcl /zookeeper/config", 0),
]

OLD_ONLY = [
    ("get /a watch", 0), ("set /a fire", 1), ("stat /w watch", 0), ("create /w x", 1), ("ls /w watch", 0), ("create /w/c x", 1),
    ("ls2 /w", 0), ("ls2 /w watch", 0), ("delete /w/c 99", 0), ("delete /w/c 0", 1), ("set /w x 99", 0), ("set /w x 0", 0),
    ("setAcl /w world:anyone:cdrwa 5", 0), ("create /r x", 0), ("create /r/1 x", 0), ("rmr /r", 0), ("rmr /none", 0),
    ("rmr /zookeeper/config", 0), ("ls /zookeeper", 0), ("sync /a", 1), ("sync /none", 1), ("create -e -s /es- x", 0), ("create /short", 0),
    ("addauth digest super:admin", 0), ("get /hers", 0),
]

LAST = [
    ("close", 1), ("ls /", 0), ("connect " + os.environ["ZK"], 1), ("ls /", 0), ("get /a", 0), ("connect", 1 if OLD else 2), ("ls /a", 0),
    ("addauth nonsense x", 1), ("get /a", 0), ("connect", 1), ("get /a", 0),
]


def java_14_workaround():
    """3.4 takes the host name out of InetSocketAddress.toString(), which Java 14 changed to `host/<unresolved>:port`.
    A hosts file of its own makes that name resolvable, so that the official classes can stay as they are."""
    if not OLD:
        return []
    host = os.environ["ZK"].split(":")[0]
    with open("hosts", "w") as f:                                  # in the scratch folder of this run
        f.write("%s %s/<unresolved>\n%s localhost\n" % (host, host, host))
    return ["-Djdk.net.hosts.file=" + os.path.abspath("hosts"), "-Dzookeeper.sasl.client=false"]


class Shell:
    def __init__(self):
        server = os.environ["ZK"]
        other = os.environ.get("SHELL_UNDER_TEST")
        self.p = subprocess.Popen(
            [*shlex.split(other), "-server", server] if other else ["java", "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-Dsun.stdout.encoding=UTF-8",
             *java_14_workaround(),
             "-cp", LIB + "/*", "org.apache.zookeeper.ZooKeeperMain", "-server", server],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.p.stdout:
            self.lines.put(line.decode(errors="replace").rstrip("\n"))
        self.lines.put(None)

    def line(self, limit):
        try:
            got = self.lines.get(timeout=limit)
        except queue.Empty:
            return False
        if got is None:
            raise EOFError
        return got

    def send(self, text):
        self.p.stdin.write((text + "\n").encode())
        self.p.stdin.flush()

    def until_done(self, out):
        end = time.time() + 40
        while time.time() < end:
            got = self.line(end - time.time())
            if got == DONE:
                return
            if got is not False:
                out.append(got)
        raise TimeoutError("no answer within 40 s")

    def ask(self, command, late):
        """Its own output in order, then what the event thread printed meanwhile, sorted."""
        out = []
        self.send(command)
        self.send(MARK)
        self.until_done(out)
        end = time.time() + (5 if late else 0)
        while time.time() < end and sum(1 for x in out if is_event(x)) < late:
            got = self.line(0.1)
            if got is not False:
                out.append(got)
        out = [sort_list(x) for x in out]
        if command == "version":                           # of the shell, not of the server
            out = [re.sub(r": 3\..*", ": <version>", x) for x in out]
        # Ours names no class in front of what is wrong with options.
        out = [re.sub(r"^org\.apache\.commons\.cli\.\w+: ", "", x) for x in out]
        if command == "whoami":                            # a set, too
            out = out[:1] + sorted(out[1:])
        return [x for x in out if x and not is_event(x) and x != "WATCHER::"] + sorted(x for x in out if is_event(x))


def sort_list(line):
    """The order of children is the server's own business, and 3.4 shows it."""
    m = re.fullmatch(r"\[(.*)\]", line)
    return "[%s]" % ", ".join(sorted(m.group(1).split(", "))) if m else line


def is_event(line):
    return line.startswith("WatchedEvent ") or line.startswith("Sync returned")


def main():
    shell = Shell()
    first = shell.ask("printwatches on", 1)
    print("## greeting\n" + "\n".join(x for x in first if not x.startswith(("Connecting to", "SLF4J", "JLine support"))))
    used = set()
    for command, late in COMMON + (OLD_ONLY if OLD else NEW_ONLY) + LAST:
        used.add(command.split()[0])
        print("## " + command.replace(os.environ["ZK"], "server"))
        if command in ("history", "redo 3", "redo 0"):
            print("\n".join(x.split(" - ")[-1] for x in shell.ask(command, late)), flush=True)
            continue
        print("\n".join(shell.ask(command, late)), flush=True)
    help_text = shell.ask("nonsense", 0)
    known = {m.group(1) for m in (re.match(r"\t(\w+)", x) for x in help_text) if m}
    missing = known - used - {"quit", "delete" if OLD else ""}
    print("## quit")
    shell.send("quit")
    try:
        while True:
            got = shell.line(20)
            if got is False:
                raise TimeoutError("the shell did not quit")
            if not EVENT.search(got):                      # whether the event thread still says that it closes is chance
                print(got)
    except EOFError:
        print("status %s" % shell.p.wait(20))
    if missing or len(known) < 15:
        sys.exit("commands of the shell that were not used: %s (known: %d)" % (sorted(missing), len(known)))


main()

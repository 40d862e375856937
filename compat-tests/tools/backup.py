#!/usr/bin/env python3
"""`oxkeeper backup` and `oxkeeper restore`: of servers under writes, official and ours, into the other one; what a server shows on what was restored
is what the first one had shown at that transaction, znode by znode.

usage: backup.py [CASE ...]     SUT_A: the official server, SUT_B: ours. The last line is `N passed, M failed`."""
import contextlib
import json
import os
import pty
import random
import shutil
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "datadir"))
from server import OXKEEPER, ROOT, Cases, Ensemble, judge_all, need
from same import difference, same as same_on_all, tree
import datadir
from datadir import Server, differences, fill, four_letter, of_the_files, show
from zkmini import ZkError

OFFICIAL, OURS = "3.9.5", "oxkeeper"
ZKLOAD = os.path.join(ROOT, "target", "release", "zkload")
CASES = case = Cases()


def tool(*args, code=0, stdin=None):
    done = subprocess.run([OXKEEPER, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=stdin or subprocess.DEVNULL, timeout=120)
    said = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
    need(done.returncode == code, "%s ended with %d, not %d: %s" % (" ".join(args), done.returncode, code, said[:600]))
    return done.stdout, said


def objects(*args, **kw):
    return [json.loads(line) for line in tool(*args, **kw)[0].splitlines()]


class Writers:
    """Clients that write all the time, but while they are held."""

    def __init__(self, server, n=3):
        self.server, self.go, self.ended, self.writes = server, threading.Event(), False, 0
        self.quiet = threading.Semaphore(0)
        self.threads = [threading.Thread(target=self.run, args=(at,), daemon=True) for at in range(n)]
        self.go.set()
        for thread in self.threads:
            thread.start()

    def run(self, at):
        chance = random.Random(at)
        # Its ephemerals outlive what follows, however long an ensemble takes to come up.
        with self.server.client(session_ms=60000) as z:
            z.create("/w%d" % at, b"")
            while not self.ended:
                if not self.go.is_set():
                    self.quiet.release()
                    self.go.wait()
                    continue
                path = "/w%d/%d" % (at, chance.randrange(60))
                what = chance.randrange(6)
                try:
                    if what < 2:
                        z.create(path, b"%d" % chance.randrange(10 ** 6), chance.choice((0, 0, 1)))
                    elif what == 2:
                        z.delete(path)
                    elif what == 3:
                        z.set_acl(path, [(31, "world", "anyone"), (chance.randrange(1, 32), "digest", datadir.ALICE)])
                    elif what == 4:
                        z.multi(("set", path, b"multi", -1), ("create", path + "/child", b"", 0))
                    else:
                        z.set(path, os.urandom(chance.randrange(400)))
                except ZkError:
                    pass
                self.writes += 1

    def hold(self):
        self.go.clear()
        for _ in self.threads:
            need(self.quiet.acquire(timeout=20), "the writers do not stop")

    def end(self):
        self.ended = True
        self.go.set()
        for thread in self.threads:
            thread.join(20)


def shown(server):
    """What a server shows, and the zxid of that."""
    dump = server.dump()
    dump.pop("#sessions")
    return dump, dump["#server"]["zxid"]


def same(kind, data, work, want):
    """A server of this kind shows the same on this directory."""
    with Server(kind, data, work) as server:
        found = of_the_files(differences(want, shown(server)[0]))
        need(not found, "%s: %s" % (kind, show(found)))


def other(kind):
    return OURS if kind == OFFICIAL else OFFICIAL


def there_and_back(work, kind):
    """taken under writes, every transaction of it restored"""
    data, to = os.path.join(work, "data"), os.path.join(work, "backups")
    moments = []
    with Server(kind, data, work) as server:
        held = fill(server, "3.9.5")
        writers = Writers(server)
        try:
            for _ in range(3):
                for _ in range(5):
                    tool("backup", "take", data, to)
                    time.sleep(0.05)
                writers.hold()
                dump, zxid = shown(server)
                moments.append((dump, zxid, int(time.time() * 1000)))
                time.sleep(0.02)
                writers.go.set()
            [taken] = objects("backup", "take", "--json", data, to)
        finally:
            writers.end()
        del held
    need(int(taken["last"], 16) > int(moments[-1][1], 16) and taken["chain"] == 1 and not taken["new"], taken)
    [chain] = objects("backup", "list", "--json", to)
    [verified] = objects("backup", "verify", "--json", to)
    need(verified["problem"] is None and verified["last"] == chain["last"] == taken["last"], (verified, chain))
    restored = set()
    for at, (dump, zxid, ms) in enumerate(moments):
        for how, asked in (("zxid", zxid), ("time", str(ms))):
            into = os.path.join(work, "into-%d-%s" % (at, how))
            [state] = objects("restore", "--json", "--" + how, asked, to, into)
            # The session of the client that looked has ended behind the zxid that it saw.
            need(how == "time" or state["last"] == zxid, "%s, not %s" % (state["last"], zxid))
            restored.add(state["last"])
        same(other(kind) if at else kind, os.path.join(work, "into-%d-zxid" % at), work, dump)
    last = os.path.join(work, "last")
    [state] = objects("restore", "--json", to, last)
    need(state["digest"] == verified["digest"] and state["last"] == taken["last"], (state, verified))
    return "%d transactions under %d writes of %s, in %d files; 3 moments and the last" % (
        verified["transactions"], writers.writes, kind, len(os.listdir(os.path.join(to, "000001"))))


@case
def official_into_ours(work):
    return there_and_back(work, OFFICIAL)


@case
def ours_into_official(work):
    return there_and_back(work, OURS)


@case
def under_pressure(work):
    """a log that takes thousands of writes a second is never called damaged"""
    data, to = os.path.join(work, "data"), os.path.join(work, "backups")
    with Server(OURS, data, work, "snapCount=100000\npreAllocSize=65536") as server:
        load = subprocess.Popen([ZKLOAD, "load", "--servers", "127.0.0.1:%d" % server.port, "--mix", "set=1", "--znodes", "100", "--conns", "16", "--pipeline", "8", "--duration", "6",
                                 "--rate", "10000"], stdout=subprocess.DEVNULL)
        try:
            taken = 0
            while load.poll() is None:
                tool("backup", "take", *(["--full", "--keep", "2"] if taken % 4 == 0 else []), data, to)
                taken += 1
        finally:
            load.kill()
            load.wait()
    chains = objects("backup", "verify", "--json", to)
    need(all(chain["problem"] is None for chain in chains), chains)
    return "%d taken, %d transactions in the last two chains" % (taken, sum(chain["transactions"] for chain in chains))


@case
def archives(work):
    """a stream of all and streams of what is new, one after the other"""
    data, into = os.path.join(work, "data"), os.path.join(work, "into")
    parts = []
    with Server(OURS, data, work) as server:
        held = fill(server, "3.9.5")
        since = []
        for n in range(3):
            with server.client() as z:
                z.create("/part%d" % n, b"")
            archive, said = tool("backup", "take", *since, data, "-")
            since = ["--since", said.split(" up to ")[1].strip()]
            parts.append(os.path.join(work, "%d.tar" % n))
            with open(parts[-1], "wb") as f:
                f.write(archive)
        dump, zxid = shown(server)
        archive, said = tool("backup", "take", *since, data, "-")
        with open(parts[-1], "ab") as f:
            f.write(archive)
        del held
    for part in parts:
        subprocess.run(["tar", "tf", part], stdout=subprocess.DEVNULL, check=True, timeout=20)
    whole = os.path.join(work, "whole.tar")
    with open(whole, "wb") as f:
        for part in parts:
            with open(part, "rb") as of:
                f.write(of.read())
    with open(whole, "rb") as f:
        tool("restore", "--zxid", zxid, "-", into, stdin=f)
    same(OFFICIAL, into, work, dump)
    # One that is missing, one that was cut.
    for name, content in (("hole", (parts[0], parts[2])), ("cut", (parts[0],))):
        path = os.path.join(work, name)
        with open(path, "wb") as f:
            for part in content:
                with open(part, "rb") as of:
                    f.write(of.read())
        if name == "cut":
            os.truncate(path, os.path.getsize(path) * 2 // 3)
        with open(path, "rb") as f:
            tool("restore", "-", os.path.join(work, name + "-into"), code=1, stdin=f)
        need(not os.path.exists(os.path.join(work, name + "-into", "version-2")), "%s: there is data" % name)
    return "%d znodes of 4 archives" % (len(dump) - 1)


@case
def waited_for(work):
    """what takes longer than a second shows on a terminal how far it has come, and nothing elsewhere"""
    data = os.path.join(work, "data")
    with Server(OURS, data, work) as server, server.client() as z:
        z.create("/large", os.urandom(200000))
        archive = tool("backup", "take", data, "-")[0]

    def restored(name, pause, at_terminal):
        """What the tool says on standard error, while it waits so long for half of its archive."""
        to = os.path.join(work, name)
        seen, other = pty.openpty() if at_terminal else os.pipe()
        with subprocess.Popen([OXKEEPER, "restore", "-", to], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=other) as proc:
            os.close(other)
            proc.stdin.write(archive[:len(archive) // 2])
            proc.stdin.flush()
            time.sleep(pause)
            proc.stdin.write(archive[len(archive) // 2:])
            proc.stdin.close()
            said = b""
            with contextlib.suppress(OSError):                         # of a terminal whose other end is closed
                while piece := os.read(seen, 65536):
                    said += piece
            need(proc.wait(30) == 0, said)
        os.close(seen)
        return said.decode()

    shown = restored("slow", 2, True)
    need("unpacking log." in shown and " of " in shown and "\x1b[2K" in shown.split("unpacking")[-1], "the line is there, and goes: %r" % shown[-300:])
    need(restored("fast", 0, True) == "" and restored("piped", 2, False) == "", "nothing else shows it")


@case
def an_ensemble(work):
    """of a follower under writes, onto all members of another ensemble"""
    to = os.path.join(work, "backups")
    with Ensemble([OFFICIAL, OURS, OURS], work=os.path.join(work, "one"), snapCount=200) as one:
        one.start()
        follower = one.followers()[-1]
        writers = Writers(one[1])
        try:
            for _ in range(8):
                tool("backup", "take", follower.cfg, to)
                time.sleep(0.1)
            writers.hold()
            one.quiet()
            with follower.client() as z:
                z.sync()
                want, zxid = tree(z), follower.srvr("Zxid")
            writers.go.set()
            tool("backup", "take", follower.cfg, to)
        finally:
            writers.end()
    need(all(chain["problem"] is None for chain in objects("backup", "verify", "--json", to)), "not good")
    with Ensemble([OURS, OFFICIAL, OFFICIAL], work=os.path.join(work, "other")) as other:
        for m in other:
            tool("restore", "--zxid", zxid, to, m.cfg)
        other.start()
        with other.leader().client() as z:
            found = tree(z)
            # Each ensemble writes its own.
            for shown in (want, found):
                shown.pop("/zookeeper/config")
            need(found == want, difference(want, found))
        same_on_all(other)
    return "%d znodes, %d writes" % (len(want), writers.writes)


@case
def killed(work):
    """whenever a taking is killed, what was taken stays good, and is continued"""
    data, to, into = (os.path.join(work, name) for name in ("data", "backups", "into"))
    chance, cut, reached = random.Random(7), 0, 0
    with Server(OURS, data, work) as server:
        writers = Writers(server)
        try:
            tool("backup", "take", data, to)
            began = time.monotonic()
            tool("backup", "take", "--full", data, to)
            lasts = time.monotonic() - began
            for n in range(25):
                taking = subprocess.Popen([OXKEEPER, "backup", "take", *(["--full"] if n % 3 == 0 else []), data, to],
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
                time.sleep(chance.random() * lasts)
                taking.kill()
                cut += taking.wait(20) != 0
                chains = objects("backup", "verify", "--json", to)
                need(all(chain["problem"] is None for chain in chains), chains)
                last = int(chains[-1]["last"], 16)
                need(last >= reached, "it went back from %x to %x" % (reached, last))
                reached = last
            writers.hold()
            tool("backup", "take", "--keep", "2", "--full", data, to)
            need(len(objects("backup", "list", "--json", to)) == 2, "--keep 2")
            # Behind that: where a chain begins is up to the last snapshot.
            dump, zxid = shown(server)
            tool("backup", "take", data, to)
        finally:
            writers.end()
    tool("restore", "--zxid", zxid, to, into)
    same(OFFICIAL, into, work, dump)
    need(cut >= 5, "%d of 25 were cut" % cut)
    return "%d of 25 cut" % cut


@case
def other_histories(work):
    """logs that were purged, and a history that was cut and has gone on: a new chain, and the old one stays"""
    data, to = os.path.join(work, "data"), os.path.join(work, "backups")

    def written(name, begin=lambda: None):
        with Server(OURS, data, work) as server:
            begin()
            with server.client() as z:
                z.create("/" + name, b"")
                for n in range(90):
                    z.set("/" + name, b"%d" % n)
            return shown(server)

    # From before the first write on: later snapshots come at a chance.
    dump, zxid = written("first", lambda: tool("backup", "take", data, to))
    tool("backup", "take", data, to)
    # Back to a moment before the end, and on from there with as many transactions.
    shutil.rmtree(data)
    [chain] = objects("backup", "list", "--json", to)
    tool("restore", "--zxid", hex(int(chain["last"], 16) - 20), to, data)
    second, zxid_2 = written("second")
    out, said = tool("backup", "take", "--json", data, to)
    need(json.loads(out)["chain"] == 2 and "cannot be continued" in said, said)
    # Purged, more than once.
    for n in range(4):
        written("more%d" % n)
    tool("purge", data)
    out, said = tool("backup", "take", "--json", data, to)
    need(json.loads(out)["new"] and "cannot be continued" in said, said)
    need([chain["problem"] for chain in objects("backup", "verify", "--json", to)] == [None] * 3, "not all good")
    for number, (want, at) in enumerate(((dump, zxid), (second, zxid_2)), 1):
        into = os.path.join(work, "into%d" % number)
        tool("restore", "--chain", str(number), "--zxid", at, to, into)
        same(OFFICIAL, into, work, want)
    # A server that has nothing new.
    [again] = objects("backup", "take", "--json", data, to)
    need(again["transactions"] == 0 and not again["new"], again)


@case
def what_is_wrong(work):
    """damage is seen, nothing is overwritten, and what is not there is told"""
    data, to = os.path.join(work, "data"), os.path.join(work, "backups")
    with Server(OURS, data, work, "snapCount=100000") as server:         # one snapshot, and all else behind it
        held = fill(server, "3.9.5")
        for _ in range(3):
            tool("backup", "take", data, to)
            with server.client() as z:
                z.set("/plain", b"once more")
        tool("backup", "take", data, to)
        [chain] = objects("backup", "list", "--json", to)
        del held
    said = tool("restore", to, data, code=1)[1]
    need("is not empty" in said, said)
    said = tool("restore", "--zxid", "0x7fffffff", to, os.path.join(work, "into"), code=1)[1]
    need("chain 1 has 0x" in said and not os.path.exists(os.path.join(work, "into", "version-2")), said)
    said = tool("restore", "--time", "2001-01-01T00:00:00Z", to, os.path.join(work, "into"), code=1)[1]
    need("does not have 2001-01-01" in said, said)
    tool("restore", "--time", "soon", to, os.path.join(work, "into"), code=2)
    files = sorted((name for name in os.listdir(os.path.join(to, "000001")) if name.startswith("log.")), key=lambda name: int(name[4:], 16))
    need(len(files) == 4, files)

    def spoiled(name, change):
        copy = os.path.join(work, name)
        shutil.copytree(to, copy)
        change(os.path.join(copy, "000001"))
        [verified] = objects("backup", "verify", "--json", copy, code=1)
        tool("restore", copy, os.path.join(work, name + "-into"), code=1)
        need(not os.path.exists(os.path.join(work, name + "-into", "version-2")), "%s: there is data" % name)
        return verified["problem"]

    def flip(path, at):
        with open(path, "r+b") as f:
            f.seek(at)
            byte = f.read(1)
            f.seek(at)
            f.write(bytes([byte[0] ^ 1]))

    said = spoiled("lost-end", lambda chain: os.remove(os.path.join(chain, files[-1])))
    need("logs are missing" in said, said)
    spoiled("lost-middle", lambda chain: os.remove(os.path.join(chain, files[1])))
    spoiled("bit-in-log", lambda chain: flip(os.path.join(chain, files[0]), 100))
    spoiled("bit-in-last-log", lambda chain: flip(os.path.join(chain, files[-1]), 60))
    spoiled("bit-in-snapshot", lambda where: flip(os.path.join(where, chain["snapshot"]), 90))
    # What comes before the damage can be had, if it is named.
    [state] = objects("restore", "--json", "--zxid", hex(int(files[-1][4:], 16) - 1), os.path.join(work, "lost-end"), os.path.join(work, "before"))
    need(int(state["last"], 16) == int(files[-1][4:], 16) - 1, state)
    return "up to %s" % chain["last"]


if __name__ == "__main__":
    os.environ.setdefault("SUT_A", os.path.join(HERE, "..", "apache", "apache"))
    os.environ.setdefault("SUT_B", os.path.join(HERE, "..", "bin", "oxkeeper"))
    sys.exit(judge_all(CASES, sys.argv[1:]))

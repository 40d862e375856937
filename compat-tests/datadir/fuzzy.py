"""Snapshots that the official server writes while it is busy, through oxkeeper and back.

usage: fuzzy.py [SNAPSHOTS [SECONDS [VERSION ...]]]   (default 2 3 3.9.5; env SUT_A: the official server, SUT_B: oxkeeper)

The official server works for SECONDS under a mixed load: new ACLs, sessions, deletes, creations anew, multis. It writes snapshot
after snapshot meanwhile, and is killed. Its snapshots are fuzzy: they hold a part of what came behind the transaction that they
are named after. Of each of SNAPSHOTS of them, those first that refer to the most ACLs that they lack,
- *with the logs behind it*: oxkeeper must show what the official server showed before it was killed, every field;
- *alone*, as a backup has it: oxkeeper must show every znode of the file, and what the official server shows of it; a znode whose ACL number is in no
  table answers nobody there (MARSHALLING_ERROR), and must let nobody but the superuser in here;
- *our next snapshot* of each, alone: the official server and oxkeeper must both show what oxkeeper showed when it wrote it;
and of all snapshots and logs together the first and the third. Where the official server itself shows something else than it
showed before it was killed, a `note` says so: it does not start at all where a logged change reaches a znode before the
transaction that gives it the ACL.

FAULT=lost-log takes the newest log from oxkeeper's copies; selftest.sh shows that this is seen."""
import os
import random
import re
import shutil
import struct
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "common"))
sys.path.insert(0, HERE)
os.environ.setdefault("SUT_A", os.path.join(HERE, "..", "apache", "apache"))
os.environ.setdefault("SUT_B", os.path.join(HERE, "..", "bin", "oxkeeper"))
from applib import Fail, need, until  # noqa: E402
from datadir import REFERENCE, SUPER, Server, at_least, by_zxid, differences, show, zxid_of  # noqa: E402
from zkmini import OPEN, ZkError, ZkMini, four_letter  # noqa: E402

MARSHALLING_ERROR = -5
ZNODES = 4000                                             # before the load: what makes a snapshot take its time
FOLDERS = 8                                               # each writer has its own
WINDOW = 64                                               # requests that a client has under way
NOBODY = [(0, "world", "anyone")]
UNREADABLE = "nobody may read it"
LOAD = "snapCount=%d\npreAllocSize=64"
EXISTS, GET, GET_ACL, CHILDREN = 3, 4, 6, 8


class Pipe(ZkMini):
    """A client that has many requests under way."""

    def run(self, requests):
        """[(error, body)] of requests (opcode, body), in order; raises only when the connection ends."""
        replies = []
        sent = 0
        while len(replies) < len(requests):
            batch = requests[sent:sent + WINDOW - (sent - len(replies))]
            if batch:
                frames = b"".join(struct.pack(">iii", len(body) + 8, 1, op) + body for op, body in batch)
                self.s.sendall(frames)
                sent += len(batch)
            for _ in range(max(1, sent - len(replies) - WINDOW // 2)):
                r = self._recv()
                replies.append((struct.unpack(">i", r[12:16])[0], r[16:]))
        return replies

    def create_op(self, path, data=b"", flags=0, acl=OPEN, op=1, tail=b""):
        return op, self._create_body(path, data, flags, acl) + tail

    def set_op(self, path, data):
        return 5, self._str(path) + self._buf(data) + struct.pack(">i", -1)

    def delete_op(self, path):
        return 2, self._str(path) + struct.pack(">i", -1)

    def acl_op(self, path, acl):
        return 7, self._str(path) + self._acl(acl) + struct.pack(">i", -1)

    def multi_op(self, steps):
        body = b"".join(struct.pack(">ibi", op, 0, -1) + step for op, step in steps)
        return 14, body + struct.pack(">ibi", -1, 1, -1)


def text(b, at):
    (n,) = struct.unpack(">i", b[at:at + 4])
    return (None if n < 0 else b[at + 4:at + 4 + n]), at + 4 + max(n, 0)


def acl_of(b):
    (n,), at, out = struct.unpack(">i", b[:4]), 4, []
    for _ in range(n):
        (perms,) = struct.unpack(">i", b[at:at + 4])
        scheme, at = text(b, at + 4)
        who, at = text(b, at)
        out.append((perms, scheme.decode(), who.decode()))
    return out


def children_of(b):
    (n,), at, out = struct.unpack(">i", b[:4]), 4, []
    for _ in range(n):
        name, at = text(b, at)
        out.append(name.decode())
    return out


def dump(server):
    """{path or '#name': {field: value}}. `access` of a znode that answers with MARSHALLING_ERROR, or has the list that lets nobody
    in, says so; what is below the former cannot be seen."""
    srvr = four_letter(server.port, "srvr")
    sessions = four_letter(server.port, "dump").split("ephemeral nodes dump")[0]
    out = {"#server": {"zxid": re.search(r"Zxid: (\S+)", srvr).group(1), "nodes": re.search(r"Node count: (\d+)", srvr).group(1)},
           "#sessions": {x: "open" for x in re.findall(r"0x[0-9a-f]+", sessions)}}
    with Pipe(server.port, session_ms=60000, timeout=20) as z:
        z.auth("digest", "super:admin")
        level = ["/"]
        while level:
            ops = [(op, z._str(path) + watch) for path in level for op, watch in ((EXISTS, b"\0"), (GET, b"\0"), (GET_ACL, b""), (CHILDREN, b"\0"))]
            replies = z.run(ops)
            below = []
            for path, (exists, got, acl, children) in zip(level, zip(*[iter(replies)] * 4)):
                if exists[0] == MARSHALLING_ERROR:
                    out[path] = {"access": UNREADABLE}
                    continue
                need(exists[0] == 0, "%s is listed and not there: %d" % (path, exists[0]))
                znode = out[path] = dict(z._stat(exists[1]))
                need((got[0], acl[0], children[0]) == (0, 0, 0), "%s cannot be read: %s" % (path, (got[0], acl[0], children[0])))
                znode["data"] = text(got[1], 0)[0]
                znode["acl"] = acl_of(acl[1])
                if znode["acl"] == NOBODY:
                    znode["access"] = UNREADABLE
                below += [path.rstrip("/") + "/" + name for name in children_of(children[1])]
            level = below
    return out


def content(file):
    """What a snapshot holds: {path: (data, czxid, owner)}, and how many znodes have an ACL number that its table lacks."""
    with open(file, "rb") as f:
        b = f.read()
    (sessions,), at = struct.unpack(">i", b[16:20]), 20
    at += 12 * sessions
    (lists,), at, known = struct.unpack(">i", b[at:at + 4]), at + 4, {-1}
    for _ in range(lists):
        known.add(struct.unpack(">q", b[at:at + 8])[0])
        (entries,), at = struct.unpack(">i", b[at + 8:at + 12]), at + 12
        for _ in range(entries):
            _, at = text(b, at + 4)
            _, at = text(b, at)
    lacking, znodes = 0, {}
    while True:
        path, at = text(b, at)
        if path == b"/":
            return znodes, lacking
        data, at = text(b, at)
        acl, czxid, _, _, _, _, _, _, owner = struct.unpack(">qqqqqiiiq", b[at:at + 60])
        znodes[path.decode() or "/"] = (data, czxid, owner)
        lacking += acl not in known
        at += 8 + 60


class Load(threading.Thread):
    """One writer, in its own folder: every kind of change that a snapshot may catch half."""

    def __init__(self, port, folder, version, until_s):
        super().__init__(daemon=True)
        self.port, self.folder, self.version, self.until_s = port, folder, version, until_s
        self.random = random.Random(folder)
        self.acls = 0
        self.done = 0
        self.error = None
        self.held = []

    def run(self):
        try:
            with Pipe(self.port, session_ms=60000, timeout=30) as z:
                z.auth("digest", "super:admin")
                while time.time() < self.until_s:
                    self.round(z)
                    self.sessions()
        except (OSError, ZkError, Fail) as e:
            self.error = e

    def new_acl(self):
        self.acls += 1
        return [(31, "digest", "u%d-%d:x=" % (self.folder, self.acls)), (self.random.randrange(1, 32), "world", "anyone")]

    def round(self, z):
        folder, pick = "/load%d" % self.folder, self.random.randrange
        ops = []
        for _ in range(40):
            name = "%s/d%d/n%d" % (folder, pick(6), pick(60))
            kind = pick(12)
            if kind < 3:
                ops.append(z.create_op(name, b"c" * pick(50), 0, self.new_acl()))
            elif kind < 4 and at_least(self.version, "3.5.10"):
                ops.append(z.create_op(name, b"2", 0, self.new_acl(), 15))
            elif kind < 5 and at_least(self.version, "3.5.10"):
                ops.append(z.create_op(name, b"t", 5, self.new_acl(), 21, struct.pack(">q", 10 ** 8)))
            elif kind < 6 and at_least(self.version, "3.5.10"):
                ops.append(z.create_op(name, b"k", 4, self.new_acl(), 19))
            elif kind < 8:
                ops.append(z.set_op(name, b"s" * pick(90)))
            elif kind < 10:
                ops.append(z.acl_op(name, self.new_acl()))
            else:
                ops.append(z.delete_op(name))
        # A subtree that goes and comes again, each time with other lists; and the same in one transaction.
        top = "%s/again%d" % (folder, pick(5))
        ops += [z.delete_op(top + "/a"), z.delete_op(top + "/b"), z.delete_op(top), z.create_op(top, b"x%d" % pick(99), 0, self.new_acl()),
                z.create_op(top + "/a", b"a", 0, self.new_acl()), z.acl_op(top, self.new_acl()), z.create_op(top + "/b", b"b"),
                z.set_op(top, b"y" * pick(60))]
        both = "%s/multi%d" % (folder, pick(5))
        ops.append(z.multi_op([z.create_op(both, b"m", 0, self.new_acl()), z.create_op(both + "/in", b"i", 0, self.new_acl())]))
        ops.append(z.multi_op([z.set_op(both, b"n"), z.delete_op(both + "/in"), z.create_op(both + "/out", b"")]))
        ops.append(z.multi_op([z.delete_op(both + "/out"), z.delete_op(both)]))
        # Fields of old znodes all over the tree.
        ops += [z.set_op("/old/n%d" % pick(ZNODES), b"v" * pick(200)) for _ in range(10)]
        ops += [z.acl_op("/old/n%d" % pick(ZNODES), self.new_acl()) for _ in range(10)]
        replies = z.run(ops)
        self.done += sum(error == 0 for error, _ in replies)

    def sessions(self):
        """A session that leaves an ephemeral by its end, under a name that the next one takes."""
        z = Pipe(self.port, session_ms=60000, timeout=30)
        z.run([z.create_op("/load%d/eph" % self.folder, b"e%d" % z.session_id, 1, self.new_acl()),
               z.create_op("/load%d/own-%d" % (self.folder, self.random.randrange(1000)), b"", 1, self.new_acl())])
        if len(self.held) < 3 and self.random.random() < 0.2:
            self.held.append(z)                             # stays open
        else:
            z.close()


class Judge:
    def __init__(self, version):
        self.version = version
        self.passed = self.failed = 0
        self.work = tempfile.mkdtemp(prefix="fuzzy-")
        self.unreadable = 0

    def check(self, name, ok, why=""):
        self.passed += bool(ok)
        self.failed += not ok
        print("ok    " + name if ok else "FAIL  %s: %s" % (name, why), flush=True)

    def server(self, kind, data, extra=""):
        return Server(kind, data, self.work, extra)

    def fill(self, seconds):
        """The directory of a killed official server, and what it showed."""
        data = tempfile.mkdtemp(dir=self.work)
        held = []
        with self.server(self.version, data, LOAD % 700) as server:
            with Pipe(server.port, session_ms=60000, timeout=30) as z:
                z.run([z.create_op("/old", b"")] + [z.create_op("/old/n%d" % n, b"%04d" % n * 60) for n in range(ZNODES)])
                z.run([z.create_op("/load%d" % f) for f in range(FOLDERS)])
                z.run([z.create_op("/load%d/d%d" % (f, d)) for f in range(FOLDERS) for d in range(6)])
            writers = [Load(server.port, f, self.version, time.time() + seconds) for f in range(FOLDERS)]
            for writer in writers:
                writer.start()
            for writer in writers:
                writer.join(seconds + 60)
                need(not writer.is_alive() and writer.error is None, "a writer ended with %r" % (writer.error,))
                held += writer.held
            shown = dump(server)
            server.end("kill")
        for z in held:
            z.s.close()
        done = sum(writer.done for writer in writers)
        print("note  %d changes, %d snapshots, %d znodes, %d sessions open" %
              (done, len(by_zxid(data, "snapshot.")), len(shown), len(shown["#sessions"])), flush=True)
        return data, shown

    def part(self, data, snapshots, logs):
        """A directory with these snapshots, and the logs if wanted."""
        part = tempfile.mkdtemp(dir=self.work)
        os.mkdir(os.path.join(part, "version-2"))
        for name in snapshots + (by_zxid(data, "log.") if logs else []):
            shutil.copy2(os.path.join(data, "version-2", name), os.path.join(part, "version-2", name))
        return part

    def shown_by(self, kind, data):
        """What a server of this kind shows of a copy of the directory, or why it does not start."""
        copy = self.part(data, by_zxid(data, "snapshot."), True)
        try:
            with self.server(kind, copy) as server:
                shown = dump(server)
                server.end("kill")
                return shown
        except (Fail, OSError, ZkError) as e:
            return "%s does not serve it: %s" % (kind, re.sub(r"\s+", " ", str(e))[-600:])
        finally:
            shutil.rmtree(copy)

    def ours(self, name, data):
        """What oxkeeper shows of the directory; and what the official server and oxkeeper show of the snapshot that oxkeeper
        writes next, alone."""
        if os.environ.get("FAULT") == "lost-log" and by_zxid(data, "log."):
            os.remove(os.path.join(data, "version-2", by_zxid(data, "log.")[-1]))
        found = by_zxid(data, "snapshot.")
        old = {n: os.stat(os.path.join(data, "version-2", n)).st_ino for n in found}
        with self.server("oxkeeper", data) as server:
            first = dump(server)
            with Pipe(server.port, timeout=20) as z:
                for n in range(3):
                    z.run([z.set_op("/load0", b"later %d" % n)] * 61)

            def written():
                return [n for n in by_zxid(data, "snapshot.") if old.get(n) != os.stat(os.path.join(data, "version-2", n)).st_ino]
            until("%s: a snapshot of oxkeeper's own" % name, written, 20, 0.05)
            last = dump(server)
            server.end("clean")
        newest = written()[-1]
        # And what was written behind it: no log before it remains that could make up for it.
        alone = self.part(data, [newest], True)
        logs = by_zxid(data, "log.")
        needed = max(n for n in range(len(logs)) if n == 0 or zxid_of(logs[n]) <= zxid_of(newest) + 1)
        for gone in logs[:needed]:
            os.remove(os.path.join(alone, "version-2", gone))
        for kind in (self.version, "oxkeeper"):
            back = self.shown_by(kind, alone)
            self.check("%s: %s shows the same of oxkeeper's next snapshot" % (name, kind), *same(last, back))
        return first

    def judge(self, name, data, truth, alone):
        kept = content(os.path.join(data, "version-2", by_zxid(data, "snapshot.")[-1]))[0] if alone else {}
        try:
            official = self.shown_by(self.version, data)
            if isinstance(official, str):
                print("note  %s: %s" % (name, official), flush=True)
            first = self.ours(name, data)
        except (Fail, OSError, ZkError) as e:
            self.check("%s: oxkeeper serves it" % name, False, str(e)[:700])
            return
        if alone:
            self.unreadable += sum("access" in znode for znode in first.values())
            # Ephemerals go with sessions that the file does not have.
            # Who may not read a znode, for the snapshot lacks its ACL, sees nothing of its data.
            def is_gone(path, znode, czxid):
                shown = first.get(path)
                return shown is None or ("data" in shown or "access" not in shown) and (shown.get("data"), shown.get("czxid")) != (znode, czxid)

            gone = [p for p, (znode, czxid, owner) in kept.items() if owner <= 0 and is_gone(p, znode, czxid)]
            self.check("%s: oxkeeper shows what is in the file" % name, not gone, gone[:8])
            if not isinstance(official, str):
                self.check("%s: oxkeeper shows what the official server shows" % name, *same(official, first))
            return
        self.check("%s: oxkeeper shows what was there" % name, *same(truth, first))
        if not isinstance(official, str):
            ok, why = same(truth, official)
            if not ok:
                print("note  %s: the official server shows of it, unlike before it was killed: %s" % (name, why), flush=True)


def same(one, other):
    """Whether two dumps agree, and where not. A znode that one of them cannot read hides its content and what is below it."""
    if isinstance(other, str):
        return False, other
    hidden = [p for d in (one, other) for p, z in d.items() if z.get("access") and "data" not in z]
    one, other = cut(one, hidden), cut(other, hidden)
    wrong = differences(one, other)
    return not wrong, show(wrong)


def cut(shown, hidden):
    out = {}
    for path, znode in shown.items():
        if path in ("#server", "#sessions") or any(path.startswith(p + "/") for p in hidden):
            # Every dump is a session of its own: its zxid and count are looked at by the znodes.
            continue
        if path in hidden:
            znode = {"access": znode.get("access")}
        out[path] = znode
    return out


def main():
    snapshots, seconds = [int(x) for x in (sys.argv[1:3] + ["2", "3"][len(sys.argv[1:3]):])]
    began = time.time()
    passed = failed = 0
    for version in sys.argv[3:] or [REFERENCE]:
        judge = Judge(version)
        data, truth = judge.fill(seconds)
        found = {}
        for name in by_zxid(data, "snapshot.")[1:-1]:         # snapshot.0 is empty; the last may be half written
            found[name] = content(os.path.join(data, "version-2", name))[1]
        print("note  %d of %d snapshots lack ACLs that they refer to" % (sum(n > 0 for n in found.values()), len(found)))
        need(any(found.values()), "no snapshot had a znode whose ACL it lacks: there is nothing to judge; give it more seconds")
        for name in sorted(found, key=lambda name: (-found[name], name))[:snapshots]:
            judge.judge("%s with the logs" % name, judge.part(data, [name], True), truth, False)
            judge.judge("%s alone" % name, judge.part(data, [name], False), truth, True)
        judge.judge("all of it", data, truth, False)
        judge.check("alone, some znodes were without their ACL", judge.unreadable > 0, "none was")
        passed, failed = passed + judge.passed, failed + judge.failed
        if judge.failed:
            print("directories and logs in %s" % judge.work)
        else:
            shutil.rmtree(judge.work)
    print("wall %.0f s" % (time.time() - began))
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()

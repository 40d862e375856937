"""Data directories both ways: what the official servers of six versions write, oxkeeper opens, and the reverse.

usage: datadir.py [VERSION ...] (env SUT_A: the official server, version in ZKV; SUT_B: oxkeeper; FAULT: spoils B's copies)

A dump is everything a client can see: of each znode its data, all fields of its stat and its ACL; the last zxid; the
sessions. The reference is always the official 3.9.5: oxkeeper must show of a directory exactly what that one shows, and
an older version must find the same (if anything) different in oxkeeper's directory as in that of the 3.9.5."""
import contextlib
import os
import re
import shlex
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "common"))
os.environ.setdefault("APP_LIMIT_S", "7200")
from applib import Fail, Proc, free_port, need, until  # noqa: E402
from zkmini import ZkError, ZkMini, four_letter  # noqa: E402

VERSIONS = ["3.4.14", "3.5.10", "3.6.4", "3.7.2", "3.8.4", "3.9.5"]
REFERENCE = "3.9.5"
SUPER = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="              # super:admin
ALICE = "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E="              # alice:secret
SESSION_MS = 60000
PLAIN = "plain-snapshot"                                 # the FAULT of a writer that does not pack its snapshots
# zoo.cfg lines a version knows beyond the common ones: each is a run of its own
EXTRAS = {"3.6.4": ["snapshot.compression.method=gz"], "3.9.5": ["snapshot.compression.method=gz", "snapshot.compression.method=snappy"]}
MAGIC = {"gz": b"\x1f\x8b", "snappy": b"\x82SNAPPY\0"}


def at_least(version, minimum):
    return [int(x) for x in version.split(".")] >= [int(x) for x in minimum.split(".")]


class Server:
    """A server of one kind (`oxkeeper` or an official version) on a data directory."""

    def __init__(self, kind, data, work, extra=""):
        self.kind, self.data = kind, data
        self.port = free_port()
        self.cfg = os.path.join(work, "zoo-%d.cfg" % self.port)
        self.log = os.path.join(work, "%s-%d.log" % (kind, self.port))
        with open(self.cfg, "w") as f:
            f.write("\n".join([
                "tickTime=2000", "initLimit=10", "syncLimit=5", "dataDir=" + data, "clientPort=%d" % self.port,
                "clientPortAddress=127.0.0.1", "maxSessionTimeout=%d" % SESSION_MS, "maxClientCnxns=0", "admin.enableServer=false",
                "4lw.commands.whitelist=*", "extendedTypesEnabled=true", "snapCount=60", "preAllocSize=256",
                "DigestAuthenticationProvider.superDigest=" + SUPER, extra, ""]))

    def __enter__(self):
        env = dict(os.environ, ZKV=self.kind)
        env.setdefault("ZKJAVA", "-Xmx192m -XX:+UseSerialGC -XX:TieredStopAtLevel=1")
        command = os.environ["SUT_B" if self.kind == "oxkeeper" else "SUT_A"]
        self.proc = Proc(self.kind, shlex.split(command) + [self.cfg], self.log, env=env)

        def up():
            return not self.proc.alive() or "Mode: standalone" in four_letter(self.port, "srvr")
        try:
            until("%s opening the directory" % self.kind, up, 40, 0.1)
            need(self.proc.alive(), "%s exited with status %s" % (self.kind, self.proc.p.returncode))
        except Fail as e:
            self.proc.kill()
            with open(self.log, errors="replace") as f:
                raise Fail("%s; its log ends: %s" % (e, f.read()[-300:]))
        return self

    def __exit__(self, *_):
        if self.proc.alive():
            self.end("clean")

    def end(self, how):
        if how == "kill":
            self.proc.kill()
        else:
            self.proc.term(20)

    def client(self, **kw):
        return ZkMini(self.port, session_ms=kw.pop("session_ms", SESSION_MS), **kw)

    def dump(self):
        """{path or '#name': {field: value}}"""
        srvr = four_letter(self.port, "srvr")
        sessions = four_letter(self.port, "dump").split("ephemeral nodes dump")[0]
        out = {"#server": {"zxid": re.search(r"Zxid: (\S+)", srvr).group(1), "nodes": re.search(r"Node count: (\d+)", srvr).group(1)},
               "#sessions": {x: "open" for x in re.findall(r"0x[0-9a-f]+", sessions)}}
        mntr = dict(x.split("\t", 1) for x in four_letter(self.port, "mntr").splitlines() if "\t" in x)
        for k in ("zk_ephemerals_count", "zk_approximate_data_size", "zk_digest_mismatches_count"):
            out["#server"][k] = mntr.get(k)
        with self.client(session_ms=10000) as z:
            z.auth("digest", "super:admin")
            todo = ["/"]
            while todo:
                path = todo.pop()
                data, stat = z.get_or_null(path)
                out[path] = dict(stat, data=data, acl=z.get_acl(path))
                todo += [path.rstrip("/") + "/" + k for k in z.children(path)]
        return out


def swallow(call, *args):
    """A request that the server refuses; refused requests leave their traces in the log, too."""
    try:
        call(*args)
    except ZkError:
        return
    raise Fail("the server allowed what it must refuse: %s" % (args,))


def fill(server, version):
    """A tree that has one of everything the version knows. Returns the sessions that stay open, to be abandoned."""
    z = server.client()
    z.create("/plain", b"one")
    for n in range(3):
        z.set("/plain", b"value %d" % n)
    z.create("/null", None)
    z.create("/empty", b"")
    z.create("/null/was-not", b"x")
    z.set("/null/was-not", None)
    z.create("/big", bytes(range(256)) * 1500)
    for name in ("\u0416", "\u4e2d\u6587", "a b", "dots...", "%41", "\u00ad\u200b", "quote'\"", "{json}", "back\\slash"):
        z.create("/plain/" + name, name.encode())
    deep = ""
    for n in range(30):
        deep += "/level%d" % n
        z.create(deep, b"%d" % n)
    z.create("/wide", b"")
    for n in range(150):
        z.create("/wide/%04d" % n, b"x" * (n % 7))
    for n in range(0, 150, 3):
        z.delete("/wide/%04d" % n)
    z.create("/seq", b"")
    for n in range(12):
        z.create("/seq/n-", b"", 2)
    z.delete("/seq/n-0000000011")
    z.create("/acl", b"")
    z.auth("digest", "alice:secret")
    z.create("/acl/digest", b"", 0, [(31, "digest", ALICE)])
    z.create("/acl/auth", b"", 0, [(31, "auth", "")])
    z.create("/acl/ip", b"", 0, [(31, "ip", "127.0.0.1")])
    z.create("/acl/net", b"", 0, [(1, "ip", "10.0.0.0/8" if at_least(version, "3.5.10") else "10.1.2.3"), (16, "world", "anyone")])
    z.create("/acl/many", b"", 0, [(1, "world", "anyone"), (31, "digest", ALICE), (2, "digest", "bob:ikIaKsbtGweaHnb/jKn7OHqbunM=")])
    for perms in range(1, 32):
        z.create("/acl/p%d" % perms, b"", 0, [(perms, "world", "anyone")])
    z.create("/acl/changed", b"", 0)
    for perms in (1, 31):
        z.set_acl("/acl/changed", [(perms, "world", "anyone"), (31, "digest", ALICE)])
    need(z.multi(("create", "/multi", b"m", 0), ("create", "/multi/a", b"1", 0), ("set", "/multi/a", b"2", 0), ("check", "/multi/a", 1),
                 ("create", "/multi/s-", b"", 2), ("create", "/multi/gone", b"", 0), ("delete", "/multi/gone", 0)) == [0] * 7, "multi")
    z.multi(("create", "/multi/never", b"", 0), ("check", "/multi/a", 9), ("create", "/multi/neither", b"", 0))
    swallow(z.create, "/plain")
    swallow(z.delete, "/plain")
    swallow(z.set, "/plain", b"", 77)
    swallow(z.create, "/none/x")
    z.create("/quota", b"12345")
    z.create("/quota/child", b"123")
    z.create("/zookeeper/quota/quota", b"")
    z.create("/zookeeper/quota/quota/zookeeper_limits", b"count=100,bytes=1000")
    z.create("/zookeeper/quota/quota/zookeeper_stats", b"count=0,bytes=0")
    z.create("/quota/counted", b"4444")
    if at_least(version, "3.5.10"):
        z.create2("/create2", b"")
        z.create_container("/container", b"c")
        z.create_container("/container/inner", b"")
        z.create("/container/child", b"")
        z.delete("/container/child")
        z.create_ttl("/ttl", b"t", 10 ** 8)
        z.create_ttl("/ttl/max", b"t", 0xFFFFFFFFFF)
        z.create_ttl("/ttl/s-", b"", 10 ** 8, True)
        z.set("/ttl/max", b"again")
    z.create("/eph", b"")
    with server.client() as closed:
        closed.create("/eph/of-a-closed-session", b"", 1)
        closed.create("/eph/kept", b"")
    held = [server.client() for _ in range(3)]
    for n, c in enumerate(held):
        for k in range(5):
            c.create("/eph/%d-%d" % (n, k), b"e" * k, 1)
        c.create("/eph/s-", b"", 3)
        c.delete("/eph/%d-0" % n)
        c.set("/eph/%d-1" % n, b"set")
    z.close()
    return held


def go_on(server, version):
    """Work on a directory that another version has begun."""
    with server.client() as z:
        z.auth("digest", "alice:secret")
        z.set("/plain", b"later")
        z.create("/later", b"")
        for n in range(70):                               # past a snapshot
            z.create("/later/%d" % n, b"%d" % n)
        for n in range(0, 70, 2):
            z.delete("/later/%d" % n)
        need(z.create("/seq/n-", b"", 2) == "/seq/n-0000000012", "the sequence did not go on")
        z.set_acl("/acl/digest", [(31, "digest", ALICE), (1, "world", "anyone")])
        need(z.multi(("create", "/later/m", b"", 0), ("delete", "/multi/a", -1)) == [0, 0], "multi")
        z.create("/quota/more", b"55555")
        if at_least(version, "3.5.10"):
            z.create("/container/again", b"")
            z.create_ttl("/later/ttl", b"", 10 ** 8)


def past_a_snapshot(server):
    """Writes until a snapshot is whole (a later one has begun) that holds all there was."""
    with server.client() as z:
        begun = int(four_letter(server.port, "srvr").split("Zxid: ")[1].split()[0], 16)
        for n in range(400):
            z.set("/plain", b"past %d" % n)
            whole = by_zxid(server.data, "snapshot.")[:-1]
            if whole and zxid_of(whole[-1]) >= begun:
                return
    raise Fail("400 writes and no snapshot")


def snapshot_alone(data, method):
    """Leaves the newest snapshot that is surely whole, packed in this way, and what was written after it: no log before it
    remains that could make up for it."""
    files = os.path.join(data, "version-2")
    snapshots = by_zxid(data, "snapshot.")
    kept = snapshots[-2]
    need(kept.endswith("." + method), "%s is not packed as %s" % (kept, method))
    with open(os.path.join(files, kept), "rb") as f:
        need(f.read(8).startswith(MAGIC[method]), "%s has not the magic of %s" % (kept, method))
    logs = by_zxid(data, "log.")
    first = max(x for x in range(len(logs)) if x == 0 or zxid_of(logs[x]) <= zxid_of(kept) + 1)
    need(zxid_of(logs[first]) > 1, "the logs go back to the first transaction")
    for gone in [x for x in snapshots if x != kept] + logs[:first]:
        os.remove(os.path.join(files, gone))


def by_zxid(data, prefix):
    """The names in the order of their zxids."""
    return sorted((x for x in os.listdir(os.path.join(data, "version-2")) if re.match(prefix + "[0-9a-f]+", x)), key=zxid_of)


def zxid_of(name):
    return int(name.split(".")[1], 16)


def differences(one, other):
    """[(path, field, value in one, value in other)]"""
    out = []
    for path in sorted(set(one) | set(other)):
        a, b = one.get(path), other.get(path)
        if a is None or b is None:
            out.append((path, "the znode itself", "there" if a else "missing", "there" if b else "missing"))
            continue
        out += [(path, f, a.get(f), b.get(f)) for f in sorted(set(a) | set(b)) if not alike(f, a.get(f), b.get(f))]
    return out


def alike(field, a, b):
    if field == "zk_approximate_data_size" and a and b:   # the official server itself is off by one after some restarts
        return abs(int(a) - int(b)) <= 16
    return a == b


def show(diffs):
    return "; ".join("%s %s: %s, not %s" % (p, f, str(b)[:60], str(a)[:60]) for p, f, a, b in diffs[:8]) + (
        " and %d more" % (len(diffs) - 8) if len(diffs) > 8 else "")


def kinds(diffs):
    """What differs, without the values but for how far the zxid moved; session ids are unlike in any two runs."""
    def kind(path, field, one, other):
        if path == "#sessions":
            return path, "a session", ""
        if (path, field) == ("#server", "zxid"):
            return path, field, int(other, 16) - int(one, 16)
        return path, field, ""
    return sorted({kind(*d) for d in diffs})


def of_the_files(diffs):
    """Without what the official server does to itself: after a kill it now and then counts a digest mismatch in a directory that it wrote
    (findings/digest-mismatches-after-a-join.sh). In one of ours it has to count none."""
    return [(path, field, one, other) for path, field, one, other in diffs
            if (path, field) != ("#server", "zk_digest_mismatches_count") or other in (None, "0")]


def spoil(data):
    """FAULT: what a writer that loses data would leave behind."""
    fault = os.environ.get("FAULT")
    if not fault or fault == PLAIN:
        return
    files = os.path.join(data, "version-2")
    logs = by_zxid(data, "log.")
    if fault == "lost-log":
        os.remove(os.path.join(files, logs[-1]))
    elif fault == "cut-snapshot":
        path = os.path.join(files, by_zxid(data, "snapshot.")[-1])
        os.truncate(path, os.path.getsize(path) * 2 // 3)
    elif fault == "cut-log":
        path = os.path.join(files, logs[-1])
        with open(path, "rb") as f:
            used = len(f.read().rstrip(b"\0"))
        os.truncate(path, max(16, used * 2 // 3))
    else:
        sys.exit("FAULT is lost-log, cut-log, cut-snapshot or " + PLAIN)


class Run:
    def __init__(self):
        self.passed = self.failed = 0
        self.work = tempfile.mkdtemp(prefix="datadir-")

    def check(self, name, ok, why=""):
        if ok:
            self.passed += 1
            print("ok    " + name, flush=True)
        else:
            self.failed += 1
            print("FAIL  %s: %s" % (name, why), flush=True)

    @contextlib.contextmanager
    def guarded(self, name):
        try:
            yield
        except (Fail, OSError, ZkError) as e:
            self.check(name, False, str(e)[:600])

    def fresh(self, copy_of=None):
        path = tempfile.mkdtemp(dir=self.work)
        if copy_of:
            shutil.rmtree(path)
            shutil.copytree(copy_of, path)
        return path

    def written(self, writer, version, how, extra="", alone=False):
        """(directory, dump, sessions) of a directory that the writer filled and left in that way. `alone`: a snapshot of
        it holds all, and no log from before is left."""
        data = self.fresh()
        if os.environ.get("FAULT") == PLAIN and writer == "oxkeeper":
            extra = ""
        with Server(writer, data, self.work, extra) as s:
            held = fill(s, version)
            if alone:
                past_a_snapshot(s)
            dump = s.dump()
            s.end(how)
        sessions = [(c.session_id, c.password) for c in held]
        for c in held:
            c.s.close()
        return data, dump, sessions

    def opened(self, kind, data, sessions, version, how, extra):
        """What a server shows of a directory, then what it shows after taking sessions over and going on with the work."""
        with Server(kind, data, self.work, extra) as s:
            first = s.dump()
            for n, (sid, password) in enumerate(sessions):
                with s.client(session_id=sid, password=password) as z:
                    need(z.session_id == sid, "another session than the one asked for")
                    if n == 0:                             # stays open: cut, not closed
                        z.s.close()
                        continue
                    need(z.exists("/eph/%d-1" % n) is not None, "the session came back without its ephemerals")
            go_on(s, version)
            second = s.dump()
            s.end(how)
        return first, second

    def there_and_back(self, version, how, extra):
        name = "%s, %s%s" % (version, "SIGKILL" if how == "kill" else "stopped", ", " + extra.split("=")[1] if extra else "")
        with self.guarded(name):
            data, before, sessions = self.written(version, version, how, extra)
            shown, back = {}, {}
            for kind in (REFERENCE, "oxkeeper"):
                copy = self.fresh(data)
                if kind == "oxkeeper":
                    spoil(copy)
                with self.guarded("%s: %s opens it" % (name, kind)):
                    first, second = self.opened(kind, copy, sessions, version, how, extra)
                    shown[kind] = first
                    self.check("%s: %s opens it and goes on" % (name, kind), True)
                if kind not in shown:
                    continue
                with self.guarded("%s: opens again after %s" % (name, kind)), Server(version, copy, self.work, extra) as s:
                    back[kind] = differences(second, s.dump())
            if len(shown) == 2:
                d = differences(shown[REFERENCE], shown["oxkeeper"])
                self.check("%s: oxkeeper shows what the %s shows" % (name, REFERENCE), not d, show(d))
                d = differences(before, shown[REFERENCE])
                if kinds(d):
                    print("note  the %s itself shows of it, unlike the %s: %s" % (REFERENCE, version, show(d)))
            if len(back) == 2:
                self.check("%s: back again, it finds oxkeeper's work as it finds that of the %s" % (name, REFERENCE),
                           kinds(back["oxkeeper"]) == kinds(of_the_files(back[REFERENCE])), show(back["oxkeeper"]))
                if kinds(back[REFERENCE]):
                    print("note  back again after the %s: %s" % (REFERENCE, show(back[REFERENCE])))

    def from_scratch(self, version, how, extra=""):
        method = extra.partition("=")[2]
        name = "%s opens a directory of oxkeeper's (%s%s)" % (
            version, "SIGKILL" if how == "kill" else "stopped", ", only a %s snapshot and what followed" % method if method else "")
        with self.guarded(name):
            found = {}
            for writer in (REFERENCE, "oxkeeper"):
                data, before, _sessions = self.written(writer, version, how, extra, alone=bool(method))
                if method:
                    snapshot_alone(data, method)
                if writer == "oxkeeper":
                    spoil(data)
                with Server(version, data, self.work) as s:
                    found[writer] = differences(before, s.dump())
            # the dump itself opened and closed a session: the zxid and the sessions are two steps on
            # old servers now and then misread a directory of the official server itself: ours may show no more than that
            more = set(kinds(found["oxkeeper"])) - set(kinds(found[REFERENCE]))
            self.check(name, not more, show(found["oxkeeper"]))
            d = [x for x in found[REFERENCE] if x[0] not in ("#server", "#sessions")]
            if d:
                print("note  of a directory of the %s: %s" % (REFERENCE, show(d)))


def main():
    versions = sys.argv[1:] or VERSIONS
    run = Run()
    began = time.time()
    for version in versions:
        for how in ("stop", "kill"):
            run.there_and_back(version, how, "")
            run.from_scratch(version, how)
        for extra in EXTRAS.get(version, []):
            run.there_and_back(version, "stop", extra)
            run.from_scratch(version, "stop", extra)
    print("wall %.0f s" % (time.time() - began))
    if run.failed:
        print("directories and logs in %s" % run.work)
    else:
        shutil.rmtree(run.work)
    print("%d passed, %d failed" % (run.passed, run.failed))
    sys.exit(1 if run.failed or not run.passed else 0)


if __name__ == "__main__":
    main()

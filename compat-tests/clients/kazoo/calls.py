"""Every public call of kazoo's client and each of its recipes, as cases (see judge.py).

env ZK: host:port; CONTROL: the port that stops and starts the server. Fails if a public name of KazooClient is not used."""
import logging
import os
import re
import socket
import sys
import threading
import time

from kazoo import exceptions, security
from kazoo.client import KazooClient
from kazoo.protocol.states import KazooState
from kazoo.recipe.cache import TreeCache
from kazoo.recipe.lock import LockTimeout  # noqa: F401
from kazoo.recipe.watchers import PatientChildrenWatch
from kazoo.retry import KazooRetry

logging.disable(logging.CRITICAL)
ZK = os.environ["ZK"]
CASES = []


def case(fn):
    CASES.append(fn)
    return fn


def say(*words):
    print(*words, flush=True)


def attempt(what, fn, *args, **kw):
    """Prints the outcome of a call, be it an answer or an exception."""
    try:
        say(what, "->", show(fn(*args, **kw)))
    except Exception as e:  # noqa: BLE001
        say(what, "-> raised", type(e).__name__, "" if isinstance(e, AssertionError) else str(e))


def show(v):
    if hasattr(v, "czxid"):
        now = time.time() * 1000
        fresh = all(t == 0 or abs(now - t) < 300000 for t in (v.ctime, v.mtime))
        return ("stat(c=%d m=%d p=%d v=%d cv=%d av=%d owner=%s len=%d kids=%d times=%s)" % (
            v.czxid, v.mzxid, v.pzxid, v.version, v.cversion, v.aversion, "0x%016x" % v.ephemeralOwner if v.ephemeralOwner else 0,
            v.dataLength, v.numChildren, "fresh" if fresh and v.mtime >= v.ctime else "odd %d %d" % (v.ctime, v.mtime)))
    if isinstance(v, list) and v and all(isinstance(x, str) for x in v):
        return str(sorted(v))
    if isinstance(v, (list, tuple)):
        return "(" + ", ".join(show(x) for x in v) + ")"
    if isinstance(v, Exception):
        return "error " + type(v).__name__
    return str(v) if isinstance(v, security.ACL) else repr(v)


def connect(**kw):
    c = KazooClient(hosts=kw.pop("hosts", ZK), timeout=kw.pop("timeout", 10.0), **kw)
    c.start(15)
    return c


def control(word):
    with socket.create_connection(("127.0.0.1", int(os.environ["CONTROL"])), 5) as s:
        s.settimeout(60)
        s.sendall((word + "\n").encode())
        answer = s.makefile().readline().strip()
    if answer != "ok":
        raise RuntimeError("%s: %s" % (word, answer))


def until(what, fn, limit=10):
    end = time.time() + limit
    while time.time() < end:
        if fn():
            say(what, "yes")
            return
        time.sleep(0.03)
    say(what, "NO, not within %d s" % limit)


def in_thread(fn):
    t = threading.Thread(target=fn, daemon=True)
    t.start()
    return t


class Events:
    """A watcher that remembers. (Not a list: an empty one is false, and kazoo takes that for no watcher.)"""

    def __init__(self):
        self.seen = []

    def __call__(self, e):
        self.seen.append("%s %s %s" % (e.type, e.state, e.path))

    def expect(self, n):
        """Waits for n events, and a little for one too many."""
        end = time.time() + 5
        while len(self.seen) < n and time.time() < end:
            time.sleep(0.01)
        time.sleep(0.05)
        say("events", sorted(self.seen))
        self.seen.clear()


# ---- the client ----

@case
def session(z):
    say(z.connected, z.state, z.client_state, z.client_id is not None, len(z.client_id[1]))
    attempt("server_version", z.server_version)
    attempt("server_version", z.server_version, retries=1)
    attempt("ruok", z.command)
    attempt("isro", z.command, b"isro")
    attempt("nonsense", z.command, b"nons")
    say("srvr mode", [x for x in z.command(b"srvr").splitlines() if x.startswith("Mode")])
    d = KazooClient(hosts=ZK)
    attempt("before start", d.get, "/")
    d.start_async().wait(10)
    attempt("after start_async", d.exists, "/")
    first = d.client_id
    d.restart()
    say("restart opens another session:", d.client_id != first, d.connected)
    attempt("after restart", d.exists, "/none")
    attempt("set_hosts", d.set_hosts, ZK)
    attempt("close before stop", d.close)
    d.stop()
    d.close()
    attempt("after close", d.get, "/")


@case
def create(z):
    attempt("create", z.create, "/c", b"one")
    attempt("again", z.create, "/c", b"two")
    attempt("no parent", z.create, "/none/child", b"")
    attempt("default value", z.create, "/c/empty")
    attempt("include_data", z.create, "/c/data", b"x", include_data=True)
    attempt("sequence", z.create, "/c/s-", b"", sequence=True)
    attempt("sequence 2", z.create, "/c/s-", b"", sequence=True, include_data=True)
    attempt("sequence without a name", z.create, "/c/", b"", sequence=True)
    attempt("ephemeral", z.create, "/c/e", b"", ephemeral=True)
    attempt("ephemeral sequence", z.create, "/c/es-", b"", ephemeral=True, sequence=True, include_data=True)
    attempt("child of ephemeral", z.create, "/c/e/x")
    attempt("makepath", z.create, "/c/deep/er/node", b"v", makepath=True)
    attempt("makepath again", z.create, "/c/deep/er/node", b"v", makepath=True)
    attempt("unicode", z.create, "/c/\u0416\u4e2d", "\u00e9".encode())
    attempt("beyond the BMP", z.create, "/c/\U0001f600", b"")
    attempt("odd name", z.create, "/c/a b\u00ad%\u200b", b"")
    attempt("dots", z.create, "/c/...", b"")
    for bad in ("/c/\x00x", "/c/\u0001", "/c/\ufffe", "/c/x/", "/c//x", "/c/.", "/c/../y", "", "c"):
        attempt("bad name %a" % bad, z.create, bad, b"")
    attempt("empty acl", z.create, "/c/noacl", b"", acl=[])
    attempt("async", z.create_async("/c/async", b"a").get, timeout=5)
    attempt("async fails", z.create_async("/c/async", b"a").get, timeout=5)
    attempt("big", z.create, "/c/big", b"x" * 1000000)
    attempt("children", z.get_children, "/c")
    attempt("stat", z.exists, "/c")


@case
def too_big(z):
    c = connect()
    attempt("2 MiB in one request", c.create, "/toobig", b"x" * (2 << 20))
    until("the connection comes back", lambda: c.connected)
    attempt("not there", c.exists, "/toobig")
    c.stop()
    c.close()


@case
def read_and_write(z):
    z.create("/d", b"0")
    attempt("get", z.get, "/d")
    attempt("get none", z.get, "/none")
    attempt("get_async", z.get_async("/d").get, timeout=5)
    attempt("set", z.set, "/d", b"1")
    attempt("set right version", z.set, "/d", b"2", version=1)
    attempt("set wrong version", z.set, "/d", b"3", version=1)
    attempt("set none", z.set, "/none", b"")
    attempt("set nothing", z.set, "/d", b"")
    attempt("set_async", z.set_async("/d", b"async").get, timeout=5)
    attempt("exists", z.exists, "/d")
    attempt("exists none", z.exists, "/none")
    attempt("exists_async", z.exists_async("/d").get, timeout=5)
    attempt("ensure_path", z.ensure_path, "/d/e/f")
    attempt("ensure_path", z.ensure_path, "/d/e/f")
    attempt("ensure_path_async", z.ensure_path_async("/d/e/g").get, timeout=5)
    attempt("get_children", z.get_children, "/d/e")
    attempt("get_children include_data", z.get_children, "/d/e", include_data=True)
    attempt("get_children none", z.get_children, "/none")
    attempt("get_children_async", z.get_children_async("/d").get, timeout=5)
    attempt("delete not empty", z.delete, "/d")
    attempt("delete wrong version", z.delete, "/d/e/f", version=5)
    attempt("delete right version", z.delete, "/d/e/f", version=0)
    attempt("delete none", z.delete, "/none")
    attempt("delete_async", z.delete_async("/d/e/g").get, timeout=5)
    attempt("delete recursive", z.delete, "/d", recursive=True)
    attempt("delete root", z.delete, "/")
    attempt("sync", z.sync, "/")
    attempt("sync none", z.sync, "/none")
    attempt("sync_async", z.sync_async("/").get, timeout=5)
    attempt("last_zxid is the newest", lambda: z.last_zxid)
    attempt("unchroot", z.unchroot, "/x")


@case
def pipelining(z):
    z.create("/pipe", b"")
    asked = [z.create_async("/pipe/n-", b"%d" % i, sequence=True) for i in range(200)]
    asked += [z.get_async("/pipe/n-%010d" % i) for i in range(200)]
    got = [a.get(timeout=10) for a in asked]
    say(got[0], got[199], all(got[200 + i][0] == b"%d" % i for i in range(200)))
    attempt("stat", z.exists, "/pipe")


@case
def watches(z):
    seen = Events()
    attempt("exists of none", z.exists, "/w", watch=seen)
    z.create("/w", b"")
    seen.expect(1)
    z.get("/w", watch=seen)
    z.set("/w", b"1")
    z.set("/w", b"2")
    seen.expect(1)
    z.get_children("/w", watch=seen)
    z.set("/w", b"3")
    z.create("/w/a", b"")
    z.create("/w/b", b"")
    seen.expect(1)
    z.exists("/w/a", watch=seen)
    z.get("/w/a", watch=seen)
    z.get_children("/w/a", watch=seen)
    z.delete("/w/a")
    seen.expect(1)
    attempt("get of none leaves no watch", z.get, "/w/none", watch=seen)
    attempt("children of none leaves no watch", z.get_children, "/w/none", watch=seen)
    z.create("/w/none", b"")
    seen.expect(0)
    other = connect()
    other.create("/w/e", b"", ephemeral=True)
    z.exists("/w/e", watch=seen)
    other.stop()
    other.close()
    seen.expect(1)
    z.exists("/w/multi", watch=seen)
    t = z.transaction()
    t.create("/w/multi", b"1")
    t.set_data("/w/multi", b"2")
    t.commit()
    seen.expect(1)


@case
def acls(z):
    attempt("root", z.get_acls, "/")
    attempt("none", z.get_acls, "/none")
    alice = security.make_digest_acl("alice", "secret", all=True)
    z.create("/acl", b"", acl=[alice, security.make_acl("world", "anyone", read=True)])
    attempt("get_acls", z.get_acls, "/acl")
    attempt("get_acls_async", z.get_acls_async("/acl").get, timeout=5)
    attempt("read", z.get, "/acl")
    attempt("write", z.set, "/acl", b"x")
    attempt("create below", z.create, "/acl/x", b"")
    attempt("set_acls", z.set_acls, "/acl", security.OPEN_ACL_UNSAFE)
    a = connect(auth_data=[("digest", "alice:secret")])
    attempt("alice writes", a.set, "/acl", b"x")
    attempt("alice creates below", a.create, "/acl/x", b"")
    attempt("wrong version", a.set_acls, "/acl", security.READ_ACL_UNSAFE, version=7)
    attempt("right version", a.set_acls, "/acl", [alice], version=0)
    attempt("set_acls_async", a.set_acls_async("/acl", [alice]).get, timeout=5)
    attempt("stat", a.exists, "/acl")
    attempt("others may not read", z.get, "/acl")
    attempt("nor list", z.get_children, "/acl")
    attempt("but see the stat", z.exists, "/acl")
    attempt("others see the ACL?", z.get_acls, "/acl")
    attempt("nor delete below", z.delete, "/acl/x")
    attempt("creator", a.create, "/creator", b"", acl=security.CREATOR_ALL_ACL)
    attempt("creator's acl", a.get_acls, "/creator")
    attempt("creator without auth", z.create, "/creator2", b"", acl=security.CREATOR_ALL_ACL)
    attempt("empty", z.create, "/emptyacl", b"", acl=[security.make_acl("digest", "x")])
    attempt("bad scheme", z.create, "/badacl", b"", acl=[security.make_acl("nonsense", "x", all=True)])
    attempt("ip", z.create, "/ip", b"", acl=[security.make_acl("ip", "127.0.0.1", all=True)])
    attempt("ip net", z.create, "/ipnet", b"", acl=[security.make_acl("ip", "10.0.0.0/8", all=True)])
    attempt("bad ip", z.create, "/badip", b"", acl=[security.make_acl("ip", "300.1.1.1", all=True)])
    attempt("from elsewhere", z.get, "/ipnet")
    attempt("duplicates", z.create, "/dup", b"", acl=[security.make_acl("world", "anyone", all=True)] * 2)
    attempt("duplicates' acl", z.get_acls, "/dup")
    d = connect(default_acl=[alice])
    d.create("/default", b"")
    attempt("default_acl", a.get_acls, "/default")
    attempt("add_auth", d.add_auth, "digest", "alice:secret")
    attempt("now allowed", d.get, "/default")
    attempt("add_auth_async", d.add_auth_async("digest", "bob:pw").get, timeout=5)
    attempt("both", d.create, "/both", b"", acl=security.CREATOR_ALL_ACL)
    attempt("both's acl", lambda: sorted(str(x) for x in d.get_acls("/both")[0]))
    attempt("super", d.add_auth, "digest", "super:admin")
    attempt("super may", d.get, "/ipnet")
    attempt("unknown scheme", d.add_auth, "nonsense", "x")
    until("the session is gone", lambda: not d.connected)
    for c in (a, d):
        c.stop()
        c.close()


@case
def transactions(z):
    z.create("/t", b"")

    def commit(*steps):
        t = z.transaction()
        for name, *args in steps:
            getattr(t, name)(*args)
        attempt(" ".join(s[0] for s in steps), t.commit)
    commit(("create", "/t/a", b"1"), ("check", "/t/a", 0), ("set_data", "/t/a", b"2"), ("delete", "/t/a", 1))
    commit(("create", "/t/a", b"1"), ("create", "/t/a/b", b"2"))
    commit(("create", "/t/c", b"1"), ("check", "/t/a", 9), ("create", "/t/d", b""))
    commit(("create", "/t/c", b"1"), ("create", "/t/c", b""))
    commit(("set_data", "/t/a", b"3", 5), ("create", "/t/c", b""))
    commit(("delete", "/t/a"), ("create", "/t/c", b""))
    commit(("check", "/t/a", 0))
    commit(("check", "/none", 0))
    commit()
    t = z.transaction()
    t.create("/t/e", b"", ephemeral=True)
    t.create("/t/s-", b"", sequence=True)
    t.create("/t/s-", b"", ephemeral=True, sequence=True)
    t.create("/t/acl", b"", acl=[security.make_acl("world", "anyone", read=True)])
    attempt("all kinds", t.commit)
    t = z.transaction()
    t.set_data("/t/acl", b"")
    t.create("/t/x", b"")
    attempt("no permission", t.commit_async().get, timeout=5)
    with z.transaction() as t:
        t.create("/t/with", b"")
    attempt("with", z.exists, "/t/with")
    attempt("stat", z.exists, "/t")
    attempt("children", z.get_children, "/t")


@case
def reconfig(z):
    attempt("reconfig", z.reconfig, joining=None, leaving="1", new_members=None)
    attempt("reconfig_async", z.reconfig_async(None, None, "server.1=localhost:1:2;3", -1).get, timeout=5)
    attempt("config", z.get, "/zookeeper/config")


@case
def chroot(z):
    z.create("/chroot", b"")
    c = connect(hosts=ZK + "/chroot")
    attempt("create", c.create, "/x", b"v")
    attempt("sequence", c.create, "/x/s-", b"", sequence=True)
    attempt("children", c.get_children, "/")
    attempt("outside", z.get, "/chroot/x")
    attempt("unchroot", c.unchroot, "/chroot/x")
    seen = Events()
    c.exists("/y", watch=seen)
    c.create("/y", b"")
    seen.expect(1)
    t = c.transaction()
    t.create("/tx", b"")
    attempt("transaction", t.commit)
    c.stop()
    c.close()


@case
def quota(z):
    z.create("/quota", b"12345")
    z.create("/zookeeper/quota/quota", b"")
    z.create("/zookeeper/quota/quota/zookeeper_limits", b"count=3,bytes=20=;byteHardLimit=20;countHardLimit=3")
    z.create("/zookeeper/quota/quota/zookeeper_stats", b"count=0,bytes=0")
    attempt("one child", z.create, "/quota/1", b"abc")
    attempt("two children", z.create, "/quota/2", b"abc")
    attempt("three children", z.create, "/quota/3", b"abc")
    attempt("too many bytes", z.set, "/quota/1", b"x" * 30)
    attempt("stats", lambda: z.get("/zookeeper/quota/quota/zookeeper_stats")[0])
    z.delete("/zookeeper/quota/quota", recursive=True)
    attempt("free again", z.create, "/quota/4", b"x" * 100)


# ---- sessions ----

@case
def resumed_session(z):
    a = connect()
    a.create("/resumed", b"", ephemeral=True)
    sid, password = a.client_id
    wrong = KazooClient(hosts=ZK, client_id=(sid, b"\x01" * 16))
    states = []
    wrong.add_listener(states.append)
    wrong.start(10)
    say("with a wrong password: the same session?", wrong.client_id[0] == sid)
    wrong.stop()
    wrong.close()
    attempt("the owner lives", z.exists, "/resumed")

    def heard():
        try:
            return a.exists("/resumed") is not None
        except exceptions.KazooException:
            return False

    # The official server has closed the owner's connection. Two clients that come for one session at the same time can
    # leave one of them without an answer there; and the owner would come back for ever once it has lost it.
    until("the owner goes on", heard)
    a._stopped.set()
    b = KazooClient(hosts=ZK, client_id=(sid, password), timeout=10.0)
    b.start(10)
    say("with the right one: the same session?", b.client_id[0] == sid)
    attempt("its ephemeral", b.exists, "/resumed")
    b.stop()
    b.close()
    until("closing ends the session", lambda: z.exists("/resumed") is None)
    a.stop()
    a.close()


@case
def expiry(z):
    c = connect(timeout=1.0)
    c.create("/expires", b"", ephemeral=True)
    sock = c._connection._socket
    gone = threading.Event()
    z.exists("/expires", watch=lambda e: (say("event", e.type), gone.set()))
    c._connection.ping_blocked = True
    # a client that goes silent: its connection stays open, its pings stop
    c._connection._send_ping = lambda *a: None
    until("the ephemeral goes", gone.is_set, 6)

    def is_back():
        try:
            return c.connected and c.exists("/expires") is None
        except (exceptions.ConnectionLoss, exceptions.SessionExpiredError):
            return False               # asked before it has noticed that its connection is closed

    until("the client reconnects with a new session", is_back, 15)
    say(sock is not None)
    c.stop()
    c.close()


@case
def server_restart(z):
    c = connect()
    states = []
    c.add_listener(states.append)
    c.create("/r", b"before")
    c.create("/r/e", b"", ephemeral=True)
    sid = c.client_id[0]
    seen = Events()
    c.get("/r", watch=seen)
    c.exists("/r/none", watch=seen)
    c.get_children("/r", watch=seen)
    retry = KazooRetry(max_tries=-1, delay=0.1, max_delay=0.5)
    for word in ("stop", "kill"):
        control(word)
        until("suspended after " + word, lambda: states[-1:] == [KazooState.SUSPENDED])
        attempt("while it is away", lambda: c.connected)
        waiting = in_thread(lambda: attempt("a call that retries", retry, c.set, "/r/e", b"1"))
        control("start")
        waiting.join(20)
        until("connected again", lambda: states[-1:] == [KazooState.CONNECTED], 20)
        say("the same session:", c.client_id[0] == sid)
        attempt("its ephemeral", c.get, "/r/e")
        say("states", states)
        seen.expect(3 if word == "stop" else 0)
    c.set("/r", b"after")
    c.create("/r/none", b"")
    seen.expect(0)                     # kazoo tells its watchers of the loss and forgets them
    say("sequence goes on", c.create("/r/s-", b"", sequence=True))
    c.remove_listener(states.append)
    c.stop()
    say("read_only", c.read_only)
    c.close()
    until("z is back too", lambda: z.connected, 20)
    attempt("kept", z.get, "/r")
    attempt("ephemeral of a closed session", z.exists, "/r/e")


# ---- recipes: names of znodes hold random parts, so only outcomes are shown ----

@case
def lock(z):
    o = connect()
    mine, theirs = z.Lock("/lock", "mine"), o.Lock("/lock", "theirs")
    say(mine.acquire(timeout=5), mine.contenders(), theirs.acquire(blocking=False))
    attempt("time-out", theirs.acquire, timeout=0.3)
    got = threading.Event()
    t = in_thread(lambda: theirs.acquire(timeout=10) and got.set())
    until("contenders", lambda: mine.contenders() == ["mine", "theirs"])
    say("not yet", got.is_set())
    mine.release()
    until("theirs now", got.is_set)
    t.join(5)
    t = in_thread(lambda: attempt("cancelled", mine.acquire))
    until("waits", lambda: len(theirs.contenders()) == 2)
    mine.cancel()
    t.join(5)
    theirs.release()
    with z.Lock("/lock"):
        say("with")
    o.stop()
    o.close()


@case
def read_write_lock(z):
    o = connect()
    r1, r2, w = z.ReadLock("/rw", "r1"), o.ReadLock("/rw", "r2"), o.WriteLock("/rw", "w")
    say(r1.acquire(timeout=5), r2.acquire(timeout=5), w.acquire(blocking=False))
    got = threading.Event()
    t = in_thread(lambda: w.acquire(timeout=10) and got.set())
    until("the writer waits", lambda: "w" in r1.contenders())
    r1.release()
    r2.release()
    until("the writer has it", got.is_set)
    t.join(5)
    say("reader", r1.acquire(blocking=False))
    w.release()
    o.stop()
    o.close()


@case
def semaphore(z):
    o = connect()
    a, b, c = (x.Semaphore("/sem", n, max_leases=2) for x, n in ((z, "a"), (o, "b"), (o, "c")))
    say(a.acquire(timeout=5), b.acquire(timeout=5), c.acquire(blocking=False), sorted(a.lease_holders()))
    attempt("time-out", c.acquire, timeout=0.3)
    a.release()
    say(c.acquire(timeout=5), sorted(c.lease_holders()))
    attempt("other number of leases", lambda: z.Semaphore("/sem", max_leases=5).acquire(timeout=1))
    b.release()
    c.release()
    c.cancel()
    o.stop()
    o.close()


@case
def election(z):
    o = connect()
    order, go = [], threading.Event()
    first, second = z.Election("/election", "first"), o.Election("/election", "second")
    t1 = in_thread(lambda: first.run(lambda: (order.append("first"), go.wait(10))))
    until("first leads", lambda: order == ["first"])
    t2 = in_thread(lambda: second.run(lambda: order.append("second")))
    until("two contenders", lambda: len(first.contenders()) == 2)
    say(first.contenders())
    go.set()
    t1.join(10)
    t2.join(10)
    say(order)
    first.cancel()
    o.stop()
    o.close()


@case
def barriers(z):
    o = connect()
    b = z.Barrier("/barrier")
    b.create()
    say("waits", o.Barrier("/barrier").wait(0.2))
    # Which of the two sees the end first is chance.
    released = []
    t = in_thread(lambda: released.append(o.Barrier("/barrier").wait(10)))
    time.sleep(0.2)
    removed = [b.remove(), b.remove()]
    t.join(10)
    say("released", *released)
    say("removed", *removed)
    done = []

    def both(c, n):
        d = c.DoubleBarrier("/double", 2, n)
        d.enter()
        done.append("in")
        d.leave()
        done.append("out")
    t = in_thread(lambda: both(o, "b"))
    time.sleep(0.2)
    say(done)
    both(z, "a")
    t.join(10)
    say(sorted(done))
    o.stop()
    o.close()


@case
def queues(z):
    q = z.Queue("/queue")
    say(q.get())
    for v, p in ((b"low", 200), (b"first", 100), (b"second", 100), (b"high", 1)):
        q.put(v, p)
    say(len(q), [q.get() for _ in range(5)])
    k = z.LockingQueue("/lqueue")
    k.put(b"one")
    k.put_all([b"two", b"three"], priority=50)
    say(len(k), k.get(5), k.holds_lock(), k.get(5), k.consume(), k.holds_lock(), k.get(5), k.release(), k.get(5), k.consume(), len(k))
    say(k.get(5), k.consume(), k.consume(), k.get(0.3))


@case
def counter(z):
    o = connect()
    c, d = z.Counter("/counter"), o.Counter("/counter")
    c += 2
    d += 3
    c -= 1
    say(c.value, d.value, c.pre_value, c.post_value)
    f = z.Counter("/float", default=1.5)
    f += 0.25
    say(f.value, z.get("/float")[0])
    e = z.Counter("/curator", support_curator=True)
    e += 7
    say(e.value, z.get("/curator")[0])
    ts = [in_thread(lambda x=x: [x + 1 for _ in range(20)]) for x in (z.Counter("/many"), o.Counter("/many"))]
    for t in ts:
        t.join(30)
    say(z.Counter("/many").value)
    o.stop()
    o.close()


@case
def parties(z):
    o = connect()
    p, q = z.Party("/party", "p"), o.Party("/party", "q")
    p.join()
    q.join()
    say(sorted(p), len(q), "p" in [x for x in q])
    q.leave()
    say(sorted(p))
    s, u = z.ShallowParty("/shallow", "s"), o.ShallowParty("/shallow", "u")
    s.join()
    u.join()
    say(sorted(s), len(u))
    o.stop()
    o.close()
    until("gone with its session", lambda: sorted(s) == ["s"])
    p.leave()
    s.leave()


@case
def leases(z):
    import datetime
    o = connect()
    hour = datetime.timedelta(hours=1)
    say(bool(z.NonBlockingLease("/lease", hour, identifier="a")), bool(o.NonBlockingLease("/lease", hour, identifier="b")),
        bool(z.NonBlockingLease("/lease", hour, identifier="a")))
    say(*[bool(c.MultiNonBlockingLease(2, "/leases", hour, identifier=n)) for c, n in ((z, "a"), (o, "b"), (o, "c"), (z, "a"))])
    o.stop()
    o.close()


@case
def partitioner(z):
    o = connect()
    ps = [c.SetPartitioner("/partition", set=("1", "2", "3"), identifier=n, time_boundary=0.3, max_reaction_time=0.2)
          for c, n in ((z, "a"), (o, "b"))]
    end = time.time() + 20
    while time.time() < end and not all(p.acquired for p in ps):
        for p in ps:
            if p.release:
                p.release_set()
            elif p.allocating:
                p.wait_for_acquire(1)
            elif p.failed:
                break
    say([p.state for p in ps], sorted(sum((list(p) for p in ps), [])), [len(p.failed and "x" or "") for p in ps])
    for p in ps:
        p.finish()
    o.stop()
    o.close()


@case
def recipe_watches(z):
    z.create("/watched", b"0")
    seen, kids = [], []

    @z.DataWatch("/watched")
    def data(value, stat, event):
        seen.append((value, stat and stat.version, event and event.type))

    @z.ChildrenWatch("/watched")
    def children(names):
        kids.append(sorted(names))
        return len(kids) < 3
    for value in (b"1", b"2"):
        z.set("/watched", value)
        until("seen", lambda: seen[-1][0] == value)
    for name in ("x", "y", "z"):
        z.create("/watched/" + name)
        time.sleep(0.15)
    say(kids)
    patient = PatientChildrenWatch(z, "/watched", 0.3)
    names, change = patient.start().get(timeout=10)
    say("patient", sorted(names))
    z.create("/watched/later")
    until("patient sees a change", change.ready)
    z.delete("/watched", recursive=True)
    until("deleted", lambda: seen[-1][0] is None)
    z.create("/watched", b"again")
    until("created again", lambda: seen[-1][0] == b"again")
    say(seen)


@case
def tree_cache(z):
    z.create("/tree", b"0")
    z.create("/tree/a", b"1")
    cache, kinds = TreeCache(z, "/tree"), []
    cache.listen(lambda e: kinds.append((e.event_type, e.event_data and e.event_data.path)))
    cache.listen_fault(lambda e: say("fault", e))
    cache.start()
    until("filled", lambda: any(k == 6 for k, _ in kinds) or len(kinds) >= 3)
    z.create("/tree/a/b", b"2")
    z.set("/tree/a", b"3")
    z.delete("/tree/a/b")
    z.create("/tree/c", b"4")
    until("follows", lambda: cache.get_data("/tree/c") is not None and cache.get_data("/tree/a/b") is None
          and cache.get_data("/tree/a").data == b"3")
    say(sorted(cache.get_children("/tree")), cache.get_data("/tree/c").data)
    cache.close()


@case
def retries(z):
    tries = []

    def sometimes():
        tries.append(1)
        if len(tries) < 3:
            raise exceptions.OperationTimeoutError()
        return z.exists("/none")
    attempt("retry", KazooRetry(max_tries=5, delay=0.01, ignore_expire=False), sometimes)
    attempt("client.retry", z.retry, z.get, "/none")
    say(len(tries))


@case
def what_is_left(z):
    """The numbers of the tree after all that: zxids are left out, as recipes need not take the same steps."""
    def walk(path):
        for k in sorted(z.get_children(path)):
            below = path.rstrip("/") + "/" + k
            if re.search(r"[0-9a-f]{32}|^/zookeeper|^/pipe/", below):
                continue
            try:
                st = z.exists(below)
                say(below, st.version, st.aversion, st.dataLength)
                walk(below)
            except exceptions.NoAuthError:
                say(below, "hidden")
    walk("/")


def main():
    with open(__file__, encoding="utf-8") as f:
        source = f.read()
    own = [n for n in list(dir(KazooClient)) + list(vars(KazooClient())) if not n.startswith("_")]
    own = [n for n in own if n[0].isupper() or callable(getattr(KazooClient, n, None)) or isinstance(getattr(KazooClient, n, None), property)]
    unused = [n for n in sorted(set(own)) if not re.search(r"\.%s\b" % n, source)]
    only = sys.argv[1:]
    for fn in CASES:
        if only and fn.__name__ not in only:
            continue
        z = connect()
        say("## " + fn.__name__)
        began = time.time()
        try:
            fn(z)
        except Exception as e:  # noqa: BLE001
            say("the case ended with", type(e).__name__, e)
        z.stop()
        z.close()
        print("%5.1f s %s" % (time.time() - began, fn.__name__), file=sys.stderr, flush=True)
    if unused:
        sys.exit("public names of KazooClient that no case uses: %s" % unused)


main()

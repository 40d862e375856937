"""Clients that write, read, count and lock on all members at once, through whatever happens to them, and remember it all.

    with Workload(ensemble, "/name") as load:
        ... faults ...
    print(load.verdict())

Each client is a thread with one session, which it takes to another member when its connection ends. history.py judges."""
import random
import threading
import time
import traceback

from history import NO_NODE, UNKNOWN, Entry, History, Seen, acknowledged, complaints
from members import need, until
from same import tree
from zkmini import ZkError, ZkMini

CLIENTS = 5
SESSION_MS = 30000
ANSWER_S = 5.0
PACE_S = 0.005                                  # between two things a client does: members shall have time for elections
BACK_S = 90                                     # how long a client looks for a member that serves it
UNDONE = -2                                     # RuntimeInconsistency: a step of a multi that another's failure undid
EXPIRED = -112
UNDECIDED = (-4, EXPIRED, -118)                 # ConnectionLoss, SessionExpired, SessionMoved: whatever was asked


class Lost(Exception):
    """The connection ended; what was asked has happened or not."""


class Expired(Exception):
    pass


class Session:
    """One session that goes from member to member."""

    def __init__(self, members):
        self.members, self.zk, self.connected = list(members), None, False
        self.vouches = False                    # Member.vouches_by_sync: as long as a connection of an official server lives, so does its role

    def call(self, name, *args):
        if not self.connected:
            self._connect()
        try:
            return getattr(self.zk, name)(*args)
        except ZkError as e:
            if e.code not in UNDECIDED:
                raise
            self._drop()
            raise Lost from e
        except OSError as e:
            self._drop()
            raise Lost from e

    def zxid(self):
        """Of the last answer."""
        return self.zk.last_zxid

    def _drop(self):
        """Leaves the connection, and goes to the next member."""
        self.zk.s.close()
        self.connected = False
        self.members.append(self.members.pop(0))

    def _connect(self):
        end = time.monotonic() + BACK_S
        while not self.connected:
            renew = self.zk.renewed if self.zk else ZkMini
            try:
                self.zk = renew(self.members[0].client_port, host=self.members[0].host, timeout=ANSWER_S, session_ms=SESSION_MS)
                self.vouches = self.members[0].vouches_by_sync()
                self.connected = True
            except ZkError as e:
                self.zk = None
                raise Expired from e
            except OSError:
                need(time.monotonic() < end, "no member that takes a session within %d s" % BACK_S)
                self.members.append(self.members.pop(0))
                time.sleep(0.02)


class Client:
    """A thread that does one thing after the other, and its log."""

    def __init__(self, number, members, root, seed):
        self.number, self.root = number, root
        self.random = random.Random(seed)
        start = number % len(members)
        self.session = Session(members[start:] + members[:start])
        self.keys = [self._own("k%d" % n) for n in range(3)]
        self.public, self.ephemeral = self._own("public"), self._own("ephemeral")
        self.known = {}                         # own path -> Seen, when it is there
        self.unsure, self.trouble, self.serial = True, None, 0
        self.log, self.stopping = [], threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _own(self, name, number=None):
        return "%s/%d-%s" % (self.root, self.number if number is None else number, name)

    def _run(self):
        turns = [self._write] * 8 + [self._multi] * 2 + [self._publish, self._peek, self._count] * 3 + [self._lock, self._sequence]
        try:
            while not self.stopping.wait(PACE_S):
                self._turn(self.random.choice(turns))
            while self.unsure:
                self._turn(lambda: None)
        except Exception:  # noqa: BLE001
            self.trouble = traceback.format_exc()

    def _turn(self, turn):
        try:
            if self.unsure:
                self._settle()
            turn()
        except Lost:
            self.unsure = True
        except Expired:
            self._note("expired").outcome = 0
            self.unsure = True

    def _note(self, op, **fields):
        now = time.monotonic()
        entry = Entry(op, now, now, **fields)
        self.log.append(entry)
        return entry

    def _ask(self, entry, name, *args):
        """An answer or an error code, as the entry then says; an answer that does not come leaves it as it is."""
        answer = None
        try:
            answer = self.session.call(name, *args)
            entry.outcome = 0
        except ZkError as e:
            entry.outcome = e.code
        entry.ended, entry.zxid = time.monotonic(), self.session.zxid()
        return answer

    def _settle(self):
        """Finds out what became of its own, and removes what it left at the lock."""
        self.session.call("sync", self.root)
        for path in (*self.keys, self.public, self.ephemeral):
            self.known[path] = self._read(path)
        for path in self._waiting():
            if path.startswith(self._place()):
                self.session.call("delete", path)
        self.unsure = False

    def _read(self, path, op="read"):
        """A read without an answer tells nothing, and is not noted."""
        entry = Entry(op, time.monotonic(), 0, key=path)
        if op == "peek":
            self.session.call("sync", path)
        answer = self._ask(entry, "get", path)
        if op == "peek" and not self.session.vouches:
            entry.op = "glance"
        need(entry.outcome in (0, NO_NODE), "error %s for a read of %s" % (entry.outcome, path))
        entry.seen = answer and Seen.of(*answer)
        self.log.append(entry)
        return entry.seen

    def _value(self):
        self.serial += 1
        return b"%d.%d" % (self.number, self.serial)

    def _step(self, path, may_delete=True):
        """A write that should succeed or, now and then, one of a version that is not."""
        seen = self.known.get(path)
        if not seen:
            return "create", path, self._value(), int(path == self.ephemeral)
        version = seen.version + (self.random.random() < 0.05)
        if may_delete and self.random.random() < 0.2:
            return "delete", path, version
        return "set", path, self._value(), version

    def _write(self):
        self._do(self._step(self.random.choice((*self.keys, self.ephemeral))))

    def _publish(self):
        self._do(self._step(self.public, may_delete=False))

    def _do(self, step):
        self._ask(self._note("write", steps=(step,)), *step)
        self.known[step[1]] = self._read(step[1])

    def _multi(self):
        steps = tuple(self._step(path) for path in self.random.sample(self.keys, 2))
        entry = self._note("write", steps=steps)
        codes = self._ask(entry, "multi", *steps)
        if entry.outcome == 0:
            entry.outcome = next((c for c in codes if c not in (0, UNDONE)), 0)
        for _, path, *_ in steps:
            self.known[path] = self._read(path)

    def _peek(self):
        self._read(self._own("public", self.random.randrange(CLIENTS)), "peek")

    def _count(self):
        data, stat = self.session.call("get", self.root + "/counter")
        entry = self._note("count", value=int(data) + 1)
        self._ask(entry, "set", self.root + "/counter", b"%d" % entry.value, stat["version"])

    def _sequence(self):
        entry = self._note("sequence", value=self._value())
        entry.seen = self._ask(entry, "create", self.root + "/seq/n-", entry.value, 2)

    def _place(self):
        return "%s/lock/%d-" % (self.root, self.number)

    def _waiting(self):
        """Who holds the lock or waits for it, in order."""
        return sorted((self.root + "/lock/" + name for name in self.session.call("children", self.root + "/lock")), key=lambda p: p[-10:])

    def _lock(self):
        """Takes the lock, writes what it guards, and gives it back; gives up after a while."""
        place = self.session.call("create", self._place(), b"", 3)
        end = time.monotonic() + 2
        while not (mine := self._waiting()[0] == place) and time.monotonic() < end:
            time.sleep(0.002)
        if mine:
            self._hold(self._note("hold"))
        self.session.call("delete", place)

    def _hold(self, entry):
        """From the answer that gave it the lock to now, or, without an answer, to the sending of the last request that had one."""
        version = self._sent(entry, "get", self.root + "/guard")[1]["version"]
        try:
            self._sent(entry, "set", self.root + "/guard", b"%d" % self.number, version)
            entry.outcome = 0
        except ZkError as e:
            entry.outcome = e.code
        entry.ended = time.monotonic()

    def _sent(self, entry, name, *args):
        sent = time.monotonic()
        answer = self.session.call(name, *args)
        entry.ended = sent
        return answer


class Workload:
    """Clients on all members of an ensemble, from `with` to its end."""

    def __init__(self, ensemble, root, seed=1):
        self.ensemble, self.root = ensemble, root
        with ensemble.leader().client(timeout=20) as client:
            client.create(root)
            for name, data in (("seq", b""), ("lock", b""), ("counter", b"0"), ("guard", b"")):
                client.create("%s/%s" % (root, name), data)
        self.clients = [Client(n, list(ensemble), root, seed * 1000 + n) for n in range(CLIENTS)]

    def __enter__(self):
        for c in self.clients:
            c.thread.start()
        self.goes_on()
        return self

    def __exit__(self, *_):
        for c in self.clients:
            c.stopping.set()
        for c in self.clients:
            c.thread.join(2 * BACK_S)

    def goes_on(self, writes=20):
        """Until each client has had that many more answers."""
        answered = lambda: [sum(e.outcome == 0 for e in c.log) for c in self.clients]  # noqa: E731
        before = answered()
        until("%d more answers for each client" % writes,
              lambda: self._troubles() or all(n >= b + writes for n, b in zip(answered(), before)), BACK_S, 0.05)
        need(not self._troubles(), "a client gave up: %s" % self._troubles())

    def _troubles(self):
        return "; ".join(c.trouble for c in self.clients if c.trouble)

    def expired(self):
        return sum(e.op == "expired" for c in self.clients for e in c.log)

    def verdict(self):
        """After the end: judges, and tells how much was done."""
        need(not any(c.thread.is_alive() for c in self.clients), "clients that end")
        need(not self._troubles(), "a client gave up: %s" % self._troubles())
        with self.ensemble.leader().client(timeout=20) as client:
            client.sync()
            final = {path: (data, stat) for path, (data, _, stat) in tree(client).items()}
        history = History({c.number: c.log for c in self.clients}, final, self.root)
        for c in self.clients:
            c.session.zk.close()
        found = complaints(history)
        need(not found, "%d complaints: %s" % (len(found), "; ".join(found[:3])))
        return self._summary(history)

    def _summary(self, history):
        done = acknowledged(history)
        unknown = sum(e.outcome is UNKNOWN for c in self.clients for e in c.log)
        longest = max(b.ended - a.ended for a, b in zip(done, done[1:]))
        return "%d writes, %d without answer, %d sessions expired, longest pause %d ms" % (len(done), unknown, self.expired(), longest * 1000)

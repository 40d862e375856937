"""What an ensemble is taken through. Each scenario gets one that serves, and may leave members down or asleep; its docstring is
what it shows, its answer what it saw."""
import contextlib
import itertools
import threading
import time

from members import OXKEEPER, Cases, need, until
from same import same
from workload import Workload
from zkmini import ZkError

SCENARIOS = scenario = Cases()
NO_QUORUM_S = 20
EXPIRY_MS, LATE_S = 2000, 5
FAR = 600                                        # more than the 500 proposals that every version keeps in memory
LARGE = 800000
BUSY_ZNODES, BUSY_JOINS, BUSY_WRITERS = 30, 4, 20
CREATED, DELETED, CHANGED, CHILD = 1, 2, 3, 4


def clients(members, **kw):
    return [m.client(timeout=20, **kw) for m in members]


def after_sync(member, client, what, holds):
    """It holds once the client has synced, or soon after where that does not vouch."""
    def seen():
        client.sync()
        return holds()
    if member.vouches_by_sync():
        need(seen(), what)
    else:
        until(what, seen, 10, 0.01)


def closed(opened):
    for client in opened:
        client.close()


def refuses(what, attempt):
    try:
        attempt()
    except (OSError, ZkError):
        return
    need(False, what + " is refused")


def pairs(ensemble, leaders=lambda others: others):
    """A leader and a learner for each two implementations, of those with oxkeeper if there is one. `leaders` chooses who may lead
    of those that are not the learner."""
    found = {}
    for learner in ensemble.voters():
        for leader in leaders([m for m in ensemble.voters() if m is not learner]):
            found.setdefault((leader.implementation, learner.implementation), (leader, learner))
    return [pair for kinds, pair in found.items() if OXKEEPER in kinds] or list(found.values())


def highest(others):
    return others[-1:]


def rejoins(ensemble, learner):
    """Starts a member; the packets that it was synchronised with."""
    since = len(ensemble.recorder.conversations)
    learner.start()
    ensemble.serve()
    joined = until("packets of a synchronisation", lambda: ensemble.recorder.synchronised(learner.sid, since), 10, 0.05)
    joined = [[packet.name for packet in told] for told in joined]
    need(len(joined) == 1, "%r joins once, not %s" % (learner, joined))
    return joined[0]


def is_diff(told, writes):
    """DIFF, and each transaction with its commit, at least as many as that."""
    return told[0] == "DIFF" and told[1::2] == ["PROPOSAL"] * (len(told) // 2) and told[2::2] == ["COMMIT"] * (len(told) // 2) and len(told) > 2 * writes


@scenario
def start(ensemble):
    """Members elect, and what is written on each is read on all."""
    opened = clients(ensemble)
    for writer in opened:
        data = b"%d" % writer.session_id
        path = writer.create("/from-", data, 2)
        for m, reader in zip(ensemble, opened):
            after_sync(m, reader, "what was written elsewhere", lambda: reader.get(path)[0] == data)
    closed(opened)
    return "led by %r" % ensemble.leader()


@scenario
def synced(ensemble):
    """A read after a sync sees what was written on another member just before."""
    opened = clients(ensemble)
    path = opened[0].create("/synced")
    pairs_of_two = list(itertools.permutations(zip(ensemble, opened), 2)) * 10
    for number, ((_, writer), (m, reader)) in enumerate(pairs_of_two):
        data = b"%d" % number
        writer.set(path, data)
        after_sync(m, reader, "a write before the sync", lambda: reader.get(path)[0] == data)
    closed(opened)
    return "%d rounds" % (number + 1)


@scenario
def watches(ensemble):
    """Watches on every member fire once, in order, whoever writes."""
    opened = clients(ensemble)
    for number, writer in enumerate(opened):
        path = "/watched%d" % number
        child = path + "/child"
        steps = ((CREATED, "create", path), (CHANGED, "set", path, b"data"), (CHILD, "create", child), (CHILD, "delete", child), (DELETED, "delete", path))
        for count, (_, *step) in enumerate(steps, 1):
            for client in opened:
                client.sync()
                client.watch(path)
            getattr(writer, step[0])(*step[1:])
            expected = [(fired, path) for fired, *_ in steps[:count]]
            for m, client in zip(ensemble, opened):
                after_sync(m, client, "the events %s" % expected, lambda: [event for event in client.events if event[1] == path] == expected)
    closed(opened)
    return "%d members" % len(opened)


@scenario
def moves(ensemble):
    """A session goes from member to member with its ephemeral; where it was, it can no longer write; closed, its ephemeral goes."""
    def renewed(m, session):
        """A member that lacks what the client has seen does not take it."""
        return until("%r takes a session" % m, lambda: session.renewed(m.client_port, timeout=20, session_ms=20000), 20, 0.02)

    at = ensemble[1].client(timeout=20, session_ms=20000)
    at.create("/moves", b"", 1)
    for m in [*ensemble][1:] + [ensemble[1]]:
        left, at = at, renewed(m, at)
        need(at.get("/moves")[1]["ephemeralOwner"] == at.session_id, "the ephemeral on %r" % m)
        at.set("/moves", b"%d" % m.sid)
        refuses("a write of a session that has moved to %r" % m, lambda: left.set("/moves", b"from where it was"))
        left.s.close()
    for m in ensemble:
        refuses("a wrong password on %r" % m, lambda: at.renewed(m.client_port, password=b"1" * 16))
    with renewed(ensemble[1], at) as at:                     # the official server ends its connection at a wrong password
        need(at.get("/moves")[0] == b"1", "what it wrote last")
    for client in (others := clients(ensemble)):
        client.sync()
        need(not client.exists("/moves"), "the ephemeral of a closed session goes")
    closed(others)


@scenario
def expiry(ensemble):
    """Sessions whose client is gone expire on time, for all to see; one that pings a follower only does not."""
    watching = clients(ensemble, session_ms=20000)
    alive = ensemble.followers()[0].client(timeout=20, session_ms=EXPIRY_MS)
    alive.create("/expiry-alive", b"", 1)
    gone = {}
    for m in ensemble:
        client = m.client(timeout=20, session_ms=EXPIRY_MS)
        began = time.monotonic()
        gone[client.create("/expiry-", b"", 3)] = began
        client.s.close()
    late, end = [], time.monotonic() + 3 * EXPIRY_MS / 1000
    while gone or time.monotonic() < end:
        alive.ping()
        names = {"/" + name for client in watching for name in client.children("/")}
        for path in gone.keys() - names:
            late.append(time.monotonic() - gone.pop(path) - EXPIRY_MS / 1000)
            need(late[-1] >= 0, "%s expired %.2f s early" % (path, -late[-1]))
        need(not gone or time.monotonic() - max(gone.values()) < EXPIRY_MS / 1000 + LATE_S, "sessions without a client expired: %s" % gone)
        time.sleep(0.1)
    need(all(c.exists("/expiry-alive") for c in watching), "a session that pings lives")
    closed([alive, *watching])
    return "at most %.1f s after their time" % max(late)


@scenario
def diff(ensemble):
    """A follower that missed a few writes is sent these alone."""
    for leader, learner in pairs(ensemble):
        ensemble.lead(leader)
        learner.kill()
        with leader.client(timeout=20) as client:
            client.create("/diff-", b"", 2)
            client.set_often("/", 5)
        told = rejoins(ensemble, learner)
        need(is_diff(told, 5), "DIFF of %r to %r: %s" % (leader, learner, told))
    return pairs(ensemble)


@scenario
def far(ensemble):
    """One that missed more than the leader has in memory is sent them from its log or, where `snapshotSizeFactor` forbids, a snapshot."""
    from_log = float(ensemble.settings.get("snapshotSizeFactor", 0.33)) >= 0
    for leader, learner in pairs(ensemble):
        ensemble.lead(leader)
        with leader.client(timeout=60) as client:
            client.create("/far-", b"x" * LARGE, 2)             # the tree is large beside what was missed
            ensemble.quiet()
            learner.kill()
            client.set_often("/", FAR)
        told = rejoins(ensemble, learner)
        need(is_diff(told, FAR) if from_log else told == ["SNAP", "STREAM"], "what %r told %r: %s" % (leader, learner, told[:5]))
    return pairs(ensemble)


@scenario
def snap(ensemble):
    """One with an empty directory is sent a snapshot."""
    for leader, learner in pairs(ensemble):
        ensemble.lead(leader)
        learner.kill()
        learner.fresh()
        told = rejoins(ensemble, learner)
        need(told == ["SNAP", "STREAM"], "SNAP of %r to %r: %s" % (leader, learner, told))
    return pairs(ensemble)


@scenario
def busy_snap(ensemble):
    """An official leader sends a snapshot while writes go on, which is ahead of the zxid that it is announced with: nobody takes that for
    damage."""
    with ensemble.leader().client(timeout=60) as client:
        for _ in range(BUSY_ZNODES):
            client.create("/large-", b"x" * LARGE, 2)          # so that it takes a while to send
    official = [(leader, learner) for leader, learner in pairs(ensemble) if leader.implementation != OXKEEPER]
    for leader, learner in official:
        ensemble.lead(leader)
        for _ in range(BUSY_JOINS):
            learner.kill()
            learner.fresh()
            with contextlib.ExitStack() as stack:
                writers = [stack.enter_context(Writer(leader)) for _ in range(BUSY_WRITERS)]
                told = rejoins(ensemble, learner)
            written = sum(writer.written for writer in writers)
            need(told[0] == "SNAP" and written, "%r told %r %s with %d writes" % (leader, learner, told[:5], written))
            learner.joined_from(leader)
            same(ensemble)
        learner.kill()                                         # and what it has on its disk is as much ahead
        learner.start()
    return official


class Writer:
    """A session that creates and deletes without a pause."""

    def __init__(self, member):
        self.client, self.written, self.over = member.client(timeout=60), 0, False
        self.thread = threading.Thread(target=self._write)

    def _write(self):
        while not self.over:
            self.client.delete(self.client.create("/busy-", b"", 2))
            self.written += 2

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()
        self.client.close()


def stranded(ensemble, leader, learner, transactions):
    """The learner led, and comes back with a proposal that nobody else had; the packets."""
    ensemble.lead(learner)
    ensemble.strand("/stranded")
    need(ensemble.leader() is leader, "%r leading" % leader)
    if transactions:
        with leader.client(timeout=20) as client:
            client.create("/after-", b"", 2)
    told = rejoins(ensemble, learner)
    with learner.client(timeout=20) as client:
        need(not client.exists("/stranded"), "a proposal that was not committed is gone")
    return told


@scenario
def trunc(ensemble):
    """An old leader takes back a proposal that nobody else had."""
    for leader, learner in pairs(ensemble, highest):
        told = stranded(ensemble, leader, learner, False)
        need(told == ["TRUNC"], "TRUNC of %r to %r: %s" % (leader, learner, told))
    return pairs(ensemble, highest)


@scenario
def trunc_then_more(ensemble):
    """The same when others have gone on meanwhile: TRUNC and what it missed, or a snapshot."""
    seen = []
    for leader, learner in pairs(ensemble, highest):
        told = stranded(ensemble, leader, learner, True)
        need(told == ["SNAP", "STREAM"] or told[0] == "TRUNC" and is_diff(["DIFF"] + told[1:], 1), "what %r told %r: %s" % (leader, learner, told))
        seen.append((leader, learner, told[0]))
    return seen


@scenario
def observer(ensemble):
    """An observer serves, is told what was decided, catches up by DIFF and SNAP, and does not count towards a quorum."""
    m = next(m for m in ensemble if m.observer)
    need(m.mode() == "observer", "%r observing" % m)
    with m.client(timeout=20) as client:
        client.create("/observed-", b"", 2)
    links = [c for c in ensemble.recorder.conversations if c.kind == "quorum" and c.learner() == m.sid]
    names = {packet.name for c in links for packet in c.packets()[1]}
    need("INFORM" in names, "INFORM to an observer, not %s" % names)
    for fresh in (False, True):
        m.kill()
        with ensemble.leader().client(timeout=20) as client:
            client.set_often("/", 5)
        if fresh:
            m.fresh()
        told = rejoins(ensemble, m)
        need(told == ["SNAP", "STREAM"] if fresh else told[0] == "DIFF" and len(told) > 5, "an observer that was away is told %s" % told)
    for follower in ensemble.followers():
        follower.kill()
    until("no quorum of a leader and an observer", lambda: not any(m.mode() for m in ensemble.alive()), NO_QUORUM_S, 0.1)


@scenario
def leaders(ensemble):
    """Each voter leads in turn while clients work; no session ends."""
    with Workload(ensemble, "/leaders") as load:
        for m in ensemble.voters():
            ensemble.lead(m)
            load.goes_on()
    need(load.expired() == 0, "%d sessions ended" % load.expired())
    return load.verdict()


@scenario
def outages(ensemble):
    """While clients work: a follower is killed and comes back, and again with nothing; the leader is stopped; the leader falls asleep."""
    with Workload(ensemble, "/outages") as load:
        for fresh in (False, True):
            follower = ensemble.followers()[0]
            follower.kill()
            load.goes_on()
            if fresh:
                follower.fresh()
            follower.start()
            follower.serves()
            if fresh:
                follower.joined_from(ensemble.leader())
        leader = ensemble.leader()
        leader.stop()
        load.goes_on()
        leader.start()
        ensemble.serve()
        leader = ensemble.leader()
        leader.pause()
        until("another leader", lambda: ensemble.leader() is not leader, 60, 0.1)
        load.goes_on()
        leader.resume()
        ensemble.serve()
        load.goes_on()
    need(load.expired() == 0, "%d sessions ended" % load.expired())
    return load.verdict()


@scenario
def blackouts(ensemble):
    """While clients work, all members are killed at once, and start again."""
    with Workload(ensemble, "/blackouts") as load:
        for _ in range(2):
            for m in ensemble:
                m.kill()
            ensemble.start()
            load.goes_on()
    need(load.expired() == 0, "%d sessions ended" % load.expired())
    return load.verdict()

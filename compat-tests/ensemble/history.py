"""What clients did and saw, as logs, and the judgement of them: each check yields a complaint for whatever must never be.

A log is what one client did, in order. Each client alone writes its own keys, so a log can be judged by itself: a write whose
answer never came has happened or not, until a read tells. What all share (a counter, a directory of sequential znodes, a lock)
is judged over all logs."""
import bisect
import collections
import dataclasses
import itertools
import typing

NO_NODE, BAD_VERSION, EXISTS = -101, -103, -110
UNKNOWN = None                                    # the outcome of a write whose answer never came


@dataclasses.dataclass
class Entry:
    """One thing a client did. `write`, `read`: to its own keys; `peek`: sync and read of a key of another, `glance`: the same where a sync does not vouch; `count`, `sequence`,
    `hold`: at the counter, the sequential znodes, the lock; `expired`: its session, and its ephemerals with it."""
    op: str
    began: float
    ended: float
    outcome: object = UNKNOWN                     # 0, an error code or UNKNOWN
    zxid: int = 0                                 # of the answer
    steps: tuple = ()                             # of a write: (name, path, ...) as ZkMini.multi takes them
    key: str = ""
    seen: object = None                           # Seen, or None for no znode; of `sequence`, the path made
    value: bytes = b""                            # of `sequence`: what the znode says; of `count`: the new version


class History(typing.NamedTuple):
    logs: dict                                    # client -> [Entry]
    final: dict                                   # the tree at the end: path -> (data, Stat)
    root: str                                     # the path that everything is below


class Seen(typing.NamedTuple):
    value: bytes
    version: int
    mzxid: object                                 # None: not known yet
    ephemeral: bool

    @classmethod
    def of(cls, data, stat):
        return cls(data, stat["version"], stat["mzxid"], stat["ephemeralOwner"] != 0)


def applied(state, steps, zxid):
    """What the server must say to a write in this state, and the state after it. Paths -> Seen."""
    after = dict(state)
    for name, key, *rest in steps:
        node = after.get(key)
        if name == "create":
            if node:
                return EXISTS, state
            after[key] = Seen(rest[0], 0, zxid, rest[1] == 1)
        elif node is None:
            return NO_NODE, state
        elif rest[-1] != node.version:
            return BAD_VERSION, state
        elif name == "set":
            after[key] = Seen(rest[0], node.version + 1, zxid, node.ephemeral)
        else:
            del after[key]
    return 0, after


def fits(node, seen):
    if node is None or seen is None:
        return node is seen
    return (node.value, node.version, node.ephemeral) == (seen.value, seen.version, seen.ephemeral) and node.mzxid in (None, seen.mzxid)


def after(states, entry):
    """The states that are possible after this entry."""
    if entry.op == "expired":
        return [{k: n for k, n in s.items() if not n.ephemeral} for s in states]
    if entry.op == "read":
        return [s for s in states if fits(s.get(entry.key), entry.seen)]
    if entry.op != "write":
        return states
    if entry.outcome is UNKNOWN:
        done = [applied(s, entry.steps, None) for s in states]
        return states + [s for code, s in done if code == 0]
    done = [applied(s, entry.steps, entry.zxid) for s in states]
    return [s for code, s in done if code == entry.outcome]


def registers(h):
    """Nothing acknowledged is lost, nothing is applied twice, a client sees its own writes: version by version."""
    for client, log in h.logs.items():
        states = [{}]
        for entry in log:
            before, states = states, after(states, entry)
            if not states:
                yield "client %s: %s cannot be after %s" % (client, entry, before)
                break
        else:
            keys = {step[1] for entry in log for step in entry.steps}
            seen = {k: Seen.of(*h.final[k]) for k in keys if k in h.final}
            if not any(all(fits(s.get(k), seen.get(k)) for k in keys) for s in states):
                yield "client %s: the end %s is none of %s" % (client, seen, states)


def order(h):
    """The zxid of what a session is told never goes back; what it reads of others does not, either."""
    for client, log in h.logs.items():
        newest, peeked = 0, {}
        for entry in log:
            if entry.op == "expired":
                newest = 0
            elif entry.zxid:
                if entry.zxid < newest:
                    yield "client %s: told %#x, then %s" % (client, newest, entry)
                newest = entry.zxid
            if entry.op in ("peek", "glance") and entry.seen:
                if entry.seen.mzxid < peeked.get(entry.key, 0):
                    yield "client %s: saw %#x of %s, then %s" % (client, peeked[entry.key], entry.key, entry)
                peeked[entry.key] = entry.seen.mzxid


def acknowledged(h):
    """All writes with an answer, by the time of it."""
    return sorted((e for log in h.logs.values() for e in log if e.op in ("write", "count", "sequence") and e.outcome == 0),
                  key=lambda e: e.ended)


def fresh(h):
    """Who reads after a sync sees whatever was acknowledged before it."""
    writes = acknowledged(h)
    ends, newest = [e.ended for e in writes], list(itertools.accumulate((e.zxid for e in writes), max, initial=0))
    of_key = collections.defaultdict(list)
    for e in writes:
        for step in e.steps:
            of_key[step[1]].append(e)
    for client, log in h.logs.items():
        for entry in (e for e in log if e.op == "peek"):
            if entry.zxid < newest[bisect.bisect_left(ends, entry.began)]:
                yield "client %s: an acknowledged write is newer than %s" % (client, entry)
            own = of_key[entry.key]
            last = bisect.bisect_left(own, entry.began, key=lambda e: e.ended)
            if last and (not entry.seen or entry.seen.mzxid < own[last - 1].zxid):
                yield "client %s: %s was acknowledged before %s" % (client, own[last - 1], entry)


def counter(h):
    """Each version of the counter was made by one client, and all that were acknowledged are in the end."""
    tried = [e for log in h.logs.values() for e in log if e.op == "count"]
    done = [e.value for e in tried if e.outcome == 0]
    unknown = sum(e.outcome is UNKNOWN for e in tried)
    value, stat = h.final[h.root + "/counter"]
    if len(set(done)) != len(done):
        yield "the counter was taken twice to one of %s" % sorted(v for v in done if done.count(v) > 1)
    if int(value) != stat["version"]:
        yield "the counter says %s in version %d" % (value, stat["version"])
    if not len(done) <= int(value) <= len(done) + unknown:
        yield "the counter is %s after %d increments and %d without answer" % (value, len(done), unknown)


def sequence(h):
    """Every sequential znode acknowledged is there, under its own name, once, and names rise with zxids."""
    tried = [e for log in h.logs.values() for e in log if e.op == "sequence"]
    done = sorted((e for e in tried if e.outcome == 0), key=lambda e: e.zxid)
    names = [e.seen for e in done]
    if sorted(set(names)) != names:
        yield "names do not rise with zxids: %s" % [(e.seen, hex(e.zxid)) for e in done]
    there = [data for path, (data, _) in h.final.items() if path.startswith(h.root + "/seq/")]
    if len(set(there)) != len(there) or not set(there) <= {e.value for e in tried}:
        yield "a sequential znode is there twice, or nobody made it: %s" % sorted(there)
    for e in done:
        if e.seen not in h.final or h.final[e.seen][0] != e.value:
            yield "lost: %s" % e


def lock(h):
    """One client at a time holds the lock, and nobody else writes what it guards."""
    holds = sorted(((e.began, e.ended, client, e) for client, log in h.logs.items() for e in log if e.op == "hold"), key=lambda h: h[:2])
    for (_, ended, one, _), (began, _, other, _) in zip(holds, holds[1:]):
        if began < ended:
            yield "clients %s and %s hold the lock at once" % (one, other)
    for *_, client, entry in holds:
        if entry.outcome == BAD_VERSION:
            yield "client %s: somebody else wrote what the lock guards: %s" % (client, entry)


CHECKS = (registers, order, fresh, counter, sequence, lock)


def complaints(h):
    return [text for check in CHECKS for text in check(h)]

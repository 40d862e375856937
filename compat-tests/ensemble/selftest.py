#!/usr/bin/env python3
"""Shows that the judgement takes an honest history, and refuses each one that tells of what must never be.

Each corruption is one change of the honest history, and names the check that has to see it."""
import sys

import history
import same
from history import BAD_VERSION, UNKNOWN, Entry, History, Seen

ROOT, KEY, GONE = "/w", "/w/1-k", "/w/2-ephemeral"


def entry(op, at, outcome=0, **fields):
    return Entry(op, at, at + 0.5, outcome, **fields)


def stat(version, mzxid):
    return {"version": version, "mzxid": mzxid, "ephemeralOwner": 0}


def honest():
    """Client 1 sets KEY to b without hearing of it; client 2 loses a session."""
    one = [entry("write", 1, zxid=2, steps=(("create", KEY, b"a", 0),)),
           entry("read", 2, zxid=2, key=KEY, seen=Seen(b"a", 0, 2, False)),
           entry("write", 3, UNKNOWN, steps=(("set", KEY, b"b", 0),)),
           entry("read", 4, zxid=4, key=KEY, seen=Seen(b"b", 1, 4, False)),
           entry("count", 5, zxid=5, value=1),
           entry("sequence", 6, zxid=6, value=b"one", seen="/w/seq/n-0000000000"),
           entry("hold", 7),
           entry("write", 14, zxid=11, steps=(("set", KEY, b"c", 1), ("create", KEY + "2", b"", 0)))]
    two = [entry("peek", 3, zxid=3, key=KEY, seen=Seen(b"a", 0, 2, False)),
           entry("peek", 5.6, zxid=5, key=KEY, seen=Seen(b"b", 1, 4, False)),
           entry("count", 8, zxid=7, value=2),
           entry("sequence", 9, zxid=8, value=b"two", seen="/w/seq/n-0000000001"),
           entry("hold", 10),
           entry("write", 11, zxid=9, steps=(("create", GONE, b"", 1),)),
           entry("expired", 12),
           entry("read", 13, zxid=10, key=GONE)]
    final = {KEY: (b"c", stat(2, 11)), KEY + "2": (b"", stat(0, 11)), "/w/counter": (b"2", stat(2, 7)),
             "/w/seq/n-0000000000": (b"one", stat(0, 6)), "/w/seq/n-0000000001": (b"two", stat(0, 8))}
    return History({1: one, 2: two}, final, ROOT)


CORRUPTIONS = []


def corruption(title, check):
    return lambda change: CORRUPTIONS.append((title, check, change))


@corruption("an acknowledged write is lost at the end", history.registers)
def _(h):
    h.final[KEY] = b"b", stat(1, 4)


@corruption("an acknowledged create is lost at the end", history.registers)
def _(h):
    del h.final[KEY + "2"]


@corruption("half of a multi is lost", history.registers)
def _(h):
    h.final[KEY + "2"] = b"", stat(1, 11)


@corruption("a write is applied twice", history.registers)
def _(h):
    h.logs[1][3].seen = Seen(b"b", 2, 4, False)


@corruption("a write has another zxid than was told", history.registers)
def _(h):
    h.final[KEY] = b"c", stat(2, 12)


@corruption("a client does not see what it has seen", history.registers)
def _(h):
    h.logs[1].insert(4, entry("read", 4.6, zxid=4, key=KEY, seen=Seen(b"a", 0, 2, False)))


@corruption("a write that had to be refused is acknowledged", history.registers)
def _(h):
    h.logs[1].insert(4, entry("write", 4.6, zxid=4, steps=(("delete", KEY, 7),)))


@corruption("a write is refused for no reason", history.registers)
def _(h):
    h.logs[1][7].outcome = BAD_VERSION


@corruption("an ephemeral outlives its session", history.registers)
def _(h):
    h.logs[2][7].seen = Seen(b"", 0, 9, True)


@corruption("the zxid goes back", history.order)
def _(h):
    h.logs[1][5].zxid = 4


@corruption("what a client reads of another goes back", history.order)
def _(h):
    h.logs[2].insert(2, entry("peek", 5.9, zxid=5, key=KEY, seen=Seen(b"a", 0, 2, False)))


@corruption("a stale read after a sync", history.fresh)
def _(h):
    h.logs[2].append(entry("peek", 20, zxid=11, key=KEY, seen=Seen(b"b", 1, 4, False)))


@corruption("nothing is there after a sync", history.fresh)
def _(h):
    h.logs[2].append(entry("peek", 20, zxid=11, key=KEY))


@corruption("a sync on a member that lags", history.fresh)
def _(h):
    h.logs[2][1].zxid = 4


@corruption("an increment is lost", history.counter)
def _(h):
    h.final["/w/counter"] = b"1", stat(1, 5)


@corruption("an increment is applied twice", history.counter)
def _(h):
    h.final["/w/counter"] = b"3", stat(3, 9)


@corruption("one increment is acknowledged to two", history.counter)
def _(h):
    h.logs[2][2].value = 1


@corruption("a sequential znode is lost", history.sequence)
def _(h):
    del h.final["/w/seq/n-0000000001"]


@corruption("a sequential znode is there twice", history.sequence)
def _(h):
    h.final["/w/seq/n-0000000002"] = b"two", stat(0, 12)


@corruption("two get one name", history.sequence)
def _(h):
    h.logs[2][3].seen = "/w/seq/n-0000000000"


@corruption("two hold the lock", history.lock)
def _(h):
    h.logs[1][6].ended = 10.1


@corruption("somebody else writes what the lock guards", history.lock)
def _(h):
    h.logs[2][4].outcome = BAD_VERSION


def trees_that_differ():
    """What `same` compares: each must be told apart."""
    node = b"data", [(31, "world", "anyone")], {"version": 1, "pzxid": 7}
    for other in ((b"Data", *node[1:]), (None, *node[1:]), (node[0], [(1, "world", "anyone")], node[2]), (*node[:2], {"version": 1, "pzxid": 8})):
        yield same.difference({"/": node}, {"/": other})
    yield same.difference({"/": node}, {"/": node, "/more": node})


def main():
    results = [("an honest history is taken", history.complaints(honest()) == []),
               ("one tree is not told apart from itself", not same.difference({"/": b""}, {"/": b""}))]
    for title, check, change in CORRUPTIONS:
        h = honest()
        change(h)
        results.append(("refused: " + title, any(check(h))))
    results += [("told apart: " + text, bool(text)) for text in trees_that_differ()]
    for title, good in results:
        print("%s %s" % ("ok   " if good else "FAIL ", title))
    failed = sum(not good for _, good in results)
    print("%d passed, %d failed" % (len(results) - failed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

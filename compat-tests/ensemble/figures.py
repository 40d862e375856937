#!/usr/bin/env python3
"""The figures of members (`mntr`). An official ensemble and one of ours go through the same; what moves there in a role has to move here, or stands in
the table of docs/metrics.md; and where all transactions are counted there, all are here.

usage: figures.py [KIND]     The kind that is measured, oxkeeper by default. The last line is `N passed, M failed`."""
import os
import re
import signal
import socket
import sys
import time

from members import HERE, Ensemble, need, until

OFFICIAL = "3.9.5"
WRITES = 40
FAR = 600                                                             # more transactions than a leader keeps in memory
SETTINGS = {"leader.ackLoggingFrequency": 1, "snapshotSizeFactor": -1}
# What counts each transaction once, in those roles in which it counts any.
EXACT = ["proposal_count", "commit_count", "learner_proposal_received_count", "learner_commit_received_count", "request_commit_queued",
         "cnt_proposal_latency", "cnt_proposal_ack_creation_latency", "cnt_quorum_ack_latency", "cnt_commit_propagation_latency", "cnt_propagation_latency"]
# Of what depends on the pace or on chance, only whether something was counted is compared: by `cnt_`.
PACE = re.compile(r"(avg|min|max|sum|p\d+)_")


def figures(m):
    """What `mntr` shows in numbers, by family: figures of one member or namespace are added up."""
    found = {}
    for line in m.word("mntr").splitlines():
        key, _, value = line.removeprefix("zk_").partition("\t")
        key = re.sub(r"^(?:(\w+?)_)?\d+_(ack_latency|learner_handler_qp_\w+)$", r"\1_\2", key)
        key = re.sub(r"^(\w+?)_[\w-]+_((?:read|write)_per_namespace)$", r"\1_\2", key)
        try:
            found[key] = found.get(key, 0) + float(value)
        except ValueError:
            continue
    return found


def excused():
    """The figures in the table of docs/metrics.md: left out, or other ones here."""
    with open(os.path.join(HERE, "..", "..", "docs", "metrics.md")) as f:
        cells = [line.split("|")[1] for line in f if line.startswith("| `")]
    names = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    need(names, "docs/metrics.md has a table")
    return names


def measured(kind):
    """By role: all figures in the end, and which of those of transactions have counted the writes of some sessions: all, none, or how many of how many."""
    with Ensemble([kind] * 3, [kind], **SETTINGS) as ensemble:
        ensemble.start()
        returns(ensemble, 1)
        returns(ensemble, FAR)
        roles = {m.mode(): m for m in ensemble}
        need(set(roles) == {"leader", "follower", "observer"}, "all roles, not %s" % list(roles))
        ensemble.quiet()
        before = {role: figures(m) for role, m in roles.items()}
        for m in roles.values():
            write(m)
            leaves(m)
        until("standing still", lambda: still(ensemble, roles), 20, 0.1)
        after = {role: figures(m) for role, m in roles.items()}
    made = int(after["leader"]["proposal_count"] - before["leader"]["proposal_count"])
    need(made >= len(roles) * (WRITES + 2), "%s: %d proposals" % (kind, made))
    return after, {role: {key: share(after[role][key] - before[role][key], made) for key in EXACT} for role in roles}


def share(counted, made):
    return {0: "none", made: "all"}.get(counted, "%d of %d" % (counted, made))


def still(ensemble, roles):
    """Whether nothing is under way."""
    ensemble.quiet()

    def counts():
        return [[found.get(key) for key in EXACT] for found in map(figures, roles.values())]
    first = counts()
    time.sleep(0.3)
    return first == counts()


def write(m):
    """A session, its writes, and its end."""
    with m.client(timeout=20) as client:
        for n in range(WRITES):
            client.create("/%d-%d" % (m.sid, n), b"data")
        client.get("/%d-0" % m.sid)
        client._call(-11, b"")


def leaves(m):
    """A connection whose client ends it: how that of a session ends is a race, and counts or does not."""
    def dropped():
        return figures(m)["connection_drop_count"]
    before = dropped()
    socket.create_connection(("127.0.0.1", m.client_port), 5).close()
    until("a dropped connection", lambda: dropped() > before, 10, 0.05)


def returns(ensemble, missed):
    """A follower ends and comes back, so many transactions behind the others."""
    m = ensemble.followers()[0]
    m.kill()
    with ensemble.leader().client(timeout=60) as client:
        client.set_often("/", missed)
    m.start()
    ensemble.serve()


def wrong(role, theirs, ours, known):
    """Figures of one role that are not as they have to be."""
    def family(key):
        return re.sub(r"^(avg|min|max|cnt|sum|p\d+)_", "", key)
    for key, value in theirs.items():
        if family(key) in known:
            continue
        if key not in ours:
            yield "%s: %s is not in mntr" % (role, key)
        elif value and not ours[key] and not PACE.match(key):
            yield "%s: %s is %s there, and 0 here" % (role, key, value)
    yield from ("%s: %s is in this server's mntr only" % (role, key) for key in ours if key not in theirs and family(key) not in known)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))           # so that the members are ended
    kind, known = sys.argv[1] if len(sys.argv) > 1 else "oxkeeper", excused()
    (theirs, theirs_counted), (ours, ours_counted) = measured(OFFICIAL), measured(kind)
    passed = failed = 0
    for role in theirs:
        found = list(wrong(role, theirs[role], ours[role], known))
        for key, count in theirs_counted[role].items():
            if ours_counted[role][key] != count:
                found.append("%s: %s counts %s there, and %s here" % (role, key, count, ours_counted[role][key]))
        print("%s  %s: %d figures" % ("FAIL" if found else "ok  ", role, len(theirs[role])), *found, sep="\n      ", flush=True)
        passed, failed = passed + (not found), failed + bool(found)
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

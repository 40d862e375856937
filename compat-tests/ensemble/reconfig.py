#!/usr/bin/env python3
"""An ensemble of any mix of members whose configuration changes at run time.

usage: reconfig.py [KIND,KIND,KIND] (3.9.5,oxkeeper,oxkeeper; see members.py). The last line is `N passed, M failed`."""
import signal
import sys
import time

from members import Ensemble, need, until
from same import same
from zkmini import ZkError

SETTINGS = {"reconfigEnabled": "true", "skipACL": "yes"}
BAD_VERSION, NO_QUORUM_S = -103, 60


def line(m, role="participant"):
    return "server.%d=127.0.0.1:%d:%d:%s;127.0.0.1:%d" % (m.sid, m.quorum_port, m.election_port, role, m.client_port)


def changed(ensemble, via, voters, observers=(), **asked):
    """Asks for a change, and waits until all members that run tell it, and take writes."""
    until("a change, asked of %r" % via, lambda: asks(via, voters, **asked), NO_QUORUM_S, 0.5)
    ensemble.serve()
    for m in ensemble.alive():
        until("%r taking a write" % m, lambda m=m: wrote(m), NO_QUORUM_S, 0.2)
    want = {m.sid: "participant" for m in voters} | {m.sid: "observer" for m in observers}
    for m in ensemble.alive():
        until("%r telling the members %s, not %s" % (m, want, told(m)), lambda m=m: told(m) == want, NO_QUORUM_S, 0.2)


def asks(via, voters, **asked):
    """Whether the change is made. Officially the answer may get lost with the leader (a follower hangs up on its clients)."""
    with via.client(timeout=30) as client:
        if set(told(via)) == {m.sid for m in voters} and "leaving" in asked:
            return True
        try:
            client.reconfig(**asked)
        except OSError:
            need(via.implementation != "oxkeeper", "%r answers" % via)
    return True


def wrote(m):
    with m.client(timeout=20) as client:
        client.create("/wrote-", b"", 2)
    return True


def told(m):
    """Roles by id, as a member's `/zookeeper/config` has them."""
    with m.client(timeout=20) as client:
        client.sync("/")
        text = client.get("/zookeeper/config")[0].decode()
    servers = [item.split("=", 1) for item in text.splitlines() if item.startswith("server.")]
    return {int(name[7:]): value.split(";")[0].rsplit(":", 1)[1] for name, value in servers}


def established(ensemble):
    """A version that is not 0 is the same on all."""
    versions = set()
    for m in ensemble:
        with m.client(timeout=20) as client:
            versions.add(client.get("/zookeeper/config")[0].decode().splitlines()[-1])
    need(len(versions) == 1 and versions != {"version=0"}, "one version, not %s" % versions)
    return versions.pop()


def follower_leaves_and_returns(ensemble):
    """Asked of each kind of member; a wrong version is refused."""
    for leaves in ensemble.followers():
        rest = [m for m in ensemble if m is not leaves]
        for via in (leaves, ensemble.leader()):
            changed(ensemble, via, rest, leaving=str(leaves.sid))
            with via.client(timeout=20) as client:
                try:
                    client.reconfig(joining=line(leaves), version=5)
                    need(False, "a wrong version is refused")
                except ZkError as refused:
                    need(refused.code == BAD_VERSION, "refused as %s" % refused.code)
            changed(ensemble, rest[0], list(ensemble), joining=line(leaves))
    return "each, twice"


def follower_observes(ensemble):
    """And votes again."""
    m = ensemble.followers()[0]
    rest = [other for other in ensemble if other is not m]
    changed(ensemble, rest[0], rest, [m], joining=line(m, "observer"))
    until("%r observing" % m, lambda: m.mode() == "observer", NO_QUORUM_S, 0.1)
    changed(ensemble, rest[1], list(ensemble), joining=line(m))
    return repr(m)


def leader_leaves(ensemble):
    """Each time another member leads, and the one that left comes back."""
    for _ in range(3):
        leader = ensemble.leader()
        rest = [m for m in ensemble if m is not leader]
        changed(ensemble, rest[0], rest, leaving=str(leader.sid))
        need(ensemble.leader() is not leader, "%r leads no more" % leader)
        changed(ensemble, rest[0], list(ensemble), joining=line(leader))
    return "three times"


def restart(ensemble):
    """All members, from the files that they have rewritten."""
    before = established(ensemble)
    for m in ensemble:
        m.stop()
    ensemble.start()
    need(established(ensemble) == before, "the version of before")
    return before


def main():
    kinds = (sys.argv[1] if len(sys.argv) > 1 else "3.9.5,oxkeeper,oxkeeper").split(",")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))           # so that the members are ended
    passed = failed = 0
    print("members %s" % kinds, flush=True)
    with Ensemble(kinds, **SETTINGS) as ensemble:
        ensemble.start()
        for step in (established, follower_leaves_and_returns, follower_observes, leader_leaves, restart):
            began = time.monotonic()
            try:
                seen = step(ensemble)
                znodes = same(ensemble)
            except Exception as e:  # noqa: BLE001
                failed += 1
                print("FAIL  %s (%.1f s): %s" % (step.__name__, time.monotonic() - began, e), flush=True)
                break
            passed += 1
            print("ok    %s (%.1f s): %s, %d znodes the same on all" % (step.__name__, time.monotonic() - began, seen, znodes), flush=True)
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Observers that learn from followers (`observerMasterPort`): ensembles of any mix, all members compared after each scenario.

usage: masters.py [--members 3.9.5,oxkeeper,oxkeeper] [--observers oxkeeper,3.9.5] [SCENARIO ...]
A member is `oxkeeper` or the version of an official server, see members.py. The last line is `N passed, M failed`."""
import argparse
import re
import signal
import sys
import time

from members import Ensemble, free_ports, need, until
from mixed import Run
from reconfig import SETTINGS, told
from scenarios import FAR, scenario
from workload import Workload

OWN = []
FINDS_S, SHORT_MS = 60, 2000
ALSO = "synced", "watches", "expiry", "leaders", "outages"


def own(run):
    OWN.append(run.__name__)
    return scenario(run)


class Masters(Ensemble):
    """Each member on an address of its own: they have the port for observers in common."""

    @staticmethod
    def _line(m, _):
        return "server.%d=127.0.0.%d:%d:%d:%s" % (m.sid, m.sid, m.quorum_port, m.election_port, "observer" if m.observer else "participant")

    def joining(self, m):
        return "%s;127.0.0.1:%d" % (self._line(m, {}), m.client_port)

    def observers(self):
        return [m for m in self if m.observer]


def figure(m, name):
    found = re.search(r"^zk_%s\t(-?\d+)" % name, m.word("mntr"), re.M)
    return int(found[1]) if found else None


def master(ensemble, observer):
    """Whom it learns from: a follower, which counts it. None: nobody, for the moment."""
    sid = figure(observer, "observer_master_id")
    if observer.mode() != "observer" or sid is None or ensemble[sid] not in ensemble.followers():
        return None
    return ensemble[sid] if figure(ensemble[sid], "synced_observers") else None


def found(ensemble, observer):
    return until("%r learning from a follower" % observer, lambda: master(ensemble, observer), FINDS_S, 0.05)


@own
def standing(ensemble):
    """Who learns from whom, as `mntr`, `srvr` and `stat` tell it; nobody learns from the leader."""
    seen = {}
    for observer in ensemble.observers():
        seen[observer] = found(ensemble, observer)
        need(figure(observer, "quorum_size") == 3, "three that vote")
        need(figure(observer, "synced_observers") is None, "%r serves none" % observer)
        need(figure(seen[observer], "observer_master_id") is None, "%r has no master" % seen[observer])
    leader = ensemble.leader()
    need((figure(leader, "learners"), figure(leader, "synced_observers"), figure(leader, "synced_followers")) == (2, 0, 2), "%r knows its followers alone" % leader)
    need(sum(figure(m, "synced_observers") for m in ensemble.followers()) == len(seen), "each is counted once")
    for m in ensemble.followers():
        need("Proposal sizes" not in m.word("srvr"), "%r proposes nothing" % m)
    return ", ".join("%r from %r" % pair for pair in seen.items())


@own
def works(ensemble):
    """All kinds of requests through an observer, with many sessions at once."""
    for observer in ensemble.observers():
        with observer.client(timeout=20) as client, observer.client(timeout=20) as other:
            top = client.create("/works-", b"", 2)
            client.create(top + "/ephemeral", b"", 1)
            names = [client.create(top + "/n-", b"", 2) for _ in range(20)]
            need(names == sorted(names) and len(set(names)) == 20, "names that rise")
            client.multi(("create", top + "/multi", b"", 0), ("set", top, b"new", -1))
            other.sync()
            need(other.get(top)[0] == b"new" and other.exists(top + "/ephemeral"), "what another session wrote")
            for m in ensemble.voters():
                with m.client(timeout=20) as elsewhere:
                    elsewhere.set(top, b"%d" % m.sid)
                    client.sync()
                    need(client.get(top)[0] == b"%d" % m.sid, "a write through %r, after a sync" % m)
        for m in ensemble:
            with m.client(timeout=20) as client:
                client.sync()
                need(not client.exists(top + "/ephemeral"), "the ephemeral has ended with its session")
    return "%d observers" % len(ensemble.observers())


@own
def lives(ensemble):
    """A session whose client pings an observer alone lives, with its ephemeral; one that is silent does not."""
    for observer in ensemble.observers():
        alive, silent = (observer.client(timeout=20, session_ms=SHORT_MS) for _ in range(2))
        path, gone = alive.create("/lives-", b"", 3), silent.create("/silent-", b"", 3)
        silent.s.close()
        end = time.monotonic() + 4 * SHORT_MS / 1000
        while time.monotonic() < end:
            alive.ping()
            time.sleep(0.2)
        for m in ensemble:
            with m.client(timeout=20) as client:
                client.sync()
                need(client.exists(path) and not client.exists(gone), "one of two on %r" % m)
        alive.close()
    return "%d observers" % len(ensemble.observers())


@own
def moves_behind(ensemble):
    """A session goes on at the follower and at the observer that learns from it; ended, it is nowhere."""
    for observer in ensemble.observers():
        at = observer.client(timeout=20, session_ms=20000)
        path = at.create("/moves-", b"", 3)
        for m in (found(ensemble, observer), observer, ensemble.leader(), observer, found(ensemble, observer)):
            left = at
            at = until("%r takes the session" % m, lambda m=m, left=left: left.renewed(m.client_port, timeout=20, session_ms=20000), 20, 0.02)
            need(at.get(path)[1]["ephemeralOwner"] == at.session_id, "the ephemeral on %r" % m)
            at.set(path, b"%d" % m.sid)
            left.s.close()
        at.close()
        for m in ensemble:
            with m.client(timeout=20) as client:
                client.sync()
                need(not client.exists(path), "it is gone on %r" % m)
    return "there and back"


@own
def returns(ensemble):
    """An observer that was away catches up: a little, more than is in memory, all."""
    for observer in ensemble.observers():
        for writes, fresh in ((5, False), (FAR, False), (5, True)):
            observer.kill()
            with ensemble.leader().client(timeout=20) as client:
                path = client.create("/returns-", b"", 2)
                client.set_often(path, writes)
            if fresh:
                observer.fresh()
            observer.start()
            observer.serves()
            found(ensemble, observer)
            with observer.client(timeout=20) as client:
                client.sync()
                need(client.get(path)[1]["version"] == writes, "all %d writes" % writes)
    return "%d observers" % len(ensemble.observers())


@own
def master_ends(ensemble):
    """While clients work, the master of an observer is killed: it finds another one; and the leader, and it does again."""
    with Workload(ensemble, "/masterends") as load:
        for observer in ensemble.observers():
            for ends in (found(ensemble, observer), ensemble.leader()):
                ends.kill()
                ensemble.serve()
                need(found(ensemble, observer) is not ends, "another master")
                load.goes_on()
                ends.start()
                ensemble.serve()
        load.goes_on()
    need(load.expired() == 0, "%d sessions ended" % load.expired())
    return load.verdict()


@own
def master_sleeps(ensemble):
    """An observer leaves a master that says nothing any more."""
    observer = ensemble.observers()[0]
    asleep = found(ensemble, observer)
    asleep.pause()
    other = until("another master", lambda: (lambda m: m if m is not asleep else None)(master(ensemble, observer)), FINDS_S, 0.1)
    with observer.client(timeout=20) as client:
        client.create("/asleep-", b"", 2)
    asleep.resume()
    ensemble.serve()
    return "%r, then %r" % (asleep, other)


@own
def changes(ensemble):
    """The members change: an observer hears of it from its master, before and after."""
    for leaves in ensemble.followers():
        with ensemble.leader().client(timeout=30) as client:
            client.reconfig(leaving=str(leaves.sid))
        rest = [m for m in ensemble if m is not leaves]
        for m in rest:
            until("%r without %r" % (m, leaves), lambda m=m: leaves.sid not in told(m), FINDS_S, 0.2)
        with ensemble.leader().client(timeout=30) as client:
            client.reconfig(joining=ensemble.joining(leaves))
        for m in ensemble:
            until("%r with %r" % (m, leaves), lambda m=m: told(m).get(leaves.sid) == "participant", FINDS_S, 0.2)
        ensemble.serve()
    for observer in ensemble.observers():
        found(ensemble, observer)
    return "each follower left and came back"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", default="3.9.5,oxkeeper,oxkeeper", type=lambda text: text.split(","))
    parser.add_argument("--observers", default="oxkeeper,3.9.5", type=lambda text: text.split(","))
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join([*OWN, *ALSO]))
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))           # so that the members are ended
    print("members %s, observers %s" % (args.members, args.observers), flush=True)
    with Masters(args.members, args.observers, observerMasterPort=free_ports(1)[0], **SETTINGS) as ensemble:
        run = Run(ensemble)
        run.each(args.scenarios or [*OWN, *ALSO])
    print("%d passed, %d failed" % (run.passed, run.failed))
    sys.exit(1 if run.failed else 0)


if __name__ == "__main__":
    main()

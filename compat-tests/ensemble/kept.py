#!/usr/bin/env python3
"""Who keeps a connection when the leader goes: idle clients with watches, clients that read all the time, and clients that write, at members that stay.
Official members hang up on all of them; oxkeeper does on those alone who wait for a write that nobody has decided.

usage: kept.py [--members oxkeeper,oxkeeper,oxkeeper] [--idle N] [SCENARIO ...]   The last id leads first. The last line is `N passed, M failed`."""
import argparse
import itertools
import signal
import sys
import threading
import time

from members import OXKEEPER, Cases, Ensemble, Fail, judged, need, until
from zkmini import ZkError

SCENARIOS = scenario = Cases()
READERS, WRITERS, SESSION_MS = 3, 2, 20000
# What a read may take that is asked for while there is no leader: half of it was seen beside two busy loops on two cores.
READ_MS = 500
# How long a leader that has fallen is gone, and what a write may take meanwhile: nobody waits for a timer of several ticks.
BACK_AFTER_MS, WRITE_MS = (0, 30, 80, 130, 180, 300), 2000


class Loop(threading.Thread):
    """A client that does one thing again and again, with another connection when the one has ended: at the next of these members."""

    def __init__(self, step, *members):
        super().__init__(daemon=True)
        self.members, self.step, self.going = itertools.cycle(members), step, True
        self.ended = self.refused = self.done = 0
        self.wrong = None
        self.longest_ms = 0.0
        self.start()

    def run(self):
        client = None
        while self.going:
            began = time.monotonic()
            try:
                client = client or next(self.members).client(timeout=10, session_ms=SESSION_MS)
                self.step(client)
                self.done += 1
                self.longest_ms = max(self.longest_ms, (time.monotonic() - began) * 1000)
            except (OSError, ZkError):
                self.ended += client is not None
                self.refused += client is None
                client = None
                time.sleep(0.01)
            except Fail as e:
                self.wrong = e
                return

    def end(self):
        self.going = False
        self.join(20)
        need(not self.is_alive(), "a client ends")
        need(not self.wrong, self.wrong)


def reads():
    """Reads that never show less than an earlier one of the same connection or its like."""
    seen = [0]

    def step(client):
        mzxid = client.get("/kept")[1]["mzxid"]
        need(mzxid >= seen[0], "a read shows %x after %x" % (mzxid, seen[0]))
        seen[0] = mzxid
        time.sleep(0.002)
    return step


def writes(path, acknowledged):
    def step(client):
        acknowledged[path] = max(acknowledged.get(path, -1), client.set(path, b"")["version"])
    return step


def lives(client):
    try:
        client.sync("/")
        client.get("/kept")
    except (OSError, ZkError):
        return False
    return True


def outlive(ensemble, args, end):
    """Ends the leader under all three kinds of clients. What became of them at members that keep connections, and at the others."""
    old = ensemble[len(args.members)]
    ensemble.lead(old)
    ensemble.start()
    stay = [m for m in ensemble if m is not old]
    acknowledged, written = {}, {m.sid: ["/w%d-%d" % (m.sid, n) for n in range(WRITERS)] for m in stay}
    with stay[0].client() as client:
        for path in ["/kept", *sum(written.values(), [])]:
            client.create(path)
    ensemble.quiet()
    idle = {m: [m.client(timeout=10, session_ms=SESSION_MS) for _ in range(args.idle)] for m in stay}
    for client in sum(idle.values(), []):
        client.watch("/kept")
    readers = {m: [Loop(reads(), m) for _ in range(READERS)] for m in stay}
    writers = {m: [Loop(writes(path, acknowledged), m) for path in written[m.sid]] for m in stay}
    movers = [Loop(reads(), old, *stay) for _ in range(READERS)]
    until("all write", lambda: len(acknowledged) == WRITERS * len(stay), 20, 0.05)
    time.sleep(0.3)
    end(old)
    had = {w: w.done for w in [*movers, *sum(writers.values(), [])]}
    until("all go on", lambda: all(w.done > had[w] for w in had), 30, 0.01)
    time.sleep(0.3)
    for loop in sum([*readers.values(), *writers.values(), movers], []):
        loop.end()
    for path, version in acknowledged.items():
        with stay[0].client() as client:
            client.sync("/")
            need(client.exists(path)["version"] >= version, "%s has what was acknowledged" % path)
    left = {m: sum(not lives(client) for client in idle[m]) for m in stay}
    return stay, idle, readers, writers, left, max(mover.refused for mover in movers)


def told_once(ensemble, clients):
    """Watches are still there, once each."""
    with ensemble.leader().client() as client:
        client.set("/kept", b"after")
    for client in clients:
        client.sync("/")
        client.get("/kept")
        need(client.events == [(3, "/kept")], "one event for one change, not %s" % client.events)


def judge(args, end, keep=True):
    with Ensemble(args.members, tickTime=2000, **({} if keep else {"keepConnections": "false"})) as ensemble:
        ensemble.start()
        stay, idle, readers, writers, left, refused = outlive(ensemble, args, end)
        said = []
        for m in stay:
            gone = left[m] + sum(r.ended for r in readers[m])
            longest = max(r.longest_ms for r in readers[m])
            lost = max(w.ended for w in writers[m])
            if m.implementation == OXKEEPER and keep:
                need(gone == 0, "%d of %d idle and %d reading clients of member %d lost their connection" % (gone, args.idle, READERS, m.sid))
                need(longest < READ_MS, "a read at member %d took %.0f ms" % (m.sid, longest))
                need(lost <= 1, "a client that writes lost %d connections at member %d" % (lost, m.sid))
            else:
                need(gone == args.idle + READERS, "%d of %d connections of member %d ended" % (gone, args.idle + READERS, m.sid))
            said.append("member %d: %d of %d ended, longest read %.0f ms" % (m.sid, gone, args.idle + READERS, longest))
        # One change: those of one member hear of it.
        for m in [m for m in stay if m.implementation == OXKEEPER and keep][:1]:
            told_once(ensemble, idle[m])
        return "; ".join([*said, "those of the leader were refused %d times at most" % refused])


@scenario
def killed(args):
    return judge(args, lambda m: m.kill())


@scenario
def stopped(args):
    return judge(args, lambda m: m.stop())


@scenario
def switched_off(args):
    return judge(args, lambda m: m.kill(), keep=False)


@scenario
def back_at_once(args):
    """The leader falls and is back before anybody has missed it, without what it was: the others do not wait for that."""
    with Ensemble(args.members, tickTime=2000) as ensemble:
        ensemble.start()
        with ensemble.leader().client() as client:
            client.create("/kept")
        acknowledged, longest_ms = {}, 0
        for pause_ms in 3 * BACK_AFTER_MS:
            old = until("a leader", ensemble.leader, 30, 0.05)
            writers = [Loop(writes("/kept", acknowledged), m) for m in ensemble if m is not old]
            until("all write", lambda: all(w.done for w in writers), 20, 0.01)
            old.kill()
            began, had = time.monotonic(), [w.done for w in writers]
            time.sleep(pause_ms / 1000)
            old.start()
            until("somebody writes", lambda: any(w.done > done + 1 for w, done in zip(writers, had)), 60, 0.005)
            longest_ms = max(longest_ms, (time.monotonic() - began) * 1000)
            until("all go on", lambda: all(w.done > done + 1 for w, done in zip(writers, had)), 60, 0.01)
            for loop in writers:
                loop.end()
            until("all serve", lambda: all(m.mode() for m in ensemble), 60, 0.05)
        need(longest_ms < WRITE_MS, "for %.0f ms nobody could write" % longest_ms)
        with ensemble.leader().client() as client:
            client.sync("/")
            need(client.exists("/kept")["version"] >= acknowledged["/kept"], "/kept has what was acknowledged")
        return "%d times, at most %.0f ms without a write" % (3 * len(BACK_AFTER_MS), longest_ms)


@scenario
def silent(args):
    """Who has said nothing for longer than a client that lives may be gone: what it has left behind is closed."""
    with Ensemble(args.members, tickTime=2000) as ensemble:
        ensemble.start()
        old = ensemble.leader()
        m = next(m for m in ensemble if m is not old and m.implementation == OXKEEPER)
        quiet, patient = m.client(session_ms=6000), m.client(session_ms=60000)
        with m.client() as client:
            client.create("/kept")
        time.sleep(3.5)
        old.kill()
        until("a leader", ensemble.leader, 30, 0.05)
        need(lives(patient), "half of its time-out is not over")
        need(not lives(quiet), "a connection that was silent for 3.5 of 6 s is closed")
        patient.close()
        return "one closed, one kept"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", default="oxkeeper,oxkeeper,oxkeeper", type=lambda text: text.split(","))
    parser.add_argument("--idle", default=100, type=int)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))           # so that the members are ended
    return judged(args.scenarios or SCENARIOS, lambda name: SCENARIOS[name](args))


if __name__ == "__main__":
    sys.exit(main())

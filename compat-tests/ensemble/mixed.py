#!/usr/bin/env python3
"""Ensembles of any mix of members: elections, sessions, fail-over and synchronisation, judged from outside.

usage: mixed.py [--members 3.9.5,oxkeeper,3.9.5] [--observer oxkeeper] [SCENARIO ...]: see members.py for what a member can be"""
import argparse
import signal
import sys
import time
import traceback

from members import Ensemble, need
from record import Recorder
from same import same
from workload import Workload

SCENARIOS = {}


def scenario(run):
    """A function of an ensemble that serves; it leaves it whole or not, the next one mends it."""
    SCENARIOS[run.__name__] = run
    return run


@scenario
def start(ensemble):
    """Elected; what is written on each member is read on all."""
    for m in ensemble:
        with m.client(timeout=20) as client:
            client.create("/from%d" % m.sid, b"%d" % m.sid)
    for m in ensemble:
        with m.client(timeout=20) as client:
            client.sync()
            for other in ensemble:
                need(client.get("/from%d" % other.sid)[0] == b"%d" % other.sid, "%r has what %r wrote" % (m, other))


@scenario
def leaders(ensemble):
    """Each voter leads in turn, while clients work; no session ends."""
    with Workload(ensemble, "/leaders") as load:
        for m in ensemble.voters():
            ensemble.lead(m)
            load.goes_on()
    need(load.expired() == 0, "%d sessions ended" % load.expired())
    return load.verdict()


class Run:
    """Scenarios on one ensemble, one after the other, each followed by the comparison of all members; the closing line."""

    def __init__(self, ensemble):
        self.ensemble, self.passed, self.failed = ensemble, 0, 0

    def each(self, names):
        for name in names:
            began = time.monotonic()
            try:
                self.ensemble.start()
                note = SCENARIOS[name](self.ensemble)
                self.ensemble.start()
                znodes = same(self.ensemble)
            except Exception as e:  # noqa: BLE001
                self.failed += 1
                print("FAIL  %s (%.1f s): %s" % (name, time.monotonic() - began, e), flush=True)
                traceback.print_exc()
            else:
                self.passed += 1
                print("ok    %s (%.1f s): %s; %d znodes the same on all" % (name, time.monotonic() - began, note, znodes), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", default="3.9.5,oxkeeper,3.9.5")
    parser.add_argument("--observer", default="oxkeeper")
    parser.add_argument("scenarios", nargs="*", default=[], choices=[*SCENARIOS, []])
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))           # so that the members are ended
    with Ensemble(args.members.split(","), [args.observer], Recorder()) as ensemble:
        run = Run(ensemble)
        run.each(args.scenarios or SCENARIOS)
    print("%d passed, %d failed" % (run.passed, run.failed))
    sys.exit(1 if run.failed else 0)


if __name__ == "__main__":
    main()

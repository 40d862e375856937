#!/usr/bin/env python3
"""Ensembles of any mix of members, taken through the scenarios of scenarios.py, all members compared after each.

usage: mixed.py [--members 3.9.5,oxkeeper,3.9.5] [--observer oxkeeper] [--set KEY=VALUE] [--but SCENARIO] [SCENARIO ...]
A member is `oxkeeper` or the version of an official server, see members.py. The last line is `N passed, M failed`."""
import argparse
import signal
import sys
import time
import traceback

from members import Ensemble
from record import Recorder
from same import same
from scenarios import SCENARIOS


class Run:
    """Scenarios on one ensemble, one after the other."""

    def __init__(self, ensemble):
        self.ensemble, self.passed, self.failed = ensemble, 0, 0

    def each(self, names):
        for name in names:
            began = time.monotonic()
            try:
                self.ensemble.start()
                seen = SCENARIOS[name](self.ensemble)
                self.ensemble.start()
                znodes = same(self.ensemble)
            except Exception as e:  # noqa: BLE001
                self.failed += 1
                traceback.print_exc()
                print("FAIL  %s (%.1f s): %s" % (name, time.monotonic() - began, e), flush=True)
            else:
                self.passed += 1
                print("ok    %s (%.1f s): %s, %d znodes the same on all" % (name, time.monotonic() - began, seen, znodes), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", default="3.9.5,oxkeeper,3.9.5", type=lambda text: text.split(","))
    parser.add_argument("--observer", default="oxkeeper")
    parser.add_argument("--set", action="append", default=[], type=lambda text: text.split("=", 1), metavar="KEY=VALUE", help="a line of every zoo.cfg")
    parser.add_argument("--but", action="append", default=[], metavar="SCENARIO", help="one that is left out")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))           # so that the members are ended
    print("members %s, observer %s" % (args.members, args.observer), flush=True)
    with Ensemble(args.members, [args.observer], Recorder(), **dict(args.set)) as ensemble:
        run = Run(ensemble)
        run.each(name for name in args.scenarios or SCENARIOS if name not in args.but)
    print("%d passed, %d failed" % (run.passed, run.failed))
    sys.exit(1 if run.failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""A live ensemble goes from one implementation to another and back, one member at a time, while clients work.

usage: migrate.py [FROM [TO]] (3.9.5 and oxkeeper): an official version or `oxkeeper`, see members.py. Observers are not part of it.
The last line is `N passed, M failed`."""
import signal
import sys
import time

from members import Ensemble, need
from same import same
from workload import Workload

MEMBERS = 3


def replaced(ensemble, load, implementation):
    """Each member in turn: stopped, started as another implementation on its directory; the leader last."""
    for m in sorted(ensemble, key=lambda m: m.mode() == "leader"):
        began = time.monotonic()
        m.stop()
        m.implementation = implementation
        m.start()
        ensemble.serve()
        load.goes_on()
        print("      %r is a %s after %.1f s" % (m, m.mode(), time.monotonic() - began), flush=True)


def migrated(before, after):
    """There and back; what the clients say, and the number of znodes."""
    with Ensemble([before] * MEMBERS) as ensemble:
        ensemble.start()
        with Workload(ensemble, "/migrate") as load:
            replaced(ensemble, load, after)
            replaced(ensemble, load, before)
        need(load.expired() == 0, "%d sessions ended" % load.expired())
        seen = load.verdict()
        return "%s; %d znodes the same on all" % (seen, same(ensemble))


def main():
    before, after = (sys.argv[1:] + ["3.9.5", "oxkeeper"][len(sys.argv) - 1:])[:2]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))           # so that the members are ended
    began = time.monotonic()
    try:
        seen = migrated(before, after)
    except Exception as e:  # noqa: BLE001
        print("FAIL  %s to %s and back (%.1f s): %s" % (before, after, time.monotonic() - began, e))
        print("0 passed, 1 failed")
        sys.exit(1)
    print("ok    %s to %s and back (%.1f s): %s" % (before, after, time.monotonic() - began, seen))
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()

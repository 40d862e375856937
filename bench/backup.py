#!/usr/bin/env python3
"""How much a backup slows writes: sets per second of a server with very many znodes, alternately alone and while whole backups are taken one after the
other.

usage: bench/backup.py ZNODES SECONDS ROUNDS OXKEEPER    (the binary, which serves and takes)
Prints the rates of each round in sets/s and waits in µs, their medians, and how long a backup took."""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "compat-tests", "common"))
ZKLOAD = os.path.join(HERE, "..", "target", "release", "zkload")


def load(*options):
    done = subprocess.run([ZKLOAD, *options], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


class Backups:
    """Taken one after the other, until it ends."""

    def __init__(self, oxkeeper, data, to):
        self.argv, self.took, self.ended = [oxkeeper, "backup", "take", "--full", "--keep", "1", data, to], [], False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended:
            began = time.monotonic()
            subprocess.run(self.argv, stdout=subprocess.DEVNULL, check=True)
            self.took.append(time.monotonic() - began)

    def end(self):
        self.ended = True
        self.thread.join()


def main():
    znodes, seconds, rounds, oxkeeper = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), os.path.abspath(sys.argv[4])
    os.environ["SUT"] = oxkeeper + " server"
    from applib import Sut
    rates, waits, took = {False: [], True: []}, {False: [], True: []}, []
    with tempfile.TemporaryDirectory() as work:
        sut = Sut(work)
        sut.start()
        try:
            servers = "127.0.0.1:%d" % sut.port
            load("create-many", "--servers", servers, "--count", str(znodes), "--parents", "1000", "--value-size", "100", "--root", "/many", "--conns", "8", "--pipeline", "64",
                 "--limit", "600", "--no-final-check")
            for n in range(2 * rounds):
                backed = n % 2 == 1
                backups = Backups(oxkeeper, sut.data, os.path.join(work, "backups")) if backed else None
                done = load("load", "--servers", servers, "--mix", "set=1", "--znodes", "1000", "--value-size", "1024", "--root", "/w%d" % n, "--conns", "16", "--pipeline", "4",
                            "--duration", seconds, *sys.argv[5:])
                if backups:
                    backups.end()
                    took += backups.took
                rates[backed].append(done["ops_per_s"])
                waits[backed].append(done["latency"]["p99_us"])
        finally:
            sut.proc.term()
    for backed, name in ((False, "alone"), (True, "with backups")):
        print("%-13s %s sets/s, median %.0f; p99 %s us" % (name, [round(rate) for rate in rates[backed]], statistics.median(rates[backed]), [round(wait) for wait in waits[backed]]))
    print("with backups / alone: %.3f; %d backups, %.1f s each (median)" % (
        statistics.median(rates[True]) / statistics.median(rates[False]), len(took), statistics.median(took)))


if __name__ == "__main__":
    main()

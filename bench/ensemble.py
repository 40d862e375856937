#!/usr/bin/env python3
"""Three members of one kind: CPU of all three for an operation, and how long nobody can write when their leader goes.

usage: bench/ensemble.py [-n LEADERS] [-s SECONDS] KIND...
A KIND is `oxkeeper` (env SUT: the command that serves a zoo.cfg) or the version of an official server, as in
compat-tests/ensemble. Needs target/release/zkload. Alternate kinds on the command line for a ratio of one run, on a quiet machine."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "compat-tests", "ensemble"))
from members import Ensemble  # noqa: E402
from applib import until  # noqa: E402

ZKLOAD = os.path.join(HERE, "..", "target", "release", "zkload")
SETTINGS = {"tickTime": 1000, "initLimit": 10, "syncLimit": 5}


def cpu(ensemble, mix, seconds):
    """CPU of all members for an operation, in microseconds, and operations a second."""
    servers = ",".join("127.0.0.1:%d" % m.client_port for m in ensemble)
    pids = ",".join(str(m.proc.p.pid) for m in ensemble)
    run = subprocess.run([ZKLOAD, "load", "--servers", servers, "--mix", mix, "--conns", "30", "--pipeline", "4", "--duration", str(seconds),
                          "--warmup", str(seconds), "--root", "/cpu%d" % time.monotonic_ns(), "--server-pid", pids],
                         capture_output=True, text=True, timeout=20 * seconds + 120)
    told = json.loads(run.stdout.splitlines()[-1])
    if run.returncode or told["violations"]["total"]:
        sys.exit("zkload: %s %s" % (told["violations"], run.stderr[-400:]))
    return told["server_cpu_us_per_op"], told["ops_per_s"], told["other_cpu_cores"]


class Writers:
    """One client a member, each writing as often as it can, at most every 2 ms."""

    def __init__(self, members):
        self.members, self.written, self.ended = members, [], threading.Event()
        self.threads = [threading.Thread(target=self._write, args=(m,), daemon=True) for m in members]
        for thread in self.threads:
            thread.start()

    def _write(self, member):
        while not self.ended.is_set():
            try:
                with member.client(timeout=2) as client:
                    while not self.ended.is_set():
                        client.set("/", b"")
                        self.written.append(time.monotonic())
                        time.sleep(0.002)
            except Exception:  # noqa: BLE001: whatever ends a connection, the next one is tried
                time.sleep(0.005)

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(10)


def gone(ensemble, how):
    """The longest time without an acknowledged write, in ms, while the leader goes, at clients of the others."""
    leader = ensemble.leader()
    writers = Writers([m for m in ensemble.voters() if m is not leader])
    until("writes", lambda: len(writers.written) > 50, 30, 0.01)
    before = time.monotonic()
    how(leader)
    until("writes again", lambda: [t for t in writers.written if t > before + 3], 60, 0.05)
    writers.end()
    times = sorted(t for t in writers.written if t > before - 0.5)
    leader.kill()                                    # one that sleeps
    leader.start()
    ensemble.serve()
    return 1000 * max(b - a for a, b in zip(times, times[1:]))


def measure(kind, leaders, seconds):
    with Ensemble([kind] * 3, **SETTINGS) as ensemble:
        ensemble.start()
        for mix in ("set=1", "get=10,set=1"):
            us, rate, others = cpu(ensemble, mix, seconds)
            print("%-9s %-12s %7.1f us of CPU an operation, %6.0f a second; other load %.1f cores" % (kind, mix, us, rate, others), flush=True)
        for name, how in (("SIGKILL", lambda m: m.kill()), ("SIGTERM", lambda m: m.stop()), ("SIGSTOP", lambda m: m.pause())):
            gaps = [gone(ensemble, how) for _ in range(leaders)]
            print("%-9s leader, %s: no write for %.0f ms by the median (%s)" % (
                kind, name, statistics.median(gaps), ", ".join("%.0f" % gap for gap in gaps)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=10, help="leaders that go, each way")
    parser.add_argument("-s", type=int, default=10, help="seconds of load")
    parser.add_argument("kinds", nargs="+")
    asked = parser.parse_args()
    for kind in asked.kinds:
        measure(kind, asked.n, asked.s)


if __name__ == "__main__":
    main()

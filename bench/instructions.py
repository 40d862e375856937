#!/usr/bin/env python3
"""What an operation costs a server: instructions in user space, and system calls.

usage: bench/instructions.py MIX CONNS SERVER...    (MIX as in zkload: set=100; a server: a command that gets the zoo.cfg)
Instructions are counted by callgrind (Debian: valgrind), as the difference of a long and a short load, so that
connecting counts nothing. They differ by about 1 % from run to run, whatever else the machine does; the batches
are those of a slow server. Server and load have a core each. Calls are those of a load without callgrind, by the kernel's trace points (`perf stat`)."""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "compat-tests", "common"))
from applib import Sut  # noqa: E402

ZKLOAD = os.path.join(HERE, "..", "target", "release", "zkload")
FEW, MANY = 1000, 9000
CALLS = "read recvfrom sendto write epoll_wait epoll_ctl futex pwrite64 pwritev fdatasync".split()


def load(port, *options):
    command = ["taskset", "-c", "1", ZKLOAD, "load", "--servers", "127.0.0.1:%d" % port, "--mix", sys.argv[1],
               "--conns", sys.argv[2], "--root", "/load", "--warmup", "0", "--no-close", "--no-final-check", *options]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)["latency"]["n"]


def control(server, order):
    subprocess.run(["callgrind_control", order, str(server.proc.p.pid)], capture_output=True, check=True)


def instructions(command, work):
    profile = os.path.join(work, "profile")
    os.environ["SUT"] = "taskset -c 0 valgrind -q --tool=callgrind --instr-atstart=no --callgrind-out-file=%s %s" % (
        profile, command)
    server = Sut(work)
    server.start(120)
    try:
        load(server.port, "--ops", str(FEW))
        control(server, "--instr=on")
        for ops in (FEW, FEW, MANY):
            load(server.port, "--ops", str(ops), "--no-setup")
            control(server, "--dump")
    finally:
        server.proc.term()
    totals = [re.search(r"^totals: (\d+)", open(part).read(), re.M) for part in sorted(glob.glob(profile + ".*"))]
    _, few, many = (int(total.group(1)) for total in totals)
    return (many - few) / (MANY - FEW)


def calls(command, work):
    os.environ["SUT"] = "taskset -c 0 " + command
    server = Sut(work)
    server.start()
    try:
        load(server.port, "--duration", "1")
        points = ["raw_syscalls:sys_enter"] + ["syscalls:sys_enter_" + call for call in CALLS]
        counter = subprocess.Popen(["perf", "stat", "-x,", "-e", ",".join(points), "-p", str(server.proc.p.pid)],
                                   stderr=subprocess.PIPE, text=True)
        ops = load(server.port, "--duration", "4", "--no-setup")
        counter.send_signal(2)
        counted = [line.split(",") for line in counter.communicate()[1].splitlines()]
    finally:
        server.proc.term()
    counts = {fields[2].split("sys_enter")[1].strip("_"): int(fields[0]) / ops for fields in counted if fields[0].isdigit()}
    return "%.3f calls: " % counts.pop("") + ", ".join("%s %.3f" % call for call in counts.items() if call[1] >= 0.001)


if len(sys.argv) < 4:
    sys.exit(__doc__)
for command in sys.argv[3:]:
    print(command, end=": ", flush=True)
    with tempfile.TemporaryDirectory() as work:
        print("%.0f instructions" % instructions(command, work), end="; ", flush=True)
    with tempfile.TemporaryDirectory() as work:
        print(calls(command, work), flush=True)

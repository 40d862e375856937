#!/usr/bin/env python3
"""How long others wait while a session with very many ephemerals is closed.

usage: bench/closing.py EPHEMERALS SERVER...    (a server: a command that gets the zoo.cfg as its argument)
Prints, for each server in turn, how long the closing took, and the longest waits of a reader and a writer, in ms, in the
second before and during it."""
import os
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "compat-tests", "common"))
from applib import Sut  # noqa: E402
from zkmini import ZkMini  # noqa: E402

AT_ONCE = 1000  # creates in a multi
PATIENCE = {"timeout": 60, "session_ms": 20000}


def make_ephemerals(session, count):
    for start in range(0, count, AT_ONCE):
        numbers = range(start, min(count, start + AT_ONCE))
        codes = session.multi(*(("create", "/e/n%08d" % n, b"", 1) for n in numbers))
        assert not any(codes), "a create failed: %s" % set(codes)


def waits_of(port, ask, stop, waits):
    with ZkMini(port, **PATIENCE) as session:
        while not stop.is_set():
            began = time.perf_counter()
            ask(session)
            waits.append((began, time.perf_counter() - began))


def measure(port, count):
    closing = ZkMini(port, **PATIENCE)
    closing.create("/e")
    closing.create("/w")
    make_ephemerals(closing, count)
    stop, reads, writes = threading.Event(), [], []
    clients = [
        threading.Thread(target=waits_of, args=(port, lambda session: session.get("/w"), stop, reads)),
        threading.Thread(target=waits_of, args=(port, lambda session: session.set("/w", bytes(100)), stop, writes)),
    ]
    for client in clients:
        client.start()
    time.sleep(1)
    began = time.perf_counter()
    closing.close()
    took = time.perf_counter() - began
    stop.set()
    for client in clients:
        client.join()

    def longest(waits, during):
        return max(wait * 1000 for at, wait in waits if (at + wait >= began) == during)

    shown = ["%.1f, %.1f ms" % (longest(waits, False), longest(waits, True)) for waits in (reads, writes)]
    print("closed in %.2f s; longest read before, during: %s; longest write: %s" % (took, *shown), flush=True)


if len(sys.argv) < 3:
    sys.exit(__doc__)
for command in sys.argv[2:]:
    os.environ["SUT"] = command
    with tempfile.TemporaryDirectory() as work:
        server = Sut(work)
        server.start()
        try:
            print(command, end=": ", flush=True)
            measure(server.port, int(sys.argv[1]))
        finally:
            server.proc.term()

#!/usr/bin/env python3
"""How long others wait while a session with very many ephemerals is closed.

usage: bench/closing.py EPHEMERALS SERVER...    (a server: an oxkeeper binary)
Prints, for each server in turn, how long the closing took, and the longest waits of a reader and a writer, in ms, in the
second before and during it."""
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

CREATE, GET_DATA, SET_DATA, MULTI, CLOSE = 1, 4, 5, 14, -11
AT_ONCE = 1000  # creates in a multi


def text(value):
    return struct.pack(">i", len(value)) + value


def create(path, flags):
    acl = struct.pack(">ii", 1, 31) + text(b"world") + text(b"anyone")
    return text(path) + text(b"") + acl + struct.pack(">i", flags)


class Session:
    def __init__(self, port, limit_s=10):
        until = time.monotonic() + limit_s
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.xid = 0
        self.send(struct.pack(">iqiq", 0, 0, 40_000, 0) + text(bytes(16)) + b"\0")
        self.receive()

    def send(self, body):
        self.socket.sendall(text(body))

    def read(self, length):
        got = b""
        while len(got) < length:
            more = self.socket.recv(length - len(got))
            if not more:
                raise EOFError("the server has closed the connection")
            got += more
        return got

    def receive(self):
        return self.read(struct.unpack(">i", self.read(4))[0])

    def call(self, op, body):
        self.xid += 1
        self.send(struct.pack(">ii", self.xid, op) + body)
        reply = self.receive()
        code = struct.unpack(">i", reply[12:16])[0]
        assert code == 0, f"operation {op} failed with {code}"


def make_ephemerals(session, count):
    for start in range(0, count, AT_ONCE):
        numbers = range(start, min(count, start + AT_ONCE))
        parts = [struct.pack(">i?i", CREATE, False, -1) + create(b"/e/n%08d" % n, 1) for n in numbers]
        session.call(MULTI, b"".join(parts) + struct.pack(">i?i", -1, True, -1))


def waits_of(port, op, body, stop, waits):
    session = Session(port)
    while not stop.is_set():
        began = time.perf_counter()
        session.call(op, body)
        waits.append((began, time.perf_counter() - began))


def measure(port, count):
    closing = Session(port)
    closing.call(CREATE, create(b"/e", 0))
    closing.call(CREATE, create(b"/w", 0))
    make_ephemerals(closing, count)
    stop, reads, writes = threading.Event(), [], []
    clients = [
        threading.Thread(target=waits_of, args=(port, GET_DATA, text(b"/w") + b"\0", stop, reads)),
        threading.Thread(target=waits_of, args=(port, SET_DATA, text(b"/w") + text(bytes(100)) + b"\xff" * 4, stop, writes)),
    ]
    for client in clients:
        client.start()
    time.sleep(1)
    began = time.perf_counter()
    closing.call(CLOSE, b"")
    took = time.perf_counter() - began
    stop.set()
    for client in clients:
        client.join()
    longest = lambda waits, during: max(w * 1000 for at, w in waits if (at + w >= began) == during)
    shown = [f"{longest(waits, False):.1f}, {longest(waits, True):.1f}" for waits in (reads, writes)]
    print(f"closed in {took:.2f} s; longest read before, during: {shown[0]} ms; longest write: {shown[1]} ms", flush=True)


def run(server, count):
    place = tempfile.mkdtemp()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(f"{place}/zoo.cfg", "w") as config:
        config.write(f"dataDir={place}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\nadmin.enableServer=false\n")
    with open(f"{place}/log", "w") as log:
        process = subprocess.Popen([server, "server", f"{place}/zoo.cfg"], stdout=log, stderr=log)
    try:
        print(os.path.relpath(server), end=": ", flush=True)
        measure(port, count)
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(place)


if len(sys.argv) < 3:
    sys.exit(__doc__)
for server in sys.argv[2:]:
    run(os.path.abspath(server), int(sys.argv[1]))

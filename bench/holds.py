#!/usr/bin/env python3
"""How long others wait while one client asks for something large.

usage: bench/holds.py [-c CASE,...] [-n TIMES] SERVER...    (a server: a command that gets the zoo.cfg as its argument)
For each case: the longest waits of a reader and of a writer, in ms, in the idle second before it and while it runs, and how
late a process that only sleeps was woken meanwhile (what the machine itself costs). Reader, writer and sleeper are
processes of their own, so that none of them waits for this one."""
import argparse
import multiprocessing
import os
import socket
import struct
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "compat-tests", "common"))
from applib import Sut  # noqa: E402
from zkmini import ZkMini, four_letter  # noqa: E402

PATIENCE = {"timeout": 120, "session_ms": 40000}
ACL = struct.pack(">iii", 1, 31, 5) + b"world" + struct.pack(">i", 6) + b"anyone"
END = struct.pack(">ibi", -1, 1, -1)
MULTI, CREATE, DELETE, SET, CHECK = 14, 1, 2, 5, 13
FRAME = 1_000_000  # bytes of the largest request
SNAP_COUNT = 20_000  # where a snapshot is to begin


def text(path):
    return struct.pack(">i", len(path)) + path.encode()


def part(op, body):
    return struct.pack(">ibi", op, 0, -1) + body


def create(path, flags=0):
    return part(CREATE, text(path) + struct.pack(">i", -1) + ACL + struct.pack(">i", flags))


def delete(path):
    return part(DELETE, text(path) + struct.pack(">i", -1))


def multi(parts):
    """Multis of the largest size."""
    some = bytearray()
    for body in parts:
        if len(some) + len(body) > FRAME:
            yield bytes(some) + END
            some = bytearray()
        some += body
    yield bytes(some) + END


class Client(ZkMini):
    def _recvn(self, n):
        """In one buffer: replies of many megabytes are to cost this process little."""
        taken = bytearray(n)
        view = memoryview(taken)
        while view:
            got = self.s.recv_into(view)
            if not got:
                raise ConnectionError("closed by server")
            view = view[got:]
        return taken

    @staticmethod
    def framed(request):
        return struct.pack(">i", len(request)) + request

    def ask(self, op, body):
        """Sends a request that is ready, and takes its answer, events aside; True: no error."""
        self.xid += 1
        self._send(struct.pack(">ii", self.xid, op) + body)
        while True:
            reply = self._recv()
            xid, _, err = struct.unpack(">iqi", reply[:16])
            if xid == self.xid:
                assert err == 0, "error %d" % err
                return reply[16:]

    def fill(self, parent, count, flags=0):
        for request in multi(create("%s/%06x" % (parent, n), flags) for n in range(count)):
            self.ask(MULTI, request)


def one_multi(parts):
    return next(multi(parts))


def multi_of_creates(client, _):
    client.create("/m")
    request = one_multi(create("/m/%05x" % n) for n in range(1 << 20))
    yield lambda: client.ask(MULTI, request)


def multi_of_deletes(client, _):
    client.create("/d")
    for request in multi(create("/d/%05x" % n) for n in range(45_000)):
        client.ask(MULTI, request)
    request = one_multi(delete("/d/%05x" % n) for n in range(45_000))
    yield lambda: client.ask(MULTI, request)


def multi_of_sets(client, _):
    client.create("/s")
    request = one_multi(part(SET, text("/s") + struct.pack(">ii", -1, -1)) for _ in range(1 << 20))
    yield lambda: client.ask(MULTI, request)


def multi_of_checks(client, _):
    request = one_multi(part(CHECK, text("/w") + struct.pack(">i", -1)) for _ in range(1 << 20))
    yield lambda: client.ask(MULTI, request)


def multi_that_fails(client, _):
    request = one_multi([*(create("/m/%05x" % n) for n in range(17_000)), *(create("/m") for _ in range(1 << 20))])
    client.create("/m")
    yield lambda: client.ask(MULTI, request)


def list_of_children(client, _):
    """A list of a million that nobody changes."""
    client.create("/l")
    client.fill("/l", 1_000_000)
    yield lambda: client.ask(8, text("/l") + b"\0")


def list_that_changes(client, port):
    """The same, while somebody changes it all the time."""
    client.create("/l")
    client.fill("/l", 1_000_000)
    over = multiprocessing.Event()
    changer = multiprocessing.Process(target=change, args=(port, over))
    changer.start()

    def run():
        for _ in range(5):
            client.ask(8, text("/l") + b"\0")
    yield run
    over.set()
    changer.join()


def long_lists(client, _):
    """A list of 60,000 names, one's own ephemerals, and 20 such lists in one reply: each asked for again and again."""
    client.create("/l")
    client.fill("/l", 60_000, 1)
    lists = part(8, text("/l") + b"\0") * 20 + END
    for what, op, body, times in [("children", 8, text("/l") + b"\1", 40), ("children2", 12, text("/l") + b"\0", 40),
                                  ("ephemerals", 103, text("/"), 40), ("multi-read", 22, lists, 20)]:
        yield what, lambda: again(client, op, body, times)


def again(client, op, body, times):
    """Asks the same thing so often at once, also behind writes, and takes all answers."""
    asked = b""
    for n in range(times):
        client.xid += 1
        if n % 4 == 3:
            asked += client.framed(struct.pack(">ii", client.xid, SET) + text("/w") + struct.pack(">ii", 0, -1))
            client.xid += 1
        asked += client.framed(struct.pack(">ii", client.xid, op) + body)
    client.s.sendall(asked)
    while True:
        reply = client._recv()
        xid, _, err = struct.unpack(">iqi", reply[:16])
        assert err == 0, "error %d" % err
        if xid == client.xid:
            return


def change(port, over):
    with Client(port, **PATIENCE) as client:
        while not over.is_set():
            client.create("/l/changes")
            client.delete("/l/changes")


def watches_of(client, count, prefix="/none"):
    paths = b"".join(text("%s/%05x" % (prefix, n)) for n in range(count))
    return struct.pack(">qi", 1 << 62, 0) + struct.pack(">i", count) + paths + struct.pack(">i", 0)


def set_watches(client, _):
    """A request that brings back as many watches as fit."""
    request = watches_of(client, 65_000)
    yield lambda: client.ask(101, request)


def creates_that_are_watched(client, port):
    """A multi of creates, each of which 20 connections watch: 300,000 events."""
    client.create("/none")
    watchers = [Client(port, **PATIENCE) for _ in range(20)]
    for watcher in watchers:
        watcher.ask(101, watches_of(watcher, 16_000))
    request = one_multi(create("/none/%05x" % n) for n in range(16_000))
    yield lambda: client.ask(MULTI, request)
    for watcher in watchers:
        watcher.s.close()


def event_for_many(client, port):
    """One event for 10,000 connections."""
    client.create("/one")
    exists = struct.pack(">ii", 1, 3) + text("/one") + b"\1"
    exists = struct.pack(">i", len(exists)) + exists
    watchers = []
    for conns in open_sessions(port, 10_000, 1 << 30):
        for conn in conns:
            conn.sendall(exists)
        for conn in conns:
            conn.recv(1000)
        watchers += conns
    yield lambda: client.set("/one", b"")
    for watcher in watchers:
        watcher.close()


def connections_with_watches_end(client, port):
    """20 connections with 65,000 watches each end."""
    watchers = [Client(port, **PATIENCE) for _ in range(20)]
    for watcher in watchers:
        watcher.ask(101, watches_of(watcher, 65_000))
    yield lambda: [watcher.s.close() for watcher in watchers] and time.sleep(1)


def words(client, port):
    """dump, cons, wchp, wchc, wchs, mntr, stat with 600,000 watches, 200,000 ephemerals and 5,000 connections."""
    client.create("/e")
    client.fill("/e", 200_000, 1)
    watchers = [Client(port, **PATIENCE) for _ in range(10)]
    for watcher in watchers:
        watcher.ask(101, watches_of(watcher, 60_000))
    idle = [Client(port, **PATIENCE) for _ in range(5000)]
    for word in ["dump", "cons", "wchp", "wchc", "wchs", "mntr", "stat"]:
        yield word, lambda: four_letter(port, word, timeout=60)
    for other in watchers + idle:
        other.s.close()


def open_sessions(port, count, timeout_ms):
    """Opens sessions, a hundred at a time."""
    hello = struct.pack(">iiqiqi", 45, 0, 0, timeout_ms, 0, 16) + bytes(17)
    for _ in range(count // 100):
        conns = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        for conn in conns:
            conn.sendall(hello)
        for conn in conns:
            conn.recv(100)
        yield conns


def leave_sessions(port, count, timeout_ms):
    """Opens sessions, and leaves them."""
    for conns in open_sessions(port, count, timeout_ms):
        for conn in conns:
            conn.close()


def snapshot_with_sessions(client, port):
    """A snapshot begins while there are 100,000 sessions."""
    leave_sessions(port, 100_000, 1 << 30)
    yield lambda: [client.set("/w", b"") for _ in range(SNAP_COUNT)]


def sessions_that_expire(client, port):
    """30,000 sessions expire together."""
    leave_sessions(port, 30_000, 4000)
    yield lambda: time.sleep(8)


CASES = {
    case.__name__.replace("_", "-"): case
    for case in [multi_of_creates, multi_of_deletes, multi_of_sets, multi_of_checks, multi_that_fails, list_of_children,
                 list_that_changes, long_lists, set_watches, creates_that_are_watched, event_for_many, connections_with_watches_end,
                 words, snapshot_with_sessions, sessions_that_expire]
}


def others_of(kind, port, over, pipe):
    """Notes the waits of one client that asks for little, until it is told to stop."""
    waits = []
    if kind == "sleeper":
        session, ask = None, lambda: time.sleep(0.001)
    else:
        session = ZkMini(port, **PATIENCE)
        ask = (lambda: session.get("/r")) if kind == "reader" else (lambda: session.set("/w", bytes(100)))
    pipe.send(None)
    while not over.is_set():
        began = time.perf_counter()
        ask()
        waits.append((began, time.perf_counter() - began))
        time.sleep(0.0005)
    if session:
        session.close()
    pipe.send(waits)


def measure(port, run):
    over = multiprocessing.Event()
    others = {}
    for kind in ["reader", "writer", "sleeper"]:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.Process(target=others_of, args=(kind, port, over, theirs))
        process.start()
        ours.recv()
        others[kind] = (process, ours)
    time.sleep(1)
    began = time.perf_counter()
    run()
    ended = time.perf_counter()
    time.sleep(0.3)
    over.set()
    shown = []
    for kind, (process, pipe) in others.items():
        waits = pipe.recv()
        process.join()
        before = max(took for at, took in waits if at + took < began)
        during = max(took for at, took in waits if at + took >= began)
        shown.append("%s %5.1f, %6.1f" % (kind, before * 1000, during * 1000))
    return "%s; took %.2f s" % ("; ".join(shown), ended - began)


def run_case(name, command, times):
    for _ in range(times):
        os.environ["SUT"] = command
        with tempfile.TemporaryDirectory() as work:
            server = Sut(work, {"snapCount": SNAP_COUNT if "snapshot" in name else 100_000_000, "maxSessionTimeout": 1 << 30})
            server.start()
            try:
                with Client(server.port, **PATIENCE) as client:
                    client.create("/w")
                    client.create("/r")
                    for step in CASES[name](client, server.port):
                        what, run = step if isinstance(step, tuple) else ("", step)
                        print("%-30s %s" % (name + " " + what, measure(server.port, run)), flush=True)
            finally:
                server.proc.term()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", default=",".join(CASES), help="cases: " + ", ".join(CASES))
    parser.add_argument("-n", type=int, default=1)
    parser.add_argument("servers", nargs="+")
    chosen = parser.parse_args()
    for server in chosen.servers:
        print(server)
        for case in chosen.c.split(","):
            run_case(case, server, chosen.n)

#!/usr/bin/env python3
"""What TLS 1.3 costs a server: CPU of a get, a set, a full and a resumed handshake, and memory of idle sessions, beside the official server.

usage: tls.py [--ops N] [--handshakes N] [--idle N] [--rounds N] KIND...   a KIND is `official` or `oxkeeper`; env SUT: the command that serves a zoo.cfg
CPU is the server's own (user and system), in us an operation, the median of the rounds; client and server share the machine's cores, so
nothing is said of throughput. Keys are RSA of 2048 bits, made for the run; clients show a certificate."""
import argparse
import os
import resource
import socket
import ssl
import statistics
import struct
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "compat-tests", "security"), os.path.join(HERE, "..", "compat-tests", "common")]
from certs import Authority  # noqa: E402
from tls import Server  # noqa: E402
from zkmini import ZkMini  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
PIPELINE = 32
VALUE = os.urandom(1024)


def stat_of(server):
    """The process that serves: the wrapper's command may have become it."""
    with open("/proc/%d/stat" % server.proc.p.pid) as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_kib(server):
    with open("/proc/%d/status" % server.proc.p.pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def cost(server, work, count):
    before = stat_of(server)
    work()
    return (stat_of(server) - before) / count * 1e6


def requests(client, op, body, count):
    """So many requests, PIPELINE of them in flight."""
    for _ in range(count // PIPELINE):
        batch = b""
        for _ in range(PIPELINE):
            client.xid += 1
            request = struct.pack(">ii", client.xid, op) + body
            batch += struct.pack(">i", len(request)) + request
        client.s.sendall(batch)
        for _ in range(PIPELINE):
            client._recv()


def handshakes(server, context, count, resumed):
    session = None
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", server.secure), 10) as s:
            with context.wrap_socket(s, server_hostname="localhost", session=session if resumed else None) as tls:
                tls.sendall(b"ruok")
                assert tls.recv(4) == b"imok"
                session = tls.session


def measured(kind, pki, args):
    seen = {}
    with Server(kind, pki, {"maxClientCnxns": "0", "maxSessionTimeout": "120000"}) as server:
        context = pki.context("client", versions=(ssl.TLSVersion.TLSv1_3,) * 2)
        client = ZkMini(server.secure, tls=context, session_ms=60000)
        client.create("/bench", VALUE)
        get = client._str("/bench") + b"\0"
        put = client._str("/bench") + client._buf(VALUE) + struct.pack(">i", -1)
        requests(client, 4, get, args.ops * 2)                        # a JVM gets warm
        seen["get 1 KiB"] = statistics.median(cost(server, lambda: requests(client, 4, get, args.ops), args.ops) for _ in range(args.rounds))
        requests(client, 5, put, args.ops)
        seen["set 1 KiB, synced"] = statistics.median(cost(server, lambda: requests(client, 5, put, args.ops), args.ops) for _ in range(args.rounds))
        handshakes(server, context, args.handshakes, False)
        seen["full handshake"] = statistics.median(cost(server, lambda: handshakes(server, context, args.handshakes, False), args.handshakes) for _ in range(args.rounds))
        seen["resumed handshake"] = statistics.median(cost(server, lambda: handshakes(server, context, args.handshakes, True), args.handshakes) for _ in range(args.rounds))
        before = memory_kib(server)
        idle = [ZkMini(server.secure, tls=context, session_ms=120000, timeout=60) for _ in range(args.idle)]
        time.sleep(2)
        seen["idle session, KiB"] = (memory_kib(server) - before) / len(idle)
        seen["memory then, MiB"] = memory_kib(server) / 1024
    return seen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("ops", 64000), ("handshakes", 500), ("idle", 5000), ("rounds", 5)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("kinds", nargs="+")
    args = parser.parse_args()
    os.environ.setdefault("ZKJAVA", "-Xmx1g")                         # all that a JVM can do
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, args.idle * 2 + 1000), hard))
    with tempfile.TemporaryDirectory(prefix="tls-bench-") as work:
        pki = Authority(work)
        for name in ("server", "client"):
            pki.leaf(name, "/O=Test/CN=" + name)
        seen = {kind: measured(kind, pki, args) for kind in args.kinds}
    print("%-20s %s" % ("", " ".join("%10s" % kind for kind in args.kinds)))
    for row in seen[args.kinds[0]]:
        print("%-20s %s" % (row, " ".join("%10.1f" % seen[kind][row] for kind in args.kinds)))


if __name__ == "__main__":
    main()

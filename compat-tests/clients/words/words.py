"""The four-letter words and the session handshake on a raw socket, as cases (see judge.py).

What is a number of this process (latencies, memory, open files, versions, paths) is masked; the lines and their order stay."""
import os
import re
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "common"))
from zkmini import ZkError, ZkMini  # noqa: E402

HOST, PORT = os.environ["ZK"].split(":")
PORT = int(PORT)
# numbers that describe the tree and the sessions, and so must agree
EXACT = ("Outstanding", "Zxid", "Mode", "Node count", "Connections", "zk_znode_count", "zk_watch_count", "zk_ephemerals_count",
         "zk_approximate_data_size", "zk_num_alive_connections", "zk_outstanding_requests", "zk_server_state", "zk_global_sessions",
         "zk_local_sessions", "tickTime", "maxClientCnxns", "minSessionTimeout", "maxSessionTimeout", "serverId",
         "clientPortListenBacklog", "zk_peer_state", "zk_quorum_size")


# Figures that oxkeeper leaves out of mntr, everywhere or as a member of an ensemble (ROLE), each with its reason in this table.
OUT = "left out|members leave it out" if os.environ.get("ROLE") else "left out"
DOCS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../../docs/metrics.md")
with open(DOCS) as table:
    LEFT_OUT = {name for row in table if re.match(r"\| `.* \| (%s)" % OUT, row)
                for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def left_out(key):
    """`mntr` has some of them once for each learner, by its id."""
    return re.sub(r"^zk_((avg|min|max|cnt|sum|p\d+)_)?(\d+_)?", "", key) in LEFT_OUT


def word(w):
    with socket.create_connection((HOST, PORT), 5) as s:
        s.settimeout(10)
        s.sendall(w.encode())
        out = b""
        while True:
            try:
                c = s.recv(65536)
            except ConnectionError:
                break
            if not c:
                return out.decode(errors="replace")
            out += c
    return out.decode(errors="replace")


def mask(line):
    if line.lstrip().startswith(EXACT):
        return line
    line = re.sub(r"^(Zookeeper version|dataDir|dataLogDir|zk_version|zk_server_state)([:=\t]).*", r"\1\2 <own>", line)
    line = re.sub(r"(dataDirSize|dataLogSize|latency min/avg/max|Latency min/avg/max): *\S+", r"\1: <n>", line)
    line = re.sub(r"^(clientPort|dataDirSize|dataLogSize)=\d+", r"\1=<n>", line)
    line = re.sub(r"^((?:Session|Connections) Sets \()\d+", r"\1<n>", line)
    line = re.sub(r"(datadir_size|logdir_size): \d+", r"\1: <n>", line)
    line = re.sub(r"(queued|recved|sent|est|lresp|llat|minlat|avglat|maxlat|lzxid|lcxid)=[^,)]+", r"\1=<n>", line)
    line = re.sub(r"\b(Received|Sent): \d+", r"\1: <n>", line)
    return re.sub(r"(Client address|ip): .*", r"\1: <client>", line)


def show(w, keys_only=False, order=True):
    print("## " + w)
    lines = word(w).splitlines()
    if keys_only:
        lines = sorted(re.split(r"[\t=:]", x)[0] for x in lines)
        lines = [x for x in lines if not x.startswith("java.")]    # a server that is not Java has none (or one) of them
    else:
        lines = [mask(x) for x in lines]
        if w == "dump":                                    # two connections may or may not expire in the same tick
            lines = [x for x in lines if not re.match(r"\d+ expire at", x)]
            lines = [re.sub(r"Sets \(\d+\)/", "Sets (<ticks>)/", x) for x in lines]
        if w in ("stat", "cons"):                          # connections come in the order of a hash set, and ports are random
            peers = sorted((x for x in lines if x.startswith(" /")), key=lambda x: x.partition("[")[2])
            lines = [peers.pop(0) if x.startswith(" /") else x for x in lines]
        lines = lines if order else sorted(lines)
    print("\n".join(lines), flush=True)


def handshake(name, payload, tail=b""):
    """What the server answers to a connect request, byte by byte but for ids."""
    print("## handshake: " + name)
    with socket.create_connection((HOST, PORT), 5) as s:
        s.settimeout(3)
        s.sendall(payload + tail)
        out = b""
        try:
            while len(out) < 4 or len(out) < 4 + struct.unpack(">i", out[:4])[0]:
                c = s.recv(4096)
                if not c:
                    break
                out += c
        except socket.timeout:
            print("no answer within 3 s")
            return
        except ConnectionError:
            pass
    if not out:
        print("closed")
        return
    n, proto, timeout, sid = struct.unpack(">iiiq", out[:20])
    print("length", n, "protocol", proto, "timeout", timeout, "session", "yes" if sid else "none",
          "password", struct.unpack(">i", out[20:24])[0], "rest", out[40:].hex(), flush=True)


def connect_request(timeout=10000, zxid=0, session=0, password=b"\0" * 16, readonly=b"\0", proto=0):
    body = struct.pack(">iqiq", proto, zxid, timeout, session) + struct.pack(">i", len(password)) + password + readonly
    return struct.pack(">i", len(body)) + body


def main():
    show("ruok")
    with ZkMini(PORT, HOST) as z:
        z.create("/x", b"data")
        z.create("/x/e", b"", 1)
        # watches: data, one on a znode that is not there, children
        z._call(4, z._str("/x") + b"\1")
        try:
            z._call(3, z._str("/none") + b"\1")
        except ZkError:
            pass
        z._call(8, z._str("/x") + b"\1")
        for w in ("srvr", "stat", "cons", "wchs", "wchc", "wchp", "dump", "isro", "dirs"):
            show(w, order=w not in ("wchc", "wchp"))
        show("conf")
        show("envi", keys_only=True)
        print("## mntr: metrics that the client side of the official server always has")
        got = dict(x.split("\t", 1) for x in word("mntr").splitlines() if "\t" in x)
        for k in EXACT:
            if k.startswith("zk_"):
                print(k, got.get(k))
        print("## mntr: names")
        print("\n".join(sorted(k for k in got if not re.search(r"jvm|process_", k) and not left_out(k))))
        show("crst")
        show("srst")
        show("stat")
        show("gtmk")
        show("lead")
        show("hash", keys_only=True)
        show("orst")
        show("obsr")
        show("sysp")
        show("icfg")
        show("kill")
        show("xxxx")
        print("## setting the trace mask")
        with socket.create_connection((HOST, PORT), 5) as s:
            s.settimeout(5)
            s.sendall(b"stmk" + struct.pack(">q", 0b111110110))
            try:
                print(s.recv(100))
            except OSError as e:
                print(type(e).__name__)
    handshake("plain", connect_request())
    handshake("without the read-only byte", connect_request(readonly=b""))
    handshake("read-only wished", connect_request(readonly=b"\1"))
    for timeout in (-5, 0, 1, 999, 1000, 1001, 15000, 40000, 40001, 2147483647):
        handshake("timeout %d" % timeout, connect_request(timeout))
    handshake("ahead of the server", connect_request(zxid=1 << 40))
    handshake("unknown session", connect_request(session=0x1234567, password=b"\1" * 16))
    handshake("short password", connect_request(password=b"abc"))
    handshake("no password", connect_request(password=b""))
    handshake("protocol 7", connect_request(proto=7))
    handshake("negative length", struct.pack(">i", -1))
    handshake("length 0", struct.pack(">i", 0))
    handshake("too long", struct.pack(">i", 0x7FFFFFF0))
    handshake("half a request", connect_request()[:20] + b"")
    handshake("rubbish", os.urandom(0) + b"\0\0\0\x2d" + b"\xff" * 45)
    print("## after all that")
    time.sleep(0.2)
    print(word("ruok"))


main()

#!/usr/bin/env python3
"""A server that is no server, for proving that the judge can fail.
FAKE=tcp   accepts connections on every configured port and never answers
FAKE=words answers four-letter words as a healthy server would, and drops everything else
usage: fake.py zoo.cfg"""
import os
import re
import socket
import sys
import threading

mode = os.environ.get("FAKE", "tcp")


def load(path):
    cfg = {}
    with open(path) as f:
        for line in f:
            k, eq, v = line.strip().partition("=")
            if eq and not k.startswith("#"):
                cfg[k.strip()] = v.strip()
    return cfg


cfg = load(sys.argv[1])
if cfg.get("dynamicConfigFile"):
    cfg.update(load(cfg["dynamicConfigFile"]))
ids = {k[7:]: v for k, v in cfg.items() if k.startswith("server.")}
me = ""
try:
    with open(os.path.join(cfg["dataDir"], "myid")) as f:
        me = f.read().strip()
except OSError:
    pass
role = "standalone" if not ids else "leader" if me == max(ids, key=int) else "follower"
ports = set()
for k in ("clientPort", "secureClientPort", "admin.serverPort"):
    if cfg.get(k) and (k != "admin.serverPort" or cfg.get("admin.enableServer") == "true"):
        ports.add(int(cfg[k]))
if me in ids:
    m = re.match(r"[^:]*:(\d+):(\d+)", ids[me])
    if m:
        ports.update(int(x) for x in m.groups())
    m = re.search(r";(?:.*:)?(\d+)$", ids[me])
    if m:
        ports.add(int(m.group(1)))

STAT = ("Zookeeper version: 3.9.5-0, built on 2026-01-01 00:00 UTC\n%sLatency min/avg/max: 0/0.0/0\nReceived: 1\nSent: 0\n"
        "Connections: 1\nOutstanding: 0\nZxid: 0x0\nMode: %s\nNode count: 5\n")


def serve(conn):
    try:
        if mode == "tcp":
            while conn.recv(4096):
                pass
            return
        conn.settimeout(2)
        word = conn.recv(4)
        if word == b"ruok":
            conn.sendall(b"imok")
        elif word == b"srvr":
            conn.sendall((STAT % ("", role)).encode())
        elif word == b"stat":
            conn.sendall((STAT % ("Clients:\n\n", role)).encode())
        elif word == b"isro":
            conn.sendall(b"rw")
    except OSError:
        pass
    finally:
        conn.close()


def listen(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", port))
    s.listen(64)
    while True:
        c, _ = s.accept()
        threading.Thread(target=serve, args=(c,), daemon=True).start()


threads = [threading.Thread(target=listen, args=(p,)) for p in sorted(ports)]
for t in threads:
    t.start()
for t in threads:
    t.join()

"""Run by compat-tests/kits with kazoo, a client that we did not write."""
import os
import socket
import subprocess
import sys
import time

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

import oxkeeper


def client(where, **kw):
    found = KazooClient(where, timeout=10, connection_retry={"max_tries": -1, "delay": 0.01, "max_delay": 0.1},
                        command_retry={"max_tries": -1, "delay": 0.01, "max_delay": 0.1}, **kw)
    found.start(30)
    return found


def connects(where):
    host, _, port = where.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 2).close()
        return True
    except OSError:
        return False


def test_a_server_of_its_own(zookeeper):
    c = client(zookeeper.connect_string)
    c.create("/a", b"1")
    zookeeper.restart()
    assert c.retry(c.get, "/a")[0] == b"1"
    zookeeper.kill()
    assert not connects(zookeeper.connect_string)
    zookeeper.restart()
    assert c.retry(c.get, "/a")[0] == b"1"
    c.stop()


def test_another_one(zookeeper, zookeeper_session):
    assert zookeeper.port != zookeeper_session.port
    c = client(zookeeper.connect_string)
    with pytest.raises(NoNodeError):
        c.get("/a")
    c.stop()


def test_an_ensemble(zookeeper_ensemble):
    e = zookeeper_ensemble
    c = client(e.connect_string)
    c.create("/a", b"1")
    first = e.leader
    e.kill(first)
    c.retry(c.set, "/a", b"2")
    e.restart(first)
    e.await_serving()
    assert e.mode(first) == "follower"
    second = e.leader
    e.partition(second)
    e.await_serving(*[m for m in (1, 2, 3) if m != second])
    assert e.leader not in (None, second)
    e.heal()
    e.await_serving()
    e.pause(e.leader)
    e.resume(1)
    e.resume(2)
    e.resume(3)
    e.await_serving()
    assert c.retry(c.get, "/a")[0] == b"2"
    c.stop()
    with pytest.raises(oxkeeper.OxkeeperError, match="no member 4"):
        e.stop(4)


def test_settings_and_directories(tmp_path):
    with oxkeeper.TestingServer(data_dir=tmp_path, settings={"maxSessionTimeout": 1234}) as server:
        c = client(server.connect_string)
        assert c._session_timeout == 1234 or c.client_id
        c.stop()
        with pytest.raises(oxkeeper.OxkeeperError, match=str(server.port)):
            oxkeeper.TestingServer(port=server.port)
    assert (tmp_path / "version-2").is_dir()
    with pytest.raises(oxkeeper.OxkeeperError, match="tickTime"):
        oxkeeper.TestingServer(settings={"tickTime": "soon"})


def test_it_ends_with_its_process():
    code = "import oxkeeper, os, sys; s = oxkeeper.TestingServer(); print(s.connect_string, flush=True); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, timeout=30)
    where = done.stdout.strip()
    until = time.monotonic() + 10
    while connects(where):
        assert time.monotonic() < until, "it outlives who started it"
        time.sleep(0.02)


def test_it_is_fast():
    times = []
    for _ in range(20):
        began = time.perf_counter()
        with oxkeeper.TestingServer():
            times.append(time.perf_counter() - began)
    began = time.perf_counter()
    with oxkeeper.TestingEnsemble(3):
        three = time.perf_counter() - began
    print("a server up in %.1f ms (median of 20), an ensemble of three in %.1f ms" % (sorted(times)[10] * 1e3, three * 1e3))
    # Of a machine that has other things to do as well, no more is asked.
    assert sorted(times)[10] < float(os.environ.get("UP_WITHIN_S", "1"))

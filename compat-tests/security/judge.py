"""What the judges of this directory have in common: looks at both servers that are compared, and how checks are run and told of."""
import os
import re
import shutil
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from applib import need
from zkmini import ZkError

OFFICIAL, OURS = "official", "oxkeeper"
WHO_AM_I = 107


def ids(client):
    """What whoAmI tells, in no order."""
    r = client._call(WHO_AM_I, b"")
    (n,) = struct.unpack(">i", r[:4])
    found, p = [], 4
    for _ in range(n):
        words = []
        for _word in range(2):
            (length,) = struct.unpack(">i", r[p:p + 4])
            words.append(r[p + 4:p + 4 + max(length, 0)].decode())
            p += 4 + max(length, 0)
        found.append("%s:%s" % tuple(words))
    return sorted(found)


def code(call, *args, **kw):
    """The error that a call ends with, 0 for none."""
    try:
        call(*args, **kw)
        return 0
    except ZkError as error:
        return error.code
    except (ConnectionError, ssl.SSLError):
        return "closed"


def compared(server, look, differs=None):
    """Has both kinds of server looked at; `differs`: what ours shows instead of some of what the official one does."""
    seen = {}
    for kind in (OFFICIAL, OURS):
        with server(kind) as started:
            seen[kind] = look(started)
    if os.environ.get("SHOW"):
        for key, value in seen[OURS].items():
            print("  %s: %s" % (key, value))
    expected = {**seen[OFFICIAL], **(differs or {})}
    for key in expected.keys() | seen[OURS].keys():
        need(expected.get(key) == seen[OURS].get(key), "%s: %r, the official one: %r" % (key, seen[OURS].get(key), seen[OFFICIAL].get(key)))
    return len(expected)


def zkcli(address, *words, properties=()):
    """The lines that the shell of 3.9.5 prints for one command."""
    apache = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "apache")
    argv = ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *properties, "-Dlogback.configurationFile=" + os.path.join(apache, "logback.xml"),
            "-cp", "%s/target/3.9.5/*:%s/target/log/*" % (apache, apache), "org.apache.zookeeper.ZooKeeperMain", "-server", address, *words]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=90).stdout.decode().splitlines()


def shell(address, *words, properties=(), stderr=subprocess.PIPE):
    """The lines that our shell prints for one command; with complaints among them, if `stderr` is subprocess.STDOUT."""
    ours = os.environ.get("OXKEEPER", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "target", "release", "oxkeeper"))
    argv = [ours, "cli", *properties, "-server", address, *words]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=stderr, stdin=subprocess.DEVNULL, timeout=90).stdout.decode().splitlines()


def told(lines):
    """What the shell says of its command, and of its log only whether the login failed."""
    lines = [line for line in lines if line and not line.startswith(("Connecting", "WATCHER", "WatchedEvent"))]
    return [line.split("] ")[-1] for line in lines if not re.match(r"\d{4}-", line) or "SASL authentication failed" in line]


def at_once(calls):
    """The results of calls by their names; three are made at the same time, for they wait more than they work."""
    with ThreadPoolExecutor(3) as pool:
        futures = {name: pool.submit(call) for name, call in calls.items()}
        return {name: future.result() for name, future in futures.items()}


def main(checks, prepare):
    """Runs the checks that the command line names, or all. `prepare` makes in a directory what each of them is given."""
    wanted = [check for check in checks if not sys.argv[1:] or check.__name__ in sys.argv[1:]]
    passed = failed = 0
    work = tempfile.mkdtemp(prefix="judge-")
    try:
        prepared = prepare(work)
        for check in wanted:
            began = time.monotonic()
            try:
                told, word = check(prepared), "ok   "
                passed += 1
            except Exception as error:  # noqa: BLE001
                traceback.print_exc()
                told, word = str(error)[:500], "FAIL "
                failed += 1
            print("%s %s (%.1f s): %s" % (word, check.__name__, time.monotonic() - began, told), flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("%d passed, %d failed" % (passed, failed))
    return failed > 0

#!/usr/bin/env python3
"""The audit log, against that of an official server on which the same was done: the same lines in the same order.

usage: audit.py. SUT: the command that serves a zoo.cfg. The last line is `N passed, M failed`."""
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "common"))
from applib import Proc, free_port, need, until  # noqa: E402
from zkmini import ZkError, ZkMini, four_letter  # noqa: E402

OFFICIAL, OURS = "official", "oxkeeper"
ADMIN = [(31, "world", "anyone"), (1, "digest", "x:y")]


class Server:
    def __init__(self, kind, **settings):
        self.kind, self.work, self.port = kind, tempfile.mkdtemp(prefix="audit-"), free_port()
        self.log, self.cfg = os.path.join(self.work, "log"), os.path.join(self.work, "zoo.cfg")
        os.makedirs(os.path.join(self.work, "data"))
        lines = {"tickTime": 500, "dataDir": os.path.join(self.work, "data"), "clientPort": self.port, "clientPortAddress": "127.0.0.1",
                 "admin.enableServer": "false", "4lw.commands.whitelist": "*", "audit.enable": "true", **settings}
        with open(self.cfg, "w") as f:
            f.writelines("%s=%s\n" % line for line in lines.items())

    def begin(self):
        argv = [os.path.join(HERE, "..", "apache", "apache")] if self.kind == OFFICIAL else shlex.split(os.environ["SUT"])
        env = dict(os.environ, ADMIN="false", ZKJAVA="-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dzookeeper.audit.enable=true",
                   ZKPROPS="-Dlogback.configurationFile=" + self.logging())
        return Proc(self.kind, argv + [self.cfg], self.log, env=env)

    def __enter__(self):
        self.proc = self.begin()
        until("%s to serve" % self.kind, lambda: "Mode" in four_letter(self.port, "srvr"), 60, 0.1)
        return self

    def logging(self):
        """All lines of the official server on its console."""
        path = os.path.join(self.work, "logback.xml")
        with open(path, "w") as f:
            f.write('<configuration><appender name="C" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%d %-5level %logger{1} - %msg%n</pattern>'
                    '</encoder></appender><root level="INFO"><appender-ref ref="C"/></root></configuration>')
        return path

    def __exit__(self, *_):
        self.proc.kill()
        shutil.rmtree(self.work, ignore_errors=True)

    def lines(self, log=None):
        """What was audited, with sessions by their order."""
        text = open(log or self.log, errors="replace").read()
        # A path may hold a line feed: the official server prints it.
        found = re.findall(r"(?:ERROR|INFO)[^\n]*?\b((?:session=|user=)[^\n]*(?:\n(?![0-9]{4}-)[^\n]*)*?result=\w+)", text)
        # The official server keeps the identities of a connection in no order.
        found = [re.sub(r"(?<=user=)[^\t]*", lambda m: ",".join(sorted(m[0].split(","))), line) for line in found]
        sessions = {}
        return [re.sub(r"session=(0x[0-9a-f]+)", lambda m: "session=%d" % sessions.setdefault(m[1], len(sessions)), line) for line in found]


def attempt(call, *args, **kw):
    with contextlib.suppress(ZkError):
        return call(*args, **kw)


def work(port):
    """Whatever is audited, done and refused."""
    a = ZkMini(port, session_ms=20000)
    a.create("/a b", b"x")
    a.auth("digest", "bob:secret")
    a.auth("digest", "al:secret")
    a.create("/a b/seq-", b"", 2)
    a.create2("/two", b"")
    a.create_container("/container")
    a.set("/a b", b"y")
    a.set_acl("/a b", ADMIN)
    attempt(a.create, "/a b")
    attempt(a.create, "/no/parent")
    attempt(a.delete, "/nope")
    attempt(a.delete, "/a b")
    attempt(a.set, "/a b", b"", 77)
    attempt(a.set_acl, "/nope", ADMIN)
    attempt(a.create, "relative")
    a.create("/mine", acl=[(31, "auth", "")])
    a.create("/a\u00fc=c")
    attempt(a.multi, ("create", "/m", b"", 0), ("set", "/m", b"1", -1), ("check", "/m", -1), ("delete", "/m", -1))
    attempt(a.multi, ("create", "/m", b"", 0), ("delete", "/nope", -1))
    a.get("/a b"), a.exists("/nope"), a.children("/")
    a.delete("/two")
    b = ZkMini(port, session_ms=20000)
    attempt(b.set, "/mine", b"")
    b.create("/eph", flags=1)
    b.create("/eph-", flags=3)
    b.close()
    a.create("/last")
    a.close()


def same_lines():
    seen = {}
    for kind in (OFFICIAL, OURS):
        with Server(kind) as server:
            work(server.port)
            until("the last line", lambda: any("znode=/last" in line for line in server.lines()), 10, 0.1)
            server.proc.term(30)
            until("the end of it", lambda: "result=invoked" in server.lines()[-1], 10, 0.1)
            seen[kind] = server.lines()
    for number, (official, ours) in enumerate(zip(seen[OFFICIAL], seen[OURS])):
        need(official == ours, "line %d is %r, the official one %r" % (number, ours, official))
    need(len(seen[OFFICIAL]) == len(seen[OURS]), "%d lines, the official server has %d" % (len(seen[OURS]), len(seen[OFFICIAL])))
    return "%d lines" % len(seen[OURS])


def many_ephemerals():
    """The end of a session with some thousands of ephemerals: a line for each of them, in whatever order."""
    seen = {}
    for kind in (OFFICIAL, OURS):
        with Server(kind) as server:
            a = ZkMini(server.port, session_ms=20000)
            for first in range(0, 2500, 500):
                a.multi(*(("create", "/eph%04d" % at, b"", 1) for at in range(first, first + 500)))
            a.multi(*(("delete", "/eph%04d" % at, -1) for at in range(5)))
            a.close()
            gone = lambda: [line for line in server.lines() if "DeletionOnSession" in line]  # noqa: E731
            until("all lines", lambda: len(gone()) >= 2495, 30, 0.5)
            seen[kind] = sorted(server.lines())
    need(len(seen[OURS]) == len(seen[OFFICIAL]) and seen[OURS] == seen[OFFICIAL], "%d lines, the official server has %d: %s" % (
        len(seen[OURS]), len(seen[OFFICIAL]), sorted(set(seen[OURS]) ^ set(seen[OFFICIAL]))[:4]))
    return "%d lines" % len(seen[OURS])


def no_start():
    """A port that is taken, a data directory that is none, a configuration that nobody understands: the start is audited as one that failed, where it is known that there is an audit log."""
    ended = {}
    for kind in (OFFICIAL, OURS):
        with Server(OURS) as other:
            for what, settings in {"port": {"clientPort": other.port}, "directory": {"dataDir": "/dev/null"}, "configuration": {"tickTime": "a lot"}}.items():
                server = Server(kind, **settings)
                proc = server.begin()
                until("the end of it", lambda: not proc.alive(), 60, 0.1)
                ended[what, kind] = proc.p.wait(), server.lines()
                shutil.rmtree(server.work, ignore_errors=True)
    for what in ("port", "directory"):
        need(ended[what, OFFICIAL] == ended[what, OURS], (what, ended))
        need(len(ended[what, OURS][1]) == 1 and ended[what, OURS][1][0].endswith("\toperation=serverStart\tresult=failure"), ended)
    # Officially the property counts, whatever is in the file; here the file says where the audit log is.
    need(ended["configuration", OFFICIAL][0] == ended["configuration", OURS][0] == 2 and not ended["configuration", OURS][1], ended)
    return "a port, a directory"


def own_file():
    """A file of its own, which is begun anew at SIGHUP; as JSON; and no line that a client has made up."""
    for as_json in ("false", "true"):
        work_dir = tempfile.mkdtemp(prefix="audit-file-")
        path = os.path.join(work_dir, "zookeeper_audit.log")
        with Server(OURS, **{"audit.file": path, "audit.json": as_json}) as server:
            with ZkMini(server.port) as z:
                z.create("/one")
                until("its line", lambda: "/one" in open(path).read(), 5, 0.05)
                os.rename(path, path + ".1")
                server.proc.signal(signal.SIGHUP)
                until("a new file", lambda: os.path.exists(path), 5, 0.05)
                z.create("/two\u2028user=root")
                until("its line", lambda: "/two" in open(path).read(), 5, 0.05)
            need("/one" not in open(path).read() and "/two" not in open(path + ".1").read(), "the lines are in the wrong file")
            need("audit.Slf4jAuditLogger" not in open(server.log).read() and "operation=create" not in open(server.log).read(), "they are in the log, too")
            text = open(path).read().split("\n")[0]
            if as_json == "true":
                need(json.loads(text)["operation"] == "create", text)
            else:
                need(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO audit\.Slf4jAuditLogger: session=0x", text), text)
        shutil.rmtree(work_dir)
    return "plain and JSON"


def main():
    passed = failed = 0
    for check in (same_lines, many_ephemerals, no_start, own_file):
        try:
            print("ok    %s: %s" % (check.__name__, check()), flush=True)
            passed += 1
        except Exception as error:  # noqa: BLE001
            print("FAIL  %s: %s" % (check.__name__, str(error)[:600]), flush=True)
            failed += 1
    print("%d passed, %d failed" % (passed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())

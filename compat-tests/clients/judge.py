"""Runs each scripted client against two servers, normalises the two transcripts and compares them case by case.

A client is a program that is told the server's address (env ZK) and the control port (env CONTROL, see Control), prints
`## name` at the start of each case, and ends with status 0 if it ran all of them. A case passes when both transcripts
have the same lines under its name."""
import difflib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "common"))
os.environ.setdefault("APP_LIMIT_S", "7200")            # every client has a limit of its own
from applib import Fail, Proc, free_port, free_ports, need, until  # noqa: E402
from zkmini import ZkMini  # noqa: E402

LIMIT_S = 300                                             # one client against one server
ZKCLI = ["3.9.5", "3.8.4", "3.4.14"]
FAULTS = {"nowatch": "--drop-watches", "noephemeral": "--downgrade-ephemeral", "stat": "--spoil-stat"}
SUPER = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="             # super:admin


class Server:
    """One server under test on a fresh data directory. With a fault, clients reach it through a proxy that misbehaves."""

    def __init__(self, command, work, fault, sid=None, servers=()):
        self.command = shlex.split(command)
        self.work = work
        self.port = free_port()
        self.client_port = free_port() if fault else self.port
        self.cfg = os.path.join(work, "zoo.cfg")
        self.proc = self.proxy = None
        os.makedirs(os.path.join(work, "data"))
        if sid:
            with open(os.path.join(work, "data", "myid"), "w") as f:
                f.write("%d\n" % sid)
        with open(self.cfg, "w") as f:
            f.write("\n".join([
                "tickTime=500", "initLimit=10", "syncLimit=5", "dataDir=%s" % os.path.join(work, "data"),
                "clientPort=%d" % self.port, "clientPortAddress=127.0.0.1", "minSessionTimeout=1000",
                "maxSessionTimeout=40000", "maxClientCnxns=0", "admin.enableServer=false", "4lw.commands.whitelist=*",
                "extendedTypesEnabled=true", "enforceQuota=true", "znode.container.checkIntervalMs=3600000",
                "DigestAuthenticationProvider.superDigest=%s" % SUPER, *servers, ""]))
        if fault:
            self.proxy = Proc("proxy", [sys.executable, os.path.join(HERE, "..", "common", "zkproxy.py"),
                                        str(self.client_port), str(self.port), os.path.join(work, "ops.json"),
                                        FAULTS[fault]], os.path.join(work, "proxy.log"), stdin=subprocess.PIPE)

    def address(self):
        return "127.0.0.1:%d" % self.client_port

    def start(self):
        self.launch()
        self.serves("standalone")

    def launch(self):
        # the containers' clean-up runs on its own clock: keep it out of the transcripts (the official server takes this
        # one setting from a JVM property)
        env = dict(os.environ, ZKPROPS=os.environ.get("ZKPROPS", "") + " -Dznode.container.checkIntervalMs=3600000")
        self.proc = Proc("server", self.command + [self.cfg], os.path.join(self.work, "server.log"), env=env)

    def serves(self, mode):
        def up():
            need(self.proc.alive(), "it exited with status %s" % self.proc.p.returncode)
            with socket.create_connection(("127.0.0.1", self.port), 2) as s:
                s.settimeout(2)
                s.sendall(b"srvr")
                return b"Mode: %s" % mode.encode() in s.makefile("rb").read()
        until("%s on port %d" % (mode, self.port), up, 60, 0.1)

    def stop(self):
        if self.proc and self.proc.alive():
            self.proc.term(20)

    def kill(self):
        self.proc.kill()

    def end(self):
        try:
            self.stop()
        except Fail as e:
            print("note: %s" % e, flush=True)
        if self.proxy:
            self.proxy.term(10)


class Ensemble:
    """Three servers, of which a client sees one: the third, which leads, or the first, which follows. They start and end together."""

    def __init__(self, command, work, fault, role):
        ports = free_ports(6)
        lines = ["server.%d=127.0.0.1:%d:%d" % (n + 1, ports[2 * n], ports[2 * n + 1]) for n in range(3)]
        self.seen = 3 if role == "leader" else 1
        self.members = {sid: Server(command, work if sid == self.seen else os.path.join(work, "member%d" % sid),
                                    fault if sid == self.seen else "", sid, lines) for sid in (3, 1, 2)}

    def address(self):
        return self.members[self.seen].address()

    def start(self):
        """The third has the highest id, and is up before there is a quorum."""
        first, second, third = self.members.values()
        first.launch()
        second.launch()
        first.serves("leader")
        third.launch()
        second.serves("follower")
        third.serves("follower")

    def stop(self):
        """The leader last: nobody elects meanwhile."""
        for m in reversed(self.members.values()):
            m.stop()

    def kill(self):
        for m in self.members.values():
            m.kill()

    def end(self):
        for m in reversed(self.members.values()):
            m.end()


class Control:
    """A port on which a client asks for `stop`, `start` or `kill` of its server, one word per connection."""

    def __init__(self, server):
        self.server = server
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            with conn:
                word = conn.makefile().readline().strip()
                try:
                    {"stop": self.server.stop, "start": self.server.start, "kill": self.server.kill}[word]()
                    conn.sendall(b"ok\n")
                except Exception as e:  # noqa: BLE001
                    conn.sendall(("failed: %s\n" % e).encode())


def programs(client):
    """[(name, argv)] of a client; builds it first if need be."""
    target = os.path.join(HERE, "target")
    os.makedirs(target, exist_ok=True)
    log = open(os.path.join(target, "build-%s.log" % client), "wb")

    def build(*argv, cwd=HERE):
        if subprocess.run(argv, cwd=cwd, stdout=log, stderr=log, timeout=600).returncode:
            raise Fail("building %s failed, see %s" % (client, log.name))
    if client == "zkcli":
        for v in ZKCLI:
            lib = os.path.join(target, "zkcli-" + v)
            if not os.path.exists(os.path.join(lib, ".done")):
                build("mvn", "-q", "-B", "-f", "zkcli/pom.xml", "-Dzk=" + v, "dependency:copy-dependencies",
                      "-DoutputDirectory=" + lib)
                open(os.path.join(lib, ".done"), "w").close()
        return [("zkcli-" + v, [sys.executable, os.path.join(HERE, "zkcli", "drive.py"), v,
                                os.path.join(target, "zkcli-" + v)]) for v in ZKCLI]
    if client == "cli":
        # The same commands to the official shell and to ours, at the same server.
        official = dict(programs("zkcli"))["zkcli-" + ZKCLI[0]]
        ours = shlex.join([*shlex.split(os.environ.get("OXKEEPER_CLI") or default_shell()), "cli"])
        return [("cli", {"A": official, "B": ["env", "SHELL_UNDER_TEST=" + ours, *official]})]
    if client == "kazoo":
        venv = os.path.join(target, "venv")
        wanted = os.path.join(HERE, "kazoo", "requirements.txt")
        done = os.path.join(venv, ".done")
        if not os.path.exists(done) or os.path.getmtime(done) < os.path.getmtime(wanted):
            build(sys.executable, "-m", "venv", "--clear", venv)
            build(os.path.join(venv, "bin", "pip"), "install", "-q", "-r", wanted)
            open(done, "w").close()
        return [("kazoo", [os.path.join(venv, "bin", "python"), os.path.join(HERE, "kazoo", "calls.py")])]
    if client == "curator":
        build(os.path.join(HERE, "..", "common", "build.sh"), os.path.join(HERE, "curator"))
        with open(os.path.join(HERE, "curator", "target", "cp.txt")) as f:
            cp = os.path.join(HERE, "curator", "target", "classes") + ":" + f.read().strip()
        os.environ["SOURCE"] = os.path.join(HERE, "curator", "src", "main", "java", "curator", "Calls.java")   # for its own completeness check
        return [("curator", ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", cp, "curator.Calls"])]
    if client == "go":
        exe = os.path.join(target, "go-calls")
        build("go", "build", "-o", exe, ".", cwd=os.path.join(HERE, "go"))
        return [("go", [exe])]
    if client == "words":
        return [("words", [sys.executable, os.path.join(HERE, "words", "words.py")])]
    raise Fail("no client named " + client)


def default_shell():
    """The binary that the server under test is, unless OXKEEPER_CLI names another."""
    target = os.environ.get("CARGO_TARGET_DIR") or os.path.join(HERE, "..", "..", "target")
    return shlex.quote(os.environ.get("OXKEEPER") or os.path.join(os.path.abspath(target), "release", "oxkeeper"))


# What the official standalone server (3.9.5) logs when a connection arrives while it starts: it fails to close it, and never
# answers it. Clients wait for that answer as long as their session lasts, so that what they see then is chance.
UNANSWERED = b'because "this.zkDb" is null'
ATTEMPTS = 3


def run(argv, command, work, fault=""):
    """Runs the program against a fresh server, again where that server left a connection unanswered: (transcript, problem or None)."""
    for attempt in range(1, ATTEMPTS + 1):
        shutil.rmtree(work, ignore_errors=True)
        seen = run_once(argv, command, work, fault)
        if attempt == ATTEMPTS or not left_unanswered(work):
            return seen
        print("note: the server of %s left a connection unanswered while it started: run again" % work, flush=True)


def left_unanswered(work):
    return any(UNANSWERED in log.read_bytes() for log in Path(work).rglob("server.log"))


def run_once(argv, command, work, fault):
    os.makedirs(work)
    role = os.environ.get("ROLE")
    server = Ensemble(command, work, fault, role) if role else Server(command, work, fault)
    try:
        server.start()
        control = Control(server)
        path = os.path.join(work, "transcript")
        errors = os.path.join(work, "client.log")
        env = dict(os.environ, ZK=server.address(), CONTROL=str(control.port))
        with open(path, "wb") as out, open(errors, "wb") as err:
            p = subprocess.Popen(["nice", "-n", "3"] + argv, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=env, cwd=work)
            try:
                status = p.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
                status = "none: not done within %d s" % LIMIT_S
        control.sock.close()
        with open(path, errors="replace") as f:
            text = f.read()
        with open(errors, errors="replace") as f:
            said = f.read().strip()[-600:]
        return text, None if status == 0 else "exit status %s %s" % (status, said)
    except (Fail, OSError) as e:
        return "", "server: %s" % e
    finally:
        server.end()


def normalise(text, port):
    """Takes out what may differ between two runs of one server: session ids, times, ports."""
    sessions = {}

    def session(m):
        return sessions.setdefault(m.group(0).lower(), "<session %d>" % (len(sessions) + 1))
    text = re.sub(r"\b(?:0x)?[0-9a-f]{14,16}\b", session, text)
    text = re.sub(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w{3} +\d+ \d\d:\d\d:\d\d \S+ \d{4}", "<time>", text)
    text = re.sub(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(,\d+|\.\d+)?", "<time>", text)
    text = re.sub(r"\b(election|quorum)Port=\d+", r"\1Port=<port>", text)
    text = text.replace("127.0.0.1:%d" % port, "<server>").replace("localhost:%d" % port, "<server>")
    return re.sub(r"/?127\.0\.0\.1:\d{4,5}(:\d{4,5}\b)?", "<client>", text)


def cases(text):
    """{name: lines} in order of appearance."""
    out, lines = {}, None
    for line in text.splitlines():
        if line.startswith("## "):
            name = line[3:]
            n = 2
            while name in out:
                name = "%s (%d)" % (line[3:], n)
                n += 1
            lines = out[name] = []
        elif lines is not None:
            lines.append(line.rstrip())
    return out


def compare(name, argv, work, fault):
    """(passed, failed) of one program."""
    t = time.time()
    seen, problems = {}, []
    for side in "AB":
        os.makedirs(os.path.join(work, name), exist_ok=True)
        shells = isinstance(argv, dict)                     # two clients at one server, instead of one at two
        server = os.environ["SUT_B" if shells else "SUT_" + side]
        text, problem = run(argv[side] if shells else argv, server, os.path.join(work, name, side), fault if side == "B" else "")
        with open(os.path.join(work, name, side, "zoo.cfg")) as f:
            port = int(re.search(r"clientPort=(\d+)", f.read()).group(1))
        text = normalise(text, port)
        with open(os.path.join(work, name, side + ".normalised"), "w") as f:
            f.write(text)
        seen[side] = cases(text)
        if problem:
            problems.append("%s: %s" % (side, problem))
    a, b = seen["A"], seen["B"]
    passed = failed = 0
    for case in list(a) + [c for c in b if c not in a]:
        if a.get(case) == b.get(case):
            passed += 1
            continue
        failed += 1
        print("FAIL  %s: %s" % (name, case))
        if case not in a or case not in b:
            print("      only in " + ("A" if case in a else "B"))
            continue
        for line in list(difflib.unified_diff(a[case], b[case], "A", "B", lineterm="", n=1))[2:42]:
            print("      " + line)
    for problem in problems:
        failed += 1
        print("FAIL  %s: the client against %s" % (name, problem))
    if not a:
        failed += 1
        print("FAIL  %s: no cases against A" % name)
    print("%-5s %s: %d cases alike, %d not (%.0f s)" % ("ok" if not failed else "FAIL", name, passed, failed, time.time() - t), flush=True)
    return passed, failed


def main():
    fault = os.environ.get("FAULT", "")
    if fault and fault not in FAULTS:
        sys.exit("FAULT is one of " + ", ".join(FAULTS))
    if os.environ.get("ROLE", "leader") not in ("leader", "follower"):
        sys.exit("ROLE is leader or follower")
    keep = os.environ.get("OUT")
    work = os.path.abspath(keep) if keep else tempfile.mkdtemp(prefix="clients-")
    if keep:
        shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work, exist_ok=True)
    passed = failed = 0
    for client in sys.argv[1:] or ["zkcli", "cli", "kazoo", "curator", "go", "words"]:
        try:
            for name, argv in programs(client):
                p, f = compare(name, argv, work, fault)
                passed, failed = passed + p, failed + f
        except Fail as e:
            print("FAIL  %s: %s" % (client, e), flush=True)
            failed += 1
    if failed or keep:
        print("transcripts and logs in %s" % work)
    else:
        shutil.rmtree(work)
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()

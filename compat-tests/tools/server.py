#!/usr/bin/env python3
"""zkServer.sh, zkServer-initialize.sh, zkCleanup.sh and `oxkeeper status`: what they print, how they end and what they leave behind, as it was seen
on the official scripts of 3.9.5. The official server is asked for its status, too, by ours.

usage: server.py [CASE ...]     The last line is `N passed, M failed`."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.realpath(os.path.join(HERE, "..", ".."))
for other in ("security", "ensemble"):
    sys.path.insert(0, os.path.join(HERE, "..", other))
from certs import Authority  # noqa: E402
from members import Cases, Ensemble, by_itself, free_ports, judged, need, until  # noqa: E402

SCRIPTS = os.path.join(ROOT, "scripts")
OURS = "oxkeeper"
OXKEEPER = os.path.realpath(os.environ.get("OXKEEPER", os.path.join(ROOT, "target", "release", "oxkeeper")))
CASES = case = Cases()


class Place:
    """A configuration directory with a zoo.cfg, and the scripts run for it."""

    def __init__(self, work, text=None, **settings):
        self.work, self.port = work, free_ports(1)[0]
        self.conf, self.data, self.logs = (os.path.join(work, name) for name in ("conf", "data", "logs"))
        os.makedirs(self.conf, exist_ok=True)
        self.cfg = os.path.join(self.conf, "zoo.cfg")
        lines = {"tickTime": 2000, "dataDir": self.data, "clientPort": self.port, "clientPortAddress": "127.0.0.1", "admin.enableServer": "false"}
        lines.update(settings)
        with open(self.cfg, "w") as f:
            f.write(text if text is not None else "".join("%s=%s\n" % (k, v) for k, v in lines.items() if v is not None))

    def run(self, script, *args, within=60, **env):
        env = dict(os.environ, ZOOCFGDIR=self.conf, ZOO_LOG_DIR=self.logs, OXKEEPER=OXKEEPER, USER="somebody", **env)
        done = subprocess.run([os.path.join(SCRIPTS, script), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=env, timeout=within)
        return done.stdout.decode(), done.returncode, done.stderr.decode()

    def says(self, want, code, script, *args, **env):
        out, ended, err = self.run(script, *args, **env)
        need(out == want and ended == code, "%s %s: %r, %d (%s)\nwanted: %r, %d" % (script, " ".join(args), out, ended, err[-400:], want, code))
        return err

    def pid_file(self):
        return os.path.join(self.data, "zookeeper_server.pid")

    def pid(self):
        with open(self.pid_file()) as f:
            text = f.read()
        need(text.isdigit(), "the pid file holds %r" % text)
        return int(text)

    def end(self):
        if os.path.exists(self.pid_file()):
            try:
                os.kill(self.pid(), signal.SIGKILL)
            except ProcessLookupError:
                pass


@case
def lifecycle(work):
    """start, status, restart, stop"""
    p = Place(work)
    found = "Client port found: %d. Client address: 127.0.0.1. Client SSL: false.\n" % p.port
    stopped = found + "Error contacting service. It is probably not running.\n"
    try:
        p.says(stopped, 1, "zkServer.sh", "status")
        err = p.says("Starting zookeeper ... STARTED\n", 0, "zkServer.sh", "start")
        need("Using config: %s" % p.cfg in err, "stderr: %s" % err)
        pid = p.pid()
        need(os.path.exists(os.path.join(p.logs, "zookeeper-somebody-server-%s.out" % os.uname().nodename)), "the console is not in %s" % os.listdir(p.logs))
        p.says("Starting zookeeper ... already running as process %d.\n" % pid, 1, "zkServer.sh", "start")
        until("a status", lambda: p.run("zkServer.sh", "status")[1] == 0, 20)
        p.says(found + "Mode: standalone\n", 0, "zkServer.sh", "status")
        p.says("Stopping zookeeper ... STOPPED\nStarting zookeeper ... STARTED\n", 0, "zkServer.sh", "restart")
        need(p.pid() != pid, "the same process")
        p.says("Stopping zookeeper ... STOPPED\n", 0, "zkServer.sh", "stop")
        p.says("Stopping zookeeper ... no zookeeper to stop (could not find file %s)\n" % p.pid_file(), 0, "zkServer.sh", "stop")
        p.says(stopped, 1, "zkServer.sh", "status")
        # Died by itself.
        p.says("Starting zookeeper ... STARTED\n", 0, "zkServer.sh", "--config", p.conf, "start", "zoo.cfg")
        os.kill(p.pid(), signal.SIGKILL)
        until("its end", lambda: not os.path.exists("/proc/%d" % p.pid()), 10)
        p.says("Stopping zookeeper ... STOPPED\n", 0, "zkServer.sh", "stop")
    finally:
        p.end()


@case
def what_is_wrong(work):
    """an invalid configuration, no command, the version, the command"""
    p = Place(work, tickTime="soon")
    out, code, err = p.run("zkServer.sh", "start")
    # Officially STARTED and 0: it looks once, and too early.
    need((out, code) == ("Starting zookeeper ... FAILED TO START\n", 1) and "tickTime" in err, "%r %d %r" % (out, code, err))
    out, code, err = p.run("zkServer.sh", "start-foreground")
    need(code == 2 and "tickTime" in err, "%d %r" % (code, err))
    out, code, err = p.run("zkServer.sh")
    need(not out and code == 0 and "{start|start-foreground|stop|version|restart|status|print-cmd}" in err, "%r %d %r" % (out, code, err))
    out, code, _ = p.run("zkServer.sh", "version")
    need(code == 0 and re.fullmatch(r"Apache ZooKeeper, version 3\.9\.5\S* .*\d UTC\n", out), out)
    out, code, _ = p.run("zkServer.sh", "print-cmd", SERVER_JVMFLAGS="-Xmx1g", JVMFLAGS="-Dzookeeper.snapCount=7")
    need(code == 0 and '"-Xmx1g" "-Dzookeeper.snapCount=7"' in out and p.cfg in out, out)
    out, code, err = p.run("zkServer.sh", "start", ZOO_DATADIR_AUTOCREATE_DISABLE="1")
    need(code == 1, "%r %d" % (out, code))


@case
def ports(work):
    """where the client port stands"""
    none = ("myid could not be determined, will not able to locate clientPort in the server configs.\n"
            "Client port not found. Looking for secureClientPort in the static config.\n")
    p = Place(work, clientPort=None, clientPortAddress=None)
    p.says(none + "Unable to find either secure or unsecure client port in any configs. Terminating.\n", 1, "zkServer.sh", "status")
    a, b, c = free_ports(3)
    for line in ("server.1=127.0.0.1:%d:%d;127.0.0.1:%d" % (a, b, c), "server.1=127.0.0.1:%d:%d:participant;127.0.0.1:%d" % (a, b, c)):
        p = Place(work, "tickTime=2000\ninitLimit=5\nsyncLimit=3\ndataDir = %s \nadmin.enableServer=false\n%s\n" % (os.path.join(work, "data"), line))
        os.makedirs(p.data, exist_ok=True)
        with open(os.path.join(p.data, "myid"), "w") as f:
            f.write("1\n")
        try:
            p.says("Starting zookeeper ... STARTED\n", 0, "zkServer.sh", "start")
            until("a status", lambda: p.run("zkServer.sh", "status")[1] == 0, 20)
            p.says("Client port found: %d. Client address: 127.0.0.1. Client SSL: false.\nMode: standalone\n" % c, 0, "zkServer.sh", "status")
        finally:
            p.end()
        shutil.rmtree(p.data)


@case
def in_tls(work):
    """the secure port alone"""
    pki = Authority(work)
    for leaf in ("server", "client"):
        pki.leaf(leaf, "/C=US/O=Test/CN=" + leaf)
    p = Place(work, clientPort=None, clientPortAddress=None)
    port = free_ports(1)[0]
    p = Place(work, clientPort=None, clientPortAddress=None, secureClientPort=port,
              **{"ssl.keyStore.location": pki.path("pem", "server"), "ssl.trustStore.location": pki.path("pem")})
    lines = ("myid could not be determined, will not able to locate clientPort in the server configs.\n"
             "Client port not found. Looking for secureClientPort in the static config.\n"
             "Client port found: %d. Client address: localhost. Client SSL: true.\n" % port)
    flags = "-Dzookeeper.ssl.trustStore.location=%s -Dzookeeper.ssl.keyStore.location=%s" % (pki.path("pem"), pki.path("pem", "client"))
    try:
        p.says("Starting zookeeper ... STARTED\n", 0, "zkServer.sh", "start")
        until("a status", lambda: p.run("zkServer.sh", "status", CLIENT_JVMFLAGS=flags)[1] == 0, 20)
        p.says(lines + "Mode: standalone\n", 0, "zkServer.sh", "status", CLIENT_JVMFLAGS=flags)
        out, code, _ = p.run("zkServer.sh", "status")
        need(code == 1 and out.startswith(lines) and out.endswith("Error contacting service. It is probably not running.\n") and "CLIENT_JVMFLAGS" in out, out)
        where = ["status", "--tls", "--server", "localhost:%d" % port, "-Dssl.trustStore.location=" + pki.path("pem"), "--json"]
        out = subprocess.run([OXKEEPER] + where + ["-Dssl.keyStore.location=" + pki.path("pem", "client")], stdout=subprocess.PIPE, timeout=20)
        need(out.returncode == 0 and json.loads(out.stdout)["mode"] == "standalone", out.stdout)
        out = subprocess.run([OXKEEPER] + where, stdout=subprocess.PIPE, timeout=20)
        need(out.returncode == 1 and json.loads(out.stdout)["serves"] is False, "without a certificate: %s" % out.stdout)
    finally:
        p.end()


@case
def members(work):
    """`oxkeeper status` of official members and of ours, in each role and without a quorum"""
    def status(m):
        done = subprocess.run([OXKEEPER, "status", "--json", "--server", "%s:%d" % (m.host, m.client_port)], stdout=subprocess.PIPE, timeout=30)
        return done.returncode, json.loads(done.stdout)

    with Ensemble([OURS, "3.9.5", OURS], work=work) as e:
        e.start()
        seen = {}
        for m in e:
            code, told = status(m)
            need(code == 0 and told["serves"] and told["node_count"] >= 5 and told["zxid"].startswith("0x"), told)
            seen[m.sid] = told["mode"]
        need(sorted(seen.values()) == ["follower", "follower", "leader"], seen)
        e[1].stop()
        e[3].stop()
        until("the end of the quorum", lambda: status(e[2])[0] == 1, 30)
        code, told = status(e[2])
        need(not told["serves"] and "not currently serving" in told["error"], told)
        return "%s, then none" % seen


@case
def load(work):
    """`oxkeeper bench` at official members and ours, in a chroot: nothing of it stays."""
    def bench(*args):
        done = subprocess.run([OXKEEPER, "bench", *args], capture_output=True, text=True, timeout=60)
        need(done.returncode == 0, done.stderr)
        return done.stdout
    with Ensemble(["3.9.5", OURS, OURS], work=work) as ensemble:
        ensemble.start()
        with ensemble[1].client() as client:
            client.create("/app")
            servers = ",".join("127.0.0.1:%d" % m.client_port for m in ensemble) + "/app"
            told = json.loads(bench("--server", servers, "--seconds", "1", "--clients", "6", "--mix", "get=3,set,exists,create,sync", "--json"))
            done = {op: seen["count"] for op, seen in told["operations"].items()}
            need(set(done) == {"get", "set", "exists", "create", "sync"} and told["errors"] == {}, told)
            need(2.5 < done["get"] / done["set"] < 3.5, "three times as many gets: %s" % done)
            text = bench("--server", servers, "--seconds", "1", "--mix", "set")
            need(re.search(r"^set +\d+ +\d+ +(\d+\.\d\d ){3}\d+\.\d\d$", text, re.M), text)
            client.sync()
            need(client.children("/app") == [] and len(client.children("/")) == 2, "nothing stays")
    return "%d requests" % sum(done.values())


def with_admin_server(m):
    m.admin_port = free_ports(1)[0]
    m.add(**{"admin.serverPort": m.admin_port, "admin.serverAddress": m.host})


@case
def who(work):
    """`oxkeeper clients` of an official server and of ours, alone and together, by their admin servers and by `cons`"""
    def told(*args, code=0):
        done = subprocess.run([OXKEEPER, "clients", "--json", *args], capture_output=True, text=True, timeout=60)
        need(done.returncode == code, "%s ends with %d: %s" % (args, done.returncode, done.stderr))
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def asks(client):
        while not ended.is_set():
            client.get("/")
            time.sleep(0.002)

    os.environ["ADMIN"] = "true"
    ended, servers, loads = threading.Event(), [], []
    try:
        servers += (by_itself(kind, os.path.join(work, kind), with_admin_server) for kind in (OURS, "3.9.5"))
        idle = [m.client(session_ms=60000) for m in servers for _ in range(3)]
        busy = [m.client(session_ms=60000, source="127.0.0.2") for m in servers]
        loads += [threading.Thread(target=asks, args=(client,)) for client in busy]
        for thread in loads:
            thread.start()
        by_http = ["http://%s:%d/commands" % (m.host, m.admin_port) for m in servers]
        by_word = ["%s:%d" % (m.host, m.client_port) for m in servers]
        for how, places in (("--admin", by_http), ("--server", by_word)):
            for asked, times in ((places[0], 1), (places[1], 1), (",".join(places), 2)):
                first, second = told(how, asked)[0]
                need((first["client"], first["connections"], second["client"], second["connections"]) == ("127.0.0.2", times, "127.0.0.1", 3 * times), (first, second))
                need(first["packets_per_s"] > 20 * times > 20 * second["packets_per_s"], (first, second))
                need(first["packets_received"] >= first["packets_per_s"] > 0 and first["max_latency"] >= first["avg_latency"], first)
        text = subprocess.run([OXKEEPER, "clients", "--admin", by_http[1]], capture_output=True, text=True, timeout=60).stdout
        need(re.search(r"^CLIENT +CONNECTIONS .*\n127\.0\.0\.2 +1 +\d+\.\d .*\n127\.0\.0\.1 +3 ", text), text)
        seen, complaint = told("--admin", by_http[0] + ",http://127.0.0.1:1/commands", code=1)
        need(len(seen) == 2 and "http://127.0.0.1:1/commands: " in complaint, (seen, complaint))
        for client in idle:
            client.close()
        return "%.0f and %.0f packets a second" % (first["packets_per_s"], second["packets_per_s"])
    finally:
        ended.set()
        for thread in loads:
            thread.join(10)
        for m in servers:
            m.kill()


@case
def initialize(work):
    """zkServer-initialize.sh"""
    p = Place(work, dataLogDir=os.path.join(work, "log"))
    script, given = "zkServer-initialize.sh", "--configfile=" + p.cfg
    log = os.path.join(work, "log")

    def tree():
        return sorted(os.path.relpath(os.path.join(at, n), work) for top in (p.data, log) for at, dirs, names in os.walk(top) for n in dirs + names)

    p.says("Using myid of 3\n", 0, script, given, "--myid=3")
    need(tree() == ["data/initialize", "data/myid", "data/version-2", "log/version-2"], tree())
    with open(os.path.join(p.data, "myid")) as f:
        need(f.read() == "3\n", "myid")
    there = "ZooKeeper data directory already exists at %s (or use --force to force re-initialization)\n" % p.data
    p.says(there, 1, script, given)
    shutil.rmtree(os.path.join(p.data, "version-2"))
    p.says("ZooKeeper txnlog directory already exists at %s (or use --force to force re-initialization)\n" % log, 1, script, given)
    kept = os.path.join(p.data, "mine")
    open(kept, "w").close()
    none = "No myid provided, be sure to specify it in %s/myid if using non-standalone\n" % p.data
    p.says("Force enabled, data/txnlog directories will be re-initialized\n" + none, 0, script, given, "--force")
    need(tree() == ["data/initialize", "data/mine", "data/version-2", "log/version-2"], tree())
    shutil.rmtree(p.data)
    shutil.rmtree(log)
    # Without options: the configuration of the configuration directory.
    p.says(none, 0, script)
    p.says("Unable to find config file at %s/nowhere\n" % work, 1, script, "--configfile", work + "/nowhere")
    empty = os.path.join(work, "empty.cfg")
    with open(empty, "w") as f:
        f.write("clientPort=1\n")
    p.says("Unable to determine dataDir from %s\n" % empty, 1, script, "--configfile=" + empty)
    for option in ("-h", "--help"):
        out, code, _ = p.run(script, option)
        need(code == 1 and out.startswith("usage: "), out)
    out, code, _ = p.run(script, "--nonsense")
    need(code == 1 and out.startswith("Unknown option: --nonsense\nusage: "), out)
    # Officially written unchecked; no server starts with it.
    out, code, _ = p.run(script, given, "--myid=abc", "--force")
    need(code == 1 and "abc" in out, out)
    # Blanks that the server takes are no part of the path; officially a directory of another name is made.
    spaced = Place(os.path.join(work, "spaced"), "dataDir = %s/spaced/data\n" % work)
    spaced.says("Using myid of 1\n", 0, script, "--configfile=" + spaced.cfg, "--myid", "1")
    need(os.path.isdir(os.path.join(spaced.data, "version-2")), "no directory")
    # It serves, and the file is gone then.
    p = Place(os.path.join(work, "served"))
    p.says("Using myid of 1\n", 0, script, "--myid=1")
    try:
        p.says("Starting zookeeper ... STARTED\n", 0, "zkServer.sh", "start")
        until("a status", lambda: p.run("zkServer.sh", "status")[1] == 0, 20)
        need(not os.path.exists(os.path.join(p.data, "initialize")), "initialize is still there")
    finally:
        p.end()


@case
def cleanup(work):
    """zkCleanup.sh"""
    p = Place(work)
    version_2 = os.path.join(p.data, "version-2")
    written = os.path.join(ROOT, "tests", "storage_official", "3.9.5")
    shutil.copytree(written, version_2)
    # Sum: snapshots 0, 21, 3f, 55, and logs 1, 23, 41, 57.
    out, code, _ = p.run("zkCleanup.sh", "-n", "3")
    paths = [line.split("\t")[1] for line in out.splitlines()]
    need(code == 0 and paths == [os.path.join(version_2, "snapshot.0")], (out, code))
    need(re.fullmatch(r"Removing file: [A-Z][a-z]{2} \d+, \d{4}, \d+:\d\d:\d\d [AP]M\t.*\n", out), out)
    for args, problem in ((["-n", "2"], "count should be greater than or equal to 3"), (["-n", "x"], "'x' can not be parsed to integer."), ([], ""), (["3"], "")):
        out, code, err = p.run("zkCleanup.sh", *args)
        need(code == 1 and out.startswith("Usage:\n") and err.strip() == problem, (args, out, code, err))
    apart = Place(os.path.join(work, "apart"), dataLogDir=os.path.join(work, "apart", "log"))
    for name, where in (("snapshot", apart.data), ("log", os.path.join(work, "apart", "log"))):
        os.makedirs(os.path.join(where, "version-2"))
        for file in os.listdir(written):
            if file.startswith(name):
                shutil.copy(os.path.join(written, file), os.path.join(where, "version-2"))
    out, code, _ = apart.run("zkCleanup.sh", "-n", "3")
    need(code == 0 and out.count("\n") == 1 and out.endswith("snapshot.0\n"), out)
    # A dry run of our own removes nothing.
    done = subprocess.run([OXKEEPER, "purge", "--dry-run", "--json", written.replace("3.9.5", "3.8.4")], stdout=subprocess.PIPE, timeout=20)
    need(done.returncode == 1, "a directory without version-2 is not purged")


def judge_all(cases, names):
    """Each in a directory of its own, which stays when one has failed; the exit code."""
    work = tempfile.mkdtemp(prefix="tools-")

    def judge(name):
        where = os.path.join(work, name)
        os.makedirs(where)
        return cases[name](where) or cases[name].__doc__

    code = judged(names or list(cases), judge)
    if code == 0:
        shutil.rmtree(work)
    return code


if __name__ == "__main__":
    sys.exit(judge_all(CASES, sys.argv[1:]))

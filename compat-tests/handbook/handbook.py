#!/usr/bin/env python3
"""README.md and the handbook (docs/): each block of commands is run as it stands there, on machines zk1, zk2 … of their own that have this system with a layer over it: a network, /etc/zookeeper
and /var/lib/zookeeper each. A block that nobody runs fails the page; one that another judge runs is said to be that judge's.

usage: handbook.py [--full] [PAGE ...]     With --full also `migrate`, which starts seven virtual machines. The last line is `N passed, M failed`."""
import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.realpath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, "..", "common"))
from applib import Cases, judged, need, until  # noqa: E402
from layer import in_layer  # noqa: E402

OXKEEPER = os.path.realpath(os.environ.get("OXKEEPER", os.path.join(ROOT, "target", "release", "oxkeeper")))
APACHE = os.path.join(ROOT, "compat-tests", "apache", "apache")
CONFIG = "/etc/zookeeper/zoo.cfg"
PAGES = page = Cases()
# A machine's own directories in $0, and what is to run there.
THERE = 'mount --bind "$0/etc" /etc/zookeeper; mount --bind "$0/lib" /var/lib/zookeeper; cd /etc/zookeeper; exec "$@"'


class Page:
    """The blocks of a page, in its order."""

    def __init__(self, name):
        self.blocks, block = [], []
        with open(os.path.join(ROOT, "docs", name + ".md")) as f:
            self.lines = f.read().splitlines()
        for line in [*self.lines, ""]:
            if line.startswith("    "):
                block.append(line)
            elif block:
                self.blocks.append(textwrap.dedent("\n".join(block)) + "\n")
                block = []
        need(self.blocks, "%s has no blocks" % name)

    def take(self, beginning):
        """The first block that begins so; it is used then."""
        found = next((block for block in self.blocks if block.startswith(beginning)), None)
        need(found, "no block begins with %r; there are %s" % (beginning, [block.splitlines()[0] for block in self.blocks]))
        self.blocks.remove(found)
        return found

    def elsewhere(self, judge, *beginnings):
        """Blocks that this judge runs."""
        need(os.path.exists(os.path.join(ROOT, judge)), "there is no %s" % judge)
        for beginning in beginnings:
            self.take(beginning)

    def end(self, said):
        need(not self.blocks, "nobody runs %s" % [block.splitlines()[0] for block in self.blocks])
        return said


def sh(*argv):
    subprocess.run(argv, check=True, capture_output=True, timeout=60)


class Machine:
    """zkN."""

    def __init__(self, work, n):
        self.n, self.name, self.server, self.dir = n, "zk%d" % n, None, os.path.join(work, "zk%d" % n)
        for name in ("etc", "lib"):
            os.makedirs(os.path.join(self.dir, name))
        sh("ip", "netns", "add", self.name)
        sh("ip", "link", "add", "to" + self.name, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        sh("ip", "link", "set", "to" + self.name, "master", "machines", "up")
        for argv in (("addr", "add", "10.77.0.%d/24" % n, "dev", "eth0"), ("link", "set", "eth0", "up"), ("link", "set", "lo", "up")):
            sh("ip", "-n", self.name, *argv)
        with open("/etc/hosts", "a") as f:
            f.write("10.77.0.%d %s\n" % (n, self.name))

    def argv(self, *words):
        return ["ip", "netns", "exec", self.name, "unshare", "--mount", "sh", "-ec", THERE, self.dir, *words]

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def config(self, *texts):
        self.write("etc/zoo.cfg", "".join(texts))

    def run(self, text):
        """What the commands print."""
        self.write("script", text)
        done = subprocess.run(self.argv("bash", "-euo", "pipefail", self.dir + "/script"), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        need(done.returncode == 0, "%s ends with %d: %s" % (text, done.returncode, (done.stdout + done.stderr)[-800:]))
        return done.stdout

    def play(self, text):
        """Runs a block, line by line: servers stay, until they are stopped. What the others print, one after the other."""
        said, so_far = [], ""
        for line in text.splitlines(keepends=True):
            so_far += line
            words = re.sub(r"\s#\s.*", "", so_far)
            if line.endswith("\\\n") or words.count("'") % 2 or words.count('"') % 2:
                continue
            command, so_far = so_far, ""
            if command.startswith("oxkeeper server "):
                self.start("oxkeeper", "server", command.split()[2])
            elif command.startswith("zkServer.sh stop"):
                self.stop()
            else:
                said.append(self.run(command))
        return said

    def start(self, *words):
        need(self.server is None, "nobody serves at %s" % self.name)
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.server = subprocess.Popen(self.argv(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def serves(self):
        def asked():
            need(self.server.poll() is None, "%s has ended: %s" % (self.name, open(os.path.join(self.dir, "log")).read()[-800:]))
            done = subprocess.run(self.argv("oxkeeper", "status", "--json", "--server", self.name + ":2181"), capture_output=True, text=True, timeout=20)
            return done.returncode == 0 and json.loads(done.stdout)
        return until("that %s serves" % self.name, asked, 60, 0.1)

    def serve(self, *configuration):
        """A server, with another configuration if there is one, once it serves."""
        if configuration:
            self.config(*configuration)
        self.start("oxkeeper", "server", CONFIG)
        return self.serves()

    def stop(self):
        self.server.terminate()
        self.server.wait(30)
        self.server = None


def machines(work, count):
    """As many, with the commands that the handbook names in the path."""
    tools = os.path.join(work, "bin")
    os.makedirs(tools)
    os.symlink(OXKEEPER, os.path.join(tools, "oxkeeper"))
    with open(os.path.join(tools, "ssh"), "w") as f:
        f.write('#!/bin/sh\n# Another machine: here.\nshift; mkdir -p /tmp/vault; cd /tmp/vault; exec sh -c "$*"\n')
    os.chmod(os.path.join(tools, "ssh"), 0o755)
    os.environ.update(PATH="%s:%s/scripts:%s" % (tools, ROOT, os.environ["PATH"]), OXKEEPER=OXKEEPER)
    for name in ("/etc/zookeeper", "/var/lib/zookeeper", "/backups"):
        os.makedirs(name, exist_ok=True)
    sh("ip", "link", "add", "machines", "type", "bridge")
    sh("ip", "link", "set", "machines", "up")
    return [Machine(work, n + 1) for n in range(count)]


def alone(lines):
    """The first configuration of configure.md, as it is for a server that stands alone."""
    return Page("configure").take("dataDir=") + "".join(line + "\n" for line in lines)


def ensemble(members, *lines, server=("oxkeeper", "server", CONFIG)):
    """The same for an ensemble, which serves on these machines."""
    configure = Page("configure")
    text = configure.take("dataDir=").replace("clientPort=2181\n", "") + configure.take("server.1=") + "".join(line + "\n" for line in lines)
    init = configure.take("oxkeeper init --force")
    for m in members:
        m.config(text)
        m.play(init.replace("--myid 1", "--myid %d" % m.n))
    for m in members:
        m.start(*server)
    for m in members:
        m.serves()


def of_words(text):
    return set(re.findall(r"\b[a-z][a-z_]+\b", text))


@page
def configure(work):
    p, (m, *others) = Page("configure"), machines(work, 3)
    m.config(p.take("dataDir="))
    checked, *_ = m.play(p.take("oxkeeper check-config /etc"))
    need("snapCount = 100000" in checked and "clientPort = 2181  <- " in checked, checked)
    need(m.serves()["mode"] == "standalone", "it serves")
    m.stop()
    [told] = m.play(p.take("oxkeeper settings"))
    need("snapCount = 100000" in told and "jute.maxbuffer = " in told, told)
    [checked] = m.play(p.take("oxkeeper check-config -D"))
    need("snapCount = 50000" in checked, checked)
    for beginning in ("server.1=", "oxkeeper init --force"):
        p.take(beginning)                                             # which `ensemble` uses
    ensemble([m, *others], "reconfigEnabled=true", "skipACL=yes")
    modes = sorted(each.serves()["mode"] for each in (m, *others))
    need(modes == ["follower", "follower", "leader"], modes)
    added, listed, removed = m.play(p.take("oxkeeper cli -server zk1:2181 reconfig"))
    need("server.4=zk4:2888:3888:observer" in added and "server.4=zk4" in listed and "server.4" not in removed, (added, listed, removed))
    return p.end("alone, and three members")


@page
def monitor(work):
    p, figures, members = Page("monitor"), Page("figures"), machines(work, 3)
    ensemble(members, *p.take("metricsProvider.").splitlines())
    status, as_json, monitored, ready, leader, clients, metrics = members[0].play(p.take("oxkeeper status"))
    need("Mode: " in status and json.loads(as_json)["serves"] and json.loads(monitored)["znode_count"] > 0 and ready.strip() == "ready", (status, ready))
    need(json.loads(leader)["leader_id"] in (1, 2, 3) and clients.startswith("CLIENT "), (leader, clients))
    families = of_words(metrics).union(*(of_words(m.run("curl -s localhost:7000/metrics")) for m in members[1:]))
    rules = [line.split(" | ")[0].removeprefix("| ") for line in p.lines if line.startswith("| `")]
    names = set().union(*(of_words(" ".join(re.findall("`(.*?)`", re.sub(r"\[\w+\]", "", rule)))) for rule in rules)) - {"up", "or", "absent", "changes", "rate", "increase", "max"}
    need(len(names) > 10, names)
    # What the leader alone has is there on one of them; namespaces have families once they had a request.
    lacks = {name for name in names if name not in families and not name.endswith("_per_namespace")}
    need(not lacks, "no such families: %s" % lacks)
    for page_, beginning in ((p, "oxkeeper bench"), (figures, "oxkeeper bench")):
        [told] = members[0].play(page_.take(beginning))
        need(re.search(r"\bget\b.*\d", told) and re.search(r"\bset\b.*\d", told), told)
    figures.end("")
    levels = members[0].play(p.take("curl -s localhost:8080/commands/get_log_levels"))
    need(json.loads(levels[0])["levels"] == "info", levels)
    changes = lambda: open(os.path.join(members[0].dir, "log")).read().count("an operator has changed the levels of the log")  # noqa: E731
    until("louder, and as before", lambda: changes() == 2, 10, 0.1)
    return p.end("%d families of rules" % len(names))


@page
def upgrade(work):
    p, members = Page("upgrade"), machines(work, 3)
    ensemble(members)
    taken, verified = members[0].play(p.take("oxkeeper backup take"))
    need("chain 1: a snapshot" in taken and "chain 1: good" in verified, (taken, verified))
    members[0].play(p.take("oxkeeper check-config"))
    status = p.take("oxkeeper status --server zk2:2181")
    for m in sorted(members, key=lambda m: m.serves()["mode"] == "leader"):
        m.stop()
        m.serve()
        told, leader = m.play(status.replace("zk2", m.name))
        need("Mode: " in told and json.loads(leader)["leader_id"] in (1, 2, 3), (told, leader))
    return p.end("three members, one after the other")


@page
def migrate(work):
    p, members = Page("migrate"), machines(work, 3)
    m = members[0]
    m.config(alone(["admin.enableServer=false"]))
    m.start(APACHE, CONFIG)
    m.serves()
    m.run("oxkeeper bench --server zk1:2181 --seconds 1; oxkeeper cli -server zk1:2181 create /kept x")
    checked, taken = m.play(p.take("oxkeeper check-config"))
    need("chain 1: a snapshot" in taken, taken)
    m.play(p.take("zkServer.sh stop"))
    m.serves()
    need("\nx\n" in m.run("oxkeeper cli -server zk1:2181 get /kept"), "what was written before is there")
    m.stop()
    m.run("rm -r /var/lib/zookeeper/*")

    ensemble(members, server=("env", "ADMIN=true", APACHE, CONFIG))
    members[0].run("oxkeeper bench --server zk1:2181 --seconds 1; oxkeeper cli -server zk2:2181 create /kept y")
    steps = p.take("oxkeeper status --server zk2:2181")
    for m in sorted(members, key=lambda m: m.serves()["mode"] == "leader"):
        *before, last = steps.replace("zk2", m.name).splitlines(keepends=True)
        m.play("".join(before))
        need("oxkeeper" in m.serves()["zookeeper_version"], "another server")
        m.play(last)
    for m in members:
        need("\ny\n" in m.run("oxkeeper cli -server %s:2181 get /kept" % m.name), "what was written before is there")
    members[0].run("oxkeeper bench --server zk1:2181 --seconds 1")
    hashes = p.take("curl -s localhost:8080/commands/hash")
    digests = [{d["zxid"]: d["digest"] for d in json.loads(*m.play(hashes))["digests"]} for m in members[:2]]
    common = digests[0].keys() & digests[1].keys()
    need(common and all(digests[0][zxid] == digests[1][zxid] for zxid in common), digests)
    return p.end("alone, and three members, %d digests alike" % len(common))


@page
def backup(work):
    p, [m] = Page("backup"), machines(work, 1)
    m.serve(alone([]))
    cli = "oxkeeper cli -server zk1:2181 "
    m.run(cli + "create /kept x")
    *taking, restoring = p.take("oxkeeper backup take zoo.cfg").splitlines(keepends=True)
    need("chain 1: good" in m.play("".join(taking))[-1], "a good backup")
    full, more, both = p.take("oxkeeper backup take zoo.cfg -").splitlines(keepends=True)
    m.play(full)
    zxid = json.loads(m.run("oxkeeper status --json --server zk1:2181"))["zxid"]
    m.run(cli + "set /kept y")
    m.play(more.replace("0x1000005f3", zxid))
    time.sleep(1)
    then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    time.sleep(1)
    m.run(cli + "create /later z; oxkeeper backup take zoo.cfg /backups")
    m.stop()

    def restored(command, want):
        m.run("rm -rf /var/lib/zookeeper/version-2")
        m.play(command)
        m.serve()
        need("\n%s\n" % want in m.run(cli + "get /kept"), "%s brings %s back" % (command, want))
        m.stop()

    restored(restoring, "y")
    restored(both, "y")
    by_zxid, by_time, by_chain = p.take("oxkeeper restore --zxid").splitlines(keepends=True)
    restored(by_zxid.replace("0x1000004d2", zxid), "x")
    restored(by_time.replace("2026-11-29T23:45:00Z", then), "y")
    m.play(by_chain.replace("--chain 3", "--chain 1"))
    need(os.path.isdir("/srv/zookeeper/version-2"), "a directory made of a chain")
    p.take("/backups/000001/")                                        # a picture
    return p.end("taken, verified, sent away, restored by transaction, by time and by chain")


@page
def operators(work):
    p, [m] = Page("operators"), machines(work, 1)
    p.take("# zoo.cfg")                                               # which is configured below
    m.serve(alone(["metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider", "metricsProvider.httpPort=7000",
                   "DigestAuthenticationProvider.superDigest=super:" + digest("super:secret")]))
    names, stats, ready = m.play(p.take("curl localhost:8080/commands "))
    need("/commands/stats" in names and json.loads(stats)["server_stats"] and ready.strip() == "ready", (names, stats, ready))
    _, restored, shed = m.play(p.take("curl -H"))
    need(json.loads(restored)["error"] is None and json.loads(shed)["error"] is None, (restored, shed))
    [metrics] = m.play(p.take("curl localhost:7000"))
    need("\nznode_count " in metrics, metrics[:300])
    return p.end("commands, a snapshot there and back, metrics")


def digest(text):
    return base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()


@page
def security(work):
    p, [m] = Page("security"), machines(work, 1)
    m.run(p.take("mkdir -p /tmp/ox/tls"))
    served = p.take("dataDir=/tmp/ox/tls/data")
    m.config(served)
    m.start("oxkeeper", "server", CONFIG)
    until("the port", lambda: "secure" in m.run("oxkeeper cli -server localhost:2181 ls / >/dev/null && echo secure"), 20, 0.2)
    told = m.run("cd /tmp/ox/tls\n" + p.take("openssl pkcs12") .rstrip("\n") + " whoami\n")
    need("x509: CN=client,O=Example" in told, told)
    m.stop()
    users = p.take("Server {\n  org.apache.zookeeper.server.auth.DigestLoginModule")
    os.makedirs("/tmp/ox", exist_ok=True)
    with open("/tmp/ox/jaas.conf", "w") as f:
        f.write(users)
    with open("/tmp/ox/client.conf", "w") as f:
        f.write('Client { org.apache.zookeeper.server.auth.DigestLoginModule required username="bob" password="bobsecret"; };\n')
    m.serve(alone([]), p.take("authProvider.sasl="))
    login = "-Djava.security.auth.login.config=/tmp/ox/client.conf"
    need("sasl: bob" in m.run("oxkeeper cli -server localhost:2181 %s whoami" % login), "bob logs in")
    m.run("! oxkeeper cli -server localhost:2181 ls /")
    m.stop()
    os.makedirs("/var/log/zookeeper", exist_ok=True)
    m.serve(alone([]), p.take("audit.enable=true"))
    m.run("oxkeeper cli -server localhost:2181 create /audited x")
    with open("/var/log/zookeeper/zookeeper_audit.log") as f:
        need("znode=/audited" in f.read(), "what was done is in the audit log")
    p.elsewhere("compat-tests/security/kerberos.py", "kadmin.local", "Server {\n  com.sun.security.auth.module.Krb5LoginModule")
    p.elsewhere("compat-tests/security/quorum.py", "sslQuorum=true", "quorum.auth.enableSasl=true", "quorum.auth.kerberos.servicePrincipal")
    return p.end("TLS, a login, the audit log")


@page
def tools(work):
    p, [m] = Page("tools"), machines(work, 1)
    m.serve(alone([]))
    m.run("for path in /app /brokers /brokers/ids /brokers/ids/1; do oxkeeper cli -server zk1:2181 create $path '{\"version\":5}'; done")
    _, got = m.play(p.take("oxkeeper cli -server zk1:2181,zk2:2181/app").replace("zk2:2181", "zk1:2181"))
    need('{"version":5}\ncZxid = ' in got, got)
    [got] = m.play(p.take("oxkeeper cli --json"))
    need(json.loads(got)["text"] == '{"version":5}', got)
    return p.end("one command, as lines and as an object")


@page
def readme(work):
    """All but the two commands that build and test this."""
    p, [m] = Page("../README"), machines(work, 1)
    for beginning in ("cargo run --release", "scripts/test"):
        p.take(beginning)
    m.config(alone([]))
    # What `cargo run` starts, in a directory of its own.
    m.start("sh", "-c", "mkdir -p /tmp/here && cd /tmp/here && exec oxkeeper")
    m.serves()
    need(os.path.isdir("/tmp/here/data/version-2"), "data under ./data")
    m.stop()
    servers, others_ = [], []
    for line in p.take("oxkeeper server /etc").splitlines():
        command = re.sub(r"\s+# .*", "", line).replace("NAME...", "snapCount")
        starts = command.split()[1] in ("server", "container")
        # What stands in brackets may be left out.
        (servers if starts else others_).extend({re.sub(r"\s*\[[^]]*\]", "", command), re.sub(r"[][]", "", command)})
    need(len(servers) == 4 and len(others_) == 10, (servers, others_))
    for command in servers:
        m.start(*command.split())
        need(m.serves()["mode"] == "standalone", command)
        m.stop()
    m.serve()
    said = {command: m.run(command) for command in others_}
    expected = {"oxkeeper settings snapCount": "snapCount = 100000", "oxkeeper check-config zoo.cfg": "clientPort = 2181  <- ", "oxkeeper status zoo.cfg": "Mode: standalone",
                "oxkeeper cli -server localhost:2181 ls /": "[zookeeper]", "oxkeeper backup take zoo.cfg /backups": "chain 1: a snapshot",
                "oxkeeper testing --members 3": '"members":['}
    for command, text in expected.items():
        need(text in said[command], "%s: %s" % (command, said[command][-300:]))
    [listed] = m.play(p.take("zkCli.sh -server").splitlines()[0] + " ls /\n")
    need("[zookeeper]" in listed, listed)
    p.elsewhere("compat-tests/kafka/run.sh")                          # which has the line of server.properties
    m.stop()
    three = p.take("for n in 1 2 3; do")
    m.start("bash", "-euc", "cd '%s'\n%swait" % (ROOT, three))
    modes = lambda: [m.run("oxkeeper status --server localhost:218%d | sed -n 's/^Mode: //p' || true" % n).strip() for n in (1, 2, 3)]  # noqa: E731
    until("three members", lambda: sorted(modes()) == ["follower", "follower", "leader"], 30, 0.2)
    need("[zookeeper]" in m.run("zkCli.sh -server localhost:2181,localhost:2182,localhost:2183 ls /"), "they are used")
    return p.end("%d commands, and three members" % (len(servers) + len(others_)))


@page
def others(_work):
    """Pages whose commands have a judge of their own."""
    judges = {"install": "compat-tests/packages/packages.py", "container": "compat-tests/image/image.py", "testing": "compat-tests/kits/run.sh", "logging": "tests/logs.rs",
              "kubernetes": "compat-tests/charts/run.sh"}
    for judge in judges.values():
        need(os.path.exists(os.path.join(ROOT, judge)), judge)
    known = {name + ".md" for name in (*PAGES, *judges, "figures")}       # `monitor` runs that of figures.md
    blocks = {name for name in os.listdir(os.path.join(ROOT, "docs")) if re.search("^    ", open(os.path.join(ROOT, "docs", name)).read(), re.M)}
    need(blocks <= known, "pages with commands that nobody runs: %s" % (blocks - known))
    return "%d pages" % len(blocks)


def judge(work, name):
    inside = [sys.executable, os.path.abspath(__file__), "--inside", name]
    with tempfile.TemporaryDirectory(prefix="handbook-layer") as layer:
        done = in_layer(work, layer, inside, 300)
    need(done.returncode == 0, (done.stdout + done.stderr)[-1200:])
    return done.stdout.splitlines()[-1]


def forbidden():
    """Why layers and networks cannot be made here; empty where they can."""
    with tempfile.TemporaryDirectory(prefix="handbook-work") as work, tempfile.TemporaryDirectory(prefix="handbook-layer") as layer:
        try:
            done = in_layer(work, layer, ["sh", "-ec", "ip netns add try; ip link add try type bridge; ip -n try link set lo up"], 60)
        except OSError as e:
            return str(e)
    return "" if done.returncode == 0 else done.stderr.strip() or "it ends with %d" % done.returncode


def main():
    if sys.argv[1:2] == ["--inside"]:
        with tempfile.TemporaryDirectory(prefix="handbook") as work:
            print(PAGES[sys.argv[2]](work))
        return 0
    if why := forbidden():
        print("not checked: the machines of the handbook cannot be made here: %s\n0 passed, 0 failed" % why)
        return 0
    wanted = [name for name in sys.argv[1:] if name != "--full"] or [name for name in PAGES if name != "migrate" or "--full" in sys.argv]
    # It fetches what it runs, and finds no configuration: there is no network inside.
    subprocess.run([APACHE, "/nowhere.cfg"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
    with tempfile.TemporaryDirectory(prefix="handbook-test") as work:
        return judged(wanted, lambda name: judge(work, name))


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""The Helm chart: what it renders is whole, and what it renders runs. Pods are chroots of the image, with a network of their own (pods.py).

usage: charts.py [CASE ...]     The last line is `N passed, M failed`. HELM and UNITTEST name the two tools; OXKEEPER the binary."""
import base64
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.realpath(os.path.join(HERE, "..", ".."))
sys.path[:0] = [os.path.join(HERE, "..", "common"), os.path.join(HERE, "..", "image"), HERE]
from applib import Cases, Fail, judged, need, until  # noqa: E402
from image import Image  # noqa: E402
from pods import Cluster, Helm  # noqa: E402
from whole import check  # noqa: E402
import yaml  # noqa: E402

CHART = os.path.join(ROOT, "charts", "oxkeeper")
CASES = case = Cases()
PODS = []


class Bench:
    """What cases have in common; the image is built when it is asked for first."""

    def __init__(self, work):
        self.work, self.helm, self._image = work, Helm(os.environ["HELM"], CHART, work), None

    @property
    def image(self):
        self._image = self._image or Image(self.work)
        return self._image


def runs(**values):
    """A case with a release that is installed."""
    def wrap(run):
        def with_cluster(bench):
            work = tempfile.mkdtemp(dir=bench.work)
            cluster = Cluster(bench.image, bench.helm, work)
            try:
                cluster.release("install", **values)
                return run(cluster, values)
            finally:
                cluster.end()
        with_cluster.__doc__, with_cluster.__name__ = run.__doc__, run.__name__
        return pods_run(with_cluster)
    return wrap


def pods_run(run):
    """A case that runs pods."""
    PODS.append(run.__name__)
    return case(run)


def can_run():
    tools = ("apt-get", "ip", "nsenter", "setpriv")
    return os.geteuid() == 0 and all(map(shutil.which, tools)) and subprocess.run(["ip", "netns", "list"], stdout=subprocess.DEVNULL).returncode == 0


# Not so slow as a default ensemble is to find its leader.
SETTLED = {"tickTime": 500, "livenessProbe": {"initialDelaySeconds": 5}}
TREE = {"/kept-%02d" % n: "value %d" % (n * 7) for n in range(40)}


def write(cluster, *options, **more):
    code, said = cluster.shell("".join('create %s "%s"\n' % pair for pair in TREE.items()), *options, **more)
    need(code == 0 and said.count("Created /kept-") == len(TREE), (code, said[-600:]))


def holds(cluster, *options, **more):
    """Each pod has all of them."""
    for pod in cluster.pods:
        code, said = cluster.shell("sync /\n" + "".join("get %s\n" % path for path in TREE), *options, pod=pod, **more)
        there = [line for line in said.splitlines() if line.startswith("value ")]
        need(code == 0 and there == list(TREE.values()), (pod, code, there, said[-300:]))


def members(cluster, *options, **more):
    """Roles by ids, as the ensemble tells them."""
    code, said = cluster.shell("sync /\nconfig\n", *options, **more)
    need(code == 0, said)
    return {int(n): role for n, role in re.findall(r"^server\.(\d+)=[^;]*:(\w+);", said, re.M)}


def modes(cluster, *options, **more):
    """How many lead, follow, or are alone."""
    said = {}
    for pod in cluster.pods.values():
        code, text = pod.run(["wget", "-q", "-O", "-", "http://127.0.0.1:8080/commands/stats"])
        need(code == 0, text)
        mode = re.search(r'"server_state"\s*:\s*"([\w-]+)"', text).group(1)
        said[mode] = said.get(mode, 0) + 1
    return said


@case
def lint(bench):
    """helm lint --strict"""
    done = subprocess.run([bench.helm.binary, "lint", "--strict", CHART], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    need(done.returncode == 0, done.stdout.decode())


@case
def unit_tests(bench):
    """the chart's own tests"""
    done = subprocess.run([os.environ["UNITTEST"], CHART], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    said = done.stdout.decode()
    ran = re.search(r"Tests:\s+(\d+) passed", said)
    need(done.returncode == 0 and ran and int(ran.group(1)) > 20, said[-3000:])
    return "%s of them" % ran.group(1)

@case
def whole(bench):
    """objects fit together, for many sets of values; what the schema does not know is refused"""
    with open(os.path.join(HERE, "sets.yaml")) as f:
        sets = list(yaml.safe_load_all(f))
    need(len(sets) > 10, sets)
    for values in sets:
        try:
            check(bench.helm.render(values), {"mine", "mine-too"})
        except Fail as failure:
            raise Fail("%r: %s" % (values, failure))
    for values in ({"replicas": 3}, {"tls": {"client": {"on": True}}}, {"logLevel": "LOUD"}, {"replicaCount": "3"}, {"podManagementPolicy": "parallel"},
                   {"tls": {"client": {"auth": "x"}}}):
        need("values don't meet the specifications" in bench.helm.refused(values), values)
    return "%d sets" % len(sets)


def names_in(values, before=""):
    for name, value in values.items():
        path = before + name
        yield path
        if isinstance(value, dict):
            yield from names_in(value, path + ".")


@case
def names(bench):
    """each name of Bitnami's chart is a value of this one; each value has an effect, or is told to have none"""
    with open(os.path.join(HERE, "names.txt")) as f:
        wanted = f.read().split()
    with open(os.path.join(CHART, "values.yaml")) as f:
        values = yaml.safe_load(f)
    missing = sorted(set(wanted) - set(names_in(values)))
    need(len(wanted) > 200 and not missing, missing)
    texts = "".join(open(os.path.join(CHART, "templates", name)).read() for name in os.listdir(os.path.join(CHART, "templates")))
    idle = [name for name in names_in(values) if not re.search(r"\b%s\b" % name.rsplit(".", 1)[-1], texts) and not goes_whole(name)]
    need(not idle, "no template has %s" % idle)
    return "%d names" % len(wanted)


def goes_whole(name):
    """Objects that go into a Pod as they are."""
    whole = ("podSecurityContext.", "containerSecurityContext.", "volumePermissions.containerSecurityContext.", "metrics.service.annotations.")
    return name.startswith(whole) or name.startswith("diagnosticMode") or "Probe" in name


@runs(**SETTLED, replicaCount=3)
def ensemble(cluster, values):
    """three members, probes, a client; a pod that is restarted; data outlive pods"""
    need(modes(cluster) == {"leader": 1, "follower": 2}, modes(cluster))
    for pod in cluster.pods.values():
        need(pod.probe("liveness") and pod.probe("readiness"), pod.said())
    write(cluster)
    holds(cluster)
    need(members(cluster) == {1: "participant", 2: "participant", 3: "participant"}, members(cluster))
    cluster.delete("rel-zookeeper-1")
    cluster.create("rel-zookeeper-1")
    cluster.ready()
    holds(cluster)
    for name in list(cluster.pods)[1:]:
        cluster.delete(name)
    [alone] = cluster.pods.values()
    until("it to be no longer ready without a quorum", lambda: not alone.probe("readiness"), 30, 0.1)
    need(alone.probe("liveness"), "without a quorum it still lives")


@runs(**SETTLED)
def alone(cluster, values):
    """one pod, with the defaults; again, with the data"""
    need(modes(cluster) == {"standalone": 1}, modes(cluster))
    write(cluster)
    cluster.release("upgrade", **{**values, "snapCount": 1000})
    need(cluster.restarts == 1, cluster.restarts)
    holds(cluster)


@runs(**SETTLED, replicaCount=3)
def static(cluster, values):
    """without reconfig: 3 to 4 to 3, each pod is restarted"""
    write(cluster)
    cluster.release("upgrade", **{**values, "replicaCount": 4})
    need(cluster.restarts == 3 and modes(cluster) == {"leader": 1, "follower": 3}, (cluster.restarts, modes(cluster)))
    holds(cluster)
    cluster.release("upgrade", **values)
    need(cluster.restarts == 6 and modes(cluster) == {"leader": 1, "follower": 2}, (cluster.restarts, modes(cluster)))
    holds(cluster)


JAAS = 'Client { org.apache.zookeeper.server.auth.DigestLoginModule required username="%s" password="%s"; };\n'
CLIENT_AUTH = {"enabled": True, "clientUser": "alice", "clientPassword": "one", "serverUsers": "alice,bob", "serverPasswords": "one,two"}
QUORUM_AUTH = {"enabled": True, "learnerUser": "member", "learnerPassword": "three", "serverUsers": "member", "serverPasswords": "three"}


def login(cluster, user, password):
    """Options of the shell that log in."""
    with open(os.path.join(cluster.outside().root, "tmp", user + password), "w") as f:
        f.write(JAAS % (user, password))
    return "-D", "java.security.auth.login.config=/tmp/%s%s" % (user, password)


@runs(**SETTLED, replicaCount=3, auth={"client": CLIENT_AUTH, "quorum": QUORUM_AUTH})
def users(cluster, values):
    """auth.client and auth.quorum: a right password, a wrong one, none; a member without one stays outside"""
    alice, wrong = login(cluster, "alice", "one"), login(cluster, "bob", "one")
    write(cluster, *alice)
    holds(cluster, *alice)
    for options in (wrong, ()):
        code, said = cluster.shell("get /kept-00\n", *options)
        need("value 0" not in said, (options, said))
    auth = {"client": CLIENT_AUTH, "quorum": {**QUORUM_AUTH, "learnerPassword": "other"}}
    cluster.objects.update({(o["kind"], o["metadata"]["name"]): o for o in cluster.helm.render({**values, "auth": auth}) if o["kind"] == "Secret"})
    cluster.delete("rel-zookeeper-2")
    cluster.create("rel-zookeeper-2")
    outsider = cluster.pods["rel-zookeeper-2"]
    until("it to live", lambda: outsider.probe("liveness"), 20, 0.2)
    until("a refusal", lambda: "the login by SASL failed" in outsider.said(100000), 20, 0.5)
    need(modes_of(cluster, "rel-zookeeper-0", "rel-zookeeper-1") == {"leader": 1, "follower": 1}, "the others go on")
    need(not outsider.probe("readiness"), "it has come in with a wrong password")


def modes_of(cluster, *names):
    others = {name: pod for name, pod in cluster.pods.items() if name not in names}
    for name in others:
        del cluster.pods[name]
    try:
        return modes(cluster)
    finally:
        cluster.pods.update(others)


def trusting(cluster):
    """Options of the shell that trust the authority of the release."""
    with open(os.path.join(cluster.outside().root, "tmp", "ca.pem"), "wb") as f:
        f.write(cluster.content("Secret", "rel-zookeeper-client-crt")["ca.crt"])
    return "-tls", "-D", "ssl.trustStore.location=/tmp/ca.pem"


TLS = {"client": {"enabled": True, "autoGenerated": True}, "quorum": {"enabled": True, "autoGenerated": True, "auth": "need"}}


@runs(**SETTLED, replicaCount=3, tls=TLS)
def tls(cluster, values):
    """tls.client and tls.quorum with the certificates that Helm makes; names are checked; nobody else's authority is trusted"""
    options = trusting(cluster)
    write(cluster, *options, port=3181)
    holds(cluster, *options, port=3181)
    code, said = cluster.shell("get /kept-00\n", "-tls", port=3181)
    need("value 0" not in said, said)
    # A member says nothing to who speaks no TLS.
    talk = "exec 3<>/dev/tcp/rel-zookeeper-0/3888 && printf '0123456789abcdef' >&3 && timeout 5 cat <&3 | od -An -tx1"
    code, said = cluster.outside().run(["/bin/bash", "-c", talk])
    need(code == 0 and (not said.split() or said.split()[0] == "15"), "not an alert of TLS: %r" % said)
    code, said = cluster.pods["rel-zookeeper-0"].run(["cat", "/conf/zoo.cfg"])
    need("sslQuorum=true" in said and "ssl.quorum.clientAuth=need" in said, said)


def stores(work):
    """A keystore and a truststore, PKCS#12, as somebody has them who comes from Bitnami's chart."""
    def openssl(*argv):
        subprocess.run(["openssl", *argv], check=True, cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    with open(os.path.join(work, "names"), "w") as f:
        f.write("subjectAltName=DNS:nobody.example")
    openssl("x509", "-req", "-in", "server.csr", "-extfile", "names",
            "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out", "server.crt")
    openssl("pkcs12", "-export", "-in", "server.crt", "-inkey", "server.key", "-passout", "pass:secret", "-out", "key.p12")
    files = {}
    for name in ("key.p12", "ca.pem"):
        with open(os.path.join(work, name), "rb") as f:
            files[name] = base64.b64encode(f.read()).decode()
    return files


@pods_run
def own_stores(bench):
    """certificates of one's own: stores of PKCS#12 and PEM with a password, clients that need one, members that check"""
    work = tempfile.mkdtemp(dir=bench.work)
    files, text = stores(work), lambda word: base64.b64encode(word.encode()).decode()
    of = {"enabled": True, "auth": "need", "existingSecret": "mine", "existingSecretKeystoreKey": "key.p12", "existingSecretTruststoreKey": "ca.pem",
          "passwordsSecretName": "words", "passwordsSecretKeystoreKey": "of-key"}
    cluster = Cluster(bench.image, bench.helm, work)
    try:
        for name, data in (("mine", files), ("words", {"of-key": text("secret"), "truststore-password": text("")})):
            cluster.objects["Secret", name] = {"data": data}
        cluster.release("install", **SETTLED, replicaCount=3, tls={"client": of, "quorum": of})
        mine = os.path.join(cluster.outside().root, "tmp", "mine")
        os.mkdir(mine)
        for name in files:
            shutil.copyfile(os.path.join(work, name), os.path.join(mine, name))
        options = ("-tls", "-D", "ssl.trustStore.location=/tmp/mine/ca.pem", "-D", "ssl.hostnameVerification=false")
        key = ("-D", "ssl.keyStore.location=/tmp/mine/key.p12", "-D", "ssl.keyStore.password=secret")
        write(cluster, *options, *key, port=3181)
        holds(cluster, *options, *key, port=3181)
        code, said = cluster.shell("get /kept-00\n", *options, port=3181)
        need("value 0" not in said, "without a certificate: %s" % said)
    finally:
        cluster.end()


CONFIGURATION = """dataDir=/bitnami/zookeeper/data
clientPort={{ .Values.containerPorts.client }}
admin.serverAddress=127.0.0.1
tickTime=1234
"""


@runs(configuration=CONFIGURATION, jvmFlags="-Xmx1g -Dzookeeper.snapCount=4321", fourlwCommandsWhitelist="*")
def own_configuration(cluster, values):
    """a zoo.cfg of one's own, and settings in jvmFlags"""
    [pod] = cluster.pods.values()
    said = pod.run(["wget", "-q", "-O", "-", "http://127.0.0.1:8080/commands/configuration"])[1]
    need(re.search(r'"tick_time"\s*:\s*1234\b', said), said)
    settings = pod.run(["/bin/bash", "-c", "tr '\\0' ' ' </proc/1/cmdline"])[1]
    need("-Dzookeeper.snapCount=4321" in settings and "-Xmx1g" in settings, settings)
    write(cluster)
    cluster.release("upgrade", **{**values, "configuration": CONFIGURATION.replace("1234", "1235")})
    need(cluster.restarts == 1, "another configuration restarts the pod")
    holds(cluster)


@runs(**SETTLED, replicaCount=3, metrics={"enabled": True, "prometheusRule": {"enabled": True}}, fourlwCommandsWhitelist="conf", snapCount=4321,
      extraEnvVars=[{"name": "ZOO_CFG_snapshot_compression_method", "value": "gz"}])
def figures(cluster, values):
    """metrics at their port, with all that the rules ask for; settings arrive"""
    said = [cluster.client_run("wget", "-q", "-O", "-", "http://%s:9141/metrics" % pod.address) for pod in cluster.pods.values()]
    [rule] = [o for (kind, _), o in cluster.objects.items() if kind == "PrometheusRule"]
    asked = {name for r in rule["spec"]["groups"][0]["rules"] for name in re.findall(r"(\w+)\{", r["expr"])}
    there = {line.split()[0].split("{")[0] for text in said for line in text.splitlines() if line and line[0] != "#"}
    need(len(asked) >= 3 and asked <= there, asked - there)
    conf = cluster.client_run("/bin/bash", "-c", "echo conf | nc -w 5 %s 2181" % cluster.pods["rel-zookeeper-1"].address)
    need("serverId=2" in conf and "dataDir=/bitnami/zookeeper/data/version-2" in conf, conf)
    cfg = cluster.pods["rel-zookeeper-0"].run(["cat", "/conf/zoo.cfg"])[1]
    need("snapCount=4321" in cfg and "snapshot.compression.method=gz" in cfg, cfg)


def as_super(cluster, command):
    code, said = cluster.shell("addauth digest super:%s\n%s\n" % (RECONFIG["password"], command))
    need(code == 0 and "Committed new configuration" in said, said)


RECONFIG = {"enabled": True, "password": "for-super", "initialReplicas": 3, "timeoutSeconds": 120}


@runs(**SETTLED, replicaCount=3, reconfig=RECONFIG)
def scale(cluster, values):
    """by reconfig: 3 to 5 to 3 to 4, no restart, znodes stay; a pod that is restarted is removed by nobody; then all at once, and below the founders"""
    write(cluster)
    cluster.release("upgrade", **{**values, "replicaCount": 5})
    need(members(cluster) == dict.fromkeys(range(1, 6), "participant"), members(cluster))
    need(modes(cluster) == {"leader": 1, "follower": 4} and cluster.restarts == 0, (modes(cluster), cluster.restarts))
    holds(cluster)
    cluster.delete("rel-zookeeper-4")
    need(len(members(cluster)) == 5, "a pod that is away is still a member")
    cluster.create("rel-zookeeper-4")
    cluster.ready()
    foreign = "server.99=elsewhere.example:2888:3888:observer;2181"
    as_super(cluster, "reconfig -add " + foreign)
    cluster.release("upgrade", **{**values, "replicaCount": 3})
    need(members(cluster) == {**dict.fromkeys(range(1, 4), "participant"), 99: "observer"}, "a member that is no pod is nobody's to remove: %s" % members(cluster))
    as_super(cluster, "reconfig -remove 99")
    need(members(cluster) == dict.fromkeys(range(1, 4), "participant") and cluster.restarts == 0, members(cluster))
    need(modes(cluster) == {"leader": 1, "follower": 2}, modes(cluster))
    holds(cluster)
    # The volume of pod 3 still says that it is one of five.
    cluster.release("upgrade", **{**values, "replicaCount": 4})
    need(members(cluster) == dict.fromkeys(range(1, 5), "participant"), members(cluster))
    holds(cluster)
    # All at once, with other settings: what is in the volumes counts, not who founded it.
    cluster.release("upgrade", **{**values, "replicaCount": 4, "maxClientCnxns": 77})
    need(cluster.restarts == 4 and members(cluster) == dict.fromkeys(range(1, 5), "participant"), (cluster.restarts, members(cluster)))
    holds(cluster)
    for name in list(cluster.pods):
        cluster.delete(name)
    cluster._reconcile()
    need(members(cluster) == dict.fromkeys(range(1, 5), "participant"), members(cluster))
    holds(cluster)
    below = {**RECONFIG, "initialReplicas": 1}
    cluster.release("upgrade", **{**values, "replicaCount": 1, "maxClientCnxns": 77, "reconfig": below})
    need(members(cluster) == {1: "participant"} and cluster.restarts == 4, members(cluster))
    holds(cluster)
    cluster.release("upgrade", **{**values, "replicaCount": 3, "maxClientCnxns": 77, "reconfig": below})
    need(members(cluster) == dict.fromkeys(range(1, 4), "participant"), members(cluster))
    holds(cluster)


@runs(**SETTLED, replicaCount=4, reconfig=RECONFIG, tls=TLS, auth={"client": CLIENT_AUTH, "quorum": QUORUM_AUTH}, dataLogDir="/bitnami/zookeeper/datalog")
def scale_secured(cluster, values):
    """with TLS, users and a volume for the logs: more pods than founders from the beginning; an emptied volume; without an ensemble nothing is removed"""
    options = (*trusting(cluster), *login(cluster, "alice", "one"))
    write(cluster, *options, port=3181)
    need(members(cluster, *options, port=3181) == dict.fromkeys(range(1, 5), "participant"), members(cluster, *options, port=3181))
    holds(cluster, *options, port=3181)
    cluster.delete("rel-zookeeper-0")
    for claim in ("data", "data-log"):
        shutil.rmtree(os.path.join(cluster.work, "claims", "%s-rel-zookeeper-0" % claim))
    cluster.create("rel-zookeeper-0")
    cluster.ready()
    holds(cluster, *options, port=3181)
    cluster.release("upgrade", **{**values, "replicaCount": 3})
    need(members(cluster, *options, port=3181) == dict.fromkeys(range(1, 4), "participant"), members(cluster, *options, port=3181))
    holds(cluster, *options, port=3181)
    # Refused as a whole where nobody answers.
    for name in list(cluster.pods)[1:]:
        cluster.delete(name)
    lower = {**RECONFIG, "initialReplicas": 1, "timeoutSeconds": 5}
    try:
        cluster.release("upgrade", **{**values, "replicaCount": 1, "reconfig": lower})
    except Fail as refusal:
        need("nobody serves: the members stay as they are" in str(refusal), refusal)
    else:
        need(False, "the set has shrunk without its ensemble")


@runs(**SETTLED, replicaCount=3)
def taken_over(cluster, values):
    """a running release without reconfig gets it, and grows"""
    write(cluster)
    reconfig = {**values, "reconfig": RECONFIG}
    cluster.release("upgrade", **reconfig)
    need(cluster.restarts == 3 and members(cluster) == dict.fromkeys(range(1, 4), "participant"), members(cluster))
    cluster.release("upgrade", **{**reconfig, "replicaCount": 4})
    need(cluster.restarts == 3 and members(cluster) == dict.fromkeys(range(1, 5), "participant"), members(cluster))
    holds(cluster)


if __name__ == "__main__":
    work = tempfile.mkdtemp(prefix="charts-")
    bench = Bench(work)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))         # so that pods and networks are ended
    names = sys.argv[1:] or list(CASES)
    if not can_run():
        print("not checked: what is rendered is run as root, on a Debian, with network namespaces")
        names = [name for name in names if name not in PODS]
    try:
        code = judged(names, lambda name: CASES[name](bench) or CASES[name].__doc__)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(code)

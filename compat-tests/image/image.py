#!/usr/bin/env python3
"""The container image of scripts/image, without a daemon: its files are those that its digests name, and what a container would run is run in a chroot
as user 1000 of group 0, with the variables of the official image and of Bitnami's, with the probes of charts, with a root that is read-only.

usage: image.py [CASE ...]     The last line is `N passed, M failed`."""
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.realpath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, "..", "common"))
from applib import Cases, Proc, free_ports, judged, need, until  # noqa: E402
from zkmini import ZkMini, four_letter  # noqa: E402

OXKEEPER = os.path.realpath(os.environ.get("OXKEEPER", os.path.join(ROOT, "target", "release", "oxkeeper")))
CASES = case = Cases()


class Image:
    """An OCI layout, with its only layer unpacked."""

    def __init__(self, work):
        self.work, self.n = work, 0
        archive = os.path.join(work, "image.tar")
        subprocess.run([os.path.join(ROOT, "scripts", "image"), "--binary", OXKEEPER, "--output", archive], check=True, stdout=subprocess.DEVNULL, timeout=300)
        self.layout = os.path.join(work, "layout")
        # What is in it is of our own making: links lead wherever they are to lead in the image.
        tarfile.TarFile.extraction_filter = staticmethod(lambda member, path: member)
        with tarfile.open(archive) as tar:
            tar.extractall(self.layout)
        with open(os.path.join(self.layout, "index.json")) as f:
            [manifest] = json.load(f)["manifests"]
        self.manifest = json.loads(self.blob(manifest))
        self.config = json.loads(self.blob(self.manifest["config"]))
        [layer] = self.manifest["layers"]
        self.layer = self.blob(layer)

    def blob(self, descriptor):
        kind, digest = descriptor["digest"].split(":")
        with open(os.path.join(self.layout, "blobs", kind, digest), "rb") as f:
            content = f.read()
        need(hashlib.new(kind, content).hexdigest() == digest and len(content) == descriptor["size"], descriptor)
        return content

    def container(self):
        """A root of its own."""
        self.n += 1
        root = os.path.join(self.work, "root%d" % self.n)
        with tempfile.TemporaryFile() as f:
            f.write(gzip.decompress(self.layer))
            f.seek(0)
            with tarfile.open(fileobj=f) as tar:
                tar.extractall(root, numeric_owner=True)
        for name in ("dev", "proc"):
            os.makedirs(os.path.join(root, name), exist_ok=True)
        with open(os.path.join(root, "etc", "hosts"), "w") as f:         # as container runtimes do
            f.write("127.0.0.1 localhost\n")
        for name, minor in (("null", 3), ("urandom", 9)):
            os.mknod(os.path.join(root, "dev", name), 0o20666, os.makedev(1, minor))
            os.chmod(os.path.join(root, "dev", name), 0o666)
        return Container(self, root)


class Container:
    def __init__(self, image, root):
        self.image, self.root, self.proc, self.log = image, root, None, root + ".log"

    def argv(self, command, read_only=False, **env):
        env = [*self.image.config["config"]["Env"], *("%s=%s" % pair for pair in env.items())]
        user = self.image.config["config"]["User"]
        inside = ["chroot", "--userspec=" + user, self.root, "/usr/bin/env", "-i", *env, *command]
        mounts = 'mount --bind /proc "$1/proc"'
        if read_only:
            mounts = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && ' + mounts
            mounts += ' && for dir in data datalog; do mount -t tmpfs -o uid=1000,gid=0,mode=775 none "$1/$dir"; done'
        # These mounts are seen by nobody else, and go with the process.
        return ["unshare", "-m", "bash", "-c", mounts + ' && shift && exec "$@"', "bash", self.root, *inside]

    def start(self, port, command=None, **env):
        config = self.image.config["config"]
        self.proc = Proc("a container", self.argv(command or config["Entrypoint"] + config["Cmd"], **env), self.log)

        def serves():
            need(self.proc.alive(), "it has ended with %s: %s" % (self.proc.p.returncode, self.said()))
            with ZkMini(port) as z:
                return z.children("/") is not None
        until("a session", serves, 30, 0.05)

    def said(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-600:]

    def run(self, *command, **env):
        done = subprocess.run(self.argv(command, **env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60)
        return done.returncode, done.stdout.decode() + done.stderr.decode()

    def end(self):
        if self.proc and self.proc.alive():
            need(self.proc.term(20) == 0, "SIGTERM: %s, %s" % (self.proc.p.returncode, self.said()))

    def kill(self):
        if self.proc and self.proc.alive():
            self.proc.kill()


def in_container(run):
    def inside(image):
        container = image.container()
        try:
            return run(container)
        finally:
            container.kill()
    inside.__doc__, inside.__name__ = run.__doc__, run.__name__
    return case(inside)


@case
def layout(image):
    """user, command, ports, owners; the same again"""
    config = image.config["config"]
    need((config["User"], config["Cmd"]) == ("1000:0", ["zkServer.sh", "start-foreground"]), config)
    need(set(config["ExposedPorts"]) == {"2181/tcp", "2888/tcp", "3888/tcp", "8080/tcp"}, config)
    need(["sha256:" + hashlib.sha256(gzip.decompress(image.layer)).hexdigest()] == image.config["rootfs"]["diff_ids"], "the layer is another one")
    again = os.path.join(image.work, "again")
    os.makedirs(again)
    need(Image(again).manifest == image.manifest, "another image of the same sources")
    return "%.1f MB" % (len(image.layer) / 1e6)


@in_container
def official(c):
    """the variables of the official image; status, shell and probe inside"""
    port, quorum, election, admin = free_ports(4)
    c.start(port, ZOO_MY_ID="3", ZOO_SERVERS="server.3=localhost:%d:%d;%d" % (quorum, election, port), ZOO_TICK_TIME="1500", ZOO_4LW_COMMANDS_WHITELIST="*",
            ZOO_CFG_EXTRA="admin.serverPort=%d admin.serverAddress=127.0.0.1" % admin, JVMFLAGS="-Xmx256m -Dzookeeper.snapCount=777")
    conf = four_letter(port, "conf")
    need("tickTime=1500" in conf and "dataDir=/data/version-2" in conf and "dataLogDir=/datalog/version-2" in conf, conf)
    code, said = c.run("zkServer.sh", "status")
    need(code == 0 and "Mode: standalone" in said, (code, said))
    code, said = c.run("zkCli.sh", "-server", "localhost:%d" % port, "ls", "/")
    need(code == 0 and "\n[zookeeper]\n" in said, (code, said))
    code, said = c.run("/bin/bash", "-c", "echo ruok | timeout 2 nc -w 2 localhost %d | grep imok" % port)
    need(code == 0, (code, said))
    with open(os.path.join(c.root, "data", "myid")) as f:
        need(f.read() == "3\n", "myid")
    c.end()
    need(c.run("zkServer.sh", "status")[0] == 1, "it does not serve any more")


@in_container
def bitnami(c):
    """the variables, paths and commands of Bitnami's image"""
    port, admin = free_ports(2)
    env = {"ALLOW_ANONYMOUS_LOGIN": "yes", "ZOO_PORT_NUMBER": port, "ZOO_SERVER_ID": 4, "ZOO_4LW_COMMANDS_WHITELIST": "srvr, ruok, conf", "ZOO_ENABLE_ADMIN_SERVER": "yes",
           "ZOO_ADMIN_SERVER_PORT_NUMBER": admin, "ZOO_LOG_LEVEL": "WARN", "ZOO_HEAP_SIZE": 512, "ZOO_CFG_snapshot_compression_method": "gz"}
    refused = c.run("/entrypoint.sh", "/run.sh", ZOO_PORT_NUMBER=port)
    need(refused[0] == 2 and "ALLOW_ANONYMOUS_LOGIN=yes" in refused[1], refused)
    c.start(port, ["/opt/bitnami/scripts/zookeeper/entrypoint.sh", "/opt/bitnami/scripts/zookeeper/run.sh"], **env)
    need("dataDir=/bitnami/zookeeper/data/version-2" in four_letter(port, "conf"), four_letter(port, "conf"))
    with open(c.log) as f:
        need("INFO" not in f.read(), "ZOO_LOG_LEVEL=WARN")
    files = os.listdir(os.path.join(c.root, "bitnami/zookeeper/data/version-2"))
    need("snapshot.0.gz" in files, files)
    code, said = c.run("/opt/bitnami/scripts/zookeeper/healthcheck.sh", **env)
    need(code == 0, (code, said))
    code, said = c.run("/opt/bitnami/zookeeper/bin/zkServer.sh", "status")
    need(code == 0 and "Mode: standalone" in said, (code, said))
    c.end()
    need(c.run("/opt/bitnami/scripts/zookeeper/healthcheck.sh", **env)[0] == 1, "it does not live any more")


@in_container
def users(c):
    """SASL of Bitnami's image: with a password and without"""
    port, = free_ports(1)
    env = {"ZOO_ENABLE_AUTH": "yes", "ZOO_FIPS_MODE": "no", "ZOO_PORT_NUMBER": port, "ZOO_SERVER_USERS": "alice,bob", "ZOO_SERVER_PASSWORDS": "one,two",
           "ZOO_CLIENT_USER": "alice", "ZOO_CLIENT_PASSWORD": "one"}
    c.proc = Proc("a container", c.argv(["/entrypoint.sh", "/run.sh"], **env), c.log)
    until("an answer", lambda: "Mode: standalone" in four_letter(port, "srvr"), 30, 0.05)
    shell = ["zkCli.sh", "-server", "localhost:%d" % port, "create", "/of-alice", "x", "sasl:alice:cdrwa"]
    code, said = c.run(*shell)
    need(code != 0, "without a password: %s" % said)
    code, said = c.run(*shell, CLIENT_JVMFLAGS="-Djava.security.auth.login.config=/conf/zoo_jaas.conf")
    need(code == 0 and "Created /of-alice" in said, (code, said))


@in_container
def read_only(c):
    """a root that is read-only"""
    port, quorum, election, admin = free_ports(4)
    c.start(port, read_only=True, ZOO_SERVERS="server.1=localhost:%d:%d;%d" % (quorum, election, port), ZOO_ADMINSERVER_ENABLED="false")
    with open(c.log) as f:
        need("/conf cannot be written; the configuration is in /data/conf" in f.read(), c.said())
    c.end()


@case
def ensemble(image):
    """three containers"""
    ports = [free_ports(3) for _ in range(3)]
    servers = " ".join("server.%d=127.0.0.1:%d:%d;%d" % (n, quorum, election, client) for n, (client, quorum, election) in enumerate(ports, 1))
    containers = [image.container() for _ in ports]
    config = image.config["config"]
    try:
        for n, c in enumerate(containers, 1):
            env = dict(ZOO_MY_ID=n, ZOO_SERVERS=servers, ZOO_STANDALONE_ENABLED="false", ZOO_ADMINSERVER_ENABLED="false")
            c.proc = Proc("container %d" % n, c.argv(config["Entrypoint"] + config["Cmd"], **env), c.log)
        for client, _, _ in ports:
            until("it to serve", lambda: "Mode: " in four_letter(client, "srvr"), 30, 0.05)
        with ZkMini(ports[0][0]) as z:
            z.create("/a", b"1")
        with ZkMini(ports[2][0]) as z:
            z.sync()
            need(z.get("/a")[0] == b"1", "it is on all")
    finally:
        for c in containers:
            c.kill()


def main():
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print("not checked: the image is built of Debian's packages, and tried in a chroot, which needs root\n0 passed, 0 failed")
        return 0
    work = tempfile.mkdtemp(prefix="image-")
    image = Image(work)
    code = judged(sys.argv[1:] or list(CASES), lambda name: CASES[name](image) or CASES[name].__doc__)
    shutil.rmtree(work, ignore_errors=code == 0)
    return code


if __name__ == "__main__":
    sys.exit(main())

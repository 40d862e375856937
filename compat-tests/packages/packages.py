#!/usr/bin/env python3
"""The .deb and the .rpm of scripts/packages: installed, upgraded, removed and purged, and over what Debian's zookeeper leaves. Each case has this system with a layer of its
own over it, no network but a loopback, and its own processes: all of that is gone when it ends. In `service` the first of these is systemd, which runs the unit as it is.

usage: packages.py [CASE ...]     The last line is `N passed, M failed`."""
import glob
import os
import pwd
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.realpath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, "..", "common"))
from applib import Cases, Proc, judged, need, until  # noqa: E402
from layer import NAMESPACES, SYSTEMD, in_layer  # noqa: E402
from zkmini import ZkMini, four_letter  # noqa: E402

OXKEEPER = os.path.realpath(os.environ.get("OXKEEPER", os.path.join(ROOT, "target", "release", "oxkeeper")))
LATER = "0.9.9"
APACHE, OFFICIAL = os.path.join(HERE, "..", "apache", "apache"), dict(os.environ, ZKV="3.8.4", ADMIN="false")
CONFIG, DATA, UNIT = "/etc/zookeeper/zoo.cfg", "/var/lib/zookeeper", "/usr/lib/systemd/system/oxkeeper.service"
CASES = case = Cases()


def run(*argv, timeout=300, **kw):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, **kw)
    need(done.returncode == 0, "%s: %s" % (" ".join(argv), done.stdout[-600:]))
    return done.stdout


def fetched(work):
    """All that needs a network: the packages themselves, Debian's zookeeper, and rpm."""
    for version in ([], ["--version", LATER]):
        # The first time it builds what makes packages.
        run(os.path.join(ROOT, "scripts", "packages"), "--binary", OXKEEPER, "--output", work, *version, timeout=1800)
    os.mkdir(os.path.join(work, "rpm"))
    wanted = run("apt-get", "install", "--print-uris", "-qq", "--reinstall", "rpm").splitlines()
    run("apt-get", "download", "-qq", *{re.match(r"'.*?' ([^_]+)_", line).group(1) for line in wanted}, cwd=os.path.join(work, "rpm"))
    run("apt-get", "download", "-qq", "zookeeper", cwd=work)
    # It fetches what it runs, and finds no configuration.
    subprocess.run([APACHE, "/nowhere.cfg"], env=OFFICIAL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)


def one(work, pattern):
    [found] = glob.glob(os.path.join(work, pattern))
    return found


def answers():
    return "Mode: standalone" in four_letter(2181, "srvr")


class Served:
    """What the unit starts, as the user that it names."""

    def __init__(self, work):
        env, command = {}, None
        lines = []
        for name in [UNIT, *sorted(glob.glob("/etc/systemd/system/oxkeeper.service.d/*.conf"))]:
            with open(name) as f:
                lines += f.read().splitlines()
        for line in lines:
            key, _, value = line.partition("=")
            if key == "Environment":
                env.update([value.split("=", 1)])
            elif key == "ExecStart":
                command = value
        with open("/etc/default/oxkeeper") as f:
            env.update(line.strip().split("=", 1) for line in f if "=" in line and not line.startswith("#"))
        argv = [re.sub(r"\$\{(\w+)\}", lambda m: env[m.group(1)], word) for word in command.split()]
        user = re.search(r"^User=(.*)$", "\n".join(lines), re.M).group(1)
        self.proc = Proc("oxkeeper", ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs", *argv], os.path.join(work, "server.log"), env=dict(os.environ, **env))

    def __enter__(self):
        until("a server", lambda: self.proc.alive() and answers(), 20, 0.05)
        return self

    def __exit__(self, *_):
        self.proc.term(20)


def written():
    with ZkMini(2181) as z:
        z.create("/kept", b"data")


def holds():
    with ZkMini(2181) as z:
        need(z.get("/kept")[0] == b"data", "what was written before is there")


def edited():
    with open(CONFIG, "a") as f:
        f.write("4lw.commands.whitelist=*\nmaxClientCnxns=77\n")


def is_edited():
    with open(CONFIG) as f:
        need("maxClientCnxns=77" in f.read(), "what was edited stays")


def owner(path):
    return pwd.getpwuid(os.stat(path).st_uid).pw_name


def lives_on(work, install, upgrade, remove, left):
    """The life of a package."""
    install()
    need(owner(DATA) == "zookeeper", "the data is the service's")
    run("systemd-analyze", "verify", "--man=no", UNIT)
    need("check-config" in run("man", "oxkeeper"), "there is a man page")
    need(os.path.getsize("/usr/share/bash-completion/completions/oxkeeper") > 1000, "bash completes its words")
    with Served(work):
        written()
        need("Mode: standalone" in run("/usr/share/zookeeper/bin/zkServer.sh", "status"), "the official script knows it")
        need("[kept, zookeeper]" in run("/usr/share/zookeeper/bin/zkCli.sh", "ls", "/"), "the official shell as well")
    edited()
    upgrade()
    is_edited()
    with Served(work):
        holds()
        need("maxClientCnxns=77" in four_letter(2181, "conf"), "the edited setting counts")
    remove()
    need(not os.path.exists("/usr/bin/oxkeeper") and not os.path.exists(UNIT), "it is gone")
    need(os.listdir(os.path.join(DATA, "version-2")), "the data is there")
    pwd.getpwnam("zookeeper")
    return left()


@case
def deb(work):
    def left():
        is_edited()
        run("dpkg", "--purge", "oxkeeper")
        need(not os.path.exists(CONFIG) and not os.path.exists("/etc/default/oxkeeper"), "a purge takes the configuration")
        need(os.listdir(os.path.join(DATA, "version-2")), "and no data")
        return "installed, upgraded, removed, purged"
    return lives_on(work, lambda: run("dpkg", "-i", one(work, "oxkeeper_0.1*.deb")), lambda: run("dpkg", "-i", one(work, "oxkeeper_%s*.deb" % LATER)),
                    lambda: run("dpkg", "-r", "oxkeeper"), left)


@case
def rpm(work):
    run("dpkg", "-i", *glob.glob(os.path.join(work, "rpm", "*.deb")))

    def left():
        with open(CONFIG + ".rpmsave") as f:
            need("maxClientCnxns=77" in f.read(), "what was edited is kept aside")
        return "installed, upgraded, removed"
    # What it requires is Debian's here.
    return lives_on(work, lambda: run("rpm", "-i", "--nodeps", one(work, "oxkeeper-0.1*.rpm")), lambda: run("rpm", "-U", "--nodeps", one(work, "oxkeeper-%s*.rpm" % LATER)),
                    lambda: run("rpm", "-e", "oxkeeper"), left)


@case
def over_debians(work):
    """Debian's package, configured, with data of an official server; then ours, which takes its place."""
    run("dpkg", "--force-depends", "-i", one(work, "zookeeper_*.deb"))
    theirs = "/etc/zookeeper/conf_example/zoo.cfg"
    with open(theirs) as f:
        lines = [line for line in f.read().splitlines() if not line.startswith("dataDir")]
    os.makedirs("/srv/zk-logs")
    with open(theirs, "w") as f:
        f.write("\n".join([*lines, "dataDir=" + DATA, "dataLogDir=/srv/zk-logs", "4lw.commands.whitelist=*", "admin.enableServer=false", "maxClientCnxns=78", ""]))
    # Its text as it is shipped is none that a server takes, not even one that is alone.
    with open("/etc/zookeeper/conf_example/myid", "w") as f:
        f.write("7\n")
    official = Proc("official", [APACHE, theirs], os.path.join(work, "official.log"), env=OFFICIAL)
    until("the official server", answers, 60, 0.1)
    written()
    official.term(20)
    run("chown", "-R", "zookeeper:zookeeper", DATA, "/srv/zk-logs")
    said = run("dpkg", "-i", one(work, "oxkeeper_0.1*.deb"))
    need(theirs in said and "do not purge" in said, "it says which file counts, and what to leave: %s" % said)
    with open("/etc/systemd/system/oxkeeper.service.d/zookeeper.conf") as f:
        need("ReadWritePaths=/srv/zk-logs\n" in f.read(), "the service may write its logs")
    with open(os.path.join(DATA, "myid")) as f:
        need(f.read() == "7\n", "the member's id is still there")
    with Served(work):
        holds()
        need("maxClientCnxns=78" in four_letter(2181, "conf"), "Debian's configuration counts")
    run("dpkg", "--purge", "oxkeeper")
    need(not os.path.exists("/etc/systemd/system/oxkeeper.service.d"), "a purge takes the override")
    need(os.path.exists(theirs), "and not what is Debian's")
    return "goes on with its data and its configuration"


def shown(*names):
    text = run("systemctl", "show", "oxkeeper", *("-p" + name for name in names))
    return [dict(line.split("=", 1) for line in text.splitlines())[name] for name in names]


def serves():
    until("a server", answers, 30, 0.05)
    holds()


@case
def service(work):
    """The unit under systemd itself: started, reloaded, killed, hung, upgraded, stopped, removed."""
    run("dpkg", "-i", one(work, "oxkeeper_0.1*.deb"))
    need(shown("ActiveState", "UnitFileState") == ["inactive", "disabled"], "nothing is started by the installation")
    os.makedirs("/etc/systemd/system/oxkeeper.service.d")
    with open("/etc/systemd/system/oxkeeper.service.d/test.conf", "w") as f:
        f.write("[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "enable", "--now", "oxkeeper")
    written()                                             # it is ready when the command comes back
    pid, text, user = shown("MainPID", "StatusText", "User")
    need(text == "clients at *:2181" and os.stat("/proc/" + pid).st_uid == pwd.getpwnam(user).pw_uid, text)
    run("systemctl", "reload", "oxkeeper")
    need(shown("MainPID", "ActiveState") == [pid, "active"], "a reload leaves it as it is")
    for signal, why in (("KILL", "it is killed"), ("STOP", "it hangs")):
        run("systemctl", "kill", "--signal=SIG" + signal, "oxkeeper")
        until("another process when " + why, lambda: shown("MainPID")[0] not in ("0", pid), 30)
        [pid] = shown("MainPID")
        serves()
    need(shown("NRestarts") == ["2"], "restarted twice")
    run("dpkg", "-i", one(work, "oxkeeper_%s*.deb" % LATER))
    need(shown("MainPID") != [pid], "an upgrade restarts it")
    serves()
    run("systemctl", "stop", "oxkeeper")
    need(shown("Result", "ActiveState") == ["success", "inactive"], "it stops in time")
    run("systemctl", "start", "oxkeeper")
    serves()
    run("dpkg", "-r", "oxkeeper")
    until("it is gone", lambda: shown("LoadState", "ActiveState") == ["not-found", "inactive"], 10)
    return "ready, reloaded, restarted when killed and when hung, upgraded, stopped, removed"


def at_systemd(work, layer, inside):
    """Runs words beside a systemd."""
    need(os.path.exists(SYSTEMD), "there is no systemd here")
    env = {"container": "lxc", "PATH": os.environ["PATH"], "SYSTEMD": SYSTEMD}
    booted = subprocess.Popen([*NAMESPACES, work, layer, SYSTEMD, "--system", "--unit=basic.target"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with open("/proc/%d/task/%d/children" % (booted.pid, booted.pid)) as f:
            [init] = until("the first process", lambda: f.seek(0) or f.read().split(), 10, 0.01)
        within = ["nsenter", "--target", init, "--all", "--"]
        until("systemd", lambda: "running" in subprocess.run([*within, "systemctl", "is-system-running"], capture_output=True, text=True).stdout, 60, 0.2)
        return subprocess.run([*within, *inside], capture_output=True, text=True, timeout=300)
    finally:
        booted.kill()                                     # and with it all that it has started
        booted.wait()


def judge(work, name):
    inside = [sys.executable, os.path.abspath(__file__), "--inside", name, work]
    with tempfile.TemporaryDirectory(prefix="packages-layer") as layer:
        if name == "service":
            done = at_systemd(work, layer, inside)
        else:
            done = in_layer(work, layer, inside, 400)
    need(done.returncode == 0, (done.stdout + done.stderr)[-800:])
    return done.stdout.splitlines()[-1]


def main():
    if sys.argv[1:2] == ["--inside"]:
        print(CASES[sys.argv[2]](sys.argv[3]))
        return 0
    with tempfile.TemporaryDirectory(prefix="packages-test") as work:
        fetched(work)
        return judged(sys.argv[1:] or CASES, lambda name: judge(work, name))


if __name__ == "__main__":
    sys.exit(main())

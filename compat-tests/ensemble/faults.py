#!/usr/bin/env python3
"""Partitions, disks that are full, slow, stopped or failing, and members that fall asleep, under the checked workload. Needs root: each
member lives in a network of its own (`ip netns`), and its directory on a file system of its own.

usage: faults.py [--members oxkeeper,oxkeeper,oxkeeper] [FAULT ...]. The last line is `N passed, M failed`. Where the system does not allow
what it needs, it says so, and tries nothing."""
import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time

from members import Ensemble, need, until  # says where applib is
from applib import Fail  # noqa: E402
from same import same
from workload import Workload

SETTINGS = {"tickTime": 300, "initLimit": 20, "syncLimit": 8}
SYNC_S = 2.4                                    # syncLimit, in seconds
ELECTS_S = 30
NOBODY = "02:00:00:00:00:fe"                    # a hardware address that nobody has
ROOM_KIB, ROOM_MAX_KIB = 10 << 10, 64 << 10


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    need(done.returncode == 0, "%s: %s" % (" ".join(argv), done.stderr.strip()))
    return done.stdout


def forbidden():
    """Why networks and file systems cannot be made here; empty where they can."""
    name = "ox%d-try" % (os.getpid() % 100000)
    place = tempfile.mkdtemp()
    tries = [(("ip", "netns", "add", name), ("ip", "netns", "del", name)),
             (("ip", "link", "add", name, "type", "bridge"), ("ip", "link", "del", name)),
             (("mount", "-t", "tmpfs", "-o", "size=1m", "none", place), ("umount", place))]
    try:
        for made, removed in tries:
            run(*made)
            run(*removed)
    except (Fail, OSError) as e:
        return str(e)
    finally:
        os.rmdir(place)
    return ""


# -- networks

class Networks:
    """Each member in one of its own, all on one bridge. Packets are lost by direction: the sender takes the receiver for somebody that is
    not there, so connections stay, and what they carry is sent again later."""

    def __init__(self, members):
        self.name, self.subnet = "ox%d" % (os.getpid() % 100000), "198.18.%d" % (os.getpid() % 250)
        self.of = {m.sid: "%s-%d" % (self.name, m.sid) for m in members}
        run("ip", "link", "add", self.name, "type", "bridge")
        try:
            run("ip", "addr", "add", self.subnet + ".254/24", "dev", self.name)
            run("ip", "link", "set", self.name, "up")
            for m in members:
                self._add(m)
        except BaseException:
            self.remove()
            raise

    def _add(self, m):
        network, end = self.of[m.sid], "%sv%d" % (self.name, m.sid)
        run("ip", "netns", "add", network)
        run("ip", "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", network)
        run("ip", "link", "set", end, "master", self.name, "up")
        m.host = "%s.%d" % (self.subnet, m.sid)
        m.inside = ["ip", "netns", "exec", network]
        for words in (("addr", "add", m.host + "/24", "dev", "eth0"), ("link", "set", "eth0", "up"), ("link", "set", "lo", "up")):
            run("ip", "-n", network, *words)

    def lose(self, sender, receiver):
        """What one sends to the other."""
        run("ip", "-n", self.of[sender.sid], "neigh", "replace", receiver.host, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")

    def cut(self, one, *others):
        """Between one and others, both ways."""
        for other in others:
            self.lose(one, other)
            self.lose(other, one)

    def heal(self):
        for network in self.of.values():
            for line in run("ip", "-n", network, "neigh", "show", "nud", "permanent").splitlines():
                run("ip", "-n", network, "neigh", "del", line.split()[0], "dev", "eth0")

    def remove(self):
        for network in self.of.values():
            subprocess.run(["ip", "netns", "del", network], capture_output=True, timeout=60)
        subprocess.run(["ip", "link", "del", self.name], capture_output=True, timeout=60)


# -- disks

class Disk:
    """Something that a member's directory is mounted on."""

    def __init__(self, m, *how):
        self.m = m
        m.stop()
        run("mount", *how, m.data)
        with open(os.path.join(m.data, "myid"), "w") as f:
            f.write("%d\n" % m.sid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Back to the directory below, which is empty."""
        if self.m.alive():
            self.m.kill()
        run("umount", self.m.data)
        self.m.fresh()


class SmallDisk(Disk):
    """A few megabytes of memory."""

    def __init__(self, m):
        super().__init__(m, "-t", "tmpfs", "-o", "size=%dk" % ROOM_KIB, "tmpfs")

    def grow(self):
        run("mount", "-o", "remount,size=%dk" % ROOM_MAX_KIB, self.m.data)

    def fill(self):
        """All but a few pages; the log's next ones do not fit."""
        with contextlib.suppress(OSError), open(os.path.join(self.m.data, "ballast"), "wb", buffering=0) as f:
            while True:
                f.write(b"\1" * 4096)


class Ext4(Disk):
    """A file system in a file."""

    def __init__(self, m):
        self.image = m.data + ".image"
        with open(self.image, "wb") as f:
            f.truncate(64 << 20)            # less than a log wants to take ahead
        run("mkfs.ext4", "-q", "-F", self.image)
        super().__init__(m, "-o", "loop,errors=remount-ro", self.image)

    @contextlib.contextmanager
    def frozen(self):
        """Every write and sync waits."""
        run("fsfreeze", "-f", self.m.data)
        try:
            yield
        finally:
            run("fsfreeze", "-u", self.m.data)

    def fail(self):
        """For good: whatever is written is an error."""
        source = run("findmnt", "-n", "-o", "SOURCE", self.m.data).strip()
        with open("/sys/fs/ext4/%s/trigger_fs_error" % os.path.basename(source), "w") as f:
            f.write("1")


# -- faults

def another_leads(ensemble, old):
    until("another leader than %r" % old, lambda: ensemble.leader() is not old, ELECTS_S, 0.05)


def partition(ensemble, networks, load):
    """The leader is alone: the others elect, and it follows when the networks are one again."""
    old = ensemble.leader()
    networks.cut(old, *(m for m in ensemble if m is not old))
    another_leads(ensemble, old)
    load.goes_on()
    need(old.mode() is None, "%r, which is alone, serves nobody" % old)
    networks.heal()
    ensemble.serve()


def partition_of_a_follower(ensemble, networks, load):
    """It is alone: nobody else notices."""
    leader, alone = ensemble.leader(), ensemble.followers()[0]
    networks.cut(alone, *(m for m in ensemble if m is not alone))
    until("%r serving nobody" % alone, lambda: not alone.mode(), ELECTS_S, 0.05)
    load.goes_on()
    networks.heal()
    ensemble.serve()
    need(ensemble.leader() is leader, "%r leads on" % leader)


def one_way(ensemble, networks, load):
    """What goes from the leader to a follower is lost, then what comes from it: the others go on, it comes back each time."""
    leader = ensemble.leader()
    for back in (False, True):
        deaf = ensemble.followers()[0]
        networks.lose(*((deaf, leader) if back else (leader, deaf)))
        until("%r serving nobody" % deaf, lambda: not deaf.mode(), ELECTS_S, 0.05)
        load.goes_on()
        networks.heal()
        ensemble.serve()
    need(ensemble.leader() is leader, "%r leads on" % leader)


def triangle(ensemble, networks, load):
    """Followers that cannot reach each other notice nothing; one that cannot reach its leader, but the other follower, has nobody elect."""
    leader, (one, other) = ensemble.leader(), ensemble.followers()
    networks.cut(one, other)
    load.goes_on()
    need(one.mode() == other.mode() == "follower", "both follow")
    networks.heal()
    networks.cut(leader, one)
    until("%r serving nobody" % one, lambda: not one.mode(), ELECTS_S, 0.05)
    load.goes_on()
    time.sleep(2 * SYNC_S)
    load.goes_on()
    need(ensemble.leader() is leader and other.mode() == "follower", "%r leads on" % leader)
    networks.heal()
    ensemble.serve()
    need(ensemble.leader() is leader, "%r leads on" % leader)


def flapping(ensemble, networks, load):
    """The leader is cut off and back again and again, for less and for more than `syncLimit`."""
    for lasts_s in (0.3, 1.0, 2 * SYNC_S, 0.5, SYNC_S):
        old = ensemble.leader()
        networks.cut(old, *(m for m in ensemble if m is not old))
        time.sleep(lasts_s)
        networks.heal()
        load.goes_on(5)
        ensemble.serve()


def asleep(ensemble, networks, load):
    """A follower sleeps, then the leader."""
    for m in (ensemble.followers()[0], ensemble.leader()):
        led = ensemble.leader() is m
        m.pause()
        if led:
            another_leads(ensemble, m)
        load.goes_on()
        m.resume()
        ensemble.serve()


def full(ensemble, networks, load):
    """The disk of a follower is full, then that of the leader: others go on. With more room it comes back, with all that it had vouched for."""
    for leads in (False, True):
        m = ensemble.leader() if leads else ensemble.followers()[0]
        with SmallDisk(m) as disk:
            m.start()
            ensemble.serve()
            if leads:
                ensemble.lead(m)
            disk.fill()
            until("%r serving nobody" % m, lambda: not m.mode() or not m.alive(), ELECTS_S, 0.05)
            load.goes_on()
            disk.grow()
            if not m.alive():
                m.start()
            m.serves()
            ensemble.serve()
            load.goes_on()
        m.start()
        ensemble.serve()


def slow(ensemble, networks, load):
    """Each sync of the leader takes up to half a second, then those of a follower; then the leader's disk stands still."""
    for m in (ensemble.leader(), ensemble.followers()[0]):
        led = ensemble.leader() is m
        with Ext4(m) as disk:
            m.start()
            ensemble.serve()
            if led:
                ensemble.lead(m)
            for _ in range(8):
                with disk.frozen():
                    time.sleep(0.5)
                time.sleep(0.1)
            load.goes_on()
            with disk.frozen():
                time.sleep(2 * SYNC_S)
                load.goes_on()
            ensemble.serve()
            load.goes_on()
        m.start()
        ensemble.serve()


def failing(ensemble, networks, load):
    """A disk fails for good, of a follower and of the leader: the others go on, and the member comes back on another disk."""
    for leads in (False, True):
        m = ensemble.leader() if leads else ensemble.followers()[0]
        with Ext4(m) as disk:
            m.start()
            ensemble.serve()
            if leads:
                ensemble.lead(m)
            disk.fail()
            until("%r serving nobody" % m, lambda: not m.mode() or not m.alive(), ELECTS_S, 0.05)
            load.goes_on()
        m.start()
        ensemble.serve()
        load.goes_on()


FAULTS = {fault.__name__: fault for fault in
          (partition, partition_of_a_follower, one_way, triangle, flapping, asleep, full, slow, failing)}


def endured(ensemble, networks, name):
    began = time.monotonic()
    try:
        ensemble.start()
        with Workload(ensemble, "/" + name) as load:
            try:
                FAULTS[name](ensemble, networks, load)
                load.goes_on()
            finally:
                networks.heal()
        need(load.expired() == 0, "%d sessions ended" % load.expired())
        seen, znodes = load.verdict(), same(ensemble)
    except Exception as e:  # noqa: BLE001
        print("FAIL  %s (%.1f s): %s" % (name, time.monotonic() - began, e), flush=True)
        return False
    print("ok    %s (%.1f s): %s, %d znodes the same on all" % (name, time.monotonic() - began, seen, znodes), flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", default="oxkeeper,oxkeeper,oxkeeper", type=lambda text: text.split(","))
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join(FAULTS))
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))           # so that the members are ended
    reason = forbidden()
    if reason:
        print("left out, as networks and mounts of its own are not to be had: %s" % reason)
        print("0 passed, 0 failed")
        return
    print("members %s" % args.members, flush=True)
    with contextlib.ExitStack() as stack:
        ensemble = stack.enter_context(Ensemble(args.members, **SETTINGS))
        networks = Networks(ensemble)
        stack.callback(networks.remove)
        ensemble.configure()
        outcomes = [endured(ensemble, networks, name) for name in args.faults or FAULTS]
    print("%d passed, %d failed" % (outcomes.count(True), outcomes.count(False)))
    sys.exit(0 if all(outcomes) else 1)


if __name__ == "__main__":
    main()

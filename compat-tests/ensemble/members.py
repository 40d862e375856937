"""Ensembles on loopback, each member of an implementation of its own, and what judges do to them.

An implementation is `oxkeeper` (env SUT: the command that serves a zoo.cfg, ../bin/oxkeeper by default) or the version of an
official server. A member keeps its directory when it is stopped, killed or given another implementation."""
import os
import random
import re
import shlex
import shutil
import signal
import socket
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "common"))
os.environ.setdefault("APP_LIMIT_S", "7200")
from applib import Cases, Fail, Proc, http_to, judged, need, until  # noqa: E402, F401
from zkmini import ZkMini, four_letter  # noqa: E402

OXKEEPER = "oxkeeper"
SETTINGS = {"tickTime": 500, "initLimit": 20, "syncLimit": 12, "minSessionTimeout": 1000, "maxSessionTimeout": 60000,
            "maxClientCnxns": 0, "4lw.commands.whitelist": "*", "admin.enableServer": "false"}
SERVES_S, QUIET_S = 90, 30


def command(implementation):
    """The command of a member without its zoo.cfg, and its environment."""
    env = dict(os.environ)
    env.setdefault("ADMIN", "false")
    env.setdefault("ZKJAVA", "-Xmx160m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData")
    if implementation == OXKEEPER:
        return shlex.split(os.environ.get("SUT", os.path.join(HERE, "..", "bin", "oxkeeper"))), env
    return [os.path.join(HERE, "..", "apache", "apache")], dict(env, ZKV=implementation)


def free_ports(n, given=set()):  # noqa: B006
    """Ports that were not given before, below those that the system gives to clients: a member that is down would lose its port to one."""
    found = []
    for port in random.sample(sorted(set(range(20000, 32000)) - given), 1000):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == n:
            given |= set(found)
            return found
    raise OSError("no free ports")


class Member:
    """One server. `host`: the address of its ports; `inside`: the command that runs another one where it lives."""

    def __init__(self, sid, work, implementation, observer=False):
        self.sid, self.implementation, self.observer = sid, implementation, observer
        self.host, self.inside = "127.0.0.1", []
        self.client_port, self.quorum_port, self.election_port = free_ports(3)
        self.dir = os.path.join(work, "member%d" % sid)
        self.data, self.cfg, self.log = (os.path.join(self.dir, name) for name in ("data", "zoo.cfg", "log"))
        self.proc, self.paused, self.mismatches_of_sync = None, False, 0
        os.makedirs(self.dir)

    def __repr__(self):
        return "member %d (%s)" % (self.sid, self.implementation)

    def configure(self, settings, servers):
        own = {"dataDir": self.data, "clientPort": self.client_port, "clientPortAddress": self.host}
        lines = ["%s=%s" % pair for pair in {**own, **settings}.items()]
        if self.observer:
            lines.append("peerType=observer")
        with open(self.cfg, "w") as f:
            f.write("\n".join(lines + servers) + "\n")

    def add(self, **settings):
        """Lines of its own, behind what it is configured with."""
        with open(self.cfg, "a") as f:
            f.write("".join("%s=%s\n" % pair for pair in settings.items()))

    def fresh(self):
        """An empty directory, but for `myid`."""
        shutil.rmtree(self.data, ignore_errors=True)
        os.makedirs(self.data)
        with open(os.path.join(self.data, "myid"), "w") as f:
            f.write("%d\n" % self.sid)

    def start(self):
        argv, env = command(self.implementation)
        self.proc = Proc(repr(self), self.inside + argv + [self.cfg], self.log, env=env)
        self.paused, self.mismatches_of_sync = False, 0

    def stop(self):
        self.proc.term(30)

    def kill(self):
        self.proc.kill()

    def pause(self):
        self.paused = True
        self.proc.stop()

    def resume(self):
        self.paused = False
        self.proc.signal(signal.SIGCONT)

    def alive(self):
        return self.proc is not None and self.proc.alive()

    def word(self, word):
        """The answer to a four-letter word, empty when there is none."""
        try:
            return "" if self.paused else four_letter(self.client_port, word, self.host)
        except OSError:
            return ""

    def srvr(self, field):
        """What `srvr` tells of a field, None when the member does not serve."""
        found = [line for line in self.word("srvr").splitlines() if line.startswith(field + ": ")]
        return found[0].split(": ", 1)[1] if found else None

    def mode(self):
        return self.srvr("Mode")

    def vouches_by_sync(self):
        """Whether who reads here after a sync sees all that was acknowledged anywhere.

        An official leader lets followers apply and acknowledge a write before it has applied it itself, and a client of its own
        has its sync answered meanwhile (seen on 3.9.5 with its thread held between the two). Where it is about to end, nobody knows."""
        return self.implementation == OXKEEPER or self.mode() in ("follower", "observer")

    def digest_mismatches(self):
        """How many it has counted since its start."""
        found = re.search(r"^zk_digest_mismatches_count\t(\d+)", self.word("mntr"), re.M)
        return int(found[1]) if found else 0

    def joined_from(self, leader):
        """Says that it has just joined, by a snapshot that `leader` sent under writes.

        Between two official servers what was counted until then is no fault of the ensemble: the leader sends all transactions
        behind the zxid that it announced, its snapshot may hold some of them already, and a learner that applies those once more
        compares the digest of each with that of a tree which is ahead of it (7 of 25 joins of 3.9.5 by itself)."""
        if OXKEEPER not in (self.implementation, leader.implementation):
            self.mismatches_of_sync = self.digest_mismatches()

    def serves(self):
        """Waits for it, or tells how the log ends."""
        until("%r serving" % self, lambda: not self.alive() or self.mode(), SERVES_S, 0.05)
        need(self.alive(), "%r ended; its log: %s" % (self, self.log_end()))

    def log_end(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-600:]

    def client(self, **kw):
        return ZkMini(self.client_port, self.host, **kw)


def by_itself(kind, work, configure):
    """A server without others; `configure` adds what it has for itself."""
    m = Member(1, work, kind)
    m.configure({"tickTime": 500, "maxClientCnxns": 0, "4lw.commands.whitelist": "*"}, [])
    m.fresh()
    configure(m)
    m.start()
    m.serves()
    return m


class Ensemble:
    """Voters, then observers, with ids from 1. Without `work`, in a directory of its own that goes with it.

    With a recorder (record.py), the lines of each member name its own ports, and for the others the proxies before theirs."""

    def __init__(self, voters, observers=(), recorder=None, work=None, **settings):
        self.work = work or tempfile.mkdtemp(prefix="ensemble")
        kinds = [*voters, *observers]
        self.members = {sid: Member(sid, self.work, kind, sid > len(voters)) for sid, kind in enumerate(kinds, 1)}
        self.recorder, self.own_work = recorder, work is None
        self.settings = {**SETTINGS, **settings}
        self.configure(self._proxies() if recorder else {})

    def configure(self, proxies={}):  # noqa: B006
        for m in self.members.values():
            m.configure(self.settings, [self._line(other, proxies if other is not m else {}) for other in self.members.values()])
            m.fresh()

    @staticmethod
    def _line(m, proxies):
        quorum, election = proxies.get(m.sid, (m.quorum_port, m.election_port))
        return "server.%d=%s:%d:%d%s" % (m.sid, m.host, quorum, election, ":observer" if m.observer else "")

    def _proxies(self):
        proxies = {}
        for sid, m in self.members.items():
            proxies[sid] = self.recorder.add("quorum", sid, m.quorum_port), self.recorder.add("election", sid, m.election_port)
            old, new = b"127.0.0.1:%d" % m.election_port, b"127.0.0.1:%d" % proxies[sid][1]
            need(len(old) == len(new), "ports of one length")
            self.recorder.rewrite[old] = new
        return proxies

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for m in self.alive():
            m.kill()
        if self.recorder:
            self.recorder.stop()
        if self.own_work and not os.environ.get("KEEP"):
            shutil.rmtree(self.work, ignore_errors=True)

    def __getitem__(self, sid):
        return self.members[sid]

    def __iter__(self):
        return iter(self.members.values())

    def alive(self):
        return [m for m in self if m.alive()]

    def voters(self):
        return [m for m in self if not m.observer]

    def start(self):
        """Starts whatever is down, lets go on what is paused, and waits until all serve."""
        for m in self:
            if m.alive():
                m.resume()
            else:
                m.start()
        self.serve()

    def serve(self, *members):
        """Until these members (all that run) serve, under one leader."""
        members = members or self.alive()
        for m in members:
            m.serves()
        until("one leader", self.leader, SERVES_S, 0.05)

    def leader(self):
        leading = [m for m in self.alive() if m.mode() == "leader"]
        need(len(leading) == 1, "one leader, not %s" % leading)
        return leading[0]

    def followers(self):
        return [m for m in self.alive() if m.mode() == "follower"]

    def quiet(self):
        """Until all members have the newest transaction."""
        def one_zxid():
            return len({m.srvr("Zxid") for m in self.alive()}) == 1
        until("one zxid on all", one_zxid, QUIET_S, 0.05)

    @staticmethod
    def transaction(m):
        """Makes one, through that member."""
        m.client(timeout=20).close()

    def lead(self, wanted):
        """Makes a voter the leader by ending others: the highest id wins among those that have the newest transaction. Another one may have seen
        one more of what clients write meanwhile: then again."""
        for _ in range(5):
            old = self.leader()
            if old is wanted:
                return
            self._unseat(old, wanted)
        raise Fail("%r does not come to lead" % wanted)

    def _unseat(self, old, wanted):
        rivals = [m for m in self.voters() if m.sid > wanted.sid and m is not old]
        # Without more than half of all there is no transaction. Who helps with it stays away from the election.
        spare = (len(self.voters()) - 1) // 2
        helpers, rivals = rivals[:-spare], rivals[-spare:]
        for m in rivals:
            m.kill()
        self.transaction(wanted)                                      # one that the rivals lack
        self.quiet()
        for m in (old, *helpers):
            m.kill()
        for m in rivals:
            m.start()
        until("another leader", self.leader, SERVES_S, 0.05)
        for m in (old, *helpers):
            m.start()
        self.serve()

    def strand(self, path="/stranded"):
        """Ends all members after a proposal that only the leader has; the others are started again. The old leader.

        The others sleep when it is made, and end without having read it."""
        leader = self.leader()
        others = [m for m in self.alive() if m is not leader]
        with leader.client(session_ms=60000) as client:
            self.quiet()
            for m in others:
                m.pause()
            client.s.settimeout(1)
            try:
                client.create(path)
            except OSError:
                pass
            for m in [leader, *others]:
                m.kill()
        for m in others:
            m.start()
        self.serve()
        return leader

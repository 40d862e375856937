#!/usr/bin/env python3
"""Hostile bytes on the quorum and election ports of three members of oxkeeper, while a client writes.

Asked of each attack: whoever makes no sense, or does not go on, is dropped in time; no member needs much more memory; nobody elects; no
write waits long; and where an attack goes on, a member joins meanwhile. Members of no other implementation are ever its target.

usage: hostile.py [--but ATTACK] [ATTACK ...]. The last line is `N passed, M failed`."""
import argparse
import contextlib
import multiprocessing
import os
import select
import signal
import socket
import struct
import sys
import time

from members import OXKEEPER, Ensemble, Member, free_ports, need, until
from zkmini import ZkMini

SETTINGS = {"initLimit": 10, "syncLimit": 6}
INIT_S, SYNC_S = 5, 3                           # whoever says nothing on a quorum port, and on an election port, is dropped after
AT_ONCE_S = 1.5                                 # whoever says nonsense
LATE_S = 2                                      # a busy machine
JOINS_S = 15
WRITE_MAX_S = 1.0
MORE_MAX_MIB = 96                               # of a member's memory, in one attack
MANY = 300

FOLLOWERINFO, OBSERVERINFO, REQUEST, ACK, PING, REVALIDATE, ACKEPOCH, LEADERINFO, PROPOSAL = 11, 16, 1, 3, 5, 6, 18, 17, 2
GUEST = 70                                      # the first id of those who are no members


# -- what is said

def packet(kind, zxid=0, data=None, identities=b"\xff\xff\xff\xff"):
    return struct.pack(">iqi", kind, zxid, -1 if data is None else len(data)) + (data or b"") + identities


def info(sid, kind=FOLLOWERINFO, epoch=0):
    return packet(kind, epoch << 32, struct.pack(">qiq", sid, 0x10000, 0))


def request(op, body, session=5, cxid=1):
    return packet(REQUEST, -1, struct.pack(">qii", session, cxid, op) + body, b"\0\0\0\0")


def hello(sid, text=b"127.0.0.1:1", version=-65536):
    return struct.pack(">qqi", version, sid, len(text)) + text


def notification(state=0, leader=2, zxid=0, round_=1, epoch=0, text=b""):
    body = struct.pack(">iqqqqi", state, leader, zxid, round_, epoch, 2) + struct.pack(">i", len(text)) + text
    return struct.pack(">i", len(body)) + body


# -- connections

def connect(port):
    s = socket.create_connection(("127.0.0.1", port), 5)
    s.settimeout(5)
    return s


def said(port, *pieces):
    """A connection that has said this. That it may have been dropped before the last piece is not held against anybody."""
    s = connect(port)
    with contextlib.suppress(OSError):
        for piece in pieces:
            s.sendall(piece)
    return s


def dropped(connections, within, what, drip=None):
    """Waits until all are ended by the other side, and tells when the last was. `drip`: a byte that each sends now and then."""
    began, left, next_drip = time.monotonic(), {s.fileno(): s for s in connections}, 0
    poll = select.poll()
    for number in left:
        poll.register(number, select.POLLIN)
    while left:
        now = time.monotonic() - began
        need(now < within, "%s: %d of %d are still there after %.1f s" % (what, len(left), len(connections), now))
        if drip and now >= next_drip:
            next_drip = now + 0.3
            for s in left.values():
                with contextlib.suppress(OSError):
                    s.send(drip)
        for number, _ in poll.poll(100):
            try:
                ended = not left[number].recv(65536)
            except OSError:
                ended = True
            if ended:
                poll.unregister(number)
                left.pop(number).close()
    return time.monotonic() - began


def election_ports(ensemble):
    return [m.election_port for m in ensemble if m.alive()]


def quorum_port(ensemble):
    return ensemble.leader().quorum_port


class Learner:
    """Goes through the handshake with a leader as far as is wanted."""

    def __init__(self, port, sid, kind=OBSERVERINFO):
        self.s = said(port, info(sid, kind))

    def asked(self):
        """LEADERINFO has come: its packet has four bytes of data."""
        head = self._take(12 + 4 + 4 + 4)
        need(struct.unpack(">i", head[:4])[0] == LEADERINFO, "LEADERINFO")
        self.epoch = struct.unpack(">q", head[4:12])[0] >> 32
        return self

    def proved(self, zxid=0):
        self.say(packet(ACKEPOCH, zxid, struct.pack(">i", 0)))
        return self

    def vouched(self):
        """Acknowledges NEWLEADER, whatever came before it."""
        self.say(packet(ACK, self.epoch << 32))
        return self

    def say(self, *packets):
        with contextlib.suppress(OSError):
            self.s.sendall(b"".join(packets))
        return self

    def _take(self, n):
        out = b""
        while len(out) < n:
            more = self.s.recv(n - len(out))
            need(more, "a connection that lasts")
            out += more
        return out


# -- who must not notice

def writes(port, pipe):
    """Sets a znode again and again until told to end; tells how long the longest took, and how many there were."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    longest, count, trouble = 0.0, 0, None
    try:
        with ZkMini(port, timeout=30, session_ms=30000) as client:
            path = client.create("/written-", b"", 2)
            pipe.send("begun")
            while not pipe.poll(0.002):
                began = time.monotonic()
                client.set(path, b"%d" % count)
                longest, count = max(longest, time.monotonic() - began), count + 1
            client.delete(path)
    except Exception as e:  # noqa: BLE001
        trouble = "%s: %s" % (type(e).__name__, e)
    pipe.send((longest, count, trouble))


def resident_mib(m):
    with open("/proc/%d/status" % m.proc.p.pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) // 1024


def forget_peak(m):
    with open("/proc/%d/clear_refs" % m.proc.p.pid, "w") as f:
        f.write("5")


class Masters(Ensemble):
    """Members that serve observers, each on a port of its own."""

    def configure(self, proxies={}):  # noqa: B006
        super().configure(proxies)
        for m, port in zip(self, free_ports(len(self.members))):
            m.observer_port = port
            m.add(observerMasterPort=port)


class Undisturbed:
    """Holds an attack against what an ensemble owes its clients meanwhile."""

    def __init__(self, ensemble, elects=False):
        self.ensemble, self.elects, self.summary = ensemble, elects, ""

    def __enter__(self):
        self.leader = self.ensemble.leader()
        self.epoch = self._epoch()
        self.members = self.ensemble.alive()
        for m in self.members:
            forget_peak(m)
        self.before = {m.sid: resident_mib(m) for m in self.members}
        self.pipe, theirs = multiprocessing.Pipe()
        follower = next(m for m in self.ensemble.followers() if m.implementation == OXKEEPER)
        self.writer = multiprocessing.Process(target=writes, args=(follower.client_port, theirs), daemon=True)
        self.writer.start()
        theirs.close()
        need(self.pipe.poll(20) and self.pipe.recv() == "begun", "a client that writes")
        return self

    def __exit__(self, kind, *_):
        try:
            # Where there was an election, it may have ended by itself.
            with contextlib.suppress(BrokenPipeError):
                self.pipe.send("end")
            need(self.pipe.poll(30), "a write that is answered within 30 s")
            longest, count, trouble = self.pipe.recv()
        finally:
            self.writer.kill()
            self.writer.join()
        if kind is None:
            self._judge(longest, count, trouble)

    def _judge(self, longest, count, trouble):
        for m in self.members:
            need(m.alive(), "%r lives; its log: %s" % (m, m.log_end()))
        more = max(resident_mib(m) - self.before[m.sid] for m in self.members)
        self.summary = "%d writes, longest %d ms, %d MiB more" % (count, longest * 1000, more)
        need(more <= MORE_MAX_MIB, "at most %d MiB more, not %d" % (MORE_MAX_MIB, more))
        if self.elects:
            return
        need(trouble is None, "a client without trouble, not %s" % trouble)
        need(self.ensemble.leader() is self.leader and self._epoch() == self.epoch, "no election")
        need(longest <= WRITE_MAX_S, "no write of %.1f s" % longest)

    def _epoch(self):
        return int(self.ensemble.leader().srvr("Zxid"), 16) >> 32


def joins(ensemble, m):
    """An emptied member comes back, and has everything."""
    m.kill()
    m.fresh()
    began = time.monotonic()
    m.start()
    until("%r joining" % m, m.mode, JOINS_S, 0.02)
    return time.monotonic() - began


def politely(target, *args):
    """What an attacker does on its own machine costs members nothing."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.nice(15)
    target(*args)


@contextlib.contextmanager
def floods(target, *args):
    """Something that is done again and again, as fast as one process can."""
    process = multiprocessing.Process(target=politely, args=(target, *args), daemon=True)
    process.start()
    try:
        yield process
        need(process.is_alive(), "the flood goes on to the end")
    finally:
        process.kill()
        process.join()


def noise(ports, *texts):
    """Connects, says one of these, and leaves or stays, without end."""
    kept, n = [], 0
    while True:
        for port in ports:
            with contextlib.suppress(OSError):
                s = socket.create_connection(("127.0.0.1", port), 1)
                s.sendall(texts[n % len(texts)])
                kept.append(s)
            n += 1
        while len(kept) > 400:
            kept.pop(0).close()


def says(port, first, again):
    """Says something once, and something else without end; comes back when it was dropped."""
    while True:
        with contextlib.suppress(OSError), connect(port) as s:
            s.settimeout(None)
            s.sendall(first)
            while True:
                s.sendall(again)


# -- attacks: what is done, and what is asserted beside what Undisturbed does

def silent(ensemble):
    """Hundreds of connections on each port that say nothing."""
    elections = [connect(port) for port in election_ports(ensemble) for _ in range(MANY)]
    quorum = [connect(quorum_port(ensemble)) for _ in range(MANY)]
    first = dropped(elections, SYNC_S + LATE_S, "silent ones on election ports")
    return "dropped after %.1f and %.1f s" % (first, dropped(quorum, INIT_S + LATE_S, "silent ones on the quorum port"))


def dripping(ensemble):
    """Never silent for long, and never done."""
    elections = [said(port, hello(2, b"x" * 2000)[:20]) for port in election_ports(ensemble) for _ in range(80)]
    quorum = [said(quorum_port(ensemble), packet(FOLLOWERINFO, 0, b"x" * 900)[:20]) for _ in range(80)]
    return "dropped after %.1f s" % dropped(elections + quorum, max(INIT_S, SYNC_S) + LATE_S, "those that drip", b"x")


def half(ensemble):
    """Hellos and first packets that end early."""
    def cut(port, text):
        for n in (1, 7, 8, 9, 16, 19, 20, len(text) - 1):
            s = said(port, text[:n])
            s.shutdown(socket.SHUT_WR)
            yield s
    cuts = [s for port in election_ports(ensemble) for s in cut(port, hello(2)) for _ in range(5)]
    cuts += [s for _ in range(20) for s in cut(quorum_port(ensemble), info(2))]
    return "dropped after %.1f s" % dropped(cuts, AT_ONCE_S, "halves")


HELLOS = {
    "an address that is none": [hello(80, text) for text in (b"nowhere", b":1", b"a:b", b"a:70000", b"|", b"a:1|", b"[::1", b"\xff\xfe:1", b"a:-1")],
    "a length that is none": [struct.pack(">qqi", -65536, 80, n) for n in (0, -1, 2049, 0x7fffffff, -0x80000000)],
    "a version that is none": [struct.pack(">q", n) for n in (-1, -65537, -65534, -0x8000000000000000)],
    "its own id": [],
    "no member, and nowhere": [struct.pack(">q", 0)],
    "something else": [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 100, b"ruok" * 20, b"\xff" * 4096],
}

FIRST_PACKETS = {
    "a length that is none": [struct.pack(">iqi", FOLLOWERINFO, 0, n) for n in (-2, 0x7fffffff, -0x80000000, 5000)],
    "identities without end": [packet(FOLLOWERINFO, 0, b"x" * 20, struct.pack(">i", n)) for n in (0x7fffffff, -5, 1 << 20)],
    "no data": [packet(FOLLOWERINFO), packet(OBSERVERINFO, 0, b""), packet(FOLLOWERINFO, 0, b"x" * 5)],
    "another packet": [packet(kind, 1, b"x" * 30) for kind in (REQUEST, ACK, PING, REVALIDATE, ACKEPOCH, LEADERINFO, PROPOSAL, 0, -1, 99)],
    "something else": HELLOS["something else"],
}


def nonsense(ensemble):
    """Hellos and first packets that are none: whoever says them is dropped at once."""
    count = 0
    for m in ensemble:
        for what, hellos in {**HELLOS, "its own id": [hello(m.sid)]}.items():
            dropped([said(m.election_port, text) for text in hellos], AT_ONCE_S, "%s, to member %d" % (what, m.sid))
            count += len(hellos)
    for what, packets in FIRST_PACKETS.items():
        dropped([said(quorum_port(ensemble), text) for text in packets], AT_ONCE_S, what)
        count += len(packets)
    return "%d kinds" % count


def bad_notifications(ensemble):
    """Of a guest: a length that none has ends the connection; what makes no sense otherwise does not, and harms nobody."""
    lengths = [struct.pack(">i", n) for n in (0, -1, 0x80001, 0x7fffffff, -0x80000000)]
    bodies = [b"x", b"\0" * 27, b"\xff" * 40, b"\xff" * 100, notification(9)[4:], notification(text=b"\xff" * 1000)[4:],
              notification(text=b"server.1=::::\nversion=ffffffffffffffff")[4:], notification()[4:48] + struct.pack(">i", 0x7fffffff)]
    framed = b"".join(struct.pack(">i", len(body)) + body for body in bodies)
    for n, port in enumerate(election_ports(ensemble)):
        for text in lengths:
            dropped([said(port, hello(GUEST + n), framed, text)], AT_ONCE_S, "a length of %r" % text)
    return "%d lengths, %d bodies" % (len(lengths), len(bodies))


def votes(ensemble):
    """Floods of them, of guests and of those who say that they are members: of huge rounds and zxids, for anybody, with long texts."""
    huge = (1 << 63) - 1
    kinds = [notification(0, leader, huge, huge, huge) for leader in (1, 2, 3, GUEST, -1, huge)]
    kinds += [notification(state, 2, 0, round_, -1) for state in (0, 1, 2, 3) for round_ in (-1, 0, 1, huge)]
    flood = b"".join(kinds) * 20
    long = notification(text=b"server.9=" * 50000)
    with contextlib.ExitStack() as stack:
        for m in ensemble:
            stack.enter_context(floods(says, m.election_port, hello(GUEST), flood))
        other = 1 if ensemble.leader().sid == 3 else 3
        stack.enter_context(floods(says, ensemble.leader().election_port, hello(other), flood))
        stack.enter_context(floods(says, ensemble.leader().election_port, hello(GUEST + 1), long))
        time.sleep(5)
    return "for 5 s"


def out_of_order(ensemble):
    """Packets of learners where they have no meaning: that link ends, and no other."""
    port, ids = quorum_port(ensemble), iter(range(200, 400))
    every = {"ACK": packet(ACK, 1), "REQUEST": request(1, b""), "PING": packet(PING, 1, b""), "REVALIDATE": packet(REVALIDATE, 0, b"x" * 12)}
    wrong = [said(port, info(next(ids)), text) for text in every.values()]
    wrong += [Learner(port, next(ids)).asked().say(text).s for text in [*every.values(), info(next(ids))]]
    wrong += [Learner(port, next(ids)).asked().proved().say(text).s for text in (info(next(ids)), packet(ACKEPOCH, 0, b"\0\0\0\0"))]
    wrong += [Learner(port, next(ids)).asked().say(packet(ACKEPOCH, 0, data)).s for data in (None, b"", b"xx")]
    broken = [packet(REQUEST, 0, b"short"), packet(REVALIDATE, 0, b"x"), packet(PING, 0, b"x" * 13), packet(ACK, 0, None, struct.pack(">i", 0x7fffffff)),
              struct.pack(">iqi", REQUEST, 0, 0x7fffffff), struct.pack(">iqi", REQUEST, 0, -9)]
    wrong += [Learner(port, next(ids)).asked().proved().vouched().say(text).s for text in broken]
    return "%d, dropped after %.1f s" % (len(wrong), dropped(wrong, AT_ONCE_S, "packets out of order"))


def strange_requests(ensemble):
    """Well-formed packets of an observer whose contents are nonsense: the leader goes on, and tells nobody anything else."""
    learner = Learner(quorum_port(ensemble), GUEST).asked().proved().vouched()
    huge = (1 << 63) - 1
    learner.say(*(request(op, body, session) for session in (0, -1, huge, 77) for op in (-11, -10, 0, 1, 5, 9, 14, 16, 21, 99, -100, 0x7fffffff)
                  for body in (b"", b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff" * 3, b"\xff" * 200)))
    learner.say(*(packet(REVALIDATE, 0, struct.pack(">qi", session, timeout)) for session in (0, -1, huge) for timeout in (0, -1, 0x7fffffff, -0x80000000)))
    learner.say(packet(PING, 0, b"".join(struct.pack(">qi", session, timeout) for session in (0, -1, huge) for timeout in (0, -1, 0x7fffffff))))
    learner.say(packet(77, 1, b"x"), packet(ACK, -1))
    with ensemble.leader().client(timeout=10) as client:
        client.sync()
    return "dropped %.1f s after an ACK of what nobody has proposed" % dropped([learner.say(packet(ACK, huge)).s], AT_ONCE_S, "it")


def requests(ensemble):
    """Floods of them, of observers that read nothing of what they are sent: large ones, small ones, syncs, pings, sessions asked for."""
    return flooded(quorum_port(ensemble))


def requests_at_a_master(ensemble):
    """The same at a follower that serves observers, while the leader stands still for moments: the follower's own link to it stays."""
    master = ensemble.followers()[0]
    before = losses(master)
    seen = flooded(master.observer_port, lambda: stands_still(ensemble.leader()))
    need(losses(master) == before, "a follower that keeps its leader")
    return seen


def losses(m):
    """How many times it has lost its leader."""
    with open(m.log, errors="replace") as f:
        return f.read().count("there is no leader any more")


def stands_still(m):
    """For a moment."""
    m.pause()
    time.sleep(0.3)
    m.resume()


def flooded(port, meanwhile=lambda: None):
    kinds = (request(1, b"x" * 1000000), request(1, b"") * 3000, request(9, b"\0\0\0\1/") * 3000, packet(PING, 0, b"x" * 12 * 80000),
             packet(REVALIDATE, 0, b"x" * 12) * 3000)
    with contextlib.ExitStack() as stack:
        for n, text in enumerate(kinds):
            stack.enter_context(floods(observes, port, GUEST + n, text))
        for _ in range(3):
            time.sleep(1.5)
            meanwhile()
        time.sleep(1.5)
    return "for 6 s"


def observes(port, sid, again):
    """An observer that says something without end, comes back when it was dropped, and reads only while it joins."""
    while True:
        with contextlib.suppress(Exception):
            learner = Learner(port, sid).asked().proved().vouched()
            learner.s.settimeout(None)
            while True:
                learner.s.sendall(again)


def large(ensemble):
    """Something to send."""
    with ensemble.leader().client(timeout=20) as client:
        client.create("/large")
        for n in range(48):
            client.create("/large/%d" % n, b"x" * 1000000)


def descriptors(m):
    return len(os.listdir("/proc/%d/fd" % m.proc.p.pid))


def takes_nothing(ensemble):
    """Learners that ask for all that there is and read nothing: no more are sent it than may be, and they are dropped. That shows at
    the leader alone: whoever does not read does not see an end."""
    leader = ensemble.leader()
    before, began = descriptors(leader), time.monotonic()
    learners = [Learner(leader.quorum_port, 1000 + n).asked().proved() for n in range(60)]
    need(descriptors(leader) > before, "learners at the leader")
    until("the end of learners that take nothing", lambda: descriptors(leader) <= before, INIT_S + LATE_S, 0.1)
    for learner in learners:
        learner.s.close()
    return "dropped after %.1f s" % (time.monotonic() - began)


def crowd(ensemble):
    """More learners than there may be, each of which says who it is and nothing else. A member joins meanwhile."""
    port, m = quorum_port(ensemble), ensemble.followers()[-1]
    m.kill()
    crowd = [said(port, info(1000 + n, OBSERVERINFO)) for n in range(1200)]
    crowd += [said(port, info(sid)) for sid in (1, 2, 3, 2000) for _ in range(100)]
    joined = joins(ensemble, m)
    for s in crowd:
        s.close()
    return "joined after %.1f s" % joined


def guests(ensemble):
    """Those who are no members, stay on the election ports, and say nothing. One that is no member yet finds its leader meanwhile."""
    kept = [said(port, hello(GUEST + n)) for port in election_ports(ensemble) for n in range(40)]
    new = Member(4, ensemble.work, OXKEEPER, observer=True)
    new.configure(ensemble.settings, ["server.%d=127.0.0.1:%d:%d%s" % (m.sid, m.quorum_port, m.election_port, ":observer" if m is new else "")
                                      for m in [*ensemble, new]])
    new.fresh()
    began = time.monotonic()
    new.start()
    try:
        until("one that is no member yet observing", lambda: new.mode() == "observer", JOINS_S, 0.02)
    finally:
        new.kill()
        for s in kept:
            s.close()
    return "after %.1f s" % (time.monotonic() - began)


def connects(ensemble):
    """Floods of connections, that say all kinds of things. A member joins meanwhile."""
    texts = [b"", b"x", hello(GUEST), hello(80, b"nowhere"), b"\xff" * 40, info(GUEST), packet(ACK), hello(2)[:9]]
    with floods(noise, [*election_ports(ensemble), quorum_port(ensemble)], *texts):
        time.sleep(1)
        return "joined after %.1f s" % joins(ensemble, ensemble.followers()[-1])


def election(ensemble):
    """The leader ends under such floods: another one leads soon, and the old one follows."""
    texts = [b"", b"x", hello(80, b"nowhere"), b"\xff" * 40, hello(GUEST + 5) + notification(0, GUEST + 5, 1 << 60, 1 << 40, 9), hello(2)[:9]]
    old = ensemble.leader()
    with floods(noise, election_ports(ensemble), *texts), floods(says, ensemble.followers()[0].election_port, hello(GUEST), notification(0, 2, 1, 1 << 50) * 100):
        time.sleep(1)
        old.kill()
        began = time.monotonic()
        until("another leader", ensemble.leader, JOINS_S, 0.02)
        led = time.monotonic() - began
        old.start()
        until("the old leader following", lambda: old.mode() == "follower", JOINS_S, 0.02)
    return "led after %.1f s" % led


ELECT = (election,)
BEFORE = {takes_nothing: large}
ATTACKS = (silent, dripping, half, nonsense, bad_notifications, votes, out_of_order, strange_requests, requests, requests_at_a_master, takes_nothing, crowd, guests,
           connects, election)


def endured(ensemble, attack):
    began = time.monotonic()
    try:
        BEFORE.get(attack, lambda _: None)(ensemble)
        with Undisturbed(ensemble, elects=attack in ELECT) as others:
            seen = attack(ensemble)
        print("ok    %s (%.1f s): %s; %s" % (attack.__name__, time.monotonic() - began, seen, others.summary), flush=True)
        return True
    except Exception as e:  # noqa: BLE001
        print("FAIL  %s (%.1f s): %s" % (attack.__name__, time.monotonic() - began, e), flush=True)
        return False


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))           # so that the members are ended
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--but", action="append", default=[], metavar="ATTACK", help="one that is left out")
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=", ".join(attack.__name__ for attack in ATTACKS))
    args = parser.parse_args()
    wanted = [a for a in ATTACKS if a.__name__ not in args.but and (not args.attacks or a.__name__ in args.attacks)]
    with Masters([OXKEEPER] * 3, **SETTINGS) as ensemble:
        ensemble.start()
        outcomes = [endured(ensemble, attack) for attack in wanted]
    print("%d passed, %d failed" % (outcomes.count(True), outcomes.count(False)))
    sys.exit(0 if all(outcomes) else 1)


if __name__ == "__main__":
    main()

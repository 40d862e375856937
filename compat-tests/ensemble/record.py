#!/usr/bin/env python3
"""Recording TCP proxies between the members of an ensemble, on loopback, and what was said through them as packets.

usage: record.py [IMPLEMENTATION]: oxkeeper or the version of an official server (3.9.5), see members.py

Runs three members and an observer with a proxy in front of each quorum and election port, takes them through an election,
writes, PINGs, a session that moves, synchronisation by DIFF, SNAP and TRUNC, and a change of the ensemble, and prints each
conversation, one packet a line: name, zxid, length and bytes. What it gives judges as a module: see README.md."""
import socket
import struct
import sys
import threading
import time

from members import Ensemble, free_ports, need, until

TYPES = {1: "REQUEST", 2: "PROPOSAL", 3: "ACK", 4: "COMMIT", 5: "PING", 6: "REVALIDATE", 7: "SYNC", 8: "INFORM",
         9: "COMMITANDACTIVATE", 10: "NEWLEADER", 11: "FOLLOWERINFO", 12: "UPTODATE", 13: "DIFF", 14: "TRUNC", 15: "SNAP",
         16: "OBSERVERINFO", 17: "LEADERINFO", 18: "ACKEPOCH", 19: "INFORMANDACTIVATE"}
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, TCP_LISTEN = 4, 20, 0x301, 10          # of the Linux headers
LOOK_S = 0.02
SIGNATURE = b"\0\0\0\x0aBenWasHere"


class Packet:
    """One packet of the quorum port, one hello or notification of the election port, or the stream behind SNAP."""

    def __init__(self, name, raw, zxid=None, data=None):
        self.name, self.raw, self.zxid, self.data = name, raw, zxid, data

    def __repr__(self):
        zxid = "" if self.zxid is None else " zxid=%#x" % self.zxid
        raw = self.raw.hex() if len(self.raw) <= 600 else self.raw[:600].hex() + "..."
        return "%s%s %d bytes %s" % (self.name, zxid, len(self.raw), raw)


def quorum_packets(stream):
    """The packets of one direction of a quorum connection; what is incomplete at the end is left out."""
    at, out = 0, []
    try:
        while at < len(stream):
            start = at
            kind, zxid, length = struct.unpack_from(">iqi", stream, at)
            at += 16
            data = None if length < 0 else stream[at:at + length]
            at += max(length, 0)
            (ids,) = struct.unpack_from(">i", stream, at)
            at += 4
            for _ in range(2 * max(ids, 0)):
                (length,) = struct.unpack_from(">i", stream, at)
                at += 4 + max(length, 0)
            if at > len(stream):
                break
            out.append(Packet(TYPES.get(kind, "UNKNOWN%d" % kind), stream[start:at], zxid, data))
            if kind == 15:
                end = stream.find(SIGNATURE, at)
                if end < 0:
                    break
                out.append(Packet("STREAM", stream[at:end + len(SIGNATURE)]))
                at = end + len(SIGNATURE)
    except struct.error:
        pass
    return out


def election_packets(stream, dialed):
    """The hello, if this is the side that dialed, and the notifications with their lengths in front."""
    at, out = 0, []
    try:
        if dialed and stream:
            (version,) = struct.unpack_from(">q", stream)
            at = 8 if version >= 0 else 20 + struct.unpack_from(">i", stream, 16)[0]
            out.append(Packet("HELLO", stream[:at]))
        while at < len(stream):
            (length,) = struct.unpack_from(">i", stream, at)
            if at + 4 + length > len(stream):
                break
            out.append(Packet("NOTIFICATION", stream[at:at + 4 + length]))
            at += 4 + length
    except struct.error:
        pass
    return out


class Conversation:
    """One connection: what the side that dialed said, and what it was told."""

    def __init__(self, kind, to):
        self.kind, self.to = kind, to
        self.said, self.told = bytearray(), bytearray()

    def learner(self):
        """The id of who dialed a quorum port."""
        said = quorum_packets(bytes(self.said))
        return struct.unpack_from(">q", said[0].data)[0] if said and said[0].name in ("FOLLOWERINFO", "OBSERVERINFO") else None

    def packets(self):
        said, told = bytes(self.said), bytes(self.told)
        if self.kind == "quorum":
            return quorum_packets(said), quorum_packets(told)
        return election_packets(said, True), election_packets(told, False)


def listening():
    """The TCP ports that somebody listens on, as the kernel's socket diagnosis tells them."""
    found = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as s:
        for family in (socket.AF_INET, socket.AF_INET6):
            s.send(struct.pack("=IHHIIBBBBI48x", 72, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, 1, 0, family, socket.IPPROTO_TCP, 0, 0, 1 << TCP_LISTEN))
            more = True
            while more:
                piece, at = s.recv(1 << 16), 0
                while more and at < len(piece):
                    length, kind = struct.unpack_from("=IH", piece, at)
                    more = kind == SOCK_DIAG_BY_FAMILY
                    if more:
                        found.add(struct.unpack_from(">H", piece, at + 20)[0])
                    at += length + 3 & ~3
    return found


class Recorder:
    """Proxies that write down what passes. Each refuses connections while the port behind it does: members try again what is refused,
    but take an end for an end. `rewrite`: addresses in hellos that have to become those of proxies, so that members who dial back do it
    through one; old and new have the same length."""

    def __init__(self):
        self.rewrite, self.open = {}, set()
        self.conversations = []
        self.ports, self.ended = listening(), False
        self._thread(self._look)

    def add(self, kind, to, port):
        """Listens for the port of a member; the proxy's port."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", *free_ports(1)))                # one that it names it keeps when it is shut down
        self._thread(self._serve, listener, kind, to, port)
        return listener.getsockname()[1]

    def stop(self):
        self.ended = True
        for s in list(self.open):
            self._end(s)

    @staticmethod
    def _thread(run, *args):
        threading.Thread(target=run, args=args, daemon=True).start()

    @staticmethod
    def _end(s):
        """Wakes the thread that waits for it, too."""
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        s.close()

    def synchronised(self, sid, since):
        """What a learner was told before NEWLEADER, each time that it was told that in the conversations since that number; nothing
        before it is up to date."""
        joined, names = [], []
        for conversation in self.conversations[since:]:
            if conversation.kind == "quorum" and conversation.learner() == sid:
                told = conversation.packets()[1]
                names = [p.name for p in told]
                if "NEWLEADER" in names:
                    joined.append(told[1:names.index("NEWLEADER")])
        return joined if "UPTODATE" in names else []

    def _look(self):
        while not self.ended:
            self.ports = listening()
            time.sleep(LOOK_S)

    def _serve(self, listener, kind, to, port):
        """A socket that is bound, but does not listen, refuses; on Linux a listener that is shut down is such a socket again."""
        listens = False
        listener.settimeout(LOOK_S)
        while not self.ended:
            if listens != (port in self.ports):
                listens = not listens
                listener.listen() if listens else listener.shutdown(socket.SHUT_RDWR)
            elif listens:
                self._accept(listener, kind, to, port)
            else:
                time.sleep(LOOK_S)
        listener.close()

    def _accept(self, listener, kind, to, port):
        try:
            here, _ = listener.accept()
        except TimeoutError:
            return
        here.settimeout(None)
        try:
            there = socket.create_connection(("127.0.0.1", port), 5)
        except OSError:
            here.close()
            return
        there.settimeout(None)
        self.open |= {here, there}
        conversation = Conversation(kind, to)
        self.conversations.append(conversation)
        self._thread(self._pass, here, there, conversation.said, self.rewrite if kind == "election" else {})
        self._thread(self._pass, there, here, conversation.told, {})

    def _pass(self, source, target, record, rewrite):
        try:
            while True:
                piece = source.recv(1 << 16)
                if not piece:
                    break
                if not record:
                    for old, new in rewrite.items():
                        piece = piece.replace(old, new)
                record += piece
                target.sendall(piece)
        except OSError:
            pass
        for s in (source, target):
            self.open.discard(s)
            self._end(s)


class Listener:
    """A learner of our own, outside of the configuration, that takes part in the handshake and then only listens."""

    def __init__(self, port, sid, observer):
        self.s = socket.create_connection(("127.0.0.1", port), 10)
        self.s.settimeout(30)
        self.told = b""
        info = struct.pack(">qiq", sid, 0x10000, 0)
        self._tell(16 if observer else 11, 0, info)
        self.until("LEADERINFO")
        self._tell(18, 0, struct.pack(">i", 0))
        epoch = self.until("NEWLEADER").zxid
        self._tell(3, epoch)
        self.until("UPTODATE")
        self._tell(3, epoch)

    def _tell(self, kind, zxid, data=None):
        body = b"\xff" * 4 if data is None else struct.pack(">i", len(data)) + data
        self.s.sendall(struct.pack(">iq", kind, zxid) + body + b"\xff" * 4)

    def until(self, name):
        """The first packet of that name; waits for it."""
        while True:
            found = [p for p in quorum_packets(self.told) if p.name == name]
            if found:
                return found[0]
            piece = self.s.recv(1 << 16)
            need(piece, "the link ended before " + name)
            self.told += piece


def reconfigured(implementation):
    """Packets of a change of the ensemble. Members that take it up need one configuration, so no proxies are between them."""
    print("== reconfig -remove 1")
    with Ensemble([implementation] * 3, reconfigEnabled="true", skipACL="yes") as ensemble:
        ensemble.start()
        leader = ensemble.leader()
        follower, observer = (Listener(leader.quorum_port, sid, sid == 9) for sid in (8, 9))
        with leader.client() as client:
            client._call(16, client._buf(None) + client._str("1" if leader.sid != 1 else "2") + client._buf(None) + struct.pack(">q", -1))
        for listener, last in ((follower, "COMMITANDACTIVATE"), (observer, "INFORMANDACTIVATE")):
            listener.until(last)
            print("-- told to a " + ("follower" if listener is follower else "observer"))
            for packet in quorum_packets(listener.told):
                print("<", packet)
            listener.s.close()


def shown(recorder, title, start):
    """Prints what was said since the conversation of that number."""
    print("== " + title)
    for conversation in recorder.conversations[start:]:
        said, told = conversation.packets()
        if said or told:
            print("-- %s port of %d" % (conversation.kind, conversation.to))
        for mark, packets in ((">", said), ("<", told)):
            for packet in packets:
                print(mark, packet)


def tour(implementation):
    recorder = Recorder()
    with Ensemble([implementation] * 3, [implementation], recorder) as ensemble:
        ensemble.start()
        first, second = ensemble.followers()
        client = first.client(session_ms=8000)
        client.create("/a", b"one")
        client.auth("digest", "alice:secret")
        client.set("/a", b"two")
        client.create("/a/e", b"", 1)
        client.sync("/a")
        need(client.get("/a")[0] == b"two", "what was written")
        moved = until("a member that has what the client has seen", lambda: client.renewed(second.client_port, session_ms=8000), 20, 0.02)
        need(moved.get("/a")[0] == b"two", "what was written, elsewhere")
        pings = [c for c in recorder.conversations if c.kind == "quorum"]
        touched = lambda: [p for c in pings for p in c.packets()[0] if p.name == "PING" and p.data]  # noqa: E731
        until("a PING that reports a session", touched, 20, 0.1)
        shown(recorder, "three members and an observer: election, a session and its requests, its move", 0)

        for title, fresh in (("the same follower, two writes behind", False), ("the same, empty", True)):
            start = len(recorder.conversations)
            first.kill()
            with ensemble.leader().client() as other:
                other.set("/a", b"three")
                other.set("/a", b"four")
            if fresh:
                first.fresh()
            first.start()
            first.serves()
            shown(recorder, title, start)

        start = len(recorder.conversations)
        ensemble.strand()
        ensemble.start()
        shown(recorder, "the old leader, with a proposal that nobody else has", start)


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "3.9.5"
    tour(chosen)
    if not chosen.startswith("3.4."):
        reconfigured(chosen)

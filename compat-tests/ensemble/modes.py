#!/usr/bin/env python3
"""Modes of a member, as clients and operators see them: read-only mode, local sessions, an observer without a disk. The same script is played on an ensemble of official
members and on one of ours; what both tell must be the same, but for what is listed here.

usage: modes.py [--kinds 3.9.5,oxkeeper] [MODE ...]     A kind may be three members, as 3.9.5/3.9.5/oxkeeper. The last line is `N passed, M failed`."""
import argparse
import os
import re
import signal
import sys
import time

from members import OXKEEPER, Cases, Ensemble, Member, judged, need, until
from reconfig import changed, line
from zkmini import ZkError

MODES = mode = Cases()
SHORT_MS, LONG_MS, SOON_S = 2000, 60000, 20

# Facts that differ on purpose, and why.
LOCAL_LIVES = "a local session lives as long as its member and its time-out"
KEPT = "a client that waits for no write keeps its connection"
HOLE = "an official observer without a disk that gets a vote logs behind what was in memory alone: a restart loses that, and it may lead all the same"
DELIBERATE = {
    "a session without localSessionsEnabled": "official servers since 3.7 answer its handshake with an error, and the client has no session",
    "its session after the partition": LOCAL_LIVES,
    "a local session after its leader": LOCAL_LIVES,
    "a connection when another member leads": KEPT,
    "what it lacks with a vote, when it was killed": HOLE,
    "what it lacks with a vote, under the other implementation": HOLE,
    "what it lacks with a vote, under its own implementation": HOLE,
}


def answer(attempt):
    """What a client gets: an answer, an error, the end of the connection."""
    try:
        return attempt() or "done"
    except ZkError as error:
        return error.code
    except ConnectionError:
        return "closed"
    except TimeoutError:
        return "no answer"


def session(m, **kw):
    """What becomes of a handshake: whether the session is read-only."""
    def attempt():
        with m.client(timeout=5, **kw) as client:
            return "read-only" if client.read_only else "read and write"
    return answer(attempt)


def mntr(m):
    return dict(line.split("\t", 1) for line in m.word("mntr").splitlines() if "\t" in line)


def shape(text):
    """A word's answer without ids, times and addresses."""
    text = re.sub(r"0x[0-9a-f]+", "ID", text)
    text = re.sub(r"expire at .*:", "expire at DATE:", text)
    return re.sub(r"ip: \S+", "ip: ADDRESS", text)


def sessions(m):
    """The part of `dump` that tells of sessions. Buckets that are empty stay until they are due, officially."""
    lines = shape(m.word("dump")).split("ephemeral nodes")[0].splitlines()
    lines = [line for line in lines if not line.startswith("0 expire")]
    return [re.sub(r"Sets \(\d+\)", "Sets (N)", line) for line in lines]


def settings(m):
    return [line.split("=")[0] for line in m.word("conf").splitlines()]


def figures(m):
    found = mntr(m)
    return {key: found.get("zk_" + key) for key in ("local_sessions", "global_sessions")}


def one_of_each(ensemble):
    """A member in each role."""
    return {m.mode(): m for m in ensemble}.values()


def rest(ensemble, m):
    """The other members, in the order of their roles: who leads may be another one each time."""
    return sorted((other for other in ensemble if other is not m), key=Member.mode)


def partition(ensemble):
    """Ends all members but a follower, which remains."""
    m = ensemble.followers()[0]
    for other in ensemble:
        if other is not m:
            other.kill()
    until("%r noticing" % m, lambda: m.mode() != "follower", SOON_S, 0.01)
    return m


WRITES = {
    "create": lambda c: c.create("/written"), "create2": lambda c: c.create2("/written"), "an ephemeral": lambda c: c.create("/written", b"", 1),
    "a container": lambda c: c.create_container("/written"), "set": lambda c: c.set("/read", b"new"), "delete": lambda c: c.delete("/read"),
    "setACL": lambda c: c.set_acl("/read", [(31, "world", "anyone")]), "multi": lambda c: c.multi(("check", "/read", -1)),
    "sync": lambda c: c.sync(), "reconfig": lambda c: c.reconfig(leaving="1"),
}


@mode
def read_only(ensemble, tell):
    """A member that is cut off serves those who only read, and comes back."""
    with ensemble.leader().client(timeout=20, session_ms=LONG_MS) as client:
        client.create("/read", b"data")
        client.create("/ephemeral", b"", 1)                            # what makes the session global
        glob = {"session_id": client.session_id, "password": client.password}
        client.s.close()
    ensemble.quiet()
    m = ensemble.followers()[0]
    tell("isro before", m.word("isro"))
    tell("conf before", settings(m))
    m = partition(ensemble)
    since = time.monotonic()
    tell("isro without a leader", m.word("isro"))
    tell("srvr without a leader", m.word("srvr"))
    until("%r in read-only mode" % m, lambda: m.word("isro") == "ro", SOON_S, 0.02)
    waited = time.monotonic() - since
    tell("waits two seconds", 1.5 < waited < 3.5 or waited)
    tell("srvr", [re.sub(r"version: .*", "version", line) for line in m.word("srvr").splitlines() if "READ" in line or "Mode" in line or "ersion" in line])
    tell("stat", [line for line in m.word("stat").splitlines() if "READ" in line or "Mode" in line])
    tell("conf", settings(m))
    told = mntr(m)
    tell("mntr", [told.get("zk_" + key) for key in ("server_state", "peer_state", "quorum_size", "synced_followers")])
    tell("ruok", m.word("ruok"))
    tell("a session for writing", session(m))
    tell("a session of the ensemble", session(m, read_only=True, **glob))
    tell("one that nobody knows", session(m, read_only=True, session_id=77))
    tell("a client that has seen more", session(m, read_only=True, last_zxid=1 << 40))
    try:
        client = m.client(timeout=5, read_only=True, session_ms=SHORT_MS)
    except (ZkError, OSError) as error:
        return tell("no session", str(error))
    tell("a session for reading", "read-only" if client.read_only else "read and write")
    tell("dump", sessions(m))
    tell("figures", figures(m))
    tell("get", client.get("/read")[0])
    client.watch("/read")
    for name, write in WRITES.items():
        tell(name, answer(lambda write=write: write(client)))
    tell("get again", client.get("/read")[0])
    again = client.renewed(m.client_port, read_only=True)
    tell("renewed", "read-only" if again.read_only else "read and write")
    tell("the connection before", answer(client.ping))
    tell("its end", answer(lambda: again._call(-11, b"")))
    with m.client(timeout=5, read_only=True, session_ms=SHORT_MS) as silent:
        silent.s.close()
        until("an expiry", lambda: figures(m)["local_sessions"] == "0", SOON_S, 0.1)
    last = m.client(timeout=30, read_only=True, session_ms=LONG_MS)
    for other in ensemble:
        if other is not m:
            other.start()
    tell("a session when the others are back", answer(last._recv))
    ensemble.serve()
    tell("isro after", m.word("isro"))
    tell("its session after the partition", session(m, session_id=last.session_id, password=last.password))
    tell("the ensemble's session", session(m, **glob))


@mode
def read_only_global(ensemble, tell):
    """The same where all sessions are global."""
    m = partition(ensemble)
    until("%r in read-only mode" % m, lambda: m.word("isro") == "ro", SOON_S, 0.02)
    tell("a session without localSessionsEnabled", session(m, read_only=True))


@mode
def local(ensemble, tell):
    """Sessions that stay on their member, and may own no ephemerals."""
    zxid = ensemble.leader().srvr("Zxid")
    for m in one_of_each(ensemble):
        role = m.mode()
        with m.client(timeout=20, session_ms=LONG_MS) as client:
            tell(role + ": dump", sessions(m))
            tell(role + ": figures", figures(m))
            others = rest(ensemble, m)
            tell(role + ": dump of others", [sessions(other) for other in others])
            tell(role + ": elsewhere", session(others[0], session_id=client.session_id, password=client.password))
            again = client.renewed(m.client_port)
            tell(role + ": the connection before", answer(client.ping))
            tell(role + ": transactions", ensemble.leader().srvr("Zxid") == zxid)
            tell(role + ": create", again.create("/by" + role))
            tell(role + ": set", again.set("/by" + role, b"new")["version"])
            tell(role + ": get", again.get("/by" + role)[0])
            tell(role + ": a multi", again.multi(("set", "/by" + role, b"", -1), ("delete", "/by" + role, -1)))
            tell(role + ": an ephemeral", answer(lambda again=again: again.create("/ephemeral", b"", 1)))
            tell(role + ": a sequential one", answer(lambda again=again: again.create2("/ephemeral", b"", 3)))
            tell(role + ": one in a multi", answer(lambda again=again: again.multi(("create", "/persistent", b"", 0), ("create", "/ephemeral", b"", 1))))
            tell(role + ": sync", answer(again.sync))
            tell(role + ": end", answer(lambda again=again: again._call(-11, b"")))
        tell(role + ": dump behind it", sessions(m))
        tell(role + ": a session that is silent", expires(m))
        zxid = ensemble.leader().srvr("Zxid")


def expires(m):
    """Whether a silent session ends in time, and one that pings does not."""
    alive, silent = (m.client(timeout=20, session_ms=SHORT_MS) for _ in range(2))
    silent.s.settimeout(10)
    began = time.monotonic()
    while time.monotonic() - began < 2 * SHORT_MS / 1000:
        alive.ping()
        time.sleep(0.2)
    return answer(silent._recv), answer(lambda: alive.exists("/") and "lives")


@mode
def local_upgraded(ensemble, tell):
    """Sessions that become global with their first ephemeral."""
    for m in one_of_each(ensemble):
        role = m.mode()
        others = rest(ensemble, m)
        for how, create in (("create", lambda c: c.create("/ephemeral", b"", 1)), ("multi", lambda c: c.multi(("create", "/ephemeral", b"", 1)))):
            what = "%s, %s: " % (role, how)
            client = m.client(timeout=20, session_ms=LONG_MS)
            tell(what + "before", (figures(m), sessions(m)))
            before = int(ensemble.leader().srvr("Zxid"), 16)
            tell(what + "made", create(client))
            ensemble.quiet()
            tell(what + "transactions", int(ensemble.leader().srvr("Zxid"), 16) - before)
            tell(what + "owner", client.exists("/ephemeral")["ephemeralOwner"] == client.session_id)
            tell(what + "after", (figures(m), sessions(m)))
            tell(what + "elsewhere", [(figures(other), sessions(other)) for other in others])
            moved = client.renewed(others[0].client_port)
            tell(what + "moved", moved.exists("/ephemeral") is not None)
            moved.close()
            ensemble.quiet()
            tell(what + "its ephemeral", [client_sees(other) for other in ensemble])
        tell(role + ": silent", expires_globally(m))
        # The member that ends the connection, the leader that ends the session, and the others that hear of it are not at one time.
        until("an expiry on all", lambda: not any(client_sees(other) for other in ensemble), SOON_S, 0.1)


def client_sees(m):
    with m.client(timeout=20) as client:
        return client.exists("/ephemeral") is not None


def expires_globally(m):
    client = m.client(timeout=20, session_ms=SHORT_MS)
    client.create("/ephemeral", b"", 1)
    for _ in range(int(2 * SHORT_MS / 200)):
        client.ping()
        time.sleep(0.2)
    need(client_sees(m), "a session that pings lives")
    return answer(client._recv)


@mode
def local_leaderless(ensemble, tell):
    """What becomes of local sessions when another member leads."""
    m = ensemble.followers()[0]
    client = m.client(timeout=20, session_ms=LONG_MS)
    ensemble.leader().kill()
    until("another leader", ensemble.leader, SOON_S, 0.05)
    m.serves()
    tell("a connection when another member leads", answer(client.ping))
    tell("a local session after its leader", session(m, session_id=client.session_id, password=client.password))


OFFICIAL, LACKS = "3.9.5", "what it lacks %s"


def write(m, count):
    with m.client(timeout=20) as client:
        for _ in range(count):
            client.create("/written-", b"data", 2)


def znodes(m):
    """The names below the root, of the newest state. A member that looks for a leader hangs up: another one may have ended a moment ago, and have led."""
    def told():
        with m.client(timeout=20) as client:
            client.sync()
            return set(client.children("/"))

    return until("%r telling its znodes" % m, told, SOON_S, 0.05)


def lacks(ensemble, m):
    """Of what was written, in a member that serves. What the leader has proves nothing: that may be this member."""
    written = znodes(next(other for other in ensemble.alive() if other is not m))
    return "something" if written - znodes(m) else "nothing"


def logs(m):
    """Logs of a member, with their lengths. A snapshot its leader may send it."""
    data = os.path.join(m.data, "version-2")
    return {name: os.path.getsize(os.path.join(data, name)) for name in os.listdir(data) if name.startswith("log.")}


def under_the_other(ensemble, m, tell, when):
    """Its directory is taken by the other implementation, and then again by its own."""
    own = m.implementation
    for m.implementation in (OFFICIAL if own == OXKEEPER else OXKEEPER, own):
        if m.alive():
            m.stop()
        m.start()
        until("%r serving, or giving up" % m, lambda: not m.alive() or m.mode(), SOON_S, 0.05)
        tell(LACKS % ("%s, under %s implementation" % (when, "its own" if m.implementation == own else "the other")), lacks(ensemble, m) if m.alive() else "it does not start")


@mode
def without_disk(ensemble, tell):
    """An observer that keeps nothing (syncEnabled=false); it is killed, gets a vote, and is one of those who have to be there."""
    m = next(m for m in ensemble if m.observer)
    write(ensemble.leader(), 20)
    ensemble.quiet()
    before = logs(m)
    write(m, 200)
    tell(LACKS % "as an observer", lacks(ensemble, m))
    tell("its logs stay as they are", logs(m) == before)
    m.kill()
    write(ensemble.leader(), 20)
    m.start()
    m.serves()
    tell(LACKS % "when it was killed", lacks(ensemble, m))
    tell("its logs stay as they are when it was killed", logs(m) == before)
    write(m, 20)
    under_the_other(ensemble, m, tell, "as an observer")
    write(m, 20)
    changed(ensemble, ensemble.leader(), list(ensemble), joining=line(m))
    until("%r following" % m, lambda: m.mode() == "follower", SOON_S, 0.05)
    write(m, 20)
    tell(LACKS % "with a vote", lacks(ensemble, m))
    tell("it has a log", bool(logs(m)))
    next(other for other in ensemble.followers() if other is not m).kill()
    write(ensemble.leader(), 20)                                      # three of four voters: it is one of them
    m.kill()
    m.start()
    ensemble.serve()
    tell(LACKS % "with a vote, when it was killed", lacks(ensemble, m))
    ensemble.start()
    under_the_other(ensemble, m, tell, "with a vote")


WITH_OBSERVER = "local", "local_upgraded", "without_disk"
SETTINGS = {
    "read_only": {"localSessionsEnabled": "true", "localSessionsUpgradingEnabled": "true", "readonlymode.enabled": "true", "reconfigEnabled": "true"},
    "read_only_global": {"readonlymode.enabled": "true"},
    "local": {"localSessionsEnabled": "true"},
    "local_upgraded": {"localSessionsEnabled": "true", "localSessionsUpgradingEnabled": "true"},
    "local_leaderless": {"localSessionsEnabled": "true"},
    "without_disk": {"syncEnabled": "false", "reconfigEnabled": "true", "skipACL": "yes"},
}


def played(name, kind):
    """What an ensemble of this kind tells, in order."""
    facts = {}

    def tell(fact, value):
        need(fact not in facts, "facts have names of their own")
        facts[fact] = value

    voters = kind.split("/") if "/" in kind else [kind] * 3
    observers = voters[:1] if name in WITH_OBSERVER else []
    with Ensemble(voters, observers, **SETTINGS[name]) as ensemble:
        ensemble.start()
        MODES[name](ensemble, tell)
    return facts


def compare(name, kinds):
    """Facts that differ, and not on purpose."""
    left, right = (played(name, kind) for kind in kinds)
    if os.environ.get("FACTS"):
        for fact, value in left.items():
            print("      %s: %s" % (fact, value))
    wrong = []
    for fact in dict.fromkeys([*left, *right]):
        values = left.get(fact), right.get(fact)
        if values[0] == values[1]:
            continue
        known = DELIBERATE.get(fact) if any(OXKEEPER in kind for kind in kinds) else None
        print("%s %s\n      %s: %s\n      %s: %s" % ("note " if known else "DIFF ", known or fact, kinds[0], values[0], kinds[1], values[1]), flush=True)
        wrong += [] if known else [fact]
    need(left and not wrong, "%d facts differ: %s" % (len(wrong), ", ".join(wrong)))
    return len(left)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default="3.9.5,oxkeeper", type=lambda text: text.split(","))
    parser.add_argument("modes", nargs="*", metavar="MODE", help=", ".join(MODES))
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))           # so that the members are ended
    os.environ["ZKPROPS"] = "-Dreadonlymode.enabled=true"             # officially a property of the command line alone
    return judged(args.modes or MODES, lambda name: "%d facts" % compare(name, args.kinds))


if __name__ == "__main__":
    sys.exit(main())

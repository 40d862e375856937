#!/usr/bin/env python3
"""The HTTP admin server: the same requests to official servers and to ours, alone and in each role of an ensemble. What both answer must
have the same status, type, keys in the same order and kinds of values; words and truth values must be the same. Differences on purpose are
listed here with their reasons.

usage: admin.py [CASE ...]     The last line is `N passed, M failed`."""
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "ensemble"), os.path.join(HERE, "..", "security")]
from certs import Authority  # noqa: E402
from members import OXKEEPER, Cases, Ensemble, Member, by_itself, free_ports, http_to, judged, need, until  # noqa: E402

OFFICIAL = "3.9.5"
TOOL = os.environ.get("OXKEEPER", os.path.join(HERE, "..", "..", "target", "release", "oxkeeper"))
os.environ["ADMIN"] = "true"
SUPER = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="                          # super:admin
COMMANDS = """configuration conf config connection_stat_reset crst connections cons dirs dump environment env envi get_trace_mask gtmk hash
initial_configuration icfg is_read_only isro last_snapshot lsnp leader lead observer_connection_stat_reset orst observers obsr ruok
server_stats srvr set_trace_mask stmk stats stat stat_reset srst system_properties sysp voting_view watches wchc watches_by_path wchp
watch_summary wchs zabstate nosuch RUOK ruok/ set_trace_mask?traceMask=7 stmk?traceMask=x stmk?traceMask=1&traceMask=x""".split()
CASES = case = Cases()

# What differs on purpose, by the fact, and why.
KEYS_OF_JAVA = "keys of the JVM are left out, and there is nothing in their place"
METHOD = "a command that is asked for by the wrong method is no fault of the server: it says which one is right"
DELIBERATE = {
    "GET environment": KEYS_OF_JAVA, "GET env": KEYS_OF_JAVA, "GET envi": KEYS_OF_JAVA,
    "GET system_properties": KEYS_OF_JAVA, "GET sysp": KEYS_OF_JAVA,
    "POST ruok": METHOD, "GET restore": METHOD,
}


class Answer:
    """What an HTTP server says."""

    def __init__(self, response):
        self.status, self.body = response.status, response.read()
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    def json(self):
        return json.loads(self.body)


def ask(m, path, method="GET", body=None, tls=None, **headers):
    conn = http_to("localhost" if tls else m.host, m.admin_port, tls)
    try:
        conn.request(method, path, body, headers)
        return Answer(conn.getresponse())
    finally:
        conn.close()


def command(m, name, method="GET", body=None, auth=None):
    return ask(m, "/commands/" + name, method, body, **({} if auth is None else {"Authorization": auth}))


def shape(value):
    """A value without what differs between two runs: numbers, times, addresses. Ids as keys are one kind."""
    if isinstance(value, dict):
        return [("ID" if re.fullmatch(r"-?\d+", key) else key, shape(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        kinds = [shape(inner) for inner in value]
        return ["list"] + [kind for n, kind in enumerate(kinds) if kind not in kinds[:n]]
    if isinstance(value, str):
        return re.sub(r"0x[0-9a-f]+|\b[0-9a-f]*\d[0-9a-f]*\b", "N", value)
    return value if isinstance(value, bool) or value is None else type(value).__name__


def told(answer):
    """An answer without what differs between two runs."""
    kind = answer.headers.get("content-type")
    if kind != "application/json":
        return answer.status, (kind or "").replace("iso-8859-1", "utf-8"), None
    body = answer.json()
    for key in ("version", "initial_configuration", "data_dir", "data_log_dir"):
        if key in body:
            body[key] = ""
    if "server_stats" in body:
        # Methods of a class, in an order that is another one from run to run.
        body["server_stats"] = dict(sorted(body["server_stats"].items()))
    times = "expiry_time_to_session_ids"
    if times in body:
        # Officially times at which nothing expires any more stay for a while.
        body[times] = {time: ids for time, ids in body[times].items() if ids}
    return answer.status, kind, shape(body)


def configure(m, **settings):
    """Adds what a member has for itself."""
    m.admin_port = free_ports(1)[0]
    m.add(**{"admin.serverPort": m.admin_port, "admin.serverAddress": m.host, "DigestAuthenticationProvider.superDigest": SUPER, **settings})


def alone(kind, work, **settings):
    return by_itself(kind, work, lambda m: configure(m, **settings))


def play(m, tell):
    """Every command, while there is a client that has and watches something."""
    with m.client(timeout=20, session_ms=30000) as client:
        app = "/" + m.mode()
        client.create(app, b"data")
        client.create(app + "/e", b"", 1)
        client.watch(app)
        for name in COMMANDS:
            tell("GET " + name, told(command(m, name)))
        tell("POST ruok", command(m, "ruok", "POST").status)
        tell("links", links(command(m, "")))
        tell("links without a slash", links(ask(m, "/commands")))
        tell("links by POST", links(command(m, "", "POST")))
        tell("a list has no type", command(m, "").headers.get("content-type"))
        monitor(m, tell)


def links(answer):
    """All links but the one of 3.10, and those that are ours alone."""
    found = re.findall(r'<a href="([^"]*)">([^<]*)</a>\n<br/>\n', answer.body.decode())
    return answer.status, [link for link in found if link[1] not in ("shed_connections", "get_log_levels", "set_log_levels")]


def monitor(m, tell):
    """The figures are those of mntr, and numbers but for the first ones."""
    def names():
        lines = [line.split("\t")[0] for line in m.word("mntr").splitlines() if "\t" in line]
        return [name[3:] for name in lines]
    answer = command(m, "monitor")
    body = answer.json()
    keys = list(body)
    texts = [key for key, value in body.items() if not isinstance(value, (int, float)) or isinstance(value, bool)]
    tell("monitor", (answer.status, keys[:2], keys[-2:], [key for key in texts if key != "peer_state"]))
    need(sorted(keys[:-2]) == sorted(names()), "monitor has the names of mntr: %s" % sorted(set(keys[:-2]) ^ set(names()))[:9])
    need(list(command(m, "mntr").json()) == keys, "mntr is monitor")


@case
def standalone(kind, tell, work):
    m = alone(kind, work)
    try:
        play(m, tell)
        for method in ("PUT", "DELETE", "TRACE", "OPTIONS", "HEAD"):
            answer = command(m, "ruok", method)
            tell(method, (answer.status, len(answer.body) if method in ("OPTIONS", "HEAD") else None, answer.headers.get("allow") if method == "OPTIONS" else None))
        for path in ("/", "/command", "/commandsx", "/other/ruok"):
            tell(path, ask(m, path).status)
        tell("HEAD has a length", command(m, "ruok", "HEAD").headers.get("content-length"))
        tell("an escaped name", told(ask(m, "/commands/%72uok")))
    finally:
        m.kill()


@case
def roles(kind, tell, work):
    with Ensemble([kind] * 3, [kind], work=os.path.join(work, "ensemble"), **{"admin.enableServer": "true", "reconfigEnabled": "true", "skipACL": "yes"}) as ensemble:
        for m in ensemble:
            configure(m)
        ensemble.start()
        by_role = {}
        for m in ensemble:
            by_role.setdefault(m.mode(), m)
        for role, m in sorted(by_role.items()):
            play(m, lambda fact, value, role=role: tell("%s: %s" % (role, fact), value))
        left = by_role["follower"]
        for other in ensemble:
            if other is not left:
                other.kill()
        until("%r without a leader" % left, lambda: command(left, "ruok").json()["error"], 20, 0.05)
        for name in COMMANDS:
            if name.split("?")[0] not in ("environment", "env", "envi", "system_properties", "sysp"):
                tell("nobody: " + name, told(command(left, name)))
        tell("nobody: snapshot", told(command(left, "snapshot", auth="digest super:admin")))
        tell("nobody: restore", told(command(left, "restore", "POST", b"x", auth="digest super:admin")))


AUTHS = [None, "", "ip", "ip 127.0.0.1", "digest", "digest u:p", "digest super:admin", "digest super:bad", "Digest super:admin", "digest  super:admin",
         "digest super:admin ", "Basic dTpw", "world anyone", "x509", "sasl u", "super x", "digest a b"]


@case
def authorization(kind, tell, work):
    m = alone(kind, work, **{"admin.rateLimiterIntervalInMS": 0, "skipACL": "no"})
    try:
        def table(acl):
            for auth in AUTHS:
                if "bad" in (auth or "") and acl == "open":
                    continue
                tell("%s: %s" % (acl, auth), told(command(m, "snapshot?streaming=false", auth=auth)))
                tell("%s, restore: %s" % (acl, auth), told(command(m, "restore", "POST", b"no snapshot", auth=auth))[:2])
        tell("GET restore", command(m, "restore", auth="digest super:admin").status)
        tell("GET restore without", told(command(m, "restore")))
        table("open")
        with m.client(timeout=20) as client:
            client.set_acl("/", [(15, "world", "anyone")])
        table("without one permission")
        with m.client(timeout=20) as client:
            client.auth("digest", "super:admin")
            client.set_acl("/", [(31, "digest", "u:y2bQOhnEyxxhXPTXNqmBp9xXgNc=")])
        table("one user's")
    finally:
        m.kill()
    m = alone(kind, os.path.join(work, "proxy"), **{"admin.rateLimiterIntervalInMS": 0, "IPAuthenticationProvider.usexforwardedfor": "true"})
    try:
        with m.client(timeout=20) as client:
            client.set_acl("/", [(31, "ip", "10.1.2.3")])
        for forwarded in ("10.1.2.3", "10.1.2.3, 10.9.9.9", "10.9.9.9, 10.1.2.3", None):
            headers = {"X-Forwarded-For": forwarded} if forwarded else {}
            tell("forwarded: %s" % forwarded, told(ask(m, "/commands/snapshot?streaming=false", Authorization="ip", **headers)))
    finally:
        m.kill()


@case
def snapshots(kind, tell, work):
    """A snapshot that was sent is a file of the server's, and comes back."""
    m = alone(kind, work, **{"admin.rateLimiterIntervalInMS": 3000})
    auth = "digest super:admin"
    try:
        with m.client(timeout=20, session_ms=30000) as client:
            client.create("/kept", b"1")
            client.create("/owned", b"", 1)
            answer = command(m, "snapshot", auth=auth)
            tell("snapshot", (answer.status, answer.headers["content-type"], answer.headers["last_zxid"], answer.headers["snapshot_size"] == str(len(answer.body)), answer.body[:4]))
            for value in ("false", "maybe", "true", "TRUE"):
                time.sleep(0.02)
                answer = command(m, "snapshot?streaming=" + value, auth=auth)
                tell("streaming=" + value, (answer.status, answer.headers["content-type"], "last_zxid" in answer.headers, "snapshot_size" in answer.headers))
            time.sleep(0.02)
            taken = command(m, "snapshot", auth=auth)
            name = "snapshot." + taken.headers["last_zxid"][2:]
            with open(os.path.join(m.data, "version-2", name), "rb") as f:
                need(f.read() == taken.body, "the file is what was sent")
            client.set("/kept", b"2")
            client.create("/new", b"3")
            tell("garbage", told(command(m, "restore", "POST", b"garbage", auth=auth)))
            tell("too soon", told(command(m, "restore", "POST", taken.body, auth=auth)))
            time.sleep(3.1)
            tell("restore", told(command(m, "restore", "POST", taken.body, auth=auth)))
            tell("what there is", (client.children("/"), client.get("/kept")[0]))
            client.create("/after", b"4")
            with m.client(timeout=20) as other:
                tell("for another one", (other.children("/"), other.get("/kept")[0]))
        if m.implementation == OXKEEPER:
            # The official one has no file of what it restored: what it has after a start is what was there before.
            m.kill()
            m.start()
            m.serves()
            with m.client(timeout=20) as other:
                need(other.children("/") == ["after", "kept", "zookeeper"], "what was restored, and written since, is there: %s" % other.children("/"))
    finally:
        m.kill()


@case
def restored_ensemble(kind, tell, work):
    """A snapshot, also of another ensemble that has seen more, takes the place of what all members have. Officially each of them has to be
    restored by itself, while nobody writes; here their leader is."""
    if kind == OFFICIAL:
        return
    settings = {"admin.enableServer": "true", "admin.rateLimiterIntervalInMS": 0, "standaloneEnabled": "false"}
    with Ensemble([OFFICIAL], work=os.path.join(work, "another"), **settings) as another:
        m = another[1]
        configure(m)
        for _ in range(4):                                            # an epoch each
            another.start()
            m.kill()
        another.start()
        with m.client(timeout=20) as client:
            client.create("/seed", b"0")
            seed = command(m, "snapshot", auth="digest super:admin")
        need(int(seed.headers["last_zxid"], 16) >> 32 >= 5, "a late epoch: " + seed.headers["last_zxid"])
    for kinds in ([OXKEEPER] * 3, [OFFICIAL, OXKEEPER, OXKEEPER]):
        with Ensemble(kinds, work=os.path.join(work, str(kinds.count(OXKEEPER))), **settings) as ensemble:
            for m in ensemble:
                configure(m)
            ensemble.start()
            ensemble.lead(ensemble[3])
            restores(ensemble, seed.body)
            if kinds == [OXKEEPER] * 3:
                goes_wrong(ensemble)
    tell("restored", True)


def restores(ensemble, seed):
    leader, auth = ensemble.leader(), "digest super:admin"
    with leader.client(timeout=20) as client:
        client.create("/kept", b"1")
        taken = command(leader, "snapshot", auth=auth)
        client.create("/new", b"2")
        client.delete("/kept")
    ensemble.quiet()
    need(command(ensemble[2], "restore", "POST", taken.body, auth=auth).status == 500, "a follower takes none")
    for given, expected in ((taken.body, "kept"), (seed, "seed")):
        answer = command(leader, "restore", "POST", given, auth=auth)
        need(answer.status == 200, "%s: %d" % (expected, answer.status))
        last = answer.json()["last_zxid"]
        ensemble.serve()
        have(ensemble, expected, last)
        # Nobody forgets it, and it can be backed up at each of them.
        for m in ensemble:
            m.kill()
            backed_up(m)
        ensemble.start()
        have(ensemble, expected, last)
        ensemble.lead(leader)


def backed_up(m):
    """What its files have is taken, and a state of it is made again."""
    to = os.path.join(m.data, "..", "backups-%s-%d" % (os.path.basename(m.data), time.monotonic_ns()))
    for args in (["take", m.data, to], ["verify", to]):
        done = subprocess.run([TOOL, "backup", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        need(done.returncode == 0, "%r: backup %s: %s" % (m, args[0], done.stdout[-300:]))
    done = subprocess.run([TOOL, "restore", to, to + "-again"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    need(done.returncode == 0, "%r: restore: %s" % (m, done.stdout[-300:]))


def goes_wrong(ensemble):
    """What no server would start with is refused before anything is touched; a disk that does not take a snapshot costs its member the
    lead, and the others nothing; and nobody shows what was there before, though all numbers are the same."""
    leader, auth = ensemble.leader(), "digest super:admin"
    with leader.client(timeout=20) as client:
        client.create("/p", b"")
        for n in range(70):
            client.create("/p/old%d" % n, b"")
        taken = command(leader, "snapshot", auth=auth).body
    for why, given in (("no root", sealed(taken[:16] + struct.pack(">iii", 0, 0, 1) + b"/", taken)), ("too late", sealed(taken[:-SEALS], taken, last=0x7fffffff << 32 | 1))):
        need(command(leader, "restore", "POST", given, auth=auth).status == 500, why)
        with leader.client(timeout=20) as client:
            client.set("/p", b"1")
    other = sealed(taken[:-SEALS].replace(b"/p/old", b"/p/new"), taken)
    for given, name in ((taken, "old"), (other, "new")):
        need(command(leader, "restore", "POST", given, auth=auth).status == 200, name)
        ensemble.serve()
        for m in ensemble:
            with m.client(timeout=20) as client:
                client.sync("/")
                need(client.children("/p")[0].startswith(name), "%r lists what was restored: %s" % (m, client.children("/p")[:2]))
        ensemble.lead(leader)

    ensemble.quiet()
    place = int(leader.srvr("Zxid"), 16) + 1
    in_the_way = os.path.join(leader.data, "version-2", "oxkeeper-install.snapshot.%x" % place)
    os.makedirs(os.path.join(in_the_way, "more"))
    answers = []
    asking = threading.Thread(target=lambda: answers.append(command(leader, "restore", "POST", taken, auth=auth).status))
    asking.start()
    others = [m for m in ensemble if m is not leader]
    until("another leader", lambda: any(m.mode() == "leader" for m in others), 20, 0.05)
    with others[0].client(timeout=20) as client:
        client.create("/later", b"")
    os.rmdir(os.path.join(in_the_way, "more"))
    os.rmdir(in_the_way)
    asking.join(60)
    need(answers == [500], "it is lost, and that is said: %s" % answers)
    ensemble.serve()
    for m in ensemble:
        with m.client(timeout=20) as client:
            client.sync("/")
            need(client.children("/") == ["later", "p", "seed", "zookeeper"], "%r has what the others have: %s" % (m, client.children("/")))


# Behind the znodes: a seal, a digest with one, and the last zxid with one.
SEALS = 13 + 20 + 13 + 8 + 13


def sealed(znodes, like, last=None):
    """A snapshot that begins with this, and ends like another one."""
    tail = like[-SEALS:]

    def seal(data):
        return data + struct.pack(">qi", zlib.adler32(data), 1) + b"/"

    last = tail[46:54] if last is None else struct.pack(">q", last)
    return seal(seal(seal(znodes) + tail[13:33]) + last)


def have(ensemble, expected, last):
    """All members have this znode and no other one, and go on behind whatever was there."""
    for m in ensemble:
        with m.client(timeout=20) as client:
            client.sync("/")
            need(client.children("/") == [expected, "zookeeper"], "%r has what was restored: %s" % (m, client.children("/")))
            client.create("/after", b"3")
            new, old = client.exists("/after")["czxid"], client.exists("/" + expected)["mzxid"]
            need(new > last and new > old, "numbers go on: %x behind %x and %x" % (new, last, old))
            client.delete("/after")


@case
def switched_off(kind, tell, work):
    auth = "digest super:admin"
    for setting in ("admin.snapshot.enabled", "admin.restore.enabled", "serializeLastProcessedZxid.enabled"):
        m = alone(kind, os.path.join(work, setting), **{setting: "false"})
        try:
            tell(setting + ", snapshot", told(command(m, "snapshot?streaming=false", auth=auth)))
            tell(setting + ", restore", told(command(m, "restore", "POST", b"garbage", auth=auth)))
        finally:
            m.kill()
    m = alone(kind, os.path.join(work, "url"), **{"admin.commandURL": "/zk/x"})
    try:
        both = {"Authorization": auth}
        # 300,000 microseconds, as long as nothing else is said; both together take some 20 ms.
        tell("too soon", told(ask(m, "/zk/x/snapshot", **both)) if ask(m, "/zk/x/snapshot", **both).status == 200 else None)
        tell("another URL", (ask(m, "/commands/ruok").status, told(ask(m, "/zk/x/ruok")), links(ask(m, "/zk/x"))[1][:2]))
    finally:
        m.kill()


@case
def tls(kind, tell, work):
    """HTTPS, beside plain text or alone, and whom a certificate names."""
    os.makedirs(work, exist_ok=True)
    pki = Authority(work)
    for leaf in ("server", "client"):
        pki.leaf(leaf, "/C=US/O=Test/CN=" + leaf)
    stores = {"ssl.quorum.keyStore.location": pki.path("pem", "server"), "ssl.quorum.trustStore.location": pki.path("pem"),
              "authProvider.x509": "org.apache.zookeeper.server.auth.X509AuthenticationProvider", "ssl.keyStore.location": pki.path("pem", "server"),
              "ssl.trustStore.location": pki.path("pem"), "admin.rateLimiterIntervalInMS": 0}

    def outcome(m, path="/commands/ruok", **kw):
        try:
            answer = ask(m, path, **kw)
        except OSError as e:
            return "refused" if isinstance(e, (ssl.SSLError, ConnectionError)) else repr(e)
        except http.client.HTTPException:
            return "refused"
        return told(answer), answer.headers.get("strict-transport-security")

    for name, settings in (("unified", {"admin.portUnification": "true"}), ("forced", {"admin.forceHttps": "true"}),
                           ("with certificates", {"admin.forceHttps": "true", "admin.needClientAuth": "true"})):
        m = alone(kind, os.path.join(work, name), **stores, **settings)
        try:
            tell(name + ": plain", outcome(m))
            tell(name + ": TLS", outcome(m, tls=pki.context()))
            tell(name + ": TLS with a certificate", outcome(m, tls=pki.context("client")))
            if name == "with certificates":
                tell("named by it", outcome(m, "/commands/snapshot?streaming=false", tls=pki.context("client"), Authorization="x509"))
                with m.client(timeout=20) as client:
                    client.set_acl("/", [(31, "x509", "CN=client,O=Test,C=US")])
                tell("who may", outcome(m, "/commands/snapshot?streaming=false", tls=pki.context("client"), Authorization="x509"))
                tell("who may not", outcome(m, "/commands/snapshot?streaming=false", tls=pki.context("client"), Authorization="digest u:p"))
        finally:
            m.kill()


def memory_kb(m):
    with open("/proc/%d/status" % m.proc.p.pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])


@case
def hostile(kind, tell, work):
    """Whoever says nothing, too much or nonsense costs the others nothing. Asked of ours alone."""
    if kind == OFFICIAL:
        return
    m = alone(kind, work, **{"admin.idleTimeout": 1000})
    try:
        def fine():
            return command(m, "ruok").status == 200
        before = memory_kb(m)
        silent = [socket.create_connection((m.host, m.admin_port)) for _ in range(400)]
        until("somebody else is answered once those who are silent are let go", fine, 10, 0.1)
        for s in silent:
            s.close()
        for text in (b"\0" * 1000, b"GET " + b"/" * 300000, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 50000, b"POST /commands/ruok HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"):
            with socket.create_connection((m.host, m.admin_port), 10) as s:
                try:
                    s.sendall(text)
                    s.recv(1000)
                except OSError:
                    pass
            need(fine(), "others are answered")
        answer = command(m, "restore", "POST", b"x" * 1000)
        need(answer.status == 401 and not [name for name in os.listdir(os.path.join(m.data, "version-2")) if "upload" in name], "who is not let in leaves nothing: %s" % answer.status)
        answer = command(m, "shed_connections", "POST", b"x" * 100000, auth="digest super:admin")
        need(answer.status == 400, "a text that is too long: %s" % answer.status)
        with m.client(timeout=20) as client:
            client.create("/big", b"x" * 900000)
            for n in range(9):
                client.create("/big%d" % n, b"x" * 900000)
        # Takes nothing of a long answer.
        slow = socket.create_connection((m.host, m.admin_port))
        slow.sendall(b"GET /commands/snapshot HTTP/1.1\r\nHost: x\r\nAuthorization: digest super:admin\r\n\r\n")
        need(fine(), "others are answered")
        time.sleep(3)
        slow.settimeout(5)
        taken = 0
        try:
            while piece := slow.recv(1 << 20):
                taken += len(piece)
        except OSError:
            pass
        slow.close()
        need(taken < 9000000, "who takes nothing is let go: %d" % taken)
        grown = memory_kb(m) - before
        need(grown < 60000, "memory: %d KiB more" % grown)
        tell("held", True)
        for percentage, left in ((0, 10), (50, 5), (100, 0)):
            with contextlib.ExitStack() as stack:
                clients = [stack.enter_context(m.client(timeout=5)) for _ in range(10)]
                answer = command(m, "shed", "POST", json.dumps({"percentage": percentage}).encode(), auth="digest super:admin")
                body = answer.json()
                need(body["connections_shed"] == 10 - left and body["percentage_requested"] == percentage, "shed: %s" % body)

                def lives(client):
                    try:
                        return bool(client.exists("/"))
                    except OSError:
                        return False
                need(sum(map(lives, clients)) == left, "so many stay: %d" % left)
        def levels(**wanted):
            answer = command(m, "set_log_levels", "POST", json.dumps(wanted).encode(), auth="digest super:admin")
            return answer.status, answer.json().get("levels"), command(m, "glog").json()["levels"]
        at_start = command(m, "get_log_levels").json()["levels"]
        need(levels(levels="info,oxkeeper::words=debug") == (200,) + ("error,info,oxkeeper::words=debug",) * 2, "other levels")
        need(levels(levels="loud") == (400, None, "error,info,oxkeeper::words=debug"), "levels that make no sense")
        need(levels(levels="")[0] == 400, "no levels")
        need(levels() == (200, at_start, at_start), "those of the start")
        need(command(m, "set_log_levels", "POST", b"{}").status == 401, "who is not let in changes no levels")
        need(ask(m, "/health/live").status == ask(m, "/health/ready").status == 200, "it lives, and is ready")
        with socket.create_connection((m.host, m.admin_port)):         # a stop waits for nobody
            began = time.monotonic()
            m.stop()
            need(time.monotonic() - began < 3, "it stops")
    finally:
        m.kill()


@case
def taken(kind, tell, work):
    """A port that is taken ends the start; nothing was changed."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        m = Member(1, work, kind)
        m.configure({"admin.serverPort": other.getsockname()[1], "admin.serverAddress": m.host}, [])
        m.fresh()
        m.start()
        tell("code", m.proc.p.wait(60))


def played(name, kind, work):
    facts = {}

    def tell(fact, value):
        need(fact not in facts, "facts have names of their own: " + fact)
        facts[fact] = value

    os.makedirs(work)
    CASES[name](kind, tell, work)
    return facts


def reason(fact):
    return DELIBERATE.get(fact.split(": ", 1)[-1]) or DELIBERATE.get(fact)


def compare(name, work):
    """How many facts there are, if none differs but on purpose."""
    left, right = (played(name, kind, os.path.join(work, name, kind)) for kind in (OFFICIAL, OXKEEPER))
    wrong = []
    for fact in dict.fromkeys([*left, *right] if left else []):
        values = [json.loads(json.dumps(facts.get(fact), default=repr)) for facts in (left, right)]
        if values[0] == values[1]:
            continue
        if reason(fact):
            continue
        wrong.append(fact)
        print("DIFF  %s\n      official: %s\n      oxkeeper: %s" % (fact, *map(json.dumps, values)), flush=True)
    need(right and not wrong, "%d facts differ: %s" % (len(wrong), ", ".join(wrong)[:300]))
    return len(right)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))           # so that the members are ended
    with tempfile.TemporaryDirectory(prefix="admin") as work:
        return judged(sys.argv[1:] or CASES, lambda name: "%d facts" % compare(name, work))


if __name__ == "__main__":
    sys.exit(main())

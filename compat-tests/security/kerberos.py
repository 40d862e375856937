#!/usr/bin/env python3
"""Logins of clients by Kerberos, against an official server with the same settings and keys, in a realm of the test's own.

What is said and answered is compared but for what is drawn by lot. usage: kerberos.py [CHECK ...]. SUT: the command that serves a zoo.cfg.
The last line is `N passed, M failed`."""
import atexit
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "common"))
from applib import need, until  # noqa: E402
from judge import OURS, at_once, code, compared, ids, main, shell, told, zkcli  # noqa: E402
from kdc import MUTUAL, REALM, SERVICE, Gss, Kdc, module  # noqa: E402
from sasl import SASL, Server, sasl  # noqa: E402

NO_LAYER = b"\x01\x00\x00\x00"


class Estate:
    """The realm, the keys of the server, and a ticket for each of its users."""

    def __init__(self, work):
        self.kdc = Kdc(os.path.join(work, "kdc"))
        self.service = self.kdc.keytab("service", SERVICE)
        self.users = {}
        for name in ("alice", "bob/host1", "bob/host1.example.org", "admin"):
            self.users[name] = self.kdc.keytab(name.replace("/", "_"), name)
        self.caches = {name: self.kdc.tickets(keytab, name) for name, keytab in self.users.items()}
        self.jaas = module("Server", self.service, SERVICE)

    def both(self, settings, look, differs=None, env=None, jaas=None):
        return compared(lambda kind: Server(kind, settings, jaas or self.jaas, env or self.kdc.env), look, differs)

    def gss(self, user="alice", **kw):
        return Gss(self.kdc, self.caches[user], **kw)


def token_of(reply):
    (n,) = struct.unpack(">i", reply["body"][:4])
    return None if n < 0 else reply["body"][4:4 + n]


def shown(reply):
    """A reply with the length of its token in place of that, which is drawn by lot."""
    if not isinstance(reply, dict) or len(reply["body"]) < 4:
        return reply
    token = token_of(reply)
    return {**reply, "body": None if token is None else len(token)}


def log_in(client, gss, choice=NO_LAYER):
    """All replies. (A context that is mutual answers with a token of its own.)"""
    token, stands = gss.step()
    reply = sasl(client, token)
    replies = [shown(reply)]
    if gss.flags & MUTUAL and isinstance(reply, dict) and token_of(reply):
        token, stands = gss.step(token_of(reply))
        # What it holds besides its proof is its library's business.
        replies[0]["body"] = "a token"
        reply = sasl(client, token)
        replies.append(shown(reply))
    if not stands or not isinstance(reply, dict) or reply["err"] != 0 or not token_of(reply):
        return replies
    offer = gss.unwrap(token_of(reply))
    replies.append(list(offer))
    replies.append(shown(sasl(client, gss.wrap(choice))))
    return replies


# -- the checks

def exchanges(estate):
    """Good and bad ones, and what comes behind them."""
    def look(server):
        seen = {}
        for user in estate.users:
            for flags in (32, 32 | MUTUAL):
                c = server.client()
                seen["%s, %d" % (user, flags)] = log_in(c, estate.gss(user, flags=flags)), ids(c)
                seen["again %s, %d" % (user, flags)] = shown(sasl(c, b"")), code(c.exists, "/")
        for what, choice in {"itself": NO_LAYER + b"alice@OXK.TEST", "another": NO_LAYER + b"admin@OXK.TEST", "integrity": b"\x02\0\xff\xff", "short": b"\x01", "all": b"\x07\0\xff\xff",
                             "a size": b"\x01\0\xff\xff"}.items():
            c = server.client()
            replies = log_in(c, estate.gss(), choice)
            seen[what] = replies, code(c.exists, "/"), ids(c) if isinstance(replies[-1], dict) and replies[-1]["err"] == 0 else None
        for what, token in {"nothing": b"", "nonsense": b"nonsense", "cut": estate.gss().step()[0][:-8], "zeros": bytes(600)}.items():
            c = server.client()
            seen["begins with " + what] = shown(sasl(c, token)), code(c.exists, "/")
        c = server.client()
        sasl(c, estate.gss().step()[0])
        seen["nonsense for a choice"] = shown(sasl(c, b"nonsense")), code(c.exists, "/")
        # The same token twice.
        token = estate.gss().step()[0]
        c, d = server.client(), server.client()
        seen["first time"], seen["second time"] = shown(sasl(c, token)), (shown(sasl(d, token)), code(d.exists, "/"))
        # A ticket for another service of the realm.
        estate.kdc.keytab("other", "other/localhost")
        c = server.client()
        seen["another service"] = shown(sasl(c, estate.gss(target="other/localhost").step()[0])), code(c.exists, "/")
        # What is sent behind the last token is judged with the new identity, in order.
        c = server.client()
        log_in(c, estate.gss())
        c.create("/alices", acl=[(31, "sasl", "alice@" + REALM)])
        d, gss = server.client(), estate.gss()
        reply = sasl(d, gss.step()[0])
        gss.unwrap(token_of(reply))
        token = gss.wrap(NO_LAYER)
        d.xid += 3
        d._send(struct.pack(">ii", d.xid - 2, SASL) + d._buf(token))
        d._send(struct.pack(">ii", d.xid - 1, 4) + d._str("/alices") + b"\0")
        d._send(struct.pack(">ii", d.xid, 5) + d._str("/alices") + d._buf(b"x") + struct.pack(">i", -1))
        seen["behind it"] = [(lambda xid, _, err: (xid - d.xid, err))(*struct.unpack(">iqi", d._recv()[:16])) for _ in range(3)]
        return seen

    # Officially a choice that is too short ends the connection without an answer.
    short = [{"xid": True, "zxid": 0, "err": 0, "body": 32}, [1, 1, 0, 0], {"xid": True, "zxid": 0, "err": -115, "body": None}], "closed", None
    return "%d facts" % estate.both({}, look, differs={"short": short})


def names(estate):
    """Hosts and realms taken away, rules, super users, and who may do what."""
    def look(server):
        seen, clients = {}, {}
        for user in estate.users:
            c = clients[user] = server.client()
            log_in(c, estate.gss(user), NO_LAYER + (user + "@" + REALM).encode())
            seen["ids of " + user] = ids(c)
        alice = clients["alice"]
        for n, name in enumerate(("alice", "alice@" + REALM, "bob", "bob@" + REALM, "bob/host1", "bob/host1@" + REALM)):
            seen["create " + name] = code(alice.create, "/%d" % n, acl=[(31, "sasl", name)])
            for user, client in clients.items():
                seen["%s reads that of %s" % (user, name)] = code(client.get, "/%d" % n)
        return seen

    count = 0
    for settings in ({}, {"kerberos.removeHostFromPrincipal": "true"}, {"kerberos.removeRealmFromPrincipal": "true", "superUser": "admin"},
                     {"kerberos.removeHostFromPrincipal": "true", "kerberos.removeRealmFromPrincipal": "true"},
                     {"security.auth_to_local": "RULE:[2:$1-$2](bob-.*)s/-/_/ RULE:[1:$1](ad.*)s/$/istrator/ DEFAULT", "kerberos.removeRealmFromPrincipal": "true", "kerberos.removeHostFromPrincipal": "true"},
                     # Without a rule that fits, a name stays as it is.
                     {"security.auth_to_local": "RULE:[2:$1]"}):
        count += estate.both(settings, look)
    return "%d facts" % count


def times(estate):
    """A token that is too old, a key that has changed, a KDC that is gone."""
    short = dict(estate.kdc.env, KRB5_CONFIG=os.path.join(estate.kdc.work, "short.conf"))
    with open(estate.kdc.conf) as f:
        text = f.read()
    with open(short["KRB5_CONFIG"], "w") as f:
        f.write(text.replace("[libdefaults]\n", "[libdefaults]\nclockskew = 2\n"))

    def look(server):
        gss = estate.gss()
        token = gss.step()[0]
        time.sleep(4)
        c = server.client()
        return {"old": shown(sasl(c, token)), "then": code(c.exists, "/"), "new": log_in(server.client(), estate.gss())}

    count = estate.both({}, look, env=short)

    def keys(server):
        seen = {"before": log_in(server.client(), estate.gss())}
        estate.kdc.run("kadmin.local", "-q", "ktadd -k %s %s" % (estate.service, SERVICE))
        estate.caches["alice"] = estate.kdc.tickets(estate.users["alice"], "alice")
        seen["with the new key"] = log_in(server.client(), estate.gss())
        estate.kdc.stop()
        seen["without the KDC"] = log_in(server.client(), estate.gss())
        estate.kdc.start()
        return seen

    count += estate.both({}, keys)
    return "%d facts" % count


def required(estate):
    """Nothing but logins is served to who has not logged in; those that failed may stay."""
    def look(server):
        c = server.client()
        seen = {"before": code(c.exists, "/")}
        c = server.client()
        seen["wrong"] = shown(sasl(c, b"nonsense")), code(c.exists, "/")
        c = server.client()
        seen["right"] = log_in(c, estate.gss()), code(c.exists, "/"), code(c.ping)
        c = server.client()
        sasl(c, b"nonsense")
        seen["right behind wrong"] = shown(sasl(c, estate.gss().step()[0])), code(c.exists, "/")
        return seen

    count = estate.both({"sessionRequireClientSASLAuth": "true"}, look)
    count += estate.both({"allowSaslFailedClients": "true"}, look)
    return "%d facts" % count


def java(estate):
    """The official command line, and ours: with a key, with a cache of tickets, and with what is no good."""
    def cli(server, section, *words, properties=(), shell=zkcli):
        descriptor, jaas = tempfile.mkstemp(dir=server.work)
        with os.fdopen(descriptor, "w") as f:
            f.write(section)
        properties = ["-Djava.security.auth.login.config=" + jaas, "-Djava.security.krb5.conf=" + estate.kdc.conf, *properties]
        return told(shell("localhost:%d" % server.port, *words, properties=properties))

    key = lambda user, **kw: module("Client", estate.users[user], user, **kw)  # noqa: E731

    def ours(server, official):
        """The same of our shell, which says besides why a login fails."""
        alice, admin = key("alice"), key("admin")
        again = lambda section, *words, **kw: cli(server, section, *words, shell=shell, **kw)  # noqa: E731
        complained = lambda section, **kw: cli(server, section, "get", "/a", shell=lambda *a, **k: shell(*a, stderr=subprocess.STDOUT, **k), **kw)  # noqa: E731
        again(admin, "delete", "/a")
        seen = {"create": again(alice, "create", "/a", "x", "sasl:alice@%s:cdrwa" % REALM), "acl": again(alice, "getAcl", "/a"), "who": again(alice, "whoami")}
        seen.update((name, again(section, "get", "/a")) for name, section in (("bob", key("bob/host1")), ("admin", admin), ("cache", cache)))
        need(all(official[name] == lines for name, lines in seen.items()), "the official shell and ours: %s" % [(official[name], lines) for name, lines in seen.items()])
        for name, reason in (("nobody", "nobody/localhost@" + REALM), ("other", "refuses")):
            lines = complained(alice, properties=["-Dzookeeper.sasl.client.username=" + name])
            need(lines[0] == "KeeperErrorCode = AuthFailed for /a" and reason in lines[1], "at the principal %s: %s" % (name, lines))
        lines = again(alice, "get", "/a", properties=["-Dzookeeper.server.principal=" + SERVICE])
        need(lines == official["cache"], "at a principal that is named: %s" % lines)
        with socket.create_server(("127.0.0.1", 0)) as silent, open(estate.kdc.conf) as f:
            conf = os.path.join(server.work, "silent.conf")
            with open(conf, "w") as to:
                to.write(f.read().replace(":%d" % estate.kdc.port, ":%d" % silent.getsockname()[1]))
            began = time.monotonic()
            lines = complained(alice, properties=["-Djava.security.krb5.conf=" + conf, "-timeout", "3000"])
            need("takes longer than" in lines[-1] and time.monotonic() - began < 12, "with a KDC that says nothing: %s" % lines)
        for section, reason in ((key("alice", keyTab='"/no/such"'), "/no/such"), (key("alice", useKeyTab="false"), "useKeyTab=true or useTicketCache=true")):
            lines = complained(section)
            need(reason in " ".join(lines), "with a module that is no good: %s" % lines)

    def look(server):
        alice = key("alice")
        seen = {"create": cli(server, alice, "create", "/a", "x", "sasl:alice@%s:cdrwa" % REALM)}
        get = lambda section, **kw: lambda: cli(server, section, "get", "/a", **kw)  # noqa: E731
        # A client that believes the server to be someone else gets no ticket for it, or one that is no good.
        seen.update(at_once({
            "acl": lambda: cli(server, alice, "getAcl", "/a"), "who": lambda: cli(server, alice, "whoami"), "bob": get(key("bob/host1")), "admin": get(key("admin")), "cache": get(cache),
            "unknown server": lambda: get(alice, properties=["-Dzookeeper.sasl.client.username=nobody"])()[:1],
            "another server": lambda: get(alice, properties=["-Dzookeeper.sasl.client.username=other"])()[:1]}))
        ours(server, seen)
        return seen

    cache = 'Client { com.sun.security.auth.module.Krb5LoginModule required useTicketCache=true ticketCache="%s" doNotPrompt=true; };' % estate.caches["alice"]
    estate.kdc.keytab("other", "other/localhost")
    return "%d facts" % estate.both({"superUser": "admin@" + REALM}, look)


def hadoop(estate):
    """HBase's and Hadoop's own code, which logs in with a key."""
    here = os.path.join(HERE, "hadoop")
    built = subprocess.run([os.path.join(HERE, "..", "common", "build.sh"), here], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
    need(built.returncode == 0, built.stdout.decode()[-400:])
    with open(os.path.join(here, "target", "cp.txt")) as f:
        path = os.path.join(here, "target", "classes") + ":" + f.read().strip()

    def look(server):
        seen = {}
        for kind, user in (("hbase", "bob/host1"), ("hadoop", "alice")):
            argv = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.security.krb5.conf=" + estate.kdc.conf, "-cp", path, "secure.LogsIn", kind, str(server.port),
                    estate.users[user], "%s@%s" % (user, REALM)]
            done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=120)
            text = done.stdout.decode()
            seen[kind] = [line for line in text.splitlines() if line.startswith("> ")]
            need(done.returncode == 0 and seen[kind], "%s ended with %d: %s" % (kind, done.returncode, text[-600:]))
        need(any("sasl:bob" in line for line in seen["hbase"]) and any("sasl:alice" in line for line in seen["hadoop"]), "nobody has logged in: %s" % seen)
        return seen

    return "%d transcripts" % estate.both({"kerberos.removeHostFromPrincipal": "true", "kerberos.removeRealmFromPrincipal": "true"}, look)


def renewal(estate):
    """A Java client outlives its ticket: it logs in again at its next connection, which it needs a new one for."""
    life = 12
    keytab = estate.kdc.keytab("brief", "brief", life="%ds" % life)
    jars = os.path.join(HERE, "..", "apache", "target")
    with Server(OURS, {}, estate.jaas, estate.kdc.env) as server:
        jaas = estate.kdc.jaas("brief", "Client", keytab, "brief")
        argv = ["java", "-Xmx128m", "-XX:+UseSerialGC", "-Djava.security.auth.login.config=" + jaas, "-Djava.security.krb5.conf=" + estate.kdc.conf, "-Dzookeeper.kerberos.minReLoginTimeMs=1000",
                "-cp", "%s/3.9.5/*:%s/log/*" % (jars, jars), "org.apache.zookeeper.ZooKeeperMain", "-waitforconnection", "-timeout", "4000", "-server", "localhost:%d" % server.port]
        log = os.path.join(server.work, "cli.out")
        with open(log, "wb") as out:
            client = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT)
            try:
                def say(line):
                    client.stdin.write((line + "\n").encode())
                    client.stdin.flush()

                text = lambda: open(log, errors="replace").read()  # noqa: E731
                say("create /brief x sasl:brief@%s:cdrwa" % REALM)
                until("the node", lambda: "Created /brief" in text(), 60)
                time.sleep(life + 4)
                # The same data under a new server: the client connects again, with a ticket that it must have got meanwhile.
                server.proc.kill()
                server.__enter__()
                mark = len(text())
                until("the data by the new ticket", lambda: say("get /brief") or "\nx\n" in text()[mark:], 40, 1)
            finally:
                client.kill()
                client.wait()
    return "a ticket of %d s" % life


def refused(estate):
    """What ends the start, with exit code 2 and the reason."""
    krb = lambda service=SERVICE, **kw: module("Server", estate.service, service, **kw)  # noqa: E731
    other = estate.kdc.keytab("alone", "zookeeper/elsewhere")
    cases = [(krb(keyTab='"/no/such"'), {}, "/no/such"), (krb("zookeeper/unknown"), {}, "zookeeper/unknown"), (krb(useKeyTab="false"), {}, "useKeyTab=true"),
             (krb("*"), {}, "not any"), (module("Server", other, SERVICE), {}, "no key"),
             (krb(), {"java.security.krb5.conf": "/no/such.conf"}, "/no/such.conf")]
    empty = os.path.join(estate.kdc.work, "empty.conf")
    with open(empty, "w") as f:
        f.write("[libdefaults]\n")
    cases.append((krb(SERVICE + "@" + REALM), {"requireKerberosConfig": "true", "java.security.krb5.conf": empty}, "default_realm"))
    for jaas, settings, reason in cases:
        server = Server(OURS, {}, jaas, estate.kdc.env)
        with open(server.cfg, "a") as f:
            f.writelines("%s=%s\n" % line for line in settings.items())
        done = subprocess.run(server.command() + [server.cfg], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, env=dict(os.environ, **server.env))
        text = done.stdout.decode()
        shutil.rmtree(server.work, ignore_errors=True)
        need(done.returncode == 2 and reason in text, "%s: exit code %d, %s" % (settings or jaas, done.returncode, text[-300:]))
    return "%d cases" % len(cases)


def crowd(estate):
    """Hundreds of logins that come to nothing keep nobody from reading."""
    with Server(OURS, {}, estate.jaas, estate.kdc.env) as server:
        reader = server.client()
        worst, began = 0.0, time.monotonic()
        for round_ in range(300):
            bad = server.client()
            bad._send(struct.pack(">ii", 1, SASL) + bad._buf(os.urandom(1 << (round_ % 18))))
            at = time.monotonic()
            need(code(reader.exists, "/") == 0, "a read fails")
            worst = max(worst, time.monotonic() - at)
        need(worst < 0.25, "a read took %.0f ms" % (worst * 1000))
        need(log_in(server.client(), estate.gss())[-1]["err"] == 0, "a good login fails behind them")
        return "300 in %.1f s, a read took %.1f ms at most" % (time.monotonic() - began, worst * 1000)


CHECKS = [exchanges, names, times, required, java, hadoop, renewal, refused, crowd]


def prepare(work):
    estate = Estate(work)
    atexit.register(estate.kdc.stop)
    return estate


if __name__ == "__main__":
    sys.exit(main(CHECKS, prepare))

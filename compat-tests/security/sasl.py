#!/usr/bin/env python3
"""Logins of clients by SASL (DIGEST-MD5) and enforced authentication, against an official server with the same settings.

What is said and answered, byte by byte but for what is drawn by lot, and what kazoo and the official Java client make of it.
usage: sasl.py [CHECK ...]. SUT: the command that serves a zoo.cfg. The last line is `N passed, M failed`."""
import hashlib
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "common"))
os.environ.setdefault("APP_LIMIT_S", "3600")
from applib import Proc, free_port, need, until  # noqa: E402
from judge import OFFICIAL, OURS, WHO_AM_I, code, compared, ids, main, told, zkcli  # noqa: E402
from zkmini import ZkMini, four_letter  # noqa: E402

PROVIDER = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"
JAAS = """// of a test
Server {
    org.apache.zookeeper.server.auth.DigestLoginModule required
        user_super="super's \\"secret\\"" user_bob="bobs password"
        user_admin="admins";
};
"""
PASSWORDS = {"super": "super's \"secret\"", "bob": "bobs password", "admin": "admins"}
SASL, AUTH = 102, 100


class Server:
    """One server that knows the users above."""

    def __init__(self, kind, settings, jaas=JAAS, krb5=None):
        self.kind, self.work, self.port = kind, tempfile.mkdtemp(prefix="sasl-"), free_port()
        self.log, self.cfg = os.path.join(self.work, "log"), os.path.join(self.work, "zoo.cfg")
        os.makedirs(os.path.join(self.work, "data"))
        self.jaas = os.path.join(self.work, "jaas.conf")
        lines = {"tickTime": 500, "dataDir": os.path.join(self.work, "data"), "clientPort": self.port, "clientPortAddress": "127.0.0.1", "maxClientCnxns": 0,
                 "admin.enableServer": "false", "4lw.commands.whitelist": "*", "maxSessionTimeout": 60000, "authProvider.sasl": PROVIDER, **settings}
        lines = {key: value for key, value in lines.items() if value is not None}
        self.env = {}
        if jaas is not None:
            with open(self.jaas, "w") as f:
                f.write(jaas)
            lines["java.security.auth.login.config"] = self.jaas
        if krb5 is not None:
            self.env = {key: value for key, value in krb5.items() if key in ("LD_LIBRARY_PATH", "KRB5RCACHEDIR")}
            lines["java.security.krb5.conf"] = krb5["KRB5_CONFIG"]
        with open(self.cfg, "w") as f:
            f.writelines("%s=%s\n" % line for line in lines.items())

    def command(self):
        return [os.path.join(HERE, "..", "apache", "apache")] if self.kind == OFFICIAL else shlex.split(os.environ["SUT"])

    def __enter__(self):
        env = dict(os.environ, **self.env, ADMIN="false", ZKJAVA="-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1")
        self.proc = Proc(self.kind, self.command() + [self.cfg], self.log, env=env)
        until("%s to serve" % self.kind, lambda: not self.proc.alive() or "Mode" in four_letter(self.port, "srvr"), 60, 0.1)
        need(self.proc.alive(), "%s ended: %s" % (self.kind, open(self.log, errors="replace").read()[-400:]))
        return self

    def __exit__(self, *_):
        self.proc.kill()
        if not os.environ.get("KEEP"):
            shutil.rmtree(self.work, ignore_errors=True)

    def client(self, **kw):
        return ZkMini(self.port, session_ms=20000, **kw)


# -- the client's side of DIGEST-MD5

def response(challenge, user, password, **other):
    """What Java's client answers; `other`: directives that are different."""
    nonce = re.search(r'nonce="([^"]*)"', challenge)[1]
    said = {"username": user, "realm": "zk-sasl-md5", "nonce": nonce, "nc": "00000001", "cnonce": "Y25vbmNl", "digest-uri": "zookeeper/zk-sasl-md5", "qop": "auth", **other}
    md5 = lambda data: hashlib.md5(data)  # noqa: E731
    first = md5(("%s:%s:%s" % (said["username"], said["realm"], password)).encode()).digest()
    a1 = md5(first + (":%(nonce)s:%(cnonce)s" % said).encode()).hexdigest()
    proof = [md5(("%s:%s:%s:%s:%s:%s" % (a1, said["nonce"], said["nc"], said["cnonce"], said["qop"], md5((method + ":" + said["digest-uri"]).encode()).hexdigest())).encode()).hexdigest()
             for method in ("AUTHENTICATE", "")]
    quote = lambda text: text.replace("\\", "\\\\").replace('"', '\\"')  # noqa: E731
    text = ('charset=utf-8,username="%s",realm="%s",nonce="%s",nc=%s,cnonce="%s",digest-uri="%s",maxbuf=65536,response=%s,qop=%s'
            % (quote(said["username"]), said["realm"], said["nonce"], said["nc"], said["cnonce"], said["digest-uri"], proof[0], said["qop"]))
    return text.encode(), proof[1]


def ask(client, op, body=b"", xid=None):
    """One request as it is; its reply as it is, or how the connection ends."""
    client.xid += 1
    try:
        client._send(struct.pack(">ii", client.xid if xid is None else xid, op) + body)
        r = client._recv()
    except (ConnectionError, OSError):
        return "closed"
    answered, zxid, err = struct.unpack(">iqi", r[:16])
    same = answered == (client.xid if xid is None else xid)
    return {"xid": same, "zxid": zxid if op in (SASL, AUTH) or err == -124 else "any", "err": err, "body": r[16:] if op == SASL else len(r) - 16}


def sasl(client, token):
    return ask(client, SASL, client._buf(token))


def token_of(reply):
    if len(reply["body"]) < 4:
        return "(no body)"
    (n,) = struct.unpack(">i", reply["body"][:4])
    return None if n < 0 else reply["body"][4:4 + n].decode()


def shown(reply):
    """A reply with what is drawn by lot taken out."""
    if not isinstance(reply, dict) or not isinstance(reply["body"], bytes):
        return reply
    token = token_of(reply)
    return {**reply, "body": token and re.sub(r"rspauth=[0-9a-f]{32}", "rspauth=PROOF", re.sub(r'nonce="[A-Za-z0-9+/=]{40}"', 'nonce="NONCE"', token))}


def log_in(client, user, password=None, first=b"", **other):
    """Both replies."""
    challenge = sasl(client, first)
    if not isinstance(challenge, dict) or "nonce" not in (token_of(challenge) or ""):
        return [shown(challenge)]
    token, proof = response(token_of(challenge), user, PASSWORDS.get(user, "none") if password is None else password, **other)
    end = sasl(client, token)
    if isinstance(end, dict) and end["err"] == 0 and token_of(end) is not None:
        need(token_of(end) == "rspauth=" + proof, "the server proves that it has the password")
    return [shown(challenge), shown(end)]


def both(settings, look, jaas=JAAS):
    return compared(lambda kind: Server(kind, settings, jaas), look)


# -- the checks

def exchanges(_):
    """Good and bad ones, and what comes behind them."""
    def look(server):
        seen = {}
        for user in PASSWORDS:
            c = server.client()
            seen["in as " + user] = log_in(c, user), ids(c)
            seen["again as " + user] = shown(sasl(c, b"")), code(c.exists, "/")
        for what, kw in {"wrong password": {"user": "bob", "password": "wrong"}, "unknown user": {"user": "eve"}, "nonce": {"user": "bob", "nonce": "other"},
                         "nc": {"user": "bob", "nc": "00000002"}, "uri": {"user": "bob", "digest-uri": "zookeeper/other"}, "qop": {"user": "bob", "qop": "auth-conf"},
                         "realm": {"user": "bob", "realm": "other"}}.items():
            c = server.client()
            seen[what] = log_in(c, **kw), code(c.exists, "/")
        c = server.client()
        seen["a first token"] = log_in(c, "bob", first=b"hello"), ids(c)
        for what, token in {"no token": b"nonsense", "an empty one": b"", "cut": b'username="bob', "not text": b"\xff\xfe\x00"}.items():
            c = server.client()
            sasl(c, b"")
            seen[what] = shown(sasl(c, token)), code(c.exists, "/")
        c = server.client()
        seen["null"] = shown(ask(c, SASL, struct.pack(">i", -1))), code(c.exists, "/")
        c = server.client()
        log_in(c, "bob", "wrong")
        with c.renewed(server.port) as again:
            seen["the session afterwards"] = ids(again)
        # What is sent behind the last token is judged with the new identity.
        c = server.client()
        c.auth("digest", "x:y")
        log_in(c, "bob")
        c.create("/bobs", acl=[(31, "sasl", "bob")])
        d = server.client()
        challenge = sasl(d, b"")
        token, _ = response(token_of(challenge), "bob", PASSWORDS["bob"])
        d.xid += 2
        d._send(struct.pack(">ii", d.xid - 1, SASL) + d._buf(token))
        d._send(struct.pack(">ii", d.xid, 4) + d._str("/bobs") + b"\0")
        d._recv()
        seen["behind it"] = struct.unpack(">iqi", d._recv()[:16])[2]
        seen["packet of auth"] = ask(server.client(), AUTH, struct.pack(">i", 0) + c._str("sasl") + c._buf(b"bob"), -4)
        return seen

    return "%d facts" % both({}, look)


def acls(_):
    """Who may do what; the user super, ids that are super users, and the id that is everybody's."""
    def look(server):
        seen, clients = {}, {}
        for user in PASSWORDS:
            clients[user] = server.client()
            log_in(clients[user], user)
            seen["ids of " + user] = ids(clients[user])
        plain = server.client()
        bob = clients["bob"]
        for n, (scheme, name) in enumerate([("sasl", "bob"), ("sasl", "admin"), ("sasl", "x"), ("sasl", ""), ("sasl", "a b@c/d"), ("auth", ""), ("digest", "x:y"), ("sasl", "anybody")]):
            seen["create %s:%s" % (scheme, name)] = code(bob.create, "/%d" % n, acl=[(31, scheme, name)])
            if seen["create %s:%s" % (scheme, name)] == 0:
                seen["acl of %s:%s" % (scheme, name)] = bob.get_acl("/%d" % n) if n == 0 else None
                for user, client in {**clients, "nobody": plain}.items():
                    seen["%s reads %s:%s" % (user, scheme, name)] = code(client.get, "/%d" % n)
        return seen

    count = both({}, look)
    count += both({"superUser": "admin", "letAnySaslUserDoX": "anybody"}, look)
    return "%d facts" % count


def failed_ones_stay(_):
    def look(server):
        c = server.client()
        return {"wrong": log_in(c, "bob", "wrong"), "ids": ids(c), "again": shown(sasl(c, b"")), "still": ids(c)}

    return "%d facts" % both({"allowSaslFailedClients": "true"}, look)


def required(_):
    """Nothing but logins is served to who has not logged in."""
    def look(server):
        seen = {}
        path = lambda c, p=b"/": struct.pack(">i", len(p)) + p  # noqa: E731
        for what, (op, body, xid) in {"create": (1, path(0, b"/x") + struct.pack(">iii", 0, 0, 0), None), "getData": (4, path(0) + b"\0", None), "exists": (3, path(0) + b"\0", None),
                                      "whoAmI": (WHO_AM_I, b"", None), "setWatches": (101, struct.pack(">qiii", 0, 0, 0, 0), -8), "ping": (11, b"", -2),
                                      "closeSession": (-11, b"", None), "unknown": (999, b"", None), "multi": (14, struct.pack(">ibi", -1, 1, -1), None)}.items():
            c = server.client()
            seen[what] = ask(c, op, body, xid), code(c.exists, "/")
        c = server.client()
        seen["auth"] = ask(c, AUTH, struct.pack(">i", 0) + c._str("digest") + c._buf(b"a:b"), -4), code(c.exists, "/")
        c = server.client()
        seen["wrong"] = log_in(c, "bob", "wrong"), code(c.exists, "/")
        c = server.client()
        seen["right"] = log_in(c, "bob"), code(c.exists, "/"), code(c.ping)
        return seen

    count = both({"sessionRequireClientSASLAuth": "true"}, look)
    count += both({"sessionRequireClientSASLAuth": "true", "allowSaslFailedClients": "true"}, look)
    count += both({"enforce.auth.enabled": "true", "enforce.auth.schemes": "sasl"}, look)
    count += both({"enforce.auth.enabled": "true", "enforce.auth.schemes": "digest, sasl"}, look)
    return "%d facts" % count


def without(_):
    """No JAAS file, no section of the server, no provider."""
    def look(server):
        c = server.client()
        return {"login": log_in(c, "bob"), "ids": ids(c), "acl": code(c.create, "/x", acl=[(31, "sasl", "bob")])}

    count = both({}, look, jaas=None)
    count += both({}, look, jaas='Client { org.apache.zookeeper.server.auth.DigestLoginModule required username="a" password="b"; };')
    count += both({"authProvider.sasl": None}, look)
    return "%d facts" % count


def refused(_):
    """What ends the start, with exit code 2 and the reason."""
    other = "Server { com.sun.security.auth.module.LdapLoginModule required; };"
    cases = [({"sessionRequireClientSASLAuth": "true", "authProvider.sasl": None}, JAAS, "authProvider.sasl"), ({"enforce.auth.enabled": "true", "enforce.auth.schemes": "sasl", "authProvider.sasl": None}, JAAS, "authProvider.sasl"),
             ({"enforce.auth.enabled": "true"}, JAAS, "enforce.auth.schemes"), ({}, "Server {\n nonsense;\n", "line 2"), ({}, other, "LdapLoginModule"),
             ({"sessionRequireClientSASLAuth": "true", "sasl.serverconfig": "Other"}, JAAS, "no section Other")]
    for settings, jaas, reason in cases:
        server = Server(OURS, settings, jaas)
        done = subprocess.run(server.command() + [server.cfg], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
        text = done.stdout.decode()
        shutil.rmtree(server.work, ignore_errors=True)
        need(done.returncode == 2 and reason in text, "%s: exit code %d, %s" % (settings, done.returncode, text[-300:]))
        need(not any(password in text for password in PASSWORDS.values()), "a password is shown")
    return "%d cases" % len(cases)


def java(_):
    """The official command line, with right and wrong passwords."""
    def cli(server, user, password, *words):
        jaas = os.path.join(server.work, "client-%s.conf" % user)
        with open(jaas, "w") as f:
            f.write('Client { org.apache.zookeeper.server.auth.DigestLoginModule required username="%s" password="%s"; };' % (user, password.replace('"', '\\"')))
        return told(zkcli("127.0.0.1:%d" % server.port, *words, properties=["-Djava.security.auth.login.config=" + jaas, "-Dzookeeper.fips-mode=false"]))

    def look(server):
        return {"create": cli(server, "bob", PASSWORDS["bob"], "create", "/b", "x", "sasl:bob:cdrwa"), "acl": cli(server, "bob", PASSWORDS["bob"], "getAcl", "/b"),
                "admin": cli(server, "admin", PASSWORDS["admin"], "get", "/b"), "super": cli(server, "super", PASSWORDS["super"], "get", "/b"), "who": cli(server, "bob", PASSWORDS["bob"], "whoami")[:1],
                "wrong": cli(server, "bob", "wrong", "get", "/b")[:1]}

    return "%d facts" % both({}, look)


CHECKS = [exchanges, acls, failed_ones_stay, required, without, refused, java]


if __name__ == "__main__":
    sys.exit(main(CHECKS, lambda work: None))

#!/usr/bin/env python3
"""TLS on the client ports, against an official server with the same settings: what is let in, what it is called, what is answered.

Each check runs on both; what both show must be the same, but for what docs/differences.md names, which is said where it is asked.
usage: tls.py [CHECK ...]. SUT: the command that serves a zoo.cfg. The last line is `N passed, M failed`."""
import os
import re
import shlex
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "common"))
os.environ.setdefault("APP_LIMIT_S", "3600")
from applib import Proc, free_ports, need, until  # noqa: E402
from certs import PASSWORD, Authority, responding, run, served  # noqa: E402
from judge import OFFICIAL, OURS, code, compared, ids, main, zkcli  # noqa: E402
from zkmini import ZkError, ZkMini  # noqa: E402

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
X509 = "org.apache.zookeeper.server.auth.X509AuthenticationProvider"
DATA_BYTES, READS = 900_000, 40


class Server:
    """One server with TLS, of either kind, in a directory of its own."""

    def __init__(self, kind, pki, settings):
        self.kind, self.pki = kind, pki
        self.work = tempfile.mkdtemp(prefix="tls-")
        self.plain, self.secure = free_ports(2)
        data = os.path.join(self.work, "data")
        os.makedirs(data)
        self.lines = {"tickTime": 1000, "dataDir": data, "clientPort": self.plain, "clientPortAddress": "127.0.0.1", "secureClientPort": self.secure,
                      "secureClientPortAddress": "127.0.0.1", "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
                      "admin.enableServer": "false", "4lw.commands.whitelist": "*", "ssl.keyStore.location": pki.path("pem", "server"),
                      "ssl.trustStore.location": pki.path("pem"), **settings}
        self.lines = {key: value for key, value in self.lines.items() if value is not None}
        self.log, self.cfg = os.path.join(self.work, "log"), os.path.join(self.work, "zoo.cfg")
        with open(self.cfg, "w") as f:
            f.writelines("%s=%s\n" % line for line in self.lines.items())

    def __enter__(self):
        env = dict(os.environ, ADMIN="false", ZKJAVA=os.environ.get("ZKJAVA", "-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"))
        argv = [os.path.join(HERE, "..", "apache", "apache")] if self.kind == OFFICIAL else shlex.split(os.environ["SUT"])
        self.proc = Proc(self.kind, argv + [self.cfg], self.log, env=env)
        until("%s to listen" % self.kind, lambda: not self.proc.alive() or self.is_up(), 60, 0.1)
        need(self.proc.alive(), "%s ended: %s" % (self.kind, open(self.log, errors="replace").read()[-500:]))
        return self

    def is_up(self):
        """The official server answers on the one port before it listens on the other: it says when it has done both."""
        if self.kind == OFFICIAL:
            return b"checkIntervalMs" in open(self.log, "rb").read()
        port = self.plain if "clientPort" in self.lines else self.secure
        with socket.create_connection(("127.0.0.1", port), 2) as s:
            if port == self.secure:
                return True
            s.settimeout(2)
            s.sendall(b"srvr")
            return b"Mode" in s.recv(4096)

    def __exit__(self, *_):
        self.proc.kill()
        if not os.environ.get("KEEP"):
            shutil.rmtree(self.work, ignore_errors=True)

    def client(self, name="client", port=None, **kw):
        return ZkMini(port or self.secure, tls=self.pki.context(name, **{k: kw.pop(k) for k in ("versions", "ciphers") if k in kw}), **kw)

    def figures(self):
        """What `mntr` says, as numbers."""
        with socket.create_connection(("127.0.0.1", self.plain), 5) as s:
            s.sendall(b"mntr")
            text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
        pairs = (line.split("\t", 1) for line in text.splitlines() if "\t" in line)
        return {key: value for key, value in pairs}


def outcome(connect):
    """What a client sees: its ids, or that it is turned away."""
    try:
        with connect() as client:
            return ids(client)
    except (ssl.SSLError, ConnectionError, ZkError) as error:
        return "turned away" if not isinstance(error, ZkError) else "error %d" % error.code


def both(pki, settings, look, differs=None):
    return compared(lambda kind: Server(kind, pki, settings), look, differs)


# -- the checks

def versions(pki):
    """Who is let in with which version, and what is spoken then."""
    offers = {"all": None, "1.3": (TLS13, TLS13), "1.2": (TLS12, TLS12)}

    def look(server):
        seen = {}
        for name, offer in offers.items():
            try:
                with server.client(versions=offer) as client:
                    seen[name] = client.s.version(), client.s.cipher()[0]
            except (ssl.SSLError, ConnectionError):
                seen[name] = "turned away"
        return seen

    gcm12 = ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")
    count = both(pki, {}, look, {"1.2": gcm12})                        # ours cuts off no client of 3.8 by default
    count += both(pki, {"ssl.protocol": "TLSv1.2"}, look)
    count += both(pki, {"ssl.enabledProtocols": "TLSv1.3,TLSv1.2"}, look)
    count += both(pki, {"ssl.enabledProtocols": "TLSv1.2", "ssl.ciphersuites": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"}, look)
    return "%d facts" % count


def client_auth(pki):
    """Each value, with and without a certificate, and with those that are no good."""
    strangers = Authority(os.path.join(pki.work, "strangers"), subject="/C=US/O=Other/CN=Authority")
    strangers.leaf("stranger", "/CN=stranger")

    def of_strangers():
        context = pki.context()
        context.load_cert_chain(strangers.path("crt", "stranger"), strangers.path("key", "stranger"))
        return context

    def look(server):
        return {"none": outcome(lambda: server.client(None)), "good": outcome(lambda: server.client("client")),
                "elliptic": outcome(lambda: server.client("elliptic")), "expired": outcome(lambda: server.client("expired")),
                "of another authority": outcome(lambda: ZkMini(server.secure, tls=of_strangers())),
                "1.2": outcome(lambda: server.client(None, versions=(TLS12, TLS12)))}

    count = 0
    for value in (None, "need", "want", "none", "NEED"):
        count += both(pki, {"ssl.clientAuth": value, "ssl.enabledProtocols": "TLSv1.3,TLSv1.2"}, look)
    return "%d facts" % count


def answer_to_the_last_words(pki, port, text):
    """Bytes, as they are sealed, of the answer to a word whose client says at once that this was all."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = pki.context("client").wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", port), 15) as s:
        def step(call):
            while True:
                try:
                    return call()
                except ssl.SSLWantReadError:
                    s.sendall(outgoing.read())
                    incoming.write(s.recv(65536))
        step(tls.do_handshake)
        tls.write(text)
        try:
            tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        s.sendall(outgoing.read())
        told = b""
        try:
            told = b"".join(iter(lambda: s.recv(65536), b""))
        except ConnectionError:
            pass
        return len(told)


def unified(pki):
    """Plain and TLS on one port; words in both."""
    def word(port, text, context=None):
        with socket.create_connection(("127.0.0.1", port), 15) as s:
            s = context.wrap_socket(s, server_hostname="localhost") if context else s
            s.sendall(text)
            try:
                return b"".join(iter(lambda: s.recv(4096), b""))
            except (ConnectionError, ssl.SSLError):
                return b"reset"

    def look(server):
        tls = pki.context("client")
        conf = word(server.plain, b"conf").decode().splitlines()
        return {"plain word": word(server.plain, b"ruok"), "word in TLS": word(server.plain, b"ruok", tls), "word on the secure port": word(server.secure, b"ruok", tls),
                "plain session": outcome(lambda: ZkMini(server.plain)), "session in TLS": outcome(lambda: server.client(port=server.plain)),
                "on the secure port": outcome(lambda: server.client()),
                "ports": [line.replace(str(server.plain), "PLAIN").replace(str(server.secure), "SECURE") for line in conf if "lientPort=" in line],
                "plain on the secure port": outcome(lambda: ZkMini(server.secure)),
                "last words": [answer_to_the_last_words(pki, server.secure, word) > 1000 for word in (b"mntr", b"envi")]}

    count = both(pki, {"client.portUnification": "true"}, look)
    count += both(pki, {"client.portUnification": "false"}, lambda server: {"TLS on the plain port": outcome(lambda: server.client(port=server.plain))})
    return "%d facts" % count


def secure_alone(pki):
    """A server with no other port than that for TLS."""
    return "%d facts" % both(pki, {"clientPort": None, "clientPortAddress": None}, lambda server: {"session": outcome(lambda: server.client())})


def x509(pki):
    """Names of subjects, and what they may do."""
    subjects = ["client", "backwards", "odd", "elliptic"]

    def look(server):
        seen = {}
        for name in subjects:
            with server.client(name) as client:
                mine = [text.split(":", 1)[1] for text in ids(client) if text.startswith("x509:")][0]
                seen[name] = ids(client)
                client.create("/" + name, acl=[(31, "x509", mine)])
                client.create("/auth-" + name, acl=[(31, "auth", "")])
                seen["acls of " + name] = client.get_acl("/" + name), client.get_acl("/auth-" + name)
                seen["packet of " + name] = code(client.auth, "x509", "whatever")
                seen["after it " + name] = ids(client)
        for reader in subjects:
            with server.client(reader) as client:
                seen["read by " + reader] = [code(client.get, "/" + name) for name in subjects]
        with server.client("root") as client:
            seen["super"] = ids(client), [code(client.get, "/" + name) for name in subjects]
        with server.client("client") as client:
            for n, text in enumerate(["CN=a", "CN=a,OU=b", "cn=a", "2.5.4.3=a", "CN=a\\, b", 'CN="a, b"', "CN=#0401", "", "nonsense", "=a", "CN", "CN=a,,OU=b", "CN=a+OU=b",
                                      "CN=a,", ",CN=a", "FOO=a", "CN= a ", "CN=a;OU=b", "1.2=a", "CN=\u00fc", "emailAddress=a@b", "CN=a\\"]):
                seen["acl of %r" % text] = code(client.create, "/acl%d" % n, acl=[(31, "x509", text)])
        with ZkMini(server.plain) as client:
            seen["auth on a plain connection"] = code(client.create, "/none", acl=[(31, "auth", "")])
            seen["packet on a plain connection"] = code(client.auth, "x509", "CN=a")
        return seen

    return "%d facts" % both(pki, {"X509AuthenticationProvider.superUser": "CN=root,O=Test"}, look)


def sessions(pki):
    """A session moves between the ports; long replies, long requests, many at once."""
    def look(server):
        client = server.client("client", session_ms=8000)
        client.create("/big", b"x" * DATA_BYTES)
        client.create("/mine", flags=1)
        for _ in range(READS):
            client.xid += 1
            client._send(struct.pack(">ii", client.xid, 4) + client._str("/big") + b"\0")
        total = sum(len(client._recv()) for _ in range(READS))
        moved = client.renewed(server.plain)
        owner = moved.exists("/mine")["ephemeralOwner"] == client.session_id
        back = moved.renewed(server.secure, tls=pki.context("client"))
        seen = {"bytes": total, "owner": owner, "ids": ids(back), "left": code(client.exists, "/mine")}
        back.close()
        with ZkMini(server.plain) as other:
            seen["ephemeral"] = other.exists("/mine")
        return seen

    return "%d facts" % both(pki, {}, look)


def counted(pki):
    """What failed is counted."""
    def look(server):
        for _ in range(3):
            outcome(lambda: server.client(None))
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", server.secure), 5) as s:
                s.sendall(b"no TLS at all")
                s.recv(100)
        until("the last one to be counted", lambda: int(float(server.figures()["zk_unsuccessful_handshake"])) >= 5, 10, 0.1)
        return {key: int(float(server.figures()[key])) for key in ("zk_unsuccessful_handshake", "zk_auth_failed_count", "zk_tls_handshake_exceeded")}

    return "%d facts" % both(pki, {}, look)


def stalled(pki):
    """Who does not go on with its handshake is let go, and holds up nobody meanwhile."""
    def look(server):
        began = time.monotonic()
        silent = [socket.create_connection(("127.0.0.1", server.secure), 5) for _ in range(200)]
        for s in silent[::2]:
            s.sendall(b"\x16\x03\x01\x02\x00\x01")
        slowest = 0
        for _ in range(20):
            at = time.monotonic()
            with server.client() as client:
                client.exists("/")
            slowest = max(slowest, time.monotonic() - at)
        for s in silent:
            s.settimeout(15)
            try:
                while s.recv(100):
                    pass
            except ConnectionError:
                pass
        took = time.monotonic() - began
        need(8 < took < 13, "let go after %.1f s" % took)
        need(slowest < 2, "another client waited %.1f s" % slowest)
        return {"let go": True}

    return "%d facts" % both(pki, {"maxClientCnxns": "0"}, look)


def hostile(pki):
    """Handshakes that are none, and too long ones: bounded, and nobody else notices."""
    chain = os.path.join(pki.work, "long.crt")
    with open(chain, "w") as f:
        f.write(open(pki.path("crt", "client")).read() + open(pki.path("pem")).read() * 200)

    def long_chain(server):
        context = pki.context(None)
        context.load_cert_chain(chain, pki.path("key", "client"))
        return ZkMini(server.secure, tls=context)

    def rss_mb(server):
        with open("/proc/%d/status" % server.proc.p.pid) as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) / 1024

    with Server(OURS, pki, {"maxClientCnxns": "0"}) as server:
        before = rss_mb(server)
        worst = 0
        taken = []
        record = b"\x16\x03\x03\x40\x00" + bytes(0x4000)
        for _ in range(100):
            s = socket.create_connection(("127.0.0.1", server.secure), 5)
            s.settimeout(2)
            # The first message of a handshake, of 16 MB.
            s.sendall(b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(0x4000 - 4))
            sent = 0
            try:
                while sent < 16 << 20:
                    sent += s.send(record)
            except OSError:
                pass
            taken.append(sent)
            s.close()
            at = time.monotonic()
            with server.client() as client:
                client.exists("/")
            worst = max(worst, time.monotonic() - at)
        need(max(taken) < 8 << 20, "%d bytes of a handshake were taken" % max(taken))
        need(outcome(lambda: long_chain(server)) == "turned away", "a chain of 200 certificates is taken")
        done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % server.secure, "-tls1_2", "-legacy_renegotiation", "-CAfile", pki.path("pem"), "-cert", pki.path("crt", "client"),
                               "-key", pki.path("key", "client")], input=b"R\nR\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
        need(b"RENEGOTIATING" in done.stdout, "openssl asks for no renegotiation: %s" % done.stdout[-200:])
        need("x509" in str(outcome(server.client)), "nobody is served any more")
        need(worst < 1, "another client waited %.0f ms" % (worst * 1000))
        grown = rss_mb(server) - before
        need(grown < 64, "%.0f MB more" % grown)
        return "%d bytes taken of 16 MB at most; others waited %.0f ms, %.1f MB more" % (max(taken), worst * 1000, grown)


def reloaded(pki):
    """New files are taken up without a restart, and connections stay."""
    def serial(server):
        with server.client() as client:
            return client.s.getpeercert()["serialNumber"]

    def look(server):
        pki.leaf("changing", "/CN=localhost")
        os.replace(pki.path("pem", "changing"), pki.path("pem", "reloaded"))
        time.sleep(3)
        before = serial(server)
        stays = server.client()
        pki.leaf("changing", "/CN=localhost")
        os.replace(pki.path("pem", "changing"), pki.path("pem", "reloaded"))
        until("the new certificate", lambda: serial(server) != before, 30, 0.3)
        stays.exists("/")
        return {"taken up": True}

    pki.leaf("reloaded", "/CN=localhost")
    return "%d facts" % both(pki, {"ssl.keyStore.location": pki.path("pem", "reloaded"), "client.certReload": "true"}, look)


def stores(pki):
    """The same key in each kind of store."""
    count = 0
    for place, trust in ((pki.pkcs12("server"), pki.trust_jks("PKCS12")), (pki.jks("server"), pki.trust_jks())):
        settings = {"ssl.keyStore.location": place, "ssl.keyStore.password": PASSWORD, "ssl.trustStore.location": trust, "ssl.trustStore.password": PASSWORD}
        count += both(pki, settings, lambda server: {"session": outcome(lambda: server.client()), "without": outcome(lambda: server.client(None))})
    return "%d facts" % count


def keys(pki):
    """Every form of a key that openssl and keytool write, on ours alone: the official server does not read the half of them."""
    pki.leaf("rsa", "/CN=localhost")
    pki.leaf("ec", "/CN=localhost", key=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"))
    encrypt = ["openssl", "pkcs8", "-topk8", "-passout", "pass:" + PASSWORD]
    forms = {
        "PKCS#8": ["openssl", "pkcs8", "-topk8", "-nocrypt"], "encrypted, as by default": encrypt, "PBES2 with AES-128 and SHA-1": encrypt + ["-v2", "aes128", "-v2prf", "hmacWithSHA1"],
        "PBES2 with 3DES": encrypt + ["-v2", "des3"], "scrypt": encrypt + ["-scrypt"], "SHA-1 and 3DES": encrypt + ["-v1", "PBE-SHA1-3DES"],
        "MD5 and DES": encrypt + ["-v1", "PBE-MD5-DES", "-provider", "legacy", "-provider", "default"]}
    traditional = {"rsa": ["openssl", "rsa", "-traditional"], "ec": ["openssl", "ec"]}
    count = 0

    def serves(what, **settings):
        settings = {key.replace("_", "."): value for key, value in settings.items()}
        with Server(OURS, pki, settings) as server:
            seen = outcome(lambda: server.client())
            need(isinstance(seen, list), "%s: %s" % (what, seen))

    for name in ("rsa", "ec"):
        for what, command in {**forms, "traditional": traditional[name]}.items():
            out = pki.path("form.pem", name)
            run(*command, "-in", pki.path("key", name), "-out", out)
            text = open(out).read()
            # Text around the blocks, and the certificate before or behind the key.
            crt = open(pki.path("crt", name)).read()
            with open(out, "w") as f:
                f.write("Bag Attributes\n    friendlyName: x\n" + (text + crt if count % 2 else crt + text))
            serves("%s, %s" % (name, what), ssl_keyStore_location=out, ssl_keyStore_password=PASSWORD)
            count += 1
        # The parameters of the curve stand before the key.
        p12, legacy = pki.pkcs12(name), pki.path("legacy.p12", name)
        run("openssl", "pkcs12", "-export", "-legacy", "-inkey", pki.path("key", name), "-in", pki.path("crt", name), "-passout", "pass:" + PASSWORD, "-out", legacy)
        converted, jks = pki.path("keytool.p12", name), pki.jks(name)
        run("keytool", "-importkeystore", "-noprompt", "-srckeystore", p12, "-srcstorepass", PASSWORD, "-destkeystore", converted, "-deststoretype", "PKCS12", "-deststorepass", PASSWORD)
        # What keytool calls .jks today is PKCS#12.
        misnamed = pki.path("misnamed.jks", name)
        shutil.copy(converted, misnamed)
        password = pki.path("password")
        with open(password, "w") as f:
            f.write(PASSWORD + "\n")
        for store in (p12, legacy, converted, jks, misnamed):
            serves(store, ssl_keyStore_location=store, ssl_keyStore_passwordPath=password, ssl_keyStore_password="wrong")
            count += 1
    named = pki.path("store", "rsa")
    shutil.copy(pki.path("pem", "rsa"), named)
    serves("a type that is set", ssl_keyStore_location=named, ssl_keyStore_type="pem")
    return "%d forms" % (count + 1)


def refused(pki):
    """What cannot be honoured ends the start with exit code 2, the setting, the file and the reason."""
    empty, garbage = pki.path("empty.pem"), pki.path("garbage.p12")
    open(empty, "w").close()
    with open(garbage, "wb") as f:
        f.write(os.urandom(2000))
    only_key = pki.path("only.pem")
    with open(only_key, "w") as f:
        f.write(open(pki.path("key", "server")).read())
    mixed = pki.path("mixed.pem")
    with open(mixed, "w") as f:
        f.write(open(pki.path("key", "client")).read() + open(pki.path("crt", "server")).read())
    cases = [
        ({"ssl.keyStore.location": None}, "ssl.keyStore.location is not set"),
        ({"ssl.trustStore.location": None}, "ssl.clientAuth=none"),
        ({"ssl.keyStore.location": "/nowhere/k.pem"}, "ssl.keyStore.location=/nowhere/k.pem: cannot read it"),
        ({"ssl.keyStore.location": empty}, "it holds no private key"),
        ({"ssl.keyStore.location": only_key}, "it holds no certificate"),
        ({"ssl.keyStore.location": mixed}, "ssl.keyStore.location=" + mixed),
        ({"ssl.keyStore.location": garbage}, "it is no PKCS#12 file"),
        ({"ssl.keyStore.location": pki.pkcs12("server"), "ssl.keyStore.password": "wrong"}, "the password does not open it"),
        ({"ssl.keyStore.location": pki.jks("server"), "ssl.keyStore.password": "wrong"}, "the password does not open it"),
        ({"ssl.trustStore.location": empty}, "it holds no certificate"),
        ({"ssl.keyStore.location": pki.path("key")}, "set the type"),
        ({"ssl.keyStore.type": "BCFKS"}, "BCFKS is no type of store"),
        ({"ssl.enabledProtocols": "TLSv1.1"}, "ssl.enabledProtocols=TLSv1.1"),
        ({"ssl.ciphersuites": "TLS_RSA_WITH_AES_128_CBC_SHA"}, "ssl.ciphersuites=TLS_RSA_WITH_AES_128_CBC_SHA"),
        ({"ssl.context.supplier.class": "my.Context"}, "ssl.context.supplier.class"),
    ]
    for settings, reason in cases:
        server = Server(OURS, pki, settings)
        done = subprocess.run(shlex.split(os.environ["SUT"]) + [server.cfg], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
        text = done.stdout.decode()
        shutil.rmtree(server.work, ignore_errors=True)
        need(done.returncode == 2 and reason in text, "%s: exit code %d, %s" % (settings, done.returncode, text[-300:]))
        need(PASSWORD not in text and "wrong" not in text.replace("wrong place", ""), "a password is shown: %s" % text)
    return "%d cases" % len(cases)


def java(pki):
    """The official command line over TLS, with stores as keytool and openssl write them."""
    client, trust = pki.pkcs12("client"), pki.trust_jks()

    def cli(server, *words, with_key=True):
        ssl_settings = {"trustStore.location": trust, "trustStore.password": PASSWORD, **({"keyStore.location": client, "keyStore.password": PASSWORD} if with_key else {})}
        properties = ["-Dzookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty", "-Dzookeeper.client.secure=true",
                      *("-Dzookeeper.ssl.%s=%s" % pair for pair in ssl_settings.items())]
        lines = zkcli("localhost:%d" % server.secure, *words, properties=properties)
        return [line for line in lines if line and not re.match(r"\d{4}-|Connecting|WATCHER|WatchedEvent|\t|io\.netty|javax\.net|Caused", line)]

    def look(server):
        return {"create": cli(server, "create", "/j", "x", "auth::cdrwa"), "acl": cli(server, "getAcl", "/j"), "who": sorted(cli(server, "whoami")), "get": cli(server, "get", "/j")}

    return "%d facts" % both(pki, {}, look)


def revoked(pki):
    """Lists of what an authority has taken back, good ones and those that say nothing."""
    lists = os.path.join(pki.work, "lists")
    web = served(lists)
    port = web.server_port
    others = Authority(os.path.join(pki.work, "others"))
    places = {"good": "list.crl", "taken-back": "list.crl", "old": "old.crl", "just-old": "just.crl", "others": "others.crl", "nonsense": "nonsense.crl", "missing": "missing.crl"}
    for name, place in places.items():
        pki.leaf(name, "/CN=" + name, extra="crlDistributionPoints=URI:http://127.0.0.1:%d/%s\n" % (port, place))
    pki.leaf("unlisted", "/CN=unlisted")
    pki.leaf("unreachable", "/CN=unreachable", extra="crlDistributionPoints=URI:http://127.0.0.1:%d/list.crl\n" % free_ports(1)[0])
    shutil.copy(pki.crl("list", "taken-back"), os.path.join(lists, "list.crl"))
    shutil.copy(pki.crl("old", options=("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z")), os.path.join(lists, "old.crl"))
    shutil.copy(pki.crl("just", options=("-crlsec", "1")), os.path.join(lists, "just.crl"))
    shutil.copy(others.crl("list"), os.path.join(lists, "others.crl"))
    with open(os.path.join(lists, "nonsense.crl"), "w") as f:
        f.write("nonsense")
    time.sleep(1.5)
    try:
        look = lambda server: {name: outcome(lambda: server.client(name)) for name in [*places, "unlisted", "unreachable"]}  # noqa: E731
        count = both(pki, {"ssl.crl": "true"}, look)
        count += both(pki, {}, look)
        # A list is fetched once by all who need it.
        web.asked.clear()
        with Server(OURS, pki, {"ssl.crl": "true"}) as server:
            for _ in range(20):
                need("x509:CN=good" in outcome(lambda: server.client("good")), "a good one is turned away")
        need(web.asked == ["/list.crl"], "fetched: %s" % web.asked)
        return "%d facts" % count
    finally:
        web.shutdown()


def responders(pki):
    """What responders say, and lists where they say nothing."""
    lists = os.path.join(pki.work, "more-lists")
    web, asked = served(lists), responding(pki)
    pki.leaf("delegate", "/CN=delegate", extra="extendedKeyUsage=OCSPSigning\n")
    pki.leaf("nobody", "/CN=nobody")
    closed = "http://127.0.0.1:%d/ca/" % free_ports(1)[0]
    place = lambda signer: "http://127.0.0.1:%d/%s/" % (asked.server_port, signer)  # noqa: E731
    listed = "crlDistributionPoints=URI:http://127.0.0.1:%d/list.crl\n" % web.server_port
    names = {"said-good": (place("ca"), ""), "said-revoked": (place("ca"), ""), "unknown": (place("ca"), ""), "by-delegate": (place("delegate"), ""),
             "revoked-by-delegate": (place("delegate"), ""), "by-nobody": (place("nobody"), ""), "closed": (closed, ""), "closed-listed": (closed, listed),
             "closed-revoked": (closed, listed), "said-revoked-not-listed": (place("ca"), listed), "only-listed": (None, listed), "none": (None, "")}
    for name, (url, extra) in names.items():
        pki.leaf(name, "/CN=" + name, extra=("authorityInfoAccess=OCSP;URI:%s\n" % url if url else "") + extra)
    revoked = [name for name in names if "revoked" in name]
    shutil.copy(pki.crl("listed", "closed-revoked"), os.path.join(lists, "list.crl"))
    pki.crl("said", *revoked, good=("said-good", "by-delegate", "by-nobody", "closed-listed", "only-listed"))
    look = lambda server: {name: outcome(lambda: server.client(name)) for name in names}  # noqa: E731
    try:
        count = both(pki, {"ssl.ocsp": "true"}, look)
        return "%d facts" % (count + both(pki, {"ssl.ocsp": "true", "ssl.crl": "true"}, look))
    finally:
        web.shutdown()
        asked.shutdown()


CHECKS = [versions, client_auth, revoked, responders, unified, secure_alone, x509, sessions, counted, stalled, hostile, reloaded, stores, keys, refused, java]


def prepared(work):
    """The keys of all checks."""
    pki = Authority(work)
    pki.leaf("server", "/C=US/O=Test/CN=localhost")
    pki.leaf("client", "/C=US/O=Example, Inc./OU=eng/CN=kafka")
    pki.leaf("backwards", "/CN=kafka/OU=eng/O=Example, Inc./C=US")
    pki.leaf("odd", "/C=US/DC=example/UID=u1/emailAddress=a@example.org/serialNumber=77/ST=Z\u00fcrich/CN=k+a #1;\"x\"".replace("+", "\\+"))
    pki.leaf("elliptic", "/C=US/CN=elliptic", key=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"))
    pki.leaf("expired", "/C=US/CN=expired", days=("-days", "-1"))
    pki.leaf("root", "/O=Test/CN=root")
    return pki


if __name__ == "__main__":
    sys.exit(main(CHECKS, prepared))

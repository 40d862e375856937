#!/usr/bin/env python3
"""Programs of other languages over TLS and with logins, against an official server with the same settings: what they print.

usage: clients.py [CHECK ...]. SUT: the command that serves a zoo.cfg. The last line is `N passed, M failed`."""
import functools
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "common"))
from applib import need  # noqa: E402
from certs import Authority  # noqa: E402
from judge import at_once, compared, main  # noqa: E402
from sasl import PROVIDER  # noqa: E402
from tls import Server as TlsServer  # noqa: E402
from zkmini import ZkMini  # noqa: E402

CLIENTS, TARGET = os.path.join(HERE, "clients"), os.path.join(HERE, "target")
JAAS = 'Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_bob="bobs password" user_eve="eves"; };\n'
SUBJECT = "CN=client,O=Test"


def built(what, *argv, cwd=None, seconds=900):
    os.makedirs(TARGET, exist_ok=True)
    log = os.path.join(TARGET, "build-%s.log" % what)
    with open(log, "wb") as out:
        need(subprocess.run(argv, cwd=cwd, stdout=out, stderr=out, timeout=seconds).returncode == 0, "building %s failed: see %s" % (what, log))


class Estate:
    """Keys, a JAAS file, and the programs."""

    def __init__(self, work):
        self.pki = Authority(os.path.join(work, "pki"))
        for name in ("server", "client", "other"):
            self.pki.leaf(name, "/O=Test/CN=" + name)
        self.strangers = Authority(os.path.join(work, "strangers"))
        self.strangers.leaf("stranger", "/O=Test/CN=client")
        self.jaas = os.path.join(work, "jaas.conf")
        with open(self.jaas, "w") as f:
            f.write(JAAS)
        venv, wanted = os.path.join(TARGET, "venv"), os.path.join(CLIENTS, "kazoo.txt")
        done = os.path.join(venv, ".done")
        if not os.path.exists(done) or os.path.getmtime(done) < os.path.getmtime(wanted):
            built("venv", sys.executable, "-m", "venv", "--clear", venv)
            built("kazoo", os.path.join(venv, "bin", "pip"), "install", "-q", "-r", wanted)
            open(done, "w").close()
        built("go", "go", "build", "-o", os.path.join(TARGET, "go-client"), ".", cwd=os.path.join(CLIENTS, "go"))
        built("rust", "cargo", "build", "--quiet", "--locked", "--target-dir", os.path.join(TARGET, "rust"), cwd=os.path.join(CLIENTS, "rust"))
        self.programs = {"kazoo": [os.path.join(venv, "bin", "python"), os.path.join(CLIENTS, "kazoo_calls.py")], "go": [os.path.join(TARGET, "go-client")],
                         "rust": [os.path.join(TARGET, "rust", "debug", "oxkeeper-compat-security-client")]}

    def both(self, settings, look):
        settings = {"ssl.clientAuth": "want", "fips-mode": "false", "authProvider.sasl": PROVIDER, "java.security.auth.login.config": self.jaas, **settings}
        return compared(lambda kind: TlsServer(kind, self.pki, settings), look)

    def say(self, program, server, secure, pki=None, name=None, login=None, own=("auth", "")):
        """What a program prints that comes over TLS (or not), with a certificate and a login, if it has them."""
        pki = pki or self.pki
        # Each has a znode of its own: sessions may end a little after their programs.
        base = "/%s%s%s%s" % (program, "-tls" if secure else "", "-" + name if name else "", "-" + "-".join(login).replace(" ", "-") if login else "")
        env = dict(os.environ, BASE=base, ZK="localhost:%d" % (server.secure if secure else server.plain), SCHEME=own[0], ID=own[1])
        if secure:
            env["CA"] = self.pki.path("pem")
        if name:
            env.update(CERT=pki.path("crt", name), KEY=pki.path("key", name))
        if login:
            env.update(ZKUSER=login[0], ZKPASSWORD=login[1])
        done = subprocess.run(self.programs[program], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=120)
        text = done.stdout.decode()
        need(done.returncode == 0 and text, "%s ended with %d: %s" % (program, done.returncode, (text + done.stderr.decode())[-400:]))
        return text.splitlines()


def another(server):
    """A znode that none of the programs may read."""
    with ZkMini(server.plain) as c:
        c.auth("digest", "owner:secret")
        c.create("/another", b"", acl=[(31, "auth", "")])


# -- the checks

def over_tls(estate):
    """With a certificate, without one, and with a stranger's."""
    def look(server):
        another(server)
        say, calls = estate.say, {}
        for program in estate.programs:
            calls[program] = functools.partial(say, program, server, True, name="client", own=("x509", SUBJECT))
            calls[program + ", no certificate"] = functools.partial(say, program, server, True)
            calls[program + ", a stranger's"] = functools.partial(say, program, server, True, pki=estate.strangers, name="stranger")
        seen = at_once(calls)
        need(any("true" in line or "800000" in line for line in seen["go"]), "nothing was read: %s" % seen["go"])
        return seen

    return "%d transcripts" % estate.both({}, look)


def required(estate):
    """A certificate is needed: who has none is turned away."""
    def look(server):
        return at_once({(program, name): functools.partial(estate.say, program, server, True, name=name) for program in estate.programs for name in (None, "client")})

    return "%d transcripts" % estate.both({"ssl.clientAuth": "need"}, look)


def logins(estate):
    """Names and passwords, in plain text and over TLS, good and bad."""
    def look(server):
        another(server)
        seen = {}
        for program in ("kazoo", "rust"):
            for secure in (False, True):
                what = "%s, %s" % (program, "TLS" if secure else "plain")
                seen[what + ", bob"] = estate.say(program, server, secure, login=("bob", "bobs password"), own=("sasl", "bob"))
                seen[what + ", wrong"] = estate.say(program, server, secure, login=("bob", "wrong"))
                seen[what + ", unknown"] = estate.say(program, server, secure, login=("nobody", "x"))
        return seen

    count = estate.both({}, look)
    count += estate.both({"sessionRequireClientSASLAuth": "true"}, lambda server: {
        (program, str(login)): estate.say(program, server, False, login=login) for program in ("kazoo", "rust") for login in (None, ("eve", "eves"))})
    return "%d transcripts" % count


CHECKS = [over_tls, required, logins]


if __name__ == "__main__":
    sys.exit(main(CHECKS, Estate))

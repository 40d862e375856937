#!/usr/bin/env python3
"""TLS and logins among members: mixed with official ones, from plain to TLS and back while clients work, and who is kept out.

usage: quorum.py [CHECK ...]. SUT: the command that serves a zoo.cfg; ZKV: the official version (3.9.5). The last line is `N passed, M failed`."""
import atexit
import os
import shutil
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "ensemble"), os.path.join(HERE, "..", "common")]
from certs import PASSWORD, Authority, served  # noqa: E402
from judge import main  # noqa: E402
from kdc import REALM, Kdc, module  # noqa: E402
from members import OXKEEPER, Ensemble, need, until  # noqa: E402
from same import same  # noqa: E402
from scenarios import SCENARIOS  # noqa: E402
from workload import Workload  # noqa: E402

OFFICIAL = os.environ.get("ZKV", "3.9.5")
MIXED = [OFFICIAL, OXKEEPER, OFFICIAL]
KEPT_OUT_S = 4
JAAS = """QuorumServer { org.apache.zookeeper.server.auth.DigestLoginModule required user_member="the members' \\"own\\""; };
QuorumLearner { org.apache.zookeeper.server.auth.DigestLoginModule required username="member" password="%s"; };
"""


class Estate:
    """Keys, names and passwords of a test."""

    def __init__(self, work):
        self.pki = Authority(os.path.join(work, "pki"))
        self.pki.leaf("member", "/O=Test/CN=member")
        self.pki.leaf("elsewhere", "/O=Test/CN=elsewhere", san="DNS:zk.example.org")
        self.pki.leaf("expired", "/O=Test/CN=expired", days=("-days", "-1"))
        # Certificates that are looked up in a list, and one that stands in it.
        lists = os.path.join(work, "lists")
        web = served(lists)
        for name in ("listed", "revoked"):
            self.pki.leaf(name, "/O=Test/CN=" + name, extra="crlDistributionPoints=URI:http://127.0.0.1:%d/list.crl\n" % web.server_port)
        shutil.copy(self.pki.crl("list", "revoked"), os.path.join(lists, "list.crl"))
        self.strangers = Authority(os.path.join(work, "strangers"))
        self.strangers.leaf("stranger", "/O=Test/CN=member")
        self.jaas, self.wrong_jaas = os.path.join(work, "jaas.conf"), os.path.join(work, "wrong.conf")
        for path, password in ((self.jaas, "the members' \\\"own\\\""), (self.wrong_jaas, "wrong")):
            with open(path, "w") as f:
                f.write(JAAS % password)

        self.kdc = Kdc(os.path.join(work, "kdc"))
        atexit.register(self.kdc.stop)

    def kerberos(self, learner="learner/127.0.0.1", life=None, **settings):
        """Settings of members that log in by a key."""
        name = learner.replace("/", "_")
        jaas = os.path.join(self.kdc.work, name + ".jaas")
        with open(jaas, "w") as f:
            f.write(module("QuorumServer", self.kdc.keytab("members", "zkquorum/127.0.0.1"), "zkquorum/127.0.0.1@" + REALM))
            f.write(module("QuorumLearner", self.kdc.keytab(name, learner, life=life), learner + "@" + REALM))
        os.environ.update({key: self.kdc.env[key] for key in ("LD_LIBRARY_PATH", "KRB5RCACHEDIR") if key in self.kdc.env})
        return {"quorum.auth.enableSasl": "true", "quorum.auth.learnerRequireSasl": "true", "quorum.auth.serverRequireSasl": "true",
                "quorum.auth.kerberos.servicePrincipal": "zkquorum/_HOST", "java.security.auth.login.config": jaas, "java.security.krb5.conf": self.kdc.conf, **settings}

    def tls(self, store=None, **settings):
        return {"sslQuorum": "true", "ssl.quorum.keyStore.location": store or self.pki.path("pem", "member"), "ssl.quorum.trustStore.location": self.pki.path("pem"), **settings}

    def sasl(self, jaas=None, **settings):
        return {"quorum.auth.enableSasl": "true", "quorum.auth.learnerRequireSasl": "true", "quorum.auth.serverRequireSasl": "true", "fips-mode": "false",
                "java.security.auth.login.config": jaas or self.jaas, **settings}


def run(kinds, settings, scenarios, observers=()):
    with Ensemble(kinds, observers, **settings) as ensemble:
        told = []
        for name in scenarios:
            ensemble.start()
            told.append(SCENARIOS[name](ensemble))
        ensemble.start()
        return "%s; %d znodes the same on all" % ("; ".join(told), same(ensemble))


def reconfigured(ensemble, member, settings):
    """The member's zoo.cfg with other lines; a value of None takes a line out."""
    with open(member.cfg) as f:
        lines = [line for line in f.read().splitlines() if line.split("=", 1)[0] not in settings]
    with open(member.cfg, "w") as f:
        f.write("\n".join(lines + ["%s=%s" % pair for pair in settings.items() if pair[1] is not None]) + "\n")


# -- the checks

def tls_mixed(estate):
    """Official members and ours, each leads in turn."""
    return run(MIXED, estate.tls(), ["start", "leaders"], [OXKEEPER])


def tls_names(estate):
    """Ours alone, with the names in certificates checked, and each kind of store."""
    store = estate.pki.pkcs12("member")
    settings = estate.tls(store, **{"ssl.quorum.keyStore.password": PASSWORD, "fips-mode": "false", "ssl.quorum.trustStore.location": estate.pki.trust_jks(),
                                    "ssl.quorum.trustStore.password": PASSWORD})
    return run([OXKEEPER] * 3, settings, ["start", "outages"])


def snapshots(estate):
    """A member with an empty disk gets its snapshot over TLS, from either kind."""
    with Ensemble(MIXED, **estate.tls()) as ensemble:
        ensemble.start()
        with ensemble.leader().client(timeout=20) as client:
            for n in range(40):
                client.create("/large%d" % n, os.urandom(200_000))
        for member in (ensemble[2], ensemble[1]):
            member.kill()
            member.fresh()
            member.start()
            ensemble.serve()
        return "%d znodes the same on all" % same(ensemble)


def rolling(estate):
    """From plain to TLS by the official three steps and back, one member at a time, while clients work."""
    steps = [{"portUnification": "true", "sslQuorum": None}, {"portUnification": "true", "sslQuorum": "true"}, {"portUnification": None, "sslQuorum": "true"}]
    stores = {key: value for key, value in estate.tls().items() if key != "sslQuorum"}
    with Ensemble(MIXED) as ensemble:
        ensemble.start()
        with Workload(ensemble, "/rolling") as load:
            for step in [*steps, steps[1], steps[0], {"portUnification": None, "sslQuorum": None}]:
                for member in sorted(ensemble, key=lambda m: m.mode() == "leader"):
                    member.stop()
                    reconfigured(ensemble, member, {**stores, **step})
                    member.start()
                    ensemble.serve()
                    load.goes_on()
        need(load.expired() == 0, "%d sessions ended" % load.expired())
        return "%s; %d znodes the same on all" % (load.verdict(), same(ensemble))


def sasl_mixed(estate):
    """Logins with names and passwords, official members and ours."""
    return run(MIXED, estate.sasl(), ["start", "leaders"], [OXKEEPER])


def sasl_rolling(estate):
    """From no logins to required ones by the official three steps, one member at a time, while clients work."""
    fixed = {"fips-mode": "false", "java.security.auth.login.config": estate.jaas}
    steps = [{"quorum.auth.enableSasl": "true"}, {"quorum.auth.learnerRequireSasl": "true"}, {"quorum.auth.serverRequireSasl": "true"}]
    with Ensemble(MIXED, **fixed) as ensemble:
        ensemble.start()
        with Workload(ensemble, "/logins") as load:
            for step in steps:
                for member in sorted(ensemble, key=lambda m: m.mode() == "leader"):
                    member.stop()
                    reconfigured(ensemble, member, step)
                    member.start()
                    ensemble.serve()
                    load.goes_on()
        need(load.expired() == 0, "%d sessions ended" % load.expired())
        return "%s; %d znodes the same on all" % (load.verdict(), same(ensemble))


def kerberos_mixed(estate):
    """Logins with keys, official members and ours."""
    return run(MIXED, estate.kerberos(), ["start", "leaders"], [OXKEEPER])


def kerberos_renewal(estate):
    """Members whose tickets have run out get new ones: those that join, and those that elect. Nobody does without the KDC."""
    life = 8
    settings = estate.kerberos("brief/127.0.0.1", life="%ds" % life)
    with Ensemble([OXKEEPER] * 3, **settings) as ensemble:
        ensemble.start()
        time.sleep(life + 1)
        follower = next(member for member in ensemble if member.mode() == "follower")
        follower.kill()
        follower.start()
        ensemble.serve()
        ensemble.leader().kill()
        ensemble.serve(*ensemble.alive())
        time.sleep(life + 1)
        estate.kdc.stop()
        third = next(member for member in ensemble if member not in ensemble.alive())
        third.start()
        time.sleep(4)
        need(third.mode() is None, "without the KDC a member is a %s" % third.mode())
        ensemble.serve(*[member for member in ensemble if member is not third])
        estate.kdc.start()
        ensemble.serve()
        return "tickets of %d s; %d znodes the same on all" % (life, same(ensemble))


def both_at_once(estate):
    """Logins over TLS, ours alone."""
    return run([OXKEEPER] * 3, {**estate.tls(), **estate.sasl()}, ["start", "leaders"])


def kept_out(estate):
    """Who has no good certificate, no login, or the wrong one does not join, and harms nobody; it joins once that is mended."""
    wrong = {
        "plain": (estate.tls(), {"sslQuorum": None}),
        "a stranger's certificate": (estate.tls(), {"ssl.quorum.keyStore.location": estate.strangers.path("pem", "stranger")}),
        "an expired one": (estate.tls(), {"ssl.quorum.keyStore.location": estate.pki.path("pem", "expired")}),
        "another name": (estate.tls(**{"fips-mode": "false"}), {"ssl.quorum.keyStore.location": estate.pki.path("pem", "elsewhere")}),
        "a revoked one": (estate.tls(estate.pki.path("pem", "listed"), **{"ssl.quorum.crl": "true"}), {"ssl.quorum.keyStore.location": estate.pki.path("pem", "revoked")}),
        "no login": (estate.sasl(), {key: None for key in estate.sasl()}),
        "the wrong password": (estate.sasl(), {"java.security.auth.login.config": estate.wrong_jaas}),
        "no member's principal": (estate.kerberos(), {"java.security.auth.login.config": estate.kerberos("learner/10.0.0.1")["java.security.auth.login.config"]}),
        "the principal of a user": (estate.kerberos(), {"java.security.auth.login.config": estate.kerberos("alice")["java.security.auth.login.config"]}),
    }
    for what, (right, other) in wrong.items():
        with Ensemble([OXKEEPER] * 3, **right) as ensemble:
            third = ensemble[3]
            reconfigured(ensemble, third, other)
            for member in ensemble:
                member.start()
            ensemble.serve(ensemble[1], ensemble[2])
            leader = ensemble.leader()
            end = time.monotonic() + KEPT_OUT_S
            while time.monotonic() < end:
                need(third.mode() is None, "with %s a member is a %s" % (what, third.mode()))
                with ensemble[1].client() as client:
                    client.exists("/")
                time.sleep(0.2)
            need(ensemble.leader() is leader, "with %s somebody else leads" % what)
            third.kill()
            reconfigured(ensemble, third, {**{key: None for key in other}, **{key: value for key, value in right.items() if key in other}})
            third.start()
            ensemble.serve()
    return "%d kinds" % len(wrong)


def reloaded(estate):
    """New keys are taken up for new connections; the ensemble goes on."""
    store = estate.pki.path("pem", "changing")
    shutil.copy(estate.pki.path("pem", "member"), store)
    with Ensemble([OXKEEPER] * 3, **estate.tls(store, sslQuorumReloadCertFiles="true")) as ensemble:
        ensemble.start()
        estate.pki.leaf("renewed", "/O=Test/CN=renewed")
        os.replace(estate.pki.path("pem", "renewed"), store)
        until("all to have read it", lambda: all("read again" in open(m.log).read() for m in ensemble), 10, 0.1)
        ensemble.leader().kill()
        ensemble.serve(*ensemble.alive())
        ensemble.start()
        return "%d znodes the same on all" % same(ensemble)


CHECKS = [tls_mixed, tls_names, snapshots, rolling, sasl_mixed, sasl_rolling, kerberos_mixed, kerberos_renewal, both_at_once, kept_out, reloaded]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))           # so that the members are ended
    sys.exit(main(CHECKS, Estate))

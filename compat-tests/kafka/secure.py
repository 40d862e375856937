"""How Kafka comes to its server: as it is (""), over TLS with a certificate ("tls"), with a name and a password ("sasl"), or both ("tls,sasl").

With either of them it sets ACLs (zookeeper.set.acl)."""
import atexit
import os
import shutil
import tempfile

from applib import free_port, need
from certs import PASSWORD, Authority
from judge import code
from zkmini import ZkMini

SUPER = "super", "of a test"
# echo -n 'super:of a test' | openssl sha1 -binary | base64
SUPER_DIGEST = "super:x5jdRfNascy8sRHpKkpSKLAd3Kc="
JAAS = """Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_kafka="kafkas"; };
Client { org.apache.zookeeper.server.auth.DigestLoginModule required username="kafka" password="kafkas"; };
"""
SUBJECT = "CN=kafka,O=Test"


class Security:
    def __init__(self, ways):
        self.ways = [way for way in ways.split(",") if way]
        self.settings, self.flags = {}, []
        if not self.ways:
            return
        work = tempfile.mkdtemp(prefix="kafka-security-")
        atexit.register(shutil.rmtree, work, ignore_errors=True)
        self.settings.update({"DigestAuthenticationProvider.superDigest": SUPER_DIGEST, "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory"})
        if "tls" in self.ways:
            self.pki, self.port = Authority(os.path.join(work, "pki")), free_port()
            self.pki.leaf("server", "/O=Test/CN=server")
            self.pki.leaf("kafka", "/O=Test/CN=kafka")
            self.stores = {"zookeeper.clientCnxnSocket": "org.apache.zookeeper.ClientCnxnSocketNetty", "zookeeper.ssl.client.enable": "true",
                           "zookeeper.ssl.keystore.location": self.pki.pkcs12("kafka"), "zookeeper.ssl.keystore.password": PASSWORD, "zookeeper.ssl.keystore.type": "PKCS12",
                           "zookeeper.ssl.truststore.location": self.pki.trust_jks(), "zookeeper.ssl.truststore.password": PASSWORD, "zookeeper.ssl.truststore.type": "JKS"}
            self.tool = os.path.join(work, "tls.properties")
            with open(self.tool, "w") as f:
                f.writelines("%s=%s\n" % pair for pair in self.stores.items())
            # A client of Kafka 3.9 offers TLS 1.2 alone.
            self.settings.update({"secureClientPort": self.port, "secureClientPortAddress": "127.0.0.1", "ssl.enabledProtocols": "TLSv1.3,TLSv1.2",
                                  "ssl.keyStore.location": self.pki.pkcs12("server"), "ssl.keyStore.password": PASSWORD,
                                  "ssl.trustStore.location": self.pki.trust_jks(), "ssl.trustStore.password": PASSWORD})
        if "sasl" in self.ways:
            jaas = os.path.join(work, "jaas.conf")
            with open(jaas, "w") as f:
                f.write(JAAS)
            self.flags.append("-Djava.security.auth.login.config=" + jaas)
            self.settings.update({"authProvider.sasl": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider", "java.security.auth.login.config": jaas, "fips-mode": "false"})

    def address(self, sut):
        return "localhost:%d" % self.port if "tls" in self.ways else sut.addr()

    def of_broker(self):
        """Lines of server.properties."""
        lines = ["%s=%s" % pair for pair in self.stores.items()] if "tls" in self.ways else []
        return lines + ["zookeeper.set.acl=true"] if self.ways else []

    def of_tool(self):
        return ["--zk-tls-config-file", self.tool] if "tls" in self.ways else []

    def zk(self, sut):
        """A client of the test, which may do everything."""
        client = sut.zk()
        if self.ways:
            client.auth("digest", "%s:%s" % SUPER)
        return client

    def check_acls(self, sut, read, secret):
        if not self.ways:
            return "no ACLs"
        owners = ([(31, "x509", SUBJECT)] if "tls" in self.ways else []) + ([(31, "sasl", "kafka")] if "sasl" in self.ways else [])
        with self.zk(sut) as super_user, ZkMini(sut.port) as stranger:
            for path in read:
                acl = super_user.get_acl(path)
                need(sorted(acl) == sorted(owners + [(1, "world", "anyone")]), "ACL of %s: %s" % (path, acl))
                stranger.get(path)
                for forbidden in ((stranger.set, path, b"x"), (stranger.create, path + "/x", b"")):
                    need(code(*forbidden) == -102, "a stranger's change of %s: not -102" % path)
            need(code(stranger.get, secret) == -102, "a stranger's look at %s: not -102" % secret)
        return ", ".join("%s:%s" % owner[1:] for owner in owners)

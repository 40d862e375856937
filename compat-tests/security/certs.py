"""Keys and certificates of a test, made by openssl and keytool: an authority, leaves that it has signed, and what is no good."""
import os
import ssl
import subprocess

PASSWORD = "secret-of-a-test"


def run(*argv, **kw):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
    if done.returncode:
        raise RuntimeError("%s: %s" % (" ".join(argv), done.stdout.decode(errors="replace")[-600:]))
    return done.stdout.decode(errors="replace")


class Authority:
    """Signs certificates, all in one directory. Names stand in the order in which they are encoded."""

    def __init__(self, work, name="ca", subject="/C=US/O=Test/CN=Authority"):
        self.work, self.name, self.subject = work, name, subject
        os.makedirs(work, exist_ok=True)
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.path("key"), "-out", self.path("pem"), "-days", "30",
            "-subj", subject)

    def path(self, extension, name=None):
        return os.path.join(self.work, "%s.%s" % (name or self.name, extension))

    def leaf(self, name, subject, san="DNS:localhost,IP:127.0.0.1", key=("rsa:2048",), days=("-days", "30")):
        """Makes NAME.key (PKCS#8), NAME.crt and NAME.pem with both."""
        key_file, request, crt, extensions = (self.path(extension, name) for extension in ("key", "csr", "crt", "ext"))
        options = ["-newkey", *key]
        run("openssl", "req", "-new", "-utf8", *options, "-nodes", "-keyout", key_file, "-out", request, "-subj", subject, "-multivalue-rdn")
        with open(extensions, "w") as f:
            f.write("basicConstraints=CA:FALSE\n" + ("subjectAltName=%s\n" % san if san else ""))
        run("openssl", "x509", "-req", "-in", request, "-CA", self.path("pem"), "-CAkey", self.path("key"), "-CAcreateserial", *days,
            "-extfile", extensions, "-out", crt)
        with open(self.path("pem", name), "w") as f:
            f.write(open(key_file).read() + open(crt).read())
        return self.path("pem", name)

    def pkcs12(self, name):
        out = self.path("p12", name)
        run("openssl", "pkcs12", "-export", "-inkey", self.path("key", name), "-in", self.path("crt", name), "-certfile", self.path("pem"),
            "-passout", "pass:" + PASSWORD, "-out", out)
        return out

    def jks(self, name):
        out = self.path("jks", name)
        run("keytool", "-importkeystore", "-noprompt", "-srckeystore", self.pkcs12(name), "-srcstoretype", "PKCS12", "-srcstorepass", PASSWORD,
            "-destkeystore", out, "-deststoretype", "JKS", "-deststorepass", PASSWORD)
        return out

    def trust_jks(self, kind="JKS"):
        out = self.path("trust." + ("jks" if kind == "JKS" else "p12"))
        if os.path.exists(out):
            return out
        run("keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", self.path("pem"), "-keystore", out, "-storetype", kind,
            "-storepass", PASSWORD)
        return out

    def context(self, name=None, versions=None, ciphers=None):
        """What a client of Python speaks: with the certificate of a leaf, or without one."""
        context = ssl.create_default_context(cafile=self.path("pem"))
        if name:
            context.load_cert_chain(self.path("crt", name), self.path("key", name))
        if versions:
            context.minimum_version, context.maximum_version = versions
        if ciphers:
            context.set_ciphers(ciphers)
        return context

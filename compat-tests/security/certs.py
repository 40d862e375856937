"""Keys and certificates of a test, made by openssl and keytool: an authority, leaves that it has signed, and what is no good."""
import base64
import functools
import http.server
import os
import ssl
import subprocess
import tempfile
import threading
import urllib.parse

PASSWORD = "secret-of-a-test"


def run(*argv, **kw):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
    if done.returncode:
        raise RuntimeError("%s: %s" % (" ".join(argv), done.stdout.decode(errors="replace")[-600:]))
    return done.stdout.decode(errors="replace")


def served(directory):
    """A web server for the files of a directory; `asked`: what it was asked for."""
    os.makedirs(directory, exist_ok=True)

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.server.asked.append(self.path)
            super().do_GET()

    return started(functools.partial(Silent, directory=directory), asked=[])


def started(handler, **attributes):
    """A web server, in a thread of its own."""
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    vars(web).update(attributes)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    return web


class Responder(http.server.BaseHTTPRequestHandler):
    """Answers for the authority of its server, by openssl: at /NAME/ signed with the key of NAME."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def do_GET(self):
        self.answer(base64.b64decode(urllib.parse.unquote(self.path.split("/", 2)[2])))

    def answer(self, question):
        pki, signer = self.server.pki, self.path.split("/")[1]
        with tempfile.TemporaryDirectory() as work:
            asked, answered = os.path.join(work, "q"), os.path.join(work, "a")
            with open(asked, "wb") as f:
                f.write(question)
            signer = {"-rsigner": pki.path("pem"), "-rkey": pki.path("key")} if signer == pki.name else {"-rsigner": pki.path("crt", signer), "-rkey": pki.path("key", signer)}
            run("openssl", "ocsp", "-index", pki.path("txt", "index"), "-CA", pki.path("pem"), *[word for pair in signer.items() for word in pair], "-ndays", "1",
                "-reqin", asked, "-respout", answered)
            with open(answered, "rb") as f:
                answer = f.read()
        self.send_response(200)
        self.send_header("Content-Type", "application/ocsp-response")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def responding(pki):
    """A responder for an authority."""
    return started(Responder, pki=pki)


class Authority:
    """Signs certificates, all in one directory. Names stand in the order in which they are encoded."""

    def __init__(self, work, name="ca", subject="/C=US/O=Test/CN=Authority"):
        self.work, self.name, self.subject = work, name, subject
        os.makedirs(work, exist_ok=True)
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.path("key"), "-out", self.path("pem"), "-days", "30",
            "-subj", subject)

    def path(self, extension, name=None):
        return os.path.join(self.work, "%s.%s" % (name or self.name, extension))

    def leaf(self, name, subject, san="DNS:localhost,IP:127.0.0.1", key=("rsa:2048",), days=("-days", "30"), extra=""):
        """Makes NAME.key (PKCS#8), NAME.crt and NAME.pem with both."""
        key_file, request, crt, extensions = (self.path(extension, name) for extension in ("key", "csr", "crt", "ext"))
        options = ["-newkey", *key]
        run("openssl", "req", "-new", "-utf8", *options, "-nodes", "-keyout", key_file, "-out", request, "-subj", subject, "-multivalue-rdn")
        with open(extensions, "w") as f:
            f.write("basicConstraints=CA:FALSE\n" + ("subjectAltName=%s\n" % san if san else "") + extra)
        run("openssl", "x509", "-req", "-in", request, "-CA", self.path("pem"), "-CAkey", self.path("key"), "-CAcreateserial", *days,
            "-extfile", extensions, "-out", crt)
        with open(self.path("pem", name), "w") as f:
            f.write(open(key_file).read() + open(crt).read())
        return self.path("pem", name)

    def crl(self, name, *revoked, good=(), options=("-crldays", "30")):
        """A list of what was taken back, in DER. What is in it, and what is known to be good, is what a responder knows."""
        config, out = self.path("cnf", "lists"), self.path("crl", name)
        with open(config, "w") as f:
            f.write("[ca]\ndefault_ca=x\n[x]\ndatabase=%s\ncrlnumber=%s\ndefault_md=sha256\ncertificate=%s\nprivate_key=%s\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n"
                    % (self.path("txt", "index"), self.path("number", "crl"), self.path("pem"), self.path("key")))
        with open(self.path("txt", "index"), "w"), open(self.path("number", "crl"), "w") as f:
            f.write("01\n")
        for leaf in revoked:
            run("openssl", "ca", "-config", config, "-revoke", self.path("crt", leaf))
        for leaf in good:
            run("openssl", "ca", "-config", config, "-valid", self.path("crt", leaf))
        run("openssl", "ca", "-config", config, "-gencrl", *options, "-out", out + ".pem")
        run("openssl", "crl", "-in", out + ".pem", "-outform", "DER", "-out", out)
        return out

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

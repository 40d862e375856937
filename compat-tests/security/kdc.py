"""A realm of Kerberos on loopback: MIT's KDC from Debian's packages, unpacked into a directory, unless the system has one.

Nothing is installed, and the system's own configuration is not read."""
import ctypes
import ctypes.util
import glob
import os
import shutil
import socket
import subprocess

from applib import Proc, free_port, need, until

REALM = "OXK.TEST"
PACKAGES = ["krb5-kdc", "krb5-admin-server", "krb5-user", "libgssapi-krb5-2"]
SERVICE = "zookeeper/localhost"


def unpacked(into):
    """The programs and libraries, with what they need that the system has not got, in a directory of their own."""
    cache, lists = os.path.join(into, "cache"), os.path.join(into, "lists")
    for path in (os.path.join(cache, "archives", "partial"), os.path.join(lists, "partial")):
        os.makedirs(path)
    own = ["apt-get", "-q", "-y", "-o", "Debug::NoLocking=1", "-o", "Dir::Cache=" + cache]
    install = ["--no-install-recommends", "--download-only", "install", *PACKAGES]
    listed = [*own, "-o", "Dir::State::lists=" + lists]
    # With the system's lists of packages, or else with new ones.
    for argv in ([*own, *install], [*listed, "update"], [*listed, *install]):
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        if done.returncode == 0 and argv[-1] != "update":
            break
    need(done.returncode == 0, "the packages of a KDC cannot be had: %s" % done.stdout.decode()[-300:])
    for deb in glob.glob(os.path.join(cache, "archives", "*.deb")):
        subprocess.run(["dpkg", "-x", deb, os.path.join(into, "root")], check=True, timeout=60)
    return os.path.join(into, "root")


class Kdc:
    """A realm with its server. Everything is in `work`."""

    def __init__(self, work):
        self.work, self.port, self.env = work, free_port(), dict(os.environ)
        os.makedirs(work)
        self.bin, modules = "", ""
        if not (shutil.which("krb5kdc", path="/usr/sbin:/usr/bin:/sbin") and shutil.which("kinit")):
            need(shutil.which("apt-get"), "a KDC is needed: install MIT Kerberos (krb5-server and krb5-workstation on Fedora)")
            root = unpacked(work)
            libraries = sorted({os.path.dirname(path) for path in glob.glob(root + "/**/*.so*", recursive=True) if "/plugins/" not in path})
            self.env["LD_LIBRARY_PATH"] = ":".join(libraries)
            self.bin = root
            modules = "db_module_dir = %s" % os.path.dirname(glob.glob(root + "/**/kdb/db2.so", recursive=True)[0])
        self.conf, profile = os.path.join(work, "krb5.conf"), os.path.join(work, "kdc.conf")
        self.env.update(KRB5_CONFIG=self.conf, KRB5_KDC_PROFILE=profile, KRB5CCNAME=os.path.join(work, "ccache"), KRB5RCACHEDIR=work)
        with open(self.conf, "w") as f:
            f.write("[libdefaults]\ndefault_realm = %s\ndns_lookup_kdc = false\ndns_lookup_realm = false\nrdns = false\nudp_preference_limit = 1\n"
                    "[realms]\n%s = {\n kdc = 127.0.0.1:%d\n}\n" % (REALM, REALM, self.port))
        with open(profile, "w") as f:
            f.write("[kdcdefaults]\nkdc_listen = 127.0.0.1:%(port)d\nkdc_tcp_listen = 127.0.0.1:%(port)d\n[realms]\n%(realm)s = {\n database_name = %(work)s/principal\n"
                    " key_stash_file = %(work)s/stash\n acl_file = %(work)s/acl\n max_life = 1h\n max_renewable_life = 1d\n}\n[dbmodules]\n%(modules)s\n[logging]\nkdc = FILE:%(work)s/kdc.log\n"
                    % {"port": self.port, "realm": REALM, "work": work, "modules": modules})
        self.run("kdb5_util", "create", "-s", "-r", REALM, "-P", "of a test")
        self.start()

    def program(self, name):
        found = shutil.which(name, path=":".join(self.bin + path for path in ("/usr/sbin", "/usr/bin", "/sbin", "/bin")))
        need(found, "%s is not there" % name)
        return found

    def run(self, name, *words, env=None):
        done = subprocess.run([self.program(name), *words], env=env or self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        need(done.returncode == 0, "%s %s: %s" % (name, " ".join(words), done.stdout.decode()[-300:]))
        return done.stdout.decode()

    def start(self):
        self.proc = Proc("krb5kdc", [self.program("krb5kdc"), "-n"], os.path.join(self.work, "krb5kdc.out"), env=self.env)
        until("the KDC to serve", lambda: self.is_up() or not self.proc.alive(), 20, 0.05)
        need(self.proc.alive(), "the KDC has ended: %s" % open(os.path.join(self.work, "krb5kdc.out"), errors="replace").read()[-300:])

    def is_up(self):
        socket.create_connection(("127.0.0.1", self.port), 1).close()
        return True

    def stop(self):
        self.proc.kill()

    def keytab(self, name, *principals, life=None):
        """A file with the keys of principals, which are made if they are not there."""
        path = os.path.join(self.work, name + ".keytab")
        for principal in principals:
            options = "-maxlife %s " % life if life else ""
            self.run("kadmin.local", "-q", "addprinc -randkey %s%s" % (options, principal))
            self.run("kadmin.local", "-q", "ktadd -k %s %s" % (path, principal))
        return path

    def tickets(self, keytab, principal, *options):
        """A cache with a ticket, as kinit makes it."""
        path = os.path.join(self.work, "cc-" + principal.replace("/", "_"))
        self.run("kinit", *options, "-c", path, "-k", "-t", keytab, principal)
        return path

    def jaas(self, name, section, keytab, principal, **options):
        """A JAAS file with one section by a key."""
        path = os.path.join(self.work, name + ".jaas")
        with open(path, "w") as f:
            f.write(module(section, keytab, principal, **options))
        return path


def module(section, keytab, principal, **options):
    """A section of a JAAS file."""
    words = {"useKeyTab": "true", "storeKey": "true", "useTicketCache": "false", "keyTab": '"%s"' % keytab, "principal": '"%s"' % principal, **options}
    return "%s {\n  com.sun.security.auth.module.Krb5LoginModule required\n    %s;\n};\n" % (section, "\n    ".join("%s=%s" % pair for pair in words.items()))


class Buffer(ctypes.Structure):
    _fields_ = [("len", ctypes.c_size_t), ("value", ctypes.c_void_p)]


class Oid(ctypes.Structure):
    _fields_ = [("len", ctypes.c_uint32), ("value", ctypes.c_char_p)]


MUTUAL, INTEGRITY = 2, 32


class Gss:
    """The side that logs in, by the system's own library: tokens as other clients make them."""

    def __init__(self, kdc, cache, target=SERVICE, flags=INTEGRITY):
        path = next(iter(glob.glob(kdc.bin + "/usr/lib/*/libgssapi_krb5.so.2")), "libgssapi_krb5.so.2") if kdc.bin else "libgssapi_krb5.so.2"
        for name in ("libcom_err.so.2", "libkeyutils.so.1", "libkrb5support.so.0", "libk5crypto.so.3", "libkrb5.so.3"):
            for found in glob.glob(kdc.bin + "/**/" + name, recursive=True) if kdc.bin else []:
                ctypes.CDLL(found, mode=ctypes.RTLD_GLOBAL)
        self.lib, self.flags, self.context, self.name = ctypes.CDLL(path), flags, ctypes.c_void_p(), ctypes.c_void_p()
        for key in ("KRB5_CONFIG", "KRB5CCNAME"):
            os.environ[key] = cache if key == "KRB5CCNAME" else kdc.env[key]
        principal = Oid(10, b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01")
        self._call("gss_import_name", ctypes.byref(self._buffer(target.encode())), ctypes.byref(principal), ctypes.byref(self.name))

    def _buffer(self, data):
        self.kept = ctypes.create_string_buffer(data, len(data)) if data else None
        return Buffer(len(data), ctypes.cast(self.kept, ctypes.c_void_p) if data else None)

    def _call(self, name, *args):
        minor = ctypes.c_uint32()
        major = getattr(self.lib, name)(ctypes.byref(minor), *args) & 0xffffffff
        need(major & 0xffff0000 == 0, "%s: %#x, %d" % (name, major, minor.value))
        return major

    def step(self, token=b""):
        """The next token, and whether the context stands."""
        out, krb5 = Buffer(), Oid(9, b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02")
        major = self._call("gss_init_sec_context", None, ctypes.byref(self.context), self.name, ctypes.byref(krb5), ctypes.c_uint32(self.flags), ctypes.c_uint32(0), None,
                           ctypes.byref(self._buffer(token)), None, ctypes.byref(out), None, None)
        return (ctypes.string_at(out.value, out.len) if out.value else b""), major & 1 == 0

    def wrap(self, plain, conf=0):
        out = Buffer()
        self._call("gss_wrap", self.context, ctypes.c_int(conf), ctypes.c_uint32(0), ctypes.byref(self._buffer(plain)), None, ctypes.byref(out))
        return ctypes.string_at(out.value, out.len)

    def unwrap(self, sealed):
        out = Buffer()
        self._call("gss_unwrap", self.context, ctypes.byref(self._buffer(sealed)), ctypes.byref(out), None, None)
        return ctypes.string_at(out.value, out.len)

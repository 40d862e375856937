#!/usr/bin/env python3
"""`oxkeeper cli` and zkCli.sh beside what ../clients/run.sh cli compares with the official shell word by word: one command at a time, in TLS, with SASL,
through the end of a server, and in a terminal.

usage: shell.py [CASE ...]     The last line is `N passed, M failed`."""
import base64
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

from server import OXKEEPER, Authority, Cases, Place, free_ports, judge_all, need, until

CASES = case = Cases()
PROMPT_S = 0.02                                 # the first prompt; a loaded machine may need three times as long once
SERVES = "Starting zookeeper ... STARTED\n"


class Served(Place):
    """A place whose server runs."""

    def __enter__(self):
        self.says(SERVES, 0, "zkServer.sh", "start")
        return self

    def __exit__(self, *_):
        self.end()

    def address(self):
        return "127.0.0.1:%d" % self.port

    def cli(self, *words, **env):
        """zkCli.sh with one command: what it prints, its exit code, what it complains of."""
        out, code, err = self.run("zkCli.sh", "-server", self.address(), *words, **env)
        return out.replace("Connecting to %s\n" % self.address(), ""), code, err.replace("\nWATCHER::\n", "")


def without_events(text):
    return re.sub(r"\nWATCHER::\n\nWatchedEvent .*\n", "", text)


@case
def one_command(work):
    """results, complaints and exit codes of one command"""
    with Served(work) as p:
        for words, want, code, complaint in (
                (["create", "/a", "one"], "", 0, "Created /a\n"),
                (["get", "/a"], "one\n", 0, ""),
                (["ls", "/"], "[a, zookeeper]\n", 0, ""),
                (["get", "/none"], "", 1, "Node does not exist: /none\n"),
                (["get", "none"], "", 1, "Path must start with / character\n"),
                (["get", "-z", "/a"], "", 1, "Unrecognized option: -z\n"),
                (["set", "/a", "two words", "-v", "0"], "", 0, ""),
                (["get", "/a"], "two words\n", 0, ""),
                (["delete", "-v", "7", "/a"], "", 1, "version No is not valid : /a\n")):
            out, ended, err = p.cli(*words)
            need((without_events(out), ended, err) == (want, code, complaint), (words, out, ended, err))
        out, ended, err = p.cli("nonsense")
        need(ended == 127 and "\n\tcreate [-s]" in err and err.endswith("Command not found: Command not found nonsense\n"), (ended, err))
        out, ended, err = p.run("zkCli.sh", "-server", p.address() + "/a", "create", "/below", "x")
        need(ended == 0 and err == "Created /below\n" and p.cli("get", "/a/below")[1] == 0, ("a chroot", out, err))
        out, ended, err = p.run("zkCli.sh", "-server", "nobody:x", "ls", "/")
        need(ended == 2 and '"x" is not a port' in err, (ended, err))
        out, ended, err = p.run("zkCli.sh", "-nonsense")
        need(ended == 2 and "-nonsense" in err, (ended, err))
    nobody = "127.0.0.1:%d" % free_ports(1)[0]
    began = time.monotonic()
    out, ended, err = p.run("zkCli.sh", "-server", nobody, "-timeout", "700", "-waitforconnection", "ls", "/")
    need(ended == 1 and nobody in err and time.monotonic() - began < 5, ("nobody there", ended, err))
    with Served(os.path.join(work, "second")) as p:
        for servers in (nobody + "," + p.address(), p.address() + "," + nobody):
            for _ in range(4):                  # whom it begins with is chance
                out, ended, err = p.run("zkCli.sh", "-server", servers, "ls", "/")
                need(ended == 0, ("one of two is there", out, err))
    out, ended, err = p.run("zkCli.sh", "-server", nobody, "ls", "/")
    need(ended == 1 and err == "KeeperErrorCode = ConnectionLoss for /\n", ("nobody there", ended, err))


STAT = {"cZxid": "czxid", "mZxid": "mzxid", "pZxid": "pzxid", "cversion": "cversion", "dataVersion": "version", "aclVersion": "aversion",
        "ephemeralOwner": "ephemeral_owner", "dataLength": "data_length", "numChildren": "num_children"}


def stat_of(lines):
    """The fields of a znode in lines of text, under their names in documents; times are shown in another form there."""
    pairs = (line.split(" = ") for line in lines if " = " in line)
    return {STAT[name]: value if value.startswith("0x") else int(value) for name, value in pairs if name in STAT}


@case
def documents(work):
    """--json: an object for each command, with what the lines of the same command say"""
    with Served(work, extendedTypesEnabled="true") as p:
        def shell(*lines, args=()):
            done = subprocess.run([OXKEEPER, "cli", "--json", "-server", p.address(), *args], input="".join(line + "\n" for line in lines), capture_output=True, text=True, timeout=60)
            return [json.loads(line) for line in done.stdout.splitlines()], done.returncode, done.stderr

        found, code, err = shell("create /a é", "create -s /a/q x auth::r", "create -s /a/q x world:anyone:r", "create /a/b", "setquota -n 9 /a", "sync /a", "nonsense", "get /none", "get none", "quit")
        need(code == 1 and not err, ("its exit code is that of the last command", code, err))
        need([document["command"] for document in found] == ["create"] * 4 + ["setquota", "sync", "nonsense", "get", "get"], found)
        refused = {at: document["error"] for at, document in enumerate(found) if "error" in document}
        need([found[at].get("path") for at in (0, 2, 3)] == ["/a", "/a/q0000000000", "/a/b"] and found[5]["rc"] == 0, found)
        need(refused == {1: {"message": "Acl is not valid : /a/q", "code": -114}, 6: {"message": "Command not found: Command not found nonsense"},
                         7: {"message": "Node does not exist: /none", "code": -101}, 8: {"message": "Path must start with / character"}}, refused)

        def both(*words):
            """The lines of a command, and its document."""
            out, code, err = p.cli(*words)
            [document], json_code, _ = shell(args=words)
            need(code == json_code == 0 and document.pop("command") == words[0], (words, code, err, document))
            return without_events(out).splitlines(), document

        for words, name in ((("get", "-s", "/a"), "text"), (("ls", "-s", "/a"), "children"), (("stat", "/a"), None), (("getAcl", "-s", "/a"), "acl")):
            lines, document = both(*words)
            stat = document["stat"]
            need(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", stat.pop("ctime")) and stat.pop("mtime") and stat == stat_of(lines), (words, lines, document))
            first = {"text": lambda: document["text"], "children": lambda: "[%s]" % ", ".join(document["children"]), None: lambda: lines[0], "acl": lambda: "'world,'anyone"}[name]()
            need(lines[0] == first, (words, lines, document))
        need(base64.b64decode(document_of := both("get", "/a")[1]["data"]) == "é".encode(), document_of)
        need(both("get", "/a/b")[1] == {"data": None, "stat": both("stat", "/a/b")[1]["stat"]}, "no data")
        need(both("getAcl", "/a")[1]["acl"] == [{"perms": 31, "scheme": "world", "id": "anyone"}], "an ACL")
        for words, name in ((("ls", "-R", "/a"), "paths"), (("getAllChildrenNumber", "/"), "count"), (("getEphemerals",), "paths"), (("version",), "version"), (("whoami",), "identities")):
            lines, document = both(*words)
            said = {"paths": lambda value: "\n".join(value) if "-R" in words else "[%s]" % ", ".join(value), "count": str, "version": lambda value: "ZooKeeper CLI version: " + value,
                    "identities": lambda value: "\n".join(["Auth scheme: User"] + ["%s: %s" % (one["scheme"], one["id"]) for one in value])}[name]
            need(list(document) == [name] and said(document[name]) == "\n".join(lines), (words, lines, document))
        lines, document = both("listquota", "/a")
        need(document["limits"] == {"count": 9} and document["usage"]["count"] == 3 and lines[0].startswith("Output quota for /a count=9,"), (lines, document))
        [listed, changed, event], code, _ = shell("ls -w /", "create /c", args=())
        need((listed["command"], event["command"]) == ("ls", "create") and changed["event"]["type"] == "NodeChildrenChanged" and changed["event"]["path"] == "/", (listed, changed, event))
    [lost], code, err = shell(args=("ls", "/"))
    need(code == 1 and not err and lost == {"command": "ls", "error": {"message": "KeeperErrorCode = ConnectionLoss for /", "code": -4}}, (lost, code, err))


@case
def in_tls(work):
    """the secure port, by flags, by a file and by options"""
    pki = Authority(work)
    for leaf in ("server", "client"):
        pki.leaf(leaf, "/C=US/O=Test/CN=" + leaf)
    port = free_ports(1)[0]
    stores = {"ssl.keyStore.location": pki.path("pem", "server"), "ssl.trustStore.location": pki.path("pem")}
    own = {"ssl.keyStore.location": pki.path("pem", "client"), "ssl.trustStore.location": pki.path("pem")}
    with Served(work, clientPort=None, clientPortAddress=None, secureClientPort=port, **stores) as p:
        p.port = port
        ls = ["-server", "localhost:%d" % port, "-waitforconnection", "-timeout", "9000"]
        flags = " ".join("-Dzookeeper.%s=%s" % pair for pair in {"client.secure": "true", **own}.items())
        file = os.path.join(work, "client.properties")
        with open(file, "w") as f:
            f.write("# of the official client\n" + "".join("zookeeper.%s=%s\n" % pair for pair in {"client.secure": "true", **own}.items()))
        options = ["-tls"] + ["-D%s=%s" % pair for pair in own.items()]
        for words, env in ((ls, {"CLIENT_JVMFLAGS": flags + " -Xmx1g"}), (ls + ["-client-configuration", file], {}), (ls + options, {})):
            out, code, err = p.run("zkCli.sh", *words, "whoami", **env)
            need(code == 0 and "x509: CN=client,O=Test,C=US" in out, (words, out, code, err))
        out, code, err = p.run("zkCli.sh", *ls[:-1], "900", "ls", "/")
        need(code == 1, ("in plain text", out, code, err))


@case
def with_sasl(work):
    """a login by the section Client of a JAAS file"""
    jaas = os.path.join(work, "jaas")
    with open(jaas, "w") as f:
        f.write('Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_bob="secret"; };\n'
                'Client { org.apache.zookeeper.server.auth.DigestLoginModule required username="bob" password="secret"; };\n'
                'Wrong { org.apache.zookeeper.server.auth.DigestLoginModule required username="bob" password="other"; };\n')
    login = "-Djava.security.auth.login.config=" + jaas
    with Served(work, **{"authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"}) as p:
        p.says("Stopping zookeeper ... STOPPED\n", 0, "zkServer.sh", "stop")
        p.says(SERVES, 0, "zkServer.sh", "start", SERVER_JVMFLAGS=login)
        out, code, err = p.cli("whoami", CLIENT_JVMFLAGS=login)
        need(code == 0 and "sasl: bob\n" in out, (out, code, err))
        out, code, err = p.cli("whoami", CLIENT_JVMFLAGS=login + " -Dzookeeper.sasl.clientconfig=Wrong")
        need(code == 1 and "secret" not in out + err and "the login at 127.0.0.1 failed: the server refuses (KeeperErrorCode = AuthFailed)" in err, (out, code, err))
        out, code, err = p.cli("whoami", CLIENT_JVMFLAGS=login + " -Dzookeeper.sasl.client=false")
        need(code == 0 and "sasl" not in out, (out, code, err))
        for section, expected in (("Client", 0), ("Wrong", 1)):
            done = subprocess.run([OXKEEPER, "bench", "--server", p.address(), "--seconds", "1", "--clients", "2", login, "-Dsasl.clientconfig=" + section],
                                  capture_output=True, text=True, timeout=60)
            need(done.returncode == expected and "secret" not in done.stdout + done.stderr and ("the server refuses" in done.stderr) == (section == "Wrong"), (section, done))


@case
def outlives_the_server(work):
    """a session goes on at a server that was killed and is back, with its ephemeral, its identities and its watches"""
    with Served(work) as p:
        shell = subprocess.Popen([OXKEEPER, "cli", "-server", p.address()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(shell.stdout.fileno(), False)
        said = []

        def says(text):
            said.append((shell.stdout.read() or b"").decode())
            return text in "".join(said)

        def types(line):
            shell.stdin.write((line + "\n").encode())
            shell.stdin.flush()

        try:
            types("addauth digest bob:secret")
            types("create -e /mine x auth::cdrwa")
            types("create /watched x")
            types("get -w /watched")
            types("addWatch /tree")
            until("the watches", lambda: says("Created /watched\nx\n"), 20, 0.02)
            os.kill(p.pid(), signal.SIGKILL)
            until("the end of the server", lambda: says("state:Disconnected"), 20, 0.02)
            os.remove(p.pid_file())
            p.says(SERVES, 0, "zkServer.sh", "start")
            until("the session at the next one", lambda: "".join(said).count("state:SyncConnected type:None") == 2 or says("\0"), 20, 0.02)
            need("mine" in p.cli("ls", "/")[0], "the ephemeral is there")
            p.cli("set", "/watched", "y")
            p.cli("create", "/tree", "x")
            until("the event", lambda: says("type:NodeDataChanged path:/watched"), 20, 0.02)
            until("the other event", lambda: says("type:NodeCreated path:/tree"), 20, 0.02)
            types("set /mine y")
            types("get /mine")
            until("the identity", lambda: says("\ny\n"), 20, 0.02)
            types("quit")
            need(shell.wait(20) == 0, "it ends with %s" % shell.returncode)
            need("mine" not in p.cli("ls", "/")[0], "the ephemeral is gone with the session")
        finally:
            shell.kill()
            shell.wait()


class Terminal:
    """The shell in a terminal of its own."""

    def __init__(self, *words, **env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(OXKEEPER, [OXKEEPER, "cli", *words], dict(os.environ, TERM="xterm", **env))
        self.text = ""

    def until(self, text, within=20):
        end = time.monotonic() + within
        while text not in self.text:
            left = end - time.monotonic()
            need(left > 0 and select.select([self.fd], [], [], left)[0], "no %r in %r" % (text, self.text[-600:]))
            try:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:                     # the other end is closed
                need(text in self.text, "it ended without %r: %r" % (text, self.text[-600:]))
                return

    def types(self, text):
        self.text = ""
        os.write(self.fd, text.encode())

    def end(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@case
def in_a_terminal(work):
    """prompt, completion, history, events above the line, the end"""
    with Served(work) as p:
        p.cli("create", "/some", "x")
        p.cli("create", "/some/where", "y")
        kept = os.path.join(work, "history")
        took = []
        for _ in range(5):
            began = time.monotonic()
            t = Terminal("-server", p.address(), OXKEEPER_HISTORY="")
            try:
                t.until("(CONNECTED) 0] ")
                took.append(time.monotonic() - began)
            finally:
                t.end()
        need(min(took) < PROMPT_S, "the first prompt takes %s s" % sorted(took))
        t = Terminal("-server", p.address(), OXKEEPER_HISTORY=kept)
        try:
            t.until("(CONNECTED) 0] ")
            t.types("getAllC\t/so\t/w\t\r")
            t.until("\n0\r\n")
            t.until("(CONNECTED) 1] ")
            t.types("addauth digest bob:secret\r")
            t.until("(CONNECTED) 2] ")
            t.types("get -w /some\r")
            t.until("(CONNECTED) 3] ")
            t.types("ls /so")
            t.until("ls /so")
            p.cli("set", "/some", "z")
            t.until("type:NodeDataChanged path:/some")
            t.until("ls /so")                   # what was typed is there again below it
            t.types("me\r")
            t.until("[where]")
            t.types("\x1b[A\r")                 # the line before
            t.until("[where]")
            t.until("(CONNECTED) 5] ")
            t.types("\x03")
            t.until("(CONNECTED) 5] ")
            t.types("\x04")
            _, status = os.waitpid(t.pid, 0)
            t.pid = 0
            need(status == 0, "it ends with %s" % status)
            with open(kept) as f:
                text = f.read()
            need("ls /some" in text and "secret" not in text, text)
        finally:
            t.end()
        return "the first prompt after %.1f ms (of five)" % (1000 * min(took))


if __name__ == "__main__":
    sys.exit(judge_all(CASES, sys.argv[1:]))

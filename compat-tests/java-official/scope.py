#!/usr/bin/env python3
"""Writes scope.tsv: for each admitted test, whether it belongs to the standalone server, decided by what it started.

usage: scope.py DIR
DIR is the --out directory of a `run.sh --full` against the official server. Its `trace` files and the zoo.cfg of each
started process say how many servers a test ran at a time and with what settings. A test is `standalone` when it never
ran more than one server, that server was no quorum peer, and neither SASL, TLS nor the admin server was configured."""
import collections
import glob
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CLASS_SETUP = "(set-up of the class)"


def config(path):
    with open(path) as f:
        pairs = (line.strip().partition("=") for line in f)
        return {k.strip(): v.strip() for k, eq, v in pairs if eq}


def verdict(starts):
    """(scope, reason) of a test from its [(description, zoo.cfg)]."""
    peers = [d for d, c in starts if d.startswith("peer")]
    alive = min(len(starts), max(int(d.split(" as number ")[1].split()[0]) for d, _ in starts))
    keys = collections.ChainMap(*[c for _, c in starts])
    has = lambda *words: sorted(k for k in keys if any(w in k for w in words))
    tls = [k for _, c in starts for k, v in c.items()
           if k == "secureClientPort" or (k in ("sslQuorum", "client.portUnification", "portUnification") and v == "true")]
    sasl = has("java.security.auth.login.config", "SASLAuth", "saslAuth", "quorum.auth")
    admin = [d for d, c in starts if c.get("admin.enableServer") == "true"]
    if sasl:
        return "later: sasl", "configures " + sasl[0] + (" and TLS" if tls else "")
    if tls:
        return "later: tls", "configures " + sorted(tls)[0]
    if admin:
        return "later: admin", "asks the HTTP admin server" + (" of a peer" if peers else "")
    if peers or alive > 1:
        many = "%d processes, %d at a time" % (len(starts), alive)
        if any(c.get("readonlymode.enabled") == "true" for _, c in starts):
            return "later: read-only", many + ", readonlymode.enabled=true"
        if any(c.get("peerType") == "observer" for _, c in starts):
            return "later: observer", many + ", peerType=observer"
        if any(c.get("reconfigEnabled") == "true" for _, c in starts):
            return "later: reconfig", many + ", reconfigEnabled=true"
        return "later: ensemble", many
    n = len(starts)
    return "standalone", "one server" if n == 1 else "one server at a time, started %d times" % n


def main():
    run = sys.argv[1]
    starts = collections.defaultdict(list)
    for trace in glob.glob(os.path.join(run, "*", "trace")):
        # the directory is <simple class name>[.<n>]-<hash>; results.tsv names classes in full
        simple = os.path.basename(os.path.dirname(trace)).rsplit("-", 1)[0].split(".")[0]
        with open(trace) as f:
            for line in f:
                test, kind, what = line.rstrip("\n").split("\t")
                if kind == "start":
                    desc, sut = what.rsplit(", ", 1)
                    cfg = os.path.join(os.path.dirname(trace), sut, "zoo.cfg.started")
                    starts[simple, test].append((desc, config(cfg)))
    with open(os.path.join(HERE, "tests.tsv")) as f:
        tests = [line.split("\t")[0] for line in f if line.strip() and not line.startswith("#")]
    out, unseen = [], []
    for t in tests:
        cls, method = t.split("#")
        simple = cls.rsplit(".", 1)[1]
        seen = starts[simple, CLASS_SETUP] + starts[simple, method]
        if seen:
            out.append((t,) + verdict(seen))
        else:
            unseen.append(t)
    if unseen:
        sys.exit("started nothing in that run: " + ", ".join(unseen))
    with open(os.path.join(HERE, "scope.tsv"), "w") as f:
        f.write("# class#method\tscope\twhat the test starts\n")
        f.writelines("\t".join(row) + "\n" for row in out)
    for scope, n in sorted(collections.Counter(row[1] for row in out).items()):
        print("%4d %s" % (n, scope))


if __name__ == "__main__":
    main()

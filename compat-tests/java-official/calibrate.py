#!/usr/bin/env python3
"""Turns raw runs into tests.tsv, excluded.tsv and unmeasured.txt.

usage: calibrate.py [--record DIR]... [--fake DIR]...
  --record DIR  the --out directory of a run against external Apache 3.9.5
  --fake DIR    the --out directory of a run of the same tests against selftest/fake.py (FAKE=words)
What earlier calls recorded is kept in measured.tsv (test, result, seconds, reason); the areas come from areas.tsv.
A test is admitted if it passed against Apache at least once, spoke to a server each time and never passed against the fake."""
import collections
import os
import re
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# server code driven inside the test JVM, though a server process is started next to it
BY_HAND = {
    "org.apache.zookeeper.server.admin.CommandsTest": "server code called in the test JVM",
    "org.apache.zookeeper.server.admin.JettyAdminServerTest#testForceHttps_withWrongPasswordFromFile": "server code called in the test JVM",
}


def path(n):
    return os.path.join(HERE, n)


def rows(n):
    if not os.path.exists(path(n)):
        return []
    with open(path(n)) as f:
        return [l.rstrip("\n").split("\t") for l in f if l.strip() and not l.startswith("#")]


def run_results(d):
    """res.tsv files name the class only through their #jvm line or through results.tsv; results.tsv is preferred."""
    f = os.path.join(d, "results.tsv")
    with open(f) as h:
        for l in h.read().splitlines()[1:]:
            c = l.split("\t")
            yield c[0], c[1], float(c[2]), c[4] if len(c) > 4 else ""


def reason(w):
    if "UNSUPPORTED" in w:
        u = w.split("UNSUPPORTED ")[1].split(" |")[0]
        if "JMX" in u:
            return "JMX beans of the server"
        if "replaced by the test" in u or "runFromConfig" in u:
            return "test swaps in its own server class"
        if "test JVM" in u:
            return "server code called in the test JVM"
        return "reads or sets live server objects"
    if "NOCONTACT" in w:
        return "never speaks to the server"
    if "NOSERVER" in w:
        return "no server involved (unit test)"
    if "getEncoder" in w:
        return "reads the server log through the in-JVM logger"
    return "fails or times out against external Apache"


def main():
    rec = rows("measured.tsv")
    a = sys.argv[1:]
    fresh = []
    while a:
        o, d = a[0], a[1]
        a = a[2:]
        for t, r, s, w in run_results(d):
            if r == "SKIP" and "cap reached" in w:
                continue
            fresh.append([t, ("FAKE-" if o == "--fake" else "") + r, "%.1f" % s, w])
    if fresh:
        with open(path("measured.tsv"), "a") as f:
            for x in fresh:
                f.write("\t".join(x) + "\n")
    rec += fresh
    areas = {c[0]: c[1] for c in rows("areas.tsv")}
    cand = [c[0] for c in rows("candidates.txt")]
    by = collections.defaultdict(list)
    for x in rec:
        by[x[0]].append(x)
    admitted, out, left = [], [], []
    for t in sorted(set(cand) | set(by)):
        c = t.split("#")[0]
        real = [x for x in by[t] if not x[1].startswith("FAKE-")]
        if c in BY_HAND or t in BY_HAND:
            out.append((t, BY_HAND.get(t) or BY_HAND[c], ""))
            continue
        if not real:
            left.append(t)
            continue
        if any("NOCONTACT" in x[3] for x in real):
            out.append((t, "never speaks to the server", ""))
            continue
        if any(x[1] == "FAKE-PASS" for x in by[t]):
            out.append((t, "passes without a server", ""))
            continue
        good = [float(x[2]) for x in real if x[1] == "PASS"]
        bad = [x for x in real if x[1] == "FAIL"]
        if not good:
            if bad:
                out.append((t, reason(bad[-1][3]), bad[-1][3][:160]))
            else:
                out.append((t, "skipped by the test itself", real[-1][3][:160]))
            continue
        admitted.append((t, "flaky" if bad else "pass", statistics.median(good), areas.get(c, "other")))
    with open(path("tests.tsv"), "w") as f:
        f.write("# class#method\tstatus against the official 3.9.5\tseconds\tarea\n")
        for t in admitted:
            f.write("%s\t%s\t%.1f\t%s\n" % t)
    with open(path("excluded.tsv"), "w") as f:
        f.write("# class#method\treason\tdetail\n")
        for t in out:
            f.write("\t".join(t) + "\n")
    with open(path("unmeasured.txt"), "w") as f:
        f.write("".join(t + "\n" for t in left))
    total = collections.defaultdict(lambda: [0, set(), 0.0])
    for t, _status, seconds, area in admitted:
        for k in (area, "~all"):
            total[k][0] += 1
            total[k][1].add(t.split("#")[0])
            total[k][2] += seconds
    for k, (tests, classes, seconds) in sorted(total.items()):
        print("%-20s %4d tests %3d classes %5.0f s" % (k, tests, len(classes), seconds))
    for r, n in collections.Counter(x[1] for x in out).most_common():
        print("excluded %4d  %s" % (n, r))
    print("unmeasured %d, admitted %d (flaky %d)" % (len(left), len(admitted), sum(1 for x in admitted if x[1] == "flaky")))


if __name__ == "__main__":
    main()

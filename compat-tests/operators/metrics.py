#!/usr/bin/env python3
"""The exporter for Prometheus: families, types, labels and form compared with the official provider, alone and in each role of an ensemble,
and read by a reader that we did not write (prometheus_client). What is left out has its reason in docs/metrics.md.

usage: metrics.py [CASE ...]     The last line is `N passed, M failed`."""
import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "ensemble"), os.path.join(HERE, "..", "security")]
from certs import PASSWORD, Authority  # noqa: E402
from members import OXKEEPER, Cases, Ensemble, by_itself, free_ports, http_to, judged, need, until  # noqa: E402

OFFICIAL = "3.9.5"
CLASS = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider"
READER = "prometheus-client==0.21.1"
CASES = case = Cases()


def libraries():
    """The provider, for the official server."""
    lib = os.path.join(HERE, "target", "lib")
    if not os.path.isdir(lib) or not os.listdir(lib):
        subprocess.run(["mvn", "-q", "-B", "-f", os.path.join(HERE, "pom.xml"), "dependency:copy-dependencies", "-DoutputDirectory=" + lib], check=True, stdout=2)
    return lib


def reader():
    """Somebody else's reader of the format."""
    venv = os.path.join(HERE, "target", "venv")
    python = os.path.join(venv, "bin", "python")
    if not os.path.exists(os.path.join(venv, "done")):
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", READER], check=True)
        open(os.path.join(venv, "done"), "w").close()
    return python


def scrape(m, path="/metrics", method="GET", **headers):
    conn = http_to(m.host, m.metrics_port)
    try:
        conn.request(method, path, None, headers)
        answer = conn.getresponse()
        return answer.status, answer.getheader("content-type"), answer.read().decode()
    finally:
        conn.close()


def families(text):
    """Family -> type, and the labels that its samples have (values of keys aside)."""
    found, name = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            need(line.split(" ", 3)[2] not in found, "a family is there once: " + line)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            found[name] = (kind, set())
        else:
            sample = re.fullmatch(r"(\w+)(\{.*\})? (NaN|[+-]Inf|-?\d+\.\d+(?:E-?\d+)?)", line)
            need(sample and sample[1].startswith(name), "a sample of %s: %s" % (name, line))
            labels = re.sub(r'key="[^"]*"', "key", sample[2] or "")
            found[name][1].add((sample[1][len(name):], labels))
    return found


def value(m, name):
    found = re.search(r"^%s (\S+)$" % re.escape(name), scrape(m)[2], re.M)
    return float(found[1]) if found else None


def left_out():
    """Names that docs/metrics.md says are left out."""
    with open(os.path.join(HERE, "..", "..", "docs", "metrics.md")) as f:
        rows = [line.split("|")[1:3] for line in f if line.startswith("| `")]
    return {name for names, here in rows if "left out" in here or "leave it out" in here for name in re.findall(r"`(\w+)`", names)}


def configure(m, **settings):
    m.metrics_port = free_ports(1)[0]
    m.add(**{"metricsProvider.className": CLASS, "metricsProvider.httpPort": m.metrics_port, "metricsProvider.httpHost": m.host, **settings})


def work_through(m):
    with m.client(timeout=20) as client:
        client.create("/app%d" % m.sid, b"data")
        for _ in range(20):
            client.set("/app%d" % m.sid, b"more")
            client.get("/app%d" % m.sid)


def alone(kind, work, **settings):
    return by_itself(kind, work, lambda m: configure(m, **settings))


def check(role, official, ours):
    """Both have the same families, but for those with a reason."""
    theirs, mine = families(official), families(ours)
    jvm = {name for name in theirs if name.startswith("jvm_") and name != "jvm_pause_time_ms"}
    lacks = set(theirs) - set(mine) - jvm - left_out()
    need(not lacks, "%s: families without a word in docs/metrics.md: %s" % (role, sorted(lacks)))
    more = {name for name in set(mine) - set(theirs) if not name.startswith("process_")} - left_out()
    need(not more, "%s: families that the official one does not have: %s" % (role, sorted(more)))
    for name in sorted(set(theirs) & set(mine)):
        need(theirs[name][0] == mine[name][0], "%s: %s is a %s, not a %s" % (role, name, theirs[name][0], mine[name][0]))
        if name.endswith("_per_namespace"):
            continue                                                  # no quantiles by namespace: docs/metrics.md
        wrong = mine[name][1] ^ theirs[name][1] if mine[name][1] and theirs[name][1] else set()
        need(not wrong, "%s: samples of %s: %s, officially %s" % (role, name, sorted(mine[name][1]), sorted(theirs[name][1])))
    return len(set(theirs) & set(mine))


@case
def standalone(work):
    members = [alone(kind, os.path.join(work, kind)) for kind in (OFFICIAL, OXKEEPER)]
    try:
        for m in members:
            work_through(m)
        official, ours = members
        same = check("standalone", scrape(official)[2], scrape(ours)[2])
        for path, method in (("/", "GET"), ("/metrics/", "GET"), ("/metrics", "HEAD"), ("/metrics", "POST"), ("/metrics", "TRACE")):
            both = [scrape(m, path, method)[0] for m in members]
            need(both[0] == both[1], "%s %s: %s" % (method, path, both))
        for headers in ({}, {"Accept": "application/openmetrics-text; version=1.0.0"}, {"Accept-Encoding": "gzip"}):
            kinds = [re.sub("; +", ";", scrape(m, **headers)[1].lower()) for m in members]
            need(kinds[0] == kinds[1], "types: %s" % kinds)
        asked = "/metrics?name[]=znode_count&name[]=commit_count"
        for m in members:
            found = set(families(scrape(m, asked)[2]))
            need(found == {"znode_count", "commit_count"}, "%r: the names that were asked for: %s" % (m, sorted(found)[:9]))
        for name in ("znode_count", "ephemerals_count", "connection_request_count", "updatelatency_count", "num_alive_connections"):
            values = [value(m, name) for m in members]
            need(values[0] == values[1], "%s: %s" % (name, values))
        need(value(ours, 'updatelatency{quantile="0.99",}') is not None, "a quantile")
        return same
    finally:
        for m in members:
            m.kill()


@case
def roles(work):
    texts = {}
    for kind in (OFFICIAL, OXKEEPER):
        with Ensemble([kind] * 3, [kind], work=os.path.join(work, kind)) as ensemble:
            for m in ensemble:
                configure(m)
            ensemble.start()
            for m in ensemble:
                work_through(m)
            for m in ensemble:
                texts[kind, m.mode()] = scrape(m)[2]
            if kind == OXKEEPER:
                left = ensemble.followers()[0]
                for other in ensemble:
                    if other is not left:
                        other.kill()
                until("%r without a leader" % left, lambda: left.mode() is None, 20, 0.05)
                status, _, text = scrape(left)
                need(status == 200 and "looking_count" in families(text), "who has no leader has figures: %s" % status)
    return sum(check(role, texts[OFFICIAL, role], texts[OXKEEPER, role]) for role in ("leader", "follower", "observer"))


@case
def read_by_others(work):
    """prometheus_client takes all of it, and has the numbers."""
    m = alone(OXKEEPER, os.path.join(work, "read"), **{"metricsProvider.exportJvmInfo": "true"})
    try:
        def has_worked():
            with m.client(timeout=20) as client:
                client.set_often("/", 1000)
            return value(m, "process_cpu_seconds_total") > 0            # the system counts hundredths
        work_through(m)
        need(value(m, "commit_count") == 23.0, "what was written is counted: %s" % value(m, "commit_count"))
        until("time of the processor", has_worked, 30, 0)
        text = scrape(m)[2]
        program = """
import sys
from prometheus_client.parser import text_string_to_metric_families as read
for family in read(sys.stdin.read()):
    for sample in family.samples:
        print(family.name, family.type, sample.name, sample.value)
"""
        told = subprocess.run([reader(), "-c", program], input=text, capture_output=True, text=True, check=True).stdout.splitlines()
        need(len(told) == len([line for line in text.splitlines() if not line.startswith("#")]), "all samples are read")
        cpu = next(float(line.split()[-1]) for line in told if "process_cpu_seconds" in line)
        memory = next(float(line.split()[-1]) for line in told if "process_resident_memory_bytes" in line)
        started = next(float(line.split()[-1]) for line in told if "process_start_time_seconds" in line)
        need(0 < cpu < 60 and 1e6 < memory < 1e9 and abs(time.time() - started) < 60, "of the process: %s" % [cpu, memory, started])
        return len(told)
    finally:
        m.kill()


@case
def over_tls(work):
    """With keys of its own: who has no certificate is let in where none is demanded, and one port speaks both. New keys are taken up.

    No official release has it yet: what is said here is what the source of 3.10 says."""
    pki, ssl_ = Authority(os.path.join(work, "pki")), "metricsProvider.ssl."
    for leaf in ("server", "client", "next"):
        pki.leaf(leaf, "/O=Test/CN=" + leaf)
    stores = {ssl_ + "keyStore.location": pki.jks("server"), ssl_ + "keyStore.password": PASSWORD,
              ssl_ + "trustStore.location": pki.trust_jks(), ssl_ + "trustStore.password": PASSWORD}
    named, unnamed, compared = pki.context("client"), pki.context(), 0

    def outcome(m, port, tls=None):
        try:
            return over(m, port, tls)
        except (OSError, http.client.HTTPException):
            return "refused", None

    for name, settings, expected in (
            ("demanded", {}, ("refused", "refused", 200)), ("wanted", {ssl_ + "need.client.auth": "false"}, ("refused", 200, 200)),
            ("unified", {"unified": True, ssl_ + "need.client.auth": "false", ssl_ + "want.client.auth": "false"}, (200, 200, 200)),
            ("TLS 1.2", {ssl_ + "enabledProtocols": "TLSv1.2", ssl_ + "ciphersuites": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}, ("refused", "refused", 200))):
        port = free_ports(1)[0]
        given = {"metricsProvider.httpsPort": port, **stores, **settings}
        if given.pop("unified", False):
            given["metricsProvider.httpPort"] = port
        m = alone(OXKEEPER, os.path.join(work, name), **given)
        try:
            seen = tuple(outcome(m, port, tls) for tls in (None, unnamed, named))
            need(tuple(status for status, _ in seen) == expected, "%s: %s" % (name, seen))
            if name != "unified":
                need(scrape(m)[0] == 200, "%s: the other port is there, too" % name)
            if name == "wanted":
                shutil.copy(pki.jks("next"), pki.path("jks", "server"))
                until("new keys", lambda: outcome(m, port, unnamed)[1] == "next", 20, 0.1)
            if name == "TLS 1.2":
                need(seen[2][1] == "next", "what is in the file is shown: %s" % seen[2][1])
            compared += len(seen)
        finally:
            m.kill()
    return compared


def over(m, port, tls):
    """What the exporter answers there, and the name that it shows."""
    conn = http_to("localhost", port, tls)
    try:
        conn.connect()
        subject = [] if tls is None else conn.sock.getpeercert()["subject"]
        shown = dict(pair for name in subject for pair in name).get("commonName")
        conn.request("GET", "/metrics")
        answer = conn.getresponse()
        text = answer.read().decode()
        need(answer.status != 200 or "znode_count" in families(text), "figures")
        return answer.status, shown
    finally:
        conn.close()


def main(cases):
    """Judges those of these cases that the command line names, or all. The exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))           # so that the members are ended
    os.environ["ZKEXTRA"] = libraries() + "/*"
    with tempfile.TemporaryDirectory(prefix="metrics") as work:
        def judge(name):
            os.makedirs(os.path.join(work, name))
            return "%d compared" % cases[name](os.path.join(work, name))
        return judged(sys.argv[1:] or cases, judge)


if __name__ == "__main__":
    sys.exit(main(CASES))

#!/usr/bin/env python3
"""Monitoring that we did not write reads an official ensemble and one of ours, and finds the same in both: Debian's Prometheus with the
expressions of the alert rules in the official guide (zookeeperMonitor), Debian's collectd with its plugin for ZooKeeper, and Telegraf's input.
(Datadog's check is not published as a package of its own.)

usage: readers.py [CASE ...]     The last line is `N passed, M failed`. Needs a Debian with apt-get and dpkg (nothing is installed), Go, a JDK and Maven."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from metrics import OFFICIAL, OXKEEPER, Cases, Ensemble, configure, free_ports, left_out, main, need, until, work_through  # noqa: E402
from applib import Proc  # noqa: E402

CASES = case = Cases()
READS_S = 60
# What the rules of the guide compare with a limit; each has a value for each member.
COMPARED = ["znode_count", "num_alive_connections", "approximate_data_size / 1024 / 1024", "watch_count", "increase(election_time_count[5m])",
            "open_file_descriptor_count", "rate(fsynctime_sum[1m])", "rate(snapshottime_sum[5m])", "avg_latency"]
ALERTS = {"down": "up == 0", "elects": "increase(election_time_count[5m]) > 0", "many_znodes": "znode_count > 1000000"}


def package(name):
    """What a package of this Debian holds, unpacked and not installed."""
    where = os.path.join(HERE, "target", "debian", name)
    if not os.path.isdir(where):
        with tempfile.TemporaryDirectory(prefix="deb") as work:
            subprocess.run(["apt-get", "-q", "download", name], cwd=work, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            subprocess.run(["dpkg", "-x", glob.glob(os.path.join(work, "*.deb"))[0], os.path.join(work, "root")], check=True)
            os.makedirs(os.path.dirname(where), exist_ok=True)
            shutil.move(os.path.join(work, "root"), where)
    return where


def telegraf():
    """A program around Telegraf's input."""
    built = os.path.join(HERE, "target", "telegraf")
    if not os.path.exists(built):
        with tempfile.TemporaryDirectory(prefix="telegraf") as work:
            for name in ("go.mod", "main.go"):
                shutil.copy(os.path.join(HERE, "telegraf", name), work)
            subprocess.run(["go", "build", "-mod=mod", "-o", built, "."], cwd=work, check=True, stderr=subprocess.DEVNULL)
    return built


def is_left_out(field):
    """Whether docs/metrics.md has the reason why `mntr` has no such line; of a JVM are those that `process_*` stands for."""
    return field.startswith("jvm_") or re.sub(r"^(avg|min|max|cnt|sum|p\d+)_(\d+_)?", "", field) in left_out()


def of_both(work, ask, exports=False):
    """What `ask` tells of an ensemble of each kind, which has been worked with. `exports`: with the exporter, whose figures officially stand in
    `mntr` too, in lines that Telegraf refuses."""
    told = {}
    for kind in (OFFICIAL, OXKEEPER):
        with Ensemble([kind] * 3, [kind], work=os.path.join(work, kind)) as ensemble:
            if exports:
                for m in ensemble:
                    configure(m)
            ensemble.start()
            for m in ensemble:
                work_through(m)
            told[kind] = ask(ensemble, os.path.join(work, kind))
    official, ours = (set(told[kind]) for kind in (OFFICIAL, OXKEEPER))
    need(official == ours, "only of the official ones: %s; only of ours: %s" % (sorted(official - ours), sorted(ours - official)))
    return len(ours)


class Prometheus:
    """One that scrapes these members."""

    def __init__(self, ensemble, work):
        self.port = free_ports(1)[0]
        rules = [{"record": "compared:%d" % i, "expr": what} for i, what in enumerate(COMPARED)]
        rules += [{"alert": name, "expr": expr} for name, expr in ALERTS.items()]
        targets = ["%s:%d" % (m.host, m.metrics_port) for m in ensemble]
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": ["rules.yml"],
                  "scrape_configs": [{"job_name": "zookeeper", "static_configs": [{"targets": targets}]}]}
        for name, content in (("prometheus.yml", config), ("rules.yml", {"groups": [{"name": "zookeeper", "rules": rules}]})):
            with open(os.path.join(work, name), "w") as f:
                json.dump(content, f)                                 # JSON is YAML
        argv = [os.path.join(package("prometheus"), "usr", "bin", "prometheus"), "--config.file=" + os.path.join(work, "prometheus.yml"),
                "--storage.tsdb.path=" + os.path.join(work, "tsdb"), "--web.listen-address=127.0.0.1:%d" % self.port]
        self.proc = Proc("prometheus", argv, log=os.path.join(work, "prometheus.log"))

    def ask(self, path, **query):
        asked = "http://127.0.0.1:%d/api/v1/%s?%s" % (self.port, path, urllib.parse.urlencode(query))
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def values(self, expr):
        """Instance -> value."""
        return {found["metric"]["instance"]: float(found["value"][1]) for found in (self.ask("query", query=expr) or {}).get("result", ())}

    def fires(self, name):
        return {alert["labels"]["instance"] for alert in (self.ask("alerts") or {}).get("alerts", ()) if alert["labels"]["alertname"] == name}


@case
def prometheus(work):
    def ask(ensemble, work):
        server = Prometheus(ensemble, work)
        try:
            instance = {m.sid: "%s:%d" % (m.host, m.metrics_port) for m in ensemble}
            until("all are scraped", lambda: sum(server.values("up").values()) == len(instance), READS_S, 0.2)
            for i, what in enumerate(COMPARED):
                until("a value of %s for each: %s" % (what, lambda i=i: server.values("compared:%d" % i)),
                      lambda i=i: len(server.values("compared:%d" % i)) == len(instance), READS_S, 0.2)
            wrong = [(rule["name"], rule["lastError"]) for group in server.ask("rules")["groups"] for rule in group["rules"] if rule["health"] != "ok"]
            need(not wrong, "rules: %s" % wrong)
            need(not server.fires("down") and not server.fires("elects"), "nothing is wrong yet")
            leader = ensemble.leader()
            leader.kill()
            until("the alert that a server is down", lambda: server.fires("down") == {instance[leader.sid]}, READS_S, 0.2)
            until("the alert that servers elect", lambda: len(server.fires("elects")) >= 2, READS_S, 0.2)
            leader.start()
            until("nobody is down", lambda: not server.fires("down"), READS_S, 0.2)
            need(not server.fires("many_znodes"), "few znodes")
            kinds = server.ask("metadata")
            return {(name, kinds[name][0]["type"]) for name in kinds if name in COMPARED}
        finally:
            server.proc.kill()
    return of_both(work, ask, exports=True)


@case
def collectd(work):
    root = package("collectd-core")

    def ask(ensemble, work):
        told = set()
        for m in ensemble:
            data = os.path.join(work, "collectd%d" % m.sid)
            os.makedirs(data)
            conf = os.path.join(data, "collectd.conf")
            with open(conf, "w") as f:
                f.write('BaseDir "%s"\nPluginDir "%s/usr/lib/collectd"\nTypesDB "%s/usr/share/collectd/types.db"\nInterval 0.5\nHostname "member"\n'
                        'FQDNLookup false\nLoadPlugin zookeeper\nLoadPlugin csv\n<Plugin zookeeper>\nHost "%s"\nPort "%d"\n</Plugin>\n'
                        '<Plugin csv>\nDataDir "%s/csv"\n</Plugin>\n' % (data, root, root, m.host, m.client_port, data))
            proc = Proc("collectd", [os.path.join(root, "usr", "sbin", "collectd"), "-f", "-C", conf, "-P", os.path.join(data, "pid")],
                        log=os.path.join(data, "log"))
            try:
                def rounds():
                    return [len(open(f).readlines()) for f in glob.glob(data + "/csv/*/*/*")]
                until("three rounds of %r" % m, lambda: len(rounds()) > 10 and min(rounds()) > 3, READS_S, 0.5)
            finally:
                proc.kill()
            told.update((m.mode(), os.path.basename(f).rsplit("-", 3)[0]) for f in glob.glob(data + "/csv/*/*/*"))
        return told
    return of_both(work, ask)


@case
def telegraf_input(work):
    def ask(ensemble, _work):
        addresses = ["%s:%d" % (m.host, m.client_port) for m in ensemble]
        run = subprocess.run([telegraf()] + addresses, capture_output=True, text=True, timeout=60)
        need(run.returncode == 0, "telegraf: %s" % run.stderr[-400:])
        # Each member has a namespace of its own, and which of them leads is chance.
        told = {(line["tags"]["state"], re.sub(r"_app\d+_", "_app_", name), type(value).__name__)
                for line in map(json.loads, run.stdout.splitlines()) for name, value in line["fields"].items() if not is_left_out(name)}
        need({state for state, *_ in told} == {"leader", "follower", "observer"}, "one of each role: %s" % told)
        return told
    return of_both(work, ask)


if __name__ == "__main__":
    sys.exit(main(CASES))

"""Kafka in ZooKeeper mode, two brokers, against an external server. env SECURITY: how they come to it, see secure.py."""
import json
import os
import re
import subprocess
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", name) for name in ("common", "security")]
from applib import *  # noqa: E402,F403
from secure import Security  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
CP = classpath(HERE)
security = Security(os.environ.get("SECURITY", ""))
app = App("kafka", security.settings)
sut = app.sut
BR = {1: {}, 2: {}}
ports = free_ports(6)
for i, b in enumerate(BR):
    BR[b].update(plain=ports[3 * i], sasl=ports[3 * i + 1], ctl=ports[3 * i + 2])
S = {"expected": 0}
SESSION_MS = 8000


def start_broker(b):
    d = BR[b]
    cfg = os.path.join(app.work, "broker%d.properties" % b)
    with open(cfg, "w") as f:
        f.write("\n".join([
            "broker.id=%d" % b,
            "zookeeper.connect=%s/kafka" % security.address(sut),
            *security.of_broker(),
            "zookeeper.session.timeout.ms=%d" % SESSION_MS,
            "zookeeper.connection.timeout.ms=20000",
            "log.dirs=%s" % os.path.join(app.work, "logs%d" % b),
            "listeners=PLAINTEXT://127.0.0.1:%d,SASL_PLAINTEXT://127.0.0.1:%d" % (d["plain"], d["sasl"]),
            "inter.broker.listener.name=PLAINTEXT",
            "sasl.enabled.mechanisms=SCRAM-SHA-256",
            "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config="
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            "authorizer.class.name=kafka.security.authorizer.AclAuthorizer",
            "allow.everyone.if.no.acl.found=true",
            "super.users=User:ANONYMOUS",
            "offsets.topic.num.partitions=4", "offsets.topic.replication.factor=2",
            "transaction.state.log.num.partitions=2", "transaction.state.log.replication.factor=2",
            "transaction.state.log.min.isr=1", "min.insync.replicas=1", "default.replication.factor=2",
            "group.initial.rebalance.delay.ms=0", "num.network.threads=2", "num.io.threads=2",
            "replica.lag.time.max.ms=4000", "auto.create.topics.enable=false",
            "log.index.size.max.bytes=1048576", "log.cleaner.dedupe.buffer.size=4194304",
            "auto.leader.rebalance.enable=false", "controlled.shutdown.enable=true", ""]))
    d["proc"] = app.jvm("broker %d" % b, "apps.Agent",
                        [d["ctl"], "apps.KafkaHandler", "kafka.Kafka", cfg], CP, heap="320m", flags=security.flags)
    d["agent"] = Agent(d["ctl"])


def boot(*which):
    return ",".join("127.0.0.1:%d" % BR[b]["plain"] for b in which or BR)


def boot_sasl(user, pw):
    return ",".join("127.0.0.1:%d" % BR[b]["sasl"] for b in BR) + ";%s;%s" % (user, pw)


def zget(path):
    with security.zk(sut) as z:
        d, st = z.get("/kafka" + path)
        return (json.loads(d) if d[:1] in (b"{", b"[") else d.decode()), st


def zkids(path):
    with security.zk(sut) as z:
        return z.children("/kafka" + path)


def controller():
    return zget("/controller")[0]["brokerid"]


def live_agent():
    for b in BR:
        if BR[b].get("proc") and BR[b]["proc"].alive():
            return BR[b]["agent"]
    raise Fail("no broker is alive")


def describe(topic):
    out = {}
    for part in live_agent().call("describe", boot(), topic).split():
        p, leader, isr = part.split(":")
        out[int(p)] = (int(leader), tuple(int(x) for x in isr.split(",") if x))
    return out


def all_in_sync(topic, n):
    return until("all partitions of %s with ISR %d" % (topic, n),
                 lambda: all(len(i) == n for _, i in describe(topic).values()), 60)


def produce(n, tag, topic="t1"):
    live_agent().call("produce", boot(), topic, n, tag)
    S["expected"] += n


def consume_all(group, topic="t1"):
    got, every = live_agent().call("consume", boot(), topic, group, 40, S["expected"], timeout=70).split()
    need(int(got) == S["expected"], "consumed %s distinct records, produced %d" % (got, S["expected"]))
    return "%s records" % got


@app.step("server under test starts")
def _():
    sut.start()
    with sut.zk() as z:
        z.create("/kafka")


@app.step("kafka-configs --zookeeper stores SCRAM credentials")
def _():
    for user, pw in (("alice", "alice-secret"), ("bob", "bob-secret")):
        p = subprocess.run(["java", "-Xmx128m"] + JVM_LEAN + security.flags + ["-cp", CP, "kafka.admin.ConfigCommand",
                            "--zookeeper", security.address(sut) + "/kafka", *security.of_tool(), "--alter", "--add-config",
                            "SCRAM-SHA-256=[iterations=4096,password=%s]" % pw,
                            "--entity-type", "users", "--entity-name", user],
                           capture_output=True, text=True, timeout=60)
        need(p.returncode == 0 and "Completed" in p.stdout, "tool said: %s" % (p.stdout + p.stderr)[-300:])
    cfg, _st = zget("/config/users/alice")
    need("SCRAM-SHA-256" in cfg["config"], "no credential in /config/users/alice: %r" % cfg)


@app.step("two brokers register as ephemeral znodes")
def _():
    start_broker(1)
    until("broker 1", lambda: zkids("/brokers/ids") == ["1"], 60)
    start_broker(2)
    until("both brokers", lambda: zkids("/brokers/ids") == ["1", "2"], 60)
    for b in BR:
        _d, st = zget("/brokers/ids/%d" % b)
        need(st["ephemeralOwner"] != 0, "/brokers/ids/%d is not ephemeral" % b)
    until("both brokers in the metadata", lambda: live_agent().call("nodes", boot()).startswith("1,2 "), 30)


@app.step("what brokers write is theirs, and what is secret is nobody else's to read")
def _():
    return security.check_acls(sut, ["/kafka/brokers/ids/1", "/kafka/controller", "/kafka/brokers/topics"], "/kafka/config/users/alice")


@app.step("one controller is elected at /controller")
def _():
    d, st = zget("/controller")
    need(st["ephemeralOwner"] != 0, "/controller is not ephemeral")
    S["epoch"] = int(zget("/controller_epoch")[0])
    need(S["epoch"] == 1, "controller epoch %d after the first election" % S["epoch"])
    _d, ist = zget("/brokers/ids/%d" % d["brokerid"])
    need(ist["ephemeralOwner"] == st["ephemeralOwner"], "/controller is held by another session than its broker's")
    S["cluster"] = zget("/cluster/id")[0]["id"]
    need(live_agent().call("nodes", boot()).endswith(S["cluster"]), "cluster id differs from /cluster/id")


@app.step("topic with replication factor 2 is created")
def _():
    live_agent().call("create", boot(), "t1", 4, 2)
    need(len(zget("/brokers/topics/t1")[0]["partitions"]) == 4, "assignment in /brokers/topics/t1")
    all_in_sync("t1", 2)
    st = zget("/brokers/topics/t1/partitions/0/state")[0]
    need(sorted(st["isr"]) == [1, 2], "state znode isr %r" % st)


@app.step("5000 records are produced and consumed")
def _():
    produce(5000, "a")
    return consume_all("g1")


@app.step("transactions: a committed and an aborted one; producer id block in ZooKeeper")
def _():
    live_agent().call("produce-tx", boot(), "t1", 200, "tx", timeout=60)
    S["expected"] += 200
    need("block_start" in zget("/latest_producer_id_block")[0], "no producer id block")
    return consume_all("g2")


@app.step("topic and broker configuration change reaches both brokers")
def _():
    a = live_agent()
    a.call("set-config", boot(), "topic", "t1", "retention.ms", "7200000")
    need(zget("/config/topics/t1")[0]["config"].get("retention.ms") == "7200000", "znode /config/topics/t1")
    a.call("set-config", boot(), "broker", "", "log.cleaner.threads", "2")
    for b in BR:
        until("broker %d has the new cluster-wide value" % b,
              lambda: a.call("get-config", boot(b), "broker", str(b), "log.cleaner.threads") == "2", 20)


@app.step("SCRAM login works with the stored credential and fails with a wrong one")
def _():
    live_agent().call("produce", boot_sasl("alice", "alice-secret"), "t1", 100, "alice")
    S["expected"] += 100
    try:
        live_agent().call("produce", boot_sasl("alice", "wrong"), "t1", 1, "evil")
    except Fail as e:
        need("SaslAuthentication" in str(e), "unexpected refusal: %s" % e)
    else:
        raise Fail("a wrong password was let in")


@app.step("ACL in ZooKeeper denies and then allows a user")
def _():
    a = live_agent()
    a.call("acl", boot(), "t1", "User:bob", "WRITE", "DENY", "add")
    need("t1" in zkids("/kafka-acl/Topic"), "no znode /kafka-acl/Topic/t1")

    def denied():
        try:
            a.call("produce", boot_sasl("bob", "bob-secret"), "t1", 1, "bob-denied")
        except Fail as e:
            return "Authorization" in str(e)
        return False
    until("bob is denied", denied, 1)
    a.call("acl", boot(), "t1", "User:bob", "WRITE", "DENY", "remove")
    a.call("acl", boot(), "t1", "User:bob", "ALL", "ALLOW", "add")

    def allowed():
        a.call("produce", boot_sasl("bob", "bob-secret"), "t1", 100, "bob")
        return True
    until("bob is allowed", allowed, 20)
    S["expected"] += 100
    a.call("acl", boot(), "t1", "User:bob", "ALL", "ALLOW", "remove")
    until("no ACL left", lambda: a.call("acls", boot()) == "0", 10)
    return consume_all("g3")


@app.step("SIGKILL of the controller broker: session expires, the other takes over")
def _():
    S["dead"] = controller()
    S["alive"] = 3 - S["dead"]
    t = time.time()
    BR[S["dead"]]["proc"].kill()
    until("new controller", lambda: controller() == S["alive"], SESSION_MS / 1000 + 15)
    took = time.time() - t
    need(int(zget("/controller_epoch")[0]) == S["epoch"] + 1, "controller epoch did not go up by one")
    until("dead broker gone", lambda: zkids("/brokers/ids") == [str(S["alive"])], 10)
    until("leadership moved", lambda: all(l == S["alive"] for l, _ in describe("t1").values()), 30)
    return "took %.1f s, session timeout %d ms" % (took, SESSION_MS)


@app.step("produce and consume with one broker")
def _():
    produce(1000, "b")
    return consume_all("g4")


@app.step("killed broker restarts and the ISR is whole again")
def _():
    start_broker(S["dead"])
    until("broker back", lambda: zkids("/brokers/ids") == ["1", "2"], 60)
    all_in_sync("t1", 2)
    BR[S["dead"]]["agent"].call("ping")


@app.step("preferred leader election spreads leadership")
def _():
    live_agent().call("elect", boot())
    until("both brokers lead", lambda: {l for l, _ in describe("t1").values()} == {1, 2}, 30)


@app.step("partitions are added and a replica is reassigned")
def _():
    a = live_agent()
    a.call("partitions", boot(), "t1", 6)
    until("6 partitions", lambda: len(describe("t1")) == 6, 30)
    all_in_sync("t1", 2)
    a.call("reassign", boot(), "t1", 5, "1")
    until("partition 5 only on broker 1", lambda: describe("t1")[5] == (1, (1,)) and a.call("reassigning", boot()) == "0", 40)
    a.call("reassign", boot(), "t1", 5, "1,2")
    until("partition 5 on both", lambda: describe("t1")[5][1] == (1, 2) and a.call("reassigning", boot()) == "0", 40)
    produce(500, "c")


@app.step("ZooKeeper SIGKILL and restart: same sessions, no lost write, no new controller")
def _():
    a = live_agent()
    owners = {b: zget("/brokers/ids/%d" % b)[1]["ephemeralOwner"] for b in BR}
    ctl, epoch = controller(), int(zget("/controller_epoch")[0])
    a.call("bg-start", boot(), "t1", "bg")
    time.sleep(1.5)
    sut.kill()
    time.sleep(3)
    sut.restart_after_kill()
    t = time.time()

    def resumed():
        return all(zget("/brokers/ids/%d" % b)[1]["ephemeralOwner"] == owners[b] for b in BR)
    try:
        until("brokers hold their old sessions", resumed, 15)
        time.sleep(SESSION_MS / 1000 + 3)          # long enough for an unresumed session to expire
        need(resumed(), "a broker's session did not live on")
        need(controller() == ctl and int(zget("/controller_epoch")[0]) == epoch, "the controller changed")
    finally:
        ok, bad, err = (a.call("bg-stop", boot(), "t1", "bg", timeout=60) + " ").split(" ", 2)
        S["expected"] += int(ok)
    need(int(bad) == 0, "%s background sends failed: %s" % (bad, err))
    return "%s records went on during the outage" % ok


@app.step("after the restart: new topic, config change, produce, consume")
def _():
    a = live_agent()
    a.call("create", boot(), "t2", 3, 2, timeout=60)
    all_in_sync("t2", 2)
    a.call("set-config", boot(), "topic", "t2", "retention.ms", "3600000")
    a.call("produce", boot(), "t2", 300, "d")
    produce(1000, "e")
    return consume_all("g5")


@app.step("after the restart: session expiry and re-election still work")
def _():
    dead = controller()
    epoch = int(zget("/controller_epoch")[0])
    BR[dead]["proc"].kill()
    until("new controller", lambda: controller() == 3 - dead, SESSION_MS / 1000 + 15)
    need(int(zget("/controller_epoch")[0]) == epoch + 1, "epoch")
    start_broker(dead)
    until("broker back", lambda: zkids("/brokers/ids") == ["1", "2"], 60)
    all_in_sync("t1", 2)
    return consume_all("g6")


@app.step("topic deletion removes its znodes")
def _():
    live_agent().call("delete", boot(), "t2", timeout=60)
    until("t2 gone", lambda: "t2" not in zkids("/brokers/topics") and zkids("/admin/delete_topics") == []
          and "t2" not in zkids("/config/topics"), 40)


@app.step("graceful shutdown of a broker closes its session at once")
def _():
    b = controller()
    t = time.time()
    proc = BR[b]["proc"]
    proc.signal(15)
    until("znode gone before the session timeout could pass", lambda: str(b) not in zkids("/brokers/ids"), 40)
    until("the other broker is controller", lambda: controller() == 3 - b, 5)
    proc.p.wait(30)
    return "%.1f s" % (time.time() - t)


app.run()

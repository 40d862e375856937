#!/usr/bin/env bash
# Apache ZooKeeper 3.9.5: a follower that is brought up by a snapshot while clients write counts digest mismatches, in an ensemble in
# which nothing is wrong. The leader announces the snapshot with a zxid, sends the tree as it is a little later, and then all
# transactions from that zxid on; the follower applies some once more, and compares the digest that came with each with that of its
# tree, which is ahead of it (a snapshot on disk carries its own digest, and is exempt until that is reached; this stream has none).
# So zk_digest_mismatches_count alone is no alarm after a join: the digests at the newest zxid agree.
# Seen: "counted 3 mismatches after 4 joins, the newest digest is the leader's" (the numbers vary). Needs a JDK, Maven and Python 3.
# Ends with 1 when the behaviour is another one.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/pom.xml" <<'POM'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.zookeeper</groupId><artifactId>zookeeper</artifactId><version>3.9.5</version></dependency>
    <dependency><groupId>org.xerial.snappy</groupId><artifactId>snappy-java</artifactId><version>1.1.10.5</version></dependency>
    <dependency><groupId>io.dropwizard.metrics</groupId><artifactId>metrics-core</artifactId><version>4.1.12.1</version></dependency>
  </dependencies>
</project>
POM
mvn -q -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory="$work/jars"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install kazoo==2.10.0
"$work/venv/bin/python" - "$work" <<'PY'
import logging, os, re, shutil, socket, subprocess, sys, threading, time
from kazoo.client import KazooClient

logging.disable()
work, IDS = sys.argv[1], (1, 2, 3)


def free(count):
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [s.getsockname()[1] for s in opened]
    for s in opened:
        s.close()
    return found


def word(port, text):
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as s:
            s.sendall(text)
            return b"".join(iter(lambda: s.recv(4096), b"")).decode()
    except OSError:
        return ""


def until(found):
    end = time.time() + 60
    while not (got := found()):
        assert time.time() < end, "a minute is over"
        time.sleep(0.1)
    return got


ports = dict(zip(IDS, zip(*[iter(free(9))] * 3)))
servers = ["server.%d=127.0.0.1:%d:%d" % (sid, ports[sid][1], ports[sid][2]) for sid in IDS]
running = {}


def start(sid):
    """On an empty directory."""
    data = os.path.join(work, "data%d" % sid)
    shutil.rmtree(data, ignore_errors=True)
    os.makedirs(data)
    with open(os.path.join(data, "myid"), "w") as f:
        f.write(str(sid))
    with open(os.path.join(data, "zoo.cfg"), "w") as f:
        f.write("\n".join(["tickTime=2000", "initLimit=10", "syncLimit=10", "dataDir=" + data, "clientPort=%d" % ports[sid][0],
                           "admin.enableServer=false", "4lw.commands.whitelist=*", *servers]) + "\n")
    running[sid] = subprocess.Popen(["java", "-cp", os.path.join(work, "jars", "*"), "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                                     os.path.join(data, "zoo.cfg")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stop(sid):
    running[sid].kill()
    running[sid].wait()


def told(sid, pattern):
    return (re.findall(pattern, word(ports[sid][0], b"mntr")) or [""])[0]


def write(number, over):
    client = KazooClient("127.0.0.1:%d" % ports[leader][0])
    client.start(60)
    while not over.is_set():
        client.delete(client.create("/%d-" % number, b"x", sequence=True))
    client.stop()


over, writers, joins, counted = threading.Event(), [], 0, 0
try:
    for sid in IDS:
        start(sid)
    state = lambda sid: told(sid, r"zk_server_state\t(\w+)")
    until(lambda: sorted(map(state, IDS)) == ["follower", "follower", "leader"])
    leader = next(sid for sid in IDS if state(sid) == "leader")
    follower = leader % 3 + 1
    writers = [threading.Thread(target=write, args=(n, over)) for n in range(5)]
    for writer in writers:
        writer.start()
    while not counted and joins < 60:
        stop(follower)
        start(follower)
        until(lambda: state(follower) == "follower")
        joins += 1
        counted = int(told(follower, r"zk_digest_mismatches_count\t(\d+)") or 0)
    over.set()
    for writer in writers:
        writer.join()
    zxids = lambda: {re.findall(r"Zxid: (\w+)", word(ports[sid][0], b"srvr"))[0] for sid in IDS}
    until(lambda: len(zxids()) == 1)
    # Of its last transactions: the same zxids have the same digests.
    digests = [dict(re.findall(r"(\w+): (\d+)", word(ports[sid][0], b"hash"))) for sid in (leader, follower)]
    newest = max(digests[0], key=lambda zxid: int(zxid, 16))
    same = digests[0][newest] == digests[1].get(newest)
finally:
    over.set()
    for sid in running:
        stop(sid)
print("counted %d mismatches after %d joins, the newest digest is %s" % (counted, joins, "the leader's" if same else "another one"))
sys.exit(0 if counted and same else 1)
PY

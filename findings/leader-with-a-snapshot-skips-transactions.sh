#!/usr/bin/env bash
# Apache ZooKeeper 3.9.5: a member that was brought up by a snapshot and leads later brings others up past what that snapshot held. It keeps
# the logs of before beside the snapshot, and when somebody comes who has what the older one ends with, it sends a DIFF: the rest
# of the older log and then the newer one, and nothing of what lies between, which only its snapshot has. Whether it looks in its logs at all
# depends on their size, and logs with a hole are small. No member notices: all tell the same last zxid, and one of them lacks
# most of what was written. Here members 2 to 4 have snapshotSizeFactor=-1, so that whoever comes late gets a snapshot, and member 5 the default;
# with -1 at all of them it does not happen. (ZOOKEEPER-2846 is about such logs, and open.)
# Seen: "all tell the same zxid; member 5 has 601 of 601, member 1 has 1". Needs a JDK, Maven and Python 3. Ends with 1 when the behaviour is
# another one.
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
import logging, os, re, socket, subprocess, sys, time
from kazoo.client import KazooClient

logging.disable()
work, IDS = sys.argv[1], (1, 2, 3, 4, 5)
opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(15)]
ports = dict(zip(IDS, zip(*[iter(s.getsockname()[1] for s in opened)] * 3)))
for s in opened:
    s.close()
members = ["server.%d=127.0.0.1:%d:%d" % (sid, *ports[sid][1:]) for sid in IDS]
running = {}


def word(sid, text):
    try:
        with socket.create_connection(("127.0.0.1", ports[sid][0]), 2) as s:
            s.sendall(text)
            return b"".join(iter(lambda: s.recv(4096), b"")).decode()
    except OSError:
        return ""


def told(sid, what):
    return (re.findall(what + r": (\w+)", word(sid, b"srvr")) or [""])[0]


def until(found):
    end = time.time() + 90
    while not found():
        assert time.time() < end, "a minute and a half is over"
        time.sleep(0.1)


def start(*sids):
    for sid in sids:
        data = os.path.join(work, str(sid))
        os.makedirs(data, exist_ok=True)
        with open(os.path.join(data, "myid"), "w") as f:
            f.write(str(sid))
        with open(os.path.join(data, "zoo.cfg"), "w") as f:
            f.write("\n".join(["tickTime=2000", "initLimit=10", "syncLimit=10", "dataDir=" + data, "clientPort=%d" % ports[sid][0],
                               "admin.enableServer=false", "4lw.commands.whitelist=srvr", "snapshotSizeFactor=%s" % (0.33 if sid == 5 else -1), *members]) + "\n")
        # Log files that are as long as what they hold, in place of 64 MB each.
        running[sid] = subprocess.Popen(["java", "-Xmx128m", "-Dzookeeper.preAllocSize=64", "-cp", os.path.join(work, "jars", "*"),
                                         "org.apache.zookeeper.server.quorum.QuorumPeerMain", os.path.join(data, "zoo.cfg")],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: all(told(sid, "Mode") for sid in running))


def kill(*sids):
    for sid in sids:
        process = running.pop(sid)
        process.kill()
        process.wait()


def one_zxid():
    return len({told(sid, "Zxid") for sid in running}) == 1


def client(sid):
    z = KazooClient("127.0.0.1:%d" % ports[sid][0])
    z.start(60)
    return z


def write(sid, count, prefix, size):
    z = client(sid)
    for sent in [z.create_async("/%s-%d" % (prefix, n), bytes(size)) for n in range(count)]:
        sent.get(60)
    z.stop()
    until(one_zxid)


def has(sid):
    z = client(sid)
    found = sum(name.startswith("later") for name in z.get_children("/"))
    z.stop()
    return found


try:
    start(*IDS)
    write(2, 200, "filling", 10000)
    # What follows is in log files of its own, and a leader has a snapshot of what there is.
    kill(*IDS)
    start(*IDS)
    write(2, 1, "mark", 1)
    kill(1, 5)
    # More than a leader has in memory, and more than a third of its snapshot.
    write(2, 600, "later", 5000)
    start(5)
    until(one_zxid)
    write(2, 1, "later-still", 1)
    kill(2, 3, 4, 5)
    start(1, 2, 5)
    assert told(5, "Mode") == "leader"
    leads, follows = has(5), has(1)
    until(one_zxid)
finally:
    kill(*list(running))
print("all tell the same zxid; member 5 has %d of 601, member 1 has %d" % (leads, follows))
sys.exit(0 if leads == 601 and follows < leads else 1)
PY

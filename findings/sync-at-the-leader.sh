#!/usr/bin/env bash
# Apache ZooKeeper 3.9.5: a client of the leader that reads after a sync may miss a write that a follower has acknowledged before. The
# leader sends COMMIT to the followers first, and applies the transaction itself afterwards; a sync of a client of its own waits
# for nothing. Here a debugger holds the leader's thread between the two (as a busy machine may): the follower answers the write,
# the leader answers sync and read with the old value.
# Seen: "acknowledged: new, read at the leader: old". Needs a JDK (with jdb), Maven and Python 3. Ends with 1 when the behaviour is another one.
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
try:
    for sid in IDS:
        data = os.path.join(work, "data%d" % sid)
        os.makedirs(data)
        with open(os.path.join(data, "myid"), "w") as f:
            f.write(str(sid))
        with open(os.path.join(data, "zoo.cfg"), "w") as f:
            f.write("\n".join(["tickTime=2000", "initLimit=10", "syncLimit=10", "dataDir=" + data, "clientPort=%d" % ports[sid][0],
                               "admin.enableServer=false", "4lw.commands.whitelist=*", *servers]) + "\n")
        running[sid] = subprocess.Popen(
            ["java", "-agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=127.0.0.1:0", "-cp", os.path.join(work, "jars", "*"),
             "org.apache.zookeeper.server.quorum.QuorumPeerMain", os.path.join(data, "zoo.cfg")],
            stdout=open(os.path.join(work, "out%d" % sid), "w"), stderr=subprocess.STDOUT)
    mode = lambda sid: (re.findall(r"Mode: (\w+)", word(ports[sid][0], b"srvr")) or [""])[0]
    until(lambda: sorted(map(mode, IDS)) == ["follower", "follower", "leader"])
    leader = next(sid for sid in IDS if mode(sid) == "leader")
    writer, reader = (KazooClient("127.0.0.1:%d" % ports[sid][0]) for sid in (leader % 3 + 1, leader))
    writer.start(30)
    reader.start(30)
    writer.create("/x", b"old")
    until(lambda: reader.exists("/x"))
    port = re.search(r"dt_socket at address: (\d+)", open(os.path.join(work, "out%d" % leader)).read())[1]
    with subprocess.Popen(["jdb", "-attach", "127.0.0.1:" + port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as jdb:
        jdb.stdin.write("stop thread in org.apache.zookeeper.server.quorum.Leader.inform\n")
        jdb.stdin.flush()
        while "Set breakpoint" not in jdb.stdout.readline():
            pass
        writer.set("/x", b"new")
        reader.sync("/x")
        seen = reader.get("/x")[0].decode()
        jdb.kill()
finally:
    for server in running.values():
        server.kill()
        server.wait()
print("acknowledged: new, read at the leader: " + seen)
sys.exit(0 if seen == "old" else 1)
PY

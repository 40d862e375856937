#!/usr/bin/env bash
# Apache ZooKeeper 3.9.5: what the admin command `restore` has restored is gone after a restart. The command puts the snapshot's tree in the
# place of the one in memory and writes no file: the next start loads the newest snapshot and log of before. Here a znode is set to "old", a
# snapshot is taken, the znode is set to "new", and the snapshot restored: clients read "old", the server is killed and started again, and they read "new".
# Seen: "restored: old, after a restart: new". Needs a JDK, Maven and Python 3. Ends with 1 when the behaviour is another one.
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
    <dependency><groupId>org.eclipse.jetty</groupId><artifactId>jetty-server</artifactId><version>9.4.57.v20241219</version></dependency>
    <dependency><groupId>org.eclipse.jetty</groupId><artifactId>jetty-servlet</artifactId><version>9.4.57.v20241219</version></dependency>
    <dependency><groupId>com.fasterxml.jackson.core</groupId><artifactId>jackson-databind</artifactId><version>2.15.2</version></dependency>
    <dependency><groupId>commons-cli</groupId><artifactId>commons-cli</artifactId><version>1.5.0</version></dependency>
  </dependencies>
</project>
POM
mvn -q -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory="$work/jars"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install kazoo==2.10.0
"$work/venv/bin/python" - "$work" <<'PY'
import logging, os, socket, subprocess, sys, time, urllib.request
from kazoo.client import KazooClient

logging.disable()
work = sys.argv[1]
opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
port, admin = [s.getsockname()[1] for s in opened]
for s in opened:
    s.close()
data, cfg = os.path.join(work, "data"), os.path.join(work, "zoo.cfg")
os.makedirs(data)
with open(cfg, "w") as f:
    f.write("tickTime=2000\ndataDir=%s\nclientPort=%d\nadmin.serverAddress=127.0.0.1\nadmin.serverPort=%d\n" % (data, port, admin))


def started():
    server = subprocess.Popen(["java", "-cp", os.path.join(work, "jars", "*"), "org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = KazooClient("127.0.0.1:%d" % port)
    client.start(60)
    return server, client


def command(name, body=None):
    asked = urllib.request.Request("http://127.0.0.1:%d/commands/%s" % (admin, name), body, {"Authorization": "digest any:one"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return answer.status, answer.read()


server, client = started()
try:
    client.create("/x", b"old")
    _, snapshot = command("snapshot")
    client.set("/x", b"new")
    status, _ = command("restore", snapshot)
    restored = client.get("/x")[0].decode()
    client.stop()
    server.kill()
    server.wait()
    server, client = started()
    after = client.get("/x")[0].decode()
    client.stop()
finally:
    server.kill()
print("3.9.5: restored (status %d): %s, after a restart: %s" % (status, restored, after))
sys.exit(0 if (status, restored, after) == (200, "old", "new") else 1)
PY

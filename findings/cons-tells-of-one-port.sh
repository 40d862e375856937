#!/usr/bin/env bash
# Apache ZooKeeper 3.9.5 with a client port and a port in TLS: the four-letter word `cons` tells of the clients of that port alone at which it is asked,
# while `mntr` counts those of both (and the connection that asks), and the admin command `connections` lists both. Who looks for a client by `cons` at the plain port does not see those in TLS.
# Here one client is connected at each port.
# Seen: "cons: 1 session, mntr: 3 connections, connections: 1 and 1". Needs a JDK, Maven and Python 3. Ends with 1 when the behaviour is another one.
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
keytool -genkeypair -alias server -keyalg EC -dname CN=localhost -ext SAN=DNS:localhost,IP:127.0.0.1 -validity 30 \
  -storetype PKCS12 -storepass changeit -keystore "$work/server.p12" 2> /dev/null
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install kazoo==2.10.0
"$work/venv/bin/python" - "$work" <<'PY'
import json, logging, os, socket, subprocess, sys, urllib.request
from kazoo.client import KazooClient

logging.disable()
work = sys.argv[1]
opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
port, secure, admin = [s.getsockname()[1] for s in opened]
for s in opened:
    s.close()
data, cfg = os.path.join(work, "data"), os.path.join(work, "zoo.cfg")
os.makedirs(data)
with open(cfg, "w") as f:
    f.write("tickTime=2000\ndataDir=%s\nclientPort=%d\nsecureClientPort=%d\nadmin.serverAddress=127.0.0.1\nadmin.serverPort=%d\n" % (data, port, secure, admin))
    f.write("4lw.commands.whitelist=cons,mntr\nserverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\nssl.clientAuth=none\n")
    f.write("ssl.keyStore.location=%s/server.p12\nssl.keyStore.password=changeit\n" % work)


def word(name):
    with socket.create_connection(("127.0.0.1", port), 30) as s:
        s.sendall(name)
        return b"".join(iter(lambda: s.recv(65536), b"")).decode()


server = subprocess.Popen(["java", "-cp", os.path.join(work, "jars", "*"), "org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    clients = [KazooClient("127.0.0.1:%d" % port), KazooClient("127.0.0.1:%d" % secure, use_ssl=True, verify_certs=False)]
    for client in clients:
        client.start(60)
    cons = word(b"cons").count("sid=0x")
    alive = [line.split()[1] for line in word(b"mntr").splitlines() if line.startswith("zk_num_alive_connections\t")][0]
    with urllib.request.urlopen("http://127.0.0.1:%d/commands/connections" % admin, timeout=60) as answer:
        told = json.load(answer)
    listed = [sum(c.get("session_id", 0) != 0 for c in told[name]) for name in ("connections", "secure_connections")]
    for client in clients:
        client.stop()
finally:
    server.kill()
print("3.9.5: cons: %d session, mntr: %s connections, connections: %d and %d" % (cons, alive, *listed))
sys.exit(0 if (cons, alive, listed) == (1, "3", [1, 1]) else 1)
PY

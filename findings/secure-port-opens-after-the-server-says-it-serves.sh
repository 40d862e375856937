#!/usr/bin/env bash
# Apache ZooKeeper 3.9.5 with a client port and a port in TLS, alone: it begins to serve at the client port before it builds what the other one needs. `srvr`
# answers "Mode: standalone" there, and a connection to the secure port is refused for some tenths of a second more. Whoever takes a
# word at the client port for a sign that the server is ready (a probe, a test) sends its TLS clients too early.
# Here it is started up to ten times, until that is seen: how soon the other port is there depends on the machine.
# Seen: "refused behind `srvr`: yes". Needs a JDK, Maven and Python 3. Ends with 1 when the behaviour is another one.
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
keytool -genkeypair -alias server -keyalg EC -dname CN=localhost -ext SAN=DNS:localhost,IP:127.0.0.1 -validity 30 \
  -storetype PKCS12 -storepass changeit -keystore "$work/server.p12" 2> /dev/null
python3 - "$work" <<'PY'
import os, socket, subprocess, sys, time

work = sys.argv[1]


def serves(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            s.settimeout(5)
            s.sendall(b"srvr")
            return b"Mode: standalone" in b"".join(iter(lambda: s.recv(65536), b""))
    except OSError:
        return False


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except ConnectionRefusedError:
        return False


def within(seconds, holds):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            sys.exit("not within %d s" % seconds)
        time.sleep(0.002)


def is_refused(start):
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    port, secure = [s.getsockname()[1] for s in opened]
    for s in opened:
        s.close()
    data, cfg = os.path.join(work, "data%d" % start), os.path.join(work, "zoo.cfg")
    os.makedirs(data)
    with open(cfg, "w") as f:
        f.write("tickTime=2000\ndataDir=%s\nclientPort=%d\nsecureClientPort=%d\nadmin.enableServer=false\n" % (data, port, secure))
        f.write("serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\nssl.clientAuth=none\n")
        f.write("ssl.keyStore.location=%s/server.p12\nssl.keyStore.password=changeit\n" % work)
    server = subprocess.Popen(["java", "-cp", os.path.join(work, "jars", "*"), "org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        within(60, lambda: serves(port))
        refused = not listens(secure)
        within(60, lambda: listens(secure))
        return refused
    finally:
        server.kill()
        server.wait()


seen = any(is_refused(start) for start in range(10))
print("3.9.5: refused behind `srvr`: %s" % ("yes" if seen else "no"))
sys.exit(0 if seen else 1)
PY

#!/usr/bin/env bash
# Apache ZooKeeper 3.9.5, election port: with zookeeper.multiAddress.enabled=true a member introduces itself with protocol version
# -65535, the form for several addresses, also when it has a single one; without that property with -65536. The texts behind
# both are the same. So a reader must not expect the separator `|` behind -65535, nor refuse that version from members with one
# address. Seen: "-65536 2 127.0.0.1:E" without, "-65535 2 127.0.0.1:E" with the property.
# Needs a JDK, Maven and Python 3. Ends with 1 when the behaviour is another one.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/pom.xml" <<'POM'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.zookeeper</groupId><artifactId>zookeeper</artifactId><version>3.9.5</version></dependency>
  </dependencies>
</project>
POM
mvn -q -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory="$work/jars"
python3 - "$work" <<'PY'
import os, socket, struct, subprocess, sys

work = sys.argv[1]


def free():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def hello(*properties):
    """What server 2 says to whoever listens in the place of server 1."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(60)
        own, data = free(), os.path.join(work, "data" + str(len(properties)))
        os.makedirs(data)
        with open(os.path.join(data, "myid"), "w") as f:
            f.write("2")
        config = os.path.join(data, "zoo.cfg")
        with open(config, "w") as f:
            f.write("tickTime=2000\ninitLimit=5\nsyncLimit=2\ndataDir=%s\nclientPort=%d\nadmin.enableServer=false\n"
                    "server.1=127.0.0.1:%d:%d\nserver.2=127.0.0.1:%d:%d\n"
                    % (data, free(), free(), listener.getsockname()[1], free(), own))
        server = subprocess.Popen(["java", *properties, "-cp", os.path.join(work, "jars", "*"),
                                   "org.apache.zookeeper.server.quorum.QuorumPeerMain", config],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with listener.accept()[0] as peer, peer.makefile("rb") as said:
                version, sid, length = struct.unpack(">qqi", said.read(20))
                return version, sid, said.read(length).decode() == "127.0.0.1:%d" % own
        finally:
            server.kill()
            server.wait()


without, with_it = hello(), hello("-Dzookeeper.multiAddress.enabled=true")
print("without the property:", *without)
print("with it:            ", *with_it)
sys.exit(0 if (without, with_it) == ((-65536, 2, True), (-65535, 2, True)) else 1)
PY

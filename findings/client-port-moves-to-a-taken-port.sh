#!/usr/bin/env bash
# Apache ZooKeeper 3.9.5: a reconfig that moves a member's client port to one that somebody else has at the moment succeeds, and leaves
# that member without any client port: the old one is closed first, the new one is tried once. It is not tried again when it is free;
# the member serves clients no more until another reconfig names a port, which has to be asked of another member.
# Seen: reconfig accepted; the old port closed; 10 s after the new one was free still nobody there; served after a reconfig to a third one.
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
    <dependency><groupId>io.dropwizard.metrics</groupId><artifactId>metrics-core</artifactId><version>4.1.12.1</version></dependency>
    <dependency><groupId>org.xerial.snappy</groupId><artifactId>snappy-java</artifactId><version>1.1.10.5</version></dependency>
    <dependency><groupId>commons-cli</groupId><artifactId>commons-cli</artifactId><version>1.5.0</version></dependency>
  </dependencies>
</project>
POM
mvn -q -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory="$work/jars"
python3 - "$work" <<'PY'
import os, socket, subprocess, sys, time

work = sys.argv[1]
java = ["java", "-Xmx128m", "-cp", os.path.join(work, "jars", "*")]


def free():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def serves(port):
    """Whether a ZooKeeper server answers there."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            s.settimeout(2)
            s.sendall(b"ruok")
            return s.recv(4) == b"imok"
    except OSError:
        return False


def within(seconds, look):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if look():
            return True
        time.sleep(0.2)
    return False


ports = {n: (free(), free(), free()) for n in (1, 2)}


def line(n, client):
    return "server.%d=127.0.0.1:%d:%d:participant;127.0.0.1:%d" % (n, *ports[n][:2], client)


def start(n):
    data = os.path.join(work, "data%d" % n)
    os.makedirs(data)
    with open(os.path.join(data, "myid"), "w") as f:
        f.write(str(n))
    dynamic, config = os.path.join(data, "members"), os.path.join(data, "zoo.cfg")
    with open(dynamic, "w") as f:
        f.write("".join(line(m, ports[m][2]) + "\n" for m in ports))
    with open(config, "w") as f:
        f.write("tickTime=1000\ninitLimit=10\nsyncLimit=5\ndataDir=%s\ndynamicConfigFile=%s\nreconfigEnabled=true\nskipACL=yes\n"
                "admin.enableServer=false\n4lw.commands.whitelist=*\n" % (data, dynamic))
    return subprocess.Popen([*java, "org.apache.zookeeper.server.quorum.QuorumPeerMain", config],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def moves(client):
    """Asks member 2 for another client port of member 1."""
    asked = subprocess.run([*java, "org.apache.zookeeper.ZooKeeperMain", "-server", "127.0.0.1:%d" % ports[2][2],
                            "reconfig", "-add", line(1, client)], capture_output=True, text=True, timeout=60)
    return "Committed new configuration" in asked.stdout


servers = [start(n) for n in ports]
try:
    assert within(60, lambda: all(serves(ports[n][2]) for n in ports)), "two members"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        accepted = moves(taken)
        closed = within(10, lambda: not serves(ports[1][2]))
    back = within(10, lambda: serves(taken))
    third = free()
    again = moves(third) and within(10, lambda: serves(third))
finally:
    for server in servers:
        server.kill()
        server.wait()
print("reconfig to a taken port accepted:", accepted)
print("the old port closed:", closed)
print("served at the new port within 10 s after it was free:", back)
print("served after a reconfig to a third port:", again)
sys.exit(0 if (accepted, closed, back, again) == (True, True, False, True) else 1)
PY

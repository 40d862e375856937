#!/usr/bin/env bash
# Apache ZooKeeper 3.9.5: an observer without a disk (syncEnabled=false) that a reconfig makes a participant begins to log behind what it
# has in memory alone. With the next restart that is gone: its log goes from what it had before straight to what came after the vote, its
# last zxid is as new as the leader's, and nobody sends it the rest. It serves so, as a member of the quorum.
# Seen: "of 200 znodes written before its vote and 20 after it, it has 0 and 20 after a restart". Needs a JDK, Maven and Python 3.
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
import logging, os, re, socket, subprocess, sys, time
from kazoo.client import KazooClient

logging.disable()
work, IDS = sys.argv[1], (1, 2, 3, 4)


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


ports = dict(zip(IDS, zip(*[iter(free(12))] * 3)))
OBSERVER, running = 4, {}


def server(sid, role):
    return "server.%d=127.0.0.1:%d:%d:%s;127.0.0.1:%d" % (sid, ports[sid][1], ports[sid][2], role, ports[sid][0])


def prepare(sid):
    data = os.path.join(work, "data%d" % sid)
    os.makedirs(data)
    with open(os.path.join(data, "myid"), "w") as f:
        f.write(str(sid))
    with open(os.path.join(data, "zoo.cfg"), "w") as f:
        f.write("\n".join(["tickTime=2000", "initLimit=10", "syncLimit=10", "dataDir=" + data, "admin.enableServer=false", "syncEnabled=false",
                           "4lw.commands.whitelist=*", "reconfigEnabled=true", "skipACL=yes", *(server(n, "observer" if n == OBSERVER else "participant") for n in IDS)]) + "\n")


def start(sid):
    running[sid] = subprocess.Popen(["java", "-cp", os.path.join(work, "jars", "*"), "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                                     os.path.join(work, "data%d" % sid, "zoo.cfg")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stop(sid):
    running[sid].kill()
    running[sid].wait()


def state(sid):
    return (re.findall(r"zk_server_state\t(\w+)", word(ports[sid][0], b"mntr")) or [""])[0]


def client(sid):
    connected = KazooClient("127.0.0.1:%d" % ports[sid][0])
    connected.start(60)
    return connected


def write(name, count):
    writer = client(leader)
    for n in range(count):
        writer.create("/%s-%d" % (name, n), b"x")
    writer.stop()


def has(sid):
    """How many znodes of each name, at a member that has seen all that there is."""
    reader = client(sid)
    reader.sync("/")
    names = reader.get_children("/")
    reader.stop()
    return [sum(name.startswith(kind) for name in names) for kind in ("before", "after")]


try:
    for sid in IDS:
        prepare(sid)
        start(sid)
    until(lambda: sorted(map(state, IDS)) == ["follower", "follower", "leader", "observer"])
    leader = next(sid for sid in IDS if state(sid) == "leader")
    write("before", 200)
    admin = client(leader)
    admin.reconfig(joining=server(OBSERVER, "participant"), leaving=None, new_members=None)
    admin.stop()
    until(lambda: state(OBSERVER) == "follower")
    write("after", 20)
    complete = has(OBSERVER)
    stop(OBSERVER)
    start(OBSERVER)
    until(lambda: state(OBSERVER) in ("follower", "leader"))
    left, others = has(OBSERVER), has(next(sid for sid in IDS if sid != OBSERVER and state(sid)))
finally:
    for sid in running:
        stop(sid)
print("of %d znodes written before its vote and %d after it, it has %d and %d after a restart" % (*complete, *left))
sys.exit(0 if complete == others == [200, 20] and left[0] < 200 else 1)
PY

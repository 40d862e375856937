#!/usr/bin/env bash
# kazoo 2.10.0 (with pure-sasl 0.6.2): a client whose SASL login fails is CONNECTED first. The session is announced to listeners, and `start` let go on, before
# the login begins; when Apache ZooKeeper 3.9.5 turns it away, listeners hear LOST. So `start` with a wrong password either returns as if all were well or raises
# KazooTimeoutError, whichever thread is faster, and never the AuthFailedError that the failed login is; a program that waits for CONNECTED to begin its work begins it.
# Seen: "listeners: CONNECTED LOST, 5 of 5 times; start raised AuthFailedError 0 times". Needs a JDK, Maven and Python 3. Ends with 1 when the behaviour is another one.
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
"$work/venv/bin/pip" -q install kazoo==2.10.0 pure-sasl==0.6.2
"$work/venv/bin/python" - "$work" <<'PY'
import logging, os, socket, subprocess, sys, time
from kazoo.client import KazooClient
from kazoo.exceptions import AuthFailedError

logging.disable()
work = sys.argv[1]
with socket.create_server(("127.0.0.1", 0)) as s:
    port = s.getsockname()[1]
jaas, cfg = os.path.join(work, "jaas.conf"), os.path.join(work, "zoo.cfg")
with open(jaas, "w") as f:
    f.write('Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_bob="right"; };\n')
with open(cfg, "w") as f:
    f.write("tickTime=2000\ndataDir=%s\nclientPort=%d\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
            "authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n" % (os.path.join(work, "data"), port))
server = subprocess.Popen(["java", "-Djava.security.auth.login.config=" + jaas, "-cp", os.path.join(work, "jars", "*"),
                           "org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def attempt(password):
    """What listeners hear, and what `start` raises."""
    client = KazooClient("127.0.0.1:%d" % port, connection_retry={"max_tries": 0},
                         sasl_options={"mechanism": "DIGEST-MD5", "username": "bob", "password": password})
    heard, raised = [], None
    client.add_listener(lambda state: heard.append(str(state)) and None)
    try:
        client.start(3)
    except Exception as error:  # noqa: BLE001
        raised = error
    until = time.monotonic() + 10
    while raised is None and password != "right" and client.client_state != "CLOSED" and time.monotonic() < until:
        time.sleep(0.01)
    seen = list(heard)
    client.stop()
    return seen, raised


try:
    until = time.monotonic() + 60
    while attempt("right") != (["CONNECTED"], None):
        if time.monotonic() > until:
            sys.exit("nobody can log in")
        time.sleep(0.5)
    seen = [attempt("wrong") for _ in range(5)]
finally:
    server.kill()
    server.wait()
as_said = sum(heard == ["CONNECTED", "LOST"] for heard, _ in seen)
named = sum(isinstance(raised, AuthFailedError) for _, raised in seen)
print("listeners: CONNECTED LOST, %d of 5 times; start raised AuthFailedError %d times" % (as_said, named))
sys.exit(0 if (as_said, named) == (5, 0) else 1)
PY

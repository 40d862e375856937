#!/usr/bin/env bash
# Debian 12's package zookeeper (3.8.0-11+deb12u2): its /var/lib/zookeeper/myid is a link to /etc/zookeeper/conf/myid, and that holds a sentence that
# asks for a number. A server that is alone needs no number, and yet reads the file where it is: with the package's own data directory as dataDir (its zoo.cfg
# as shipped has /tmp/zookeeper) the server of that version ends with 2, "... is not a number". Without the file the same configuration serves.
# Whoever takes such a directory over for a server that is alone has to leave that file out of account.
# Seen: "with the package's myid: exit code 2, is not a number; without it: standalone". Needs Debian 12's apt-get, dpkg-deb, a JDK, Maven and Python 3.
# Ends with 1 when the behaviour is another one.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download -qq zookeeper=3.8.0-11+deb12u2 2>/dev/null)
dpkg-deb -x "$work"/zookeeper_*.deb "$work/package"
cat > "$work/pom.xml" <<'POM'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.zookeeper</groupId><artifactId>zookeeper</artifactId><version>3.8.0</version></dependency>
    <dependency><groupId>org.xerial.snappy</groupId><artifactId>snappy-java</artifactId><version>1.1.10.5</version></dependency>
    <dependency><groupId>io.dropwizard.metrics</groupId><artifactId>metrics-core</artifactId><version>4.1.12.1</version></dependency>
  </dependencies>
</project>
POM
mvn -q -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory="$work/jars"
python3 - "$work" <<'PY'
import os, re, shutil, socket, subprocess, sys, time

work = sys.argv[1]
package = os.path.join(work, "package")
data, cfg = os.path.join(work, "data"), os.path.join(work, "zoo.cfg")
link = os.readlink(os.path.join(package, "var/lib/zookeeper/myid"))
shipped = os.path.join(package, "etc/zookeeper/conf_example")
os.makedirs(data)
# What the link leads to, once the package is configured.
shutil.copy(os.path.join(shipped, "myid"), os.path.join(data, "myid"))
with socket.create_server(("127.0.0.1", 0)) as s:
    port = s.getsockname()[1]
with open(os.path.join(shipped, "zoo.cfg")) as f:
    text = re.sub(r"(?m)^dataDir=.*$", "dataDir=" + data, f.read())
with open(cfg, "w") as f:
    f.write(re.sub(r"(?m)^clientPort=.*$", "clientPort=%d" % port, text))


def server():
    return subprocess.Popen(["java", "-Dzookeeper.admin.enableServer=false", "-cp", os.path.join(work, "jars", "*"), "org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


first = server()
said = first.communicate(timeout=60)[0]
why = "is not a number" if re.search("serverid .* is not a number", said) else "something else"
os.remove(os.path.join(data, "myid"))
second, mode, until = server(), "none", time.time() + 30
try:
    while mode == "none" and time.time() < until and second.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as s:
                s.sendall(b"srvr")
                found = re.search("Mode: (.*)", s.makefile().read())
                mode = found.group(1) if found else mode
        except OSError:
            time.sleep(0.2)
finally:
    second.kill()
    second.wait()
print("%s; with the package's myid: exit code %s, %s; without it: %s" % (link, first.returncode, why, mode))
sys.exit(0 if (link, first.returncode, why, mode) == ("/etc/zookeeper/conf/myid", 2, "is not a number", "standalone") else 1)
PY

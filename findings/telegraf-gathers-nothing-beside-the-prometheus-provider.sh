#!/usr/bin/env bash
# Telegraf 1.37.2's input for ZooKeeper and an official server 3.9.4 with the Prometheus provider: with it `mntr` has quantiles as
# zk_NAME{quantile="0.5"}, and the input, which takes a name of word characters alone, gathers nothing of the whole answer: "unexpected line in mntr response".
# Without the provider it gathers all of it. So a server that is scraped by Prometheus cannot be read by this input as well.
# Seen: "without the provider: fields; with it: unexpected line in mntr response: zk_...{quantile=...}". Needs a JDK, Maven, Python 3 and Go 1.25 or later.
# Ends with 1 when the behaviour is another one.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/pom.xml" <<'POM'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.zookeeper</groupId><artifactId>zookeeper</artifactId><version>3.9.4</version></dependency>
    <dependency><groupId>org.apache.zookeeper</groupId><artifactId>zookeeper-prometheus-metrics</artifactId><version>3.9.4</version></dependency>
    <dependency><groupId>org.eclipse.jetty</groupId><artifactId>jetty-servlet</artifactId><version>9.4.58.v20250814</version></dependency>
    <dependency><groupId>org.xerial.snappy</groupId><artifactId>snappy-java</artifactId><version>1.1.10.5</version></dependency>
    <dependency><groupId>io.dropwizard.metrics</groupId><artifactId>metrics-core</artifactId><version>4.1.12.1</version></dependency>
  </dependencies>
</project>
POM
mvn -q -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory="$work/jars"
mkdir "$work/input"
cat > "$work/input/go.mod" <<'GO'
module finding

go 1.25

require github.com/influxdata/telegraf v1.37.2
GO
cat > "$work/input/main.go" <<'GO'
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/plugins/inputs/zookeeper"
	"github.com/influxdata/telegraf/testutil"
)

func main() {
	var gathered testutil.Accumulator
	input := zookeeper.Zookeeper{Servers: os.Args[1:], Timeout: config.Duration(10 * time.Second)}
	if err := gathered.GatherError(input.Gather); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(gathered.Metrics[0].Fields), "fields")
}
GO
(cd "$work/input" && go build -mod=mod -o ../gather . 2>/dev/null)
python3 - "$work" <<'PY'
import os, re, socket, subprocess, sys, time

work = sys.argv[1]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def gathered(name, more):
    port, cfg = free_port(), os.path.join(work, name + ".cfg")
    with open(cfg, "w") as f:
        f.write("dataDir=%s\nclientPort=%d\nclientPortAddress=127.0.0.1\n4lw.commands.whitelist=*\nadmin.enableServer=false\n%s" % (os.path.join(work, name), port, more))
    server = subprocess.Popen(["java", "-cp", os.path.join(work, "jars", "*"), "org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.time() + 60
        while time.time() < until:
            try:
                with socket.create_connection(("127.0.0.1", port), 2) as s:
                    s.sendall(b"srvr")
                    if "Mode: " in s.makefile().read():
                        break
            except OSError:
                pass
            time.sleep(0.2)
        return subprocess.run([os.path.join(work, "gather"), "127.0.0.1:%d" % port], capture_output=True, text=True, timeout=60).stdout.strip()
    finally:
        server.kill()
        server.wait()


plain = gathered("plain", "")
provider = "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\nmetricsProvider.httpPort=%d\n" % free_port()
exporting = gathered("exporting", provider)
print("Telegraf 1.37.2 of ZooKeeper 3.9.4, without the provider: %s; with it: %s" % (plain, exporting))
as_seen = re.fullmatch(r"\d+ fields", plain) and re.match(r'unexpected line in mntr response: "?zk_\w+\{.*quantile=', exporting)
sys.exit(0 if as_seen else 1)
PY

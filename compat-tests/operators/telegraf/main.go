// What Telegraf's input for ZooKeeper gathers of the servers that are named, a JSON object a server.
package main

import (
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/plugins/inputs/zookeeper"
	"github.com/influxdata/telegraf/testutil"
)

func main() {
	var gathered testutil.Accumulator
	input := &zookeeper.Zookeeper{Servers: os.Args[1:], Timeout: config.Duration(10 * time.Second)}
	if err := gathered.GatherError(input.Gather); err != nil {
		log.Fatal(err)
	}
	lines := json.NewEncoder(os.Stdout)
	for _, metric := range gathered.Metrics {
		if err := lines.Encode(map[string]any{"name": metric.Measurement, "tags": metric.Tags, "fields": metric.Fields}); err != nil {
			log.Fatal(err)
		}
	}
}

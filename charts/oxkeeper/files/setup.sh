#!/bin/bash
# What the container begins with: which server this pod is, who the others are, which certificates it has, and then the server.
set -euo pipefail
data=/bitnami/zookeeper/data conf=/conf
export ZOO_SERVER_ID=$((${POD_NAME##*-} + MIN_SERVER_ID))
# A volume keeps its number.
[ ! -s "$data/myid" ] || ZOO_SERVER_ID=$(<"$data/myid")

. /scripts/stores.sh

if [ -n "${POD_PREFIX:-}" ]; then
  . /scripts/ensemble.sh
  . /scripts/members.sh
fi
# What an earlier start of the container has made, it makes again from what the variables are now. A zoo.cfg that is mounted stays.
rm -f "$conf/zoo_jaas.conf" 2>/dev/null || true
rm -f "$conf/zoo.cfg" 2>/dev/null || true
exec /entrypoint.sh /run.sh

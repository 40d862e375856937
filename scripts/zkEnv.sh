#!/usr/bin/env bash
# Sourced by the other zk*.sh: where the configuration is, and which oxkeeper runs. What operators set for the official scripts counts:
# --config DIR, ZOOCFGDIR, ZOOCFG, ZOO_LOG_DIR, conf/zookeeper-env.sh, conf/java.env, JVMFLAGS, SERVER_JVMFLAGS, CLIENT_JVMFLAGS.
# Of flags, -Dzookeeper.* are settings; those of the virtual machine have no effect. OXKEEPER names the binary.
ZOOBINDIR="${ZOOBINDIR:-/usr/bin}"
ZOOKEEPER_PREFIX="$ZOOBINDIR/.."

if [ $# -gt 1 ] && [ "$1" = --config ]; then
  ZOOCFGDIR=$2
  shift 2
fi
if [ -z "${ZOOCFGDIR:-}" ]; then
  for ZOOCFGDIR in "$ZOOKEEPER_PREFIX/conf" "$ZOOKEEPER_PREFIX/etc/zookeeper" /etc/zookeeper/conf /etc/zookeeper; do
    [ -e "$ZOOCFGDIR" ] && break
  done
fi
# shellcheck source=/dev/null
[ ! -f "$ZOOCFGDIR/zookeeper-env.sh" ] || . "$ZOOCFGDIR/zookeeper-env.sh"
ZOOCFG="$ZOOCFGDIR/${ZOOCFG:-zoo.cfg}"
# shellcheck source=/dev/null
[ ! -f "$ZOOCFGDIR/java.env" ] || . "$ZOOCFGDIR/java.env"
ZOO_LOG_DIR="${ZOO_LOG_DIR:-$ZOOKEEPER_PREFIX/logs}"

if [ -z "${OXKEEPER:-}" ]; then
  for OXKEEPER in "$ZOOBINDIR/oxkeeper" "$ZOOBINDIR/../target/release/oxkeeper" "$(type -p oxkeeper)"; do
    [ -x "$OXKEEPER" ] && break
  done
fi
if [ ! -x "$OXKEEPER" ]; then
  echo "Error: there is no oxkeeper beside these scripts or in PATH; OXKEEPER may name it." >&2
  exit 1
fi

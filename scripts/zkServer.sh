#!/usr/bin/env bash
# Starts and stops a server and asks it how it is, as the official script does:
# [--config DIR] {start|start-foreground|stop|version|restart|status|print-cmd} [ZOO.CFG]
ZOOBINDIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/zkEnv.sh
if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then . "$ZOOBINDIR/../libexec/zkEnv.sh"; else . "$ZOOBINDIR/zkEnv.sh"; fi

# A file of the configuration's directory, or a path.
if [ -n "${2:-}" ]; then
  case $2 in */*) ZOOCFG=$2 ;; *) ZOOCFG=$ZOOCFGDIR/$2 ;; esac
fi
echo "Using config: $ZOOCFG" >&2
# Flags are words, as they are officially.
# shellcheck disable=SC2206
flags=(${SERVER_JVMFLAGS:-} ${JVMFLAGS:-})
# shellcheck disable=SC2206
client_flags=(${CLIENT_JVMFLAGS:-} ${JVMFLAGS:-})
[ -z "${ZOO_DATADIR_AUTOCREATE_DISABLE:-}" ] || flags+=(-Dzookeeper.datadir.autocreate=false)
serve=("$OXKEEPER" server "${flags[@]}" "$ZOOCFG")
console=$ZOO_LOG_DIR/zookeeper-${USER:-$(id -un)}-server-$HOSTNAME.out

# The file with the process id: beside the data unless ZOOPIDFILE says where.
pid_file() {
  if [ -z "${ZOOPIDFILE:-}" ]; then
    local data
    data=$("$OXKEEPER" official data-dir "$ZOOCFG") || exit 1
    ZOOPIDFILE=$data/zookeeper_server.pid
  fi
  mkdir -p "$(dirname "$ZOOPIDFILE")"
}

case ${1:-} in
start)
  echo -n "Starting zookeeper ... "
  pid_file
  if [ -f "$ZOOPIDFILE" ] && kill -0 "$(cat "$ZOOPIDFILE")" 2>/dev/null; then
    echo "already running as process $(cat "$ZOOPIDFILE")."
    exit 1
  fi
  mkdir -p "$ZOO_LOG_DIR"
  nohup "${serve[@]}" >"$console" 2>&1 </dev/null &
  pid=$!
  echo -n "$pid" >"$ZOOPIDFILE" || { echo "FAILED TO WRITE PID"; kill "$pid"; exit 1; }
  # What is wrong with a configuration, a data directory or a port is known by then.
  for _ in 1 2 3 4 5; do
    sleep 0.1
    if ! kill -0 "$pid" 2>/dev/null; then
      echo "FAILED TO START"
      tail -n 3 "$console" >&2
      exit 1
    fi
  done
  echo STARTED
  ;;
start-foreground)
  if [ -n "${ZOO_NOEXEC:-}" ]; then "${serve[@]}"; else exec "${serve[@]}"; fi
  ;;
print-cmd)
  printf '"%s" ' "${serve[@]}"
  echo "> \"$console\" 2>&1 < /dev/null"
  ;;
stop)
  echo -n "Stopping zookeeper ... "
  pid_file
  if [ ! -f "$ZOOPIDFILE" ]; then
    echo "no zookeeper to stop (could not find file $ZOOPIDFILE)"
    exit 0
  fi
  pid=$(cat "$ZOOPIDFILE")
  kill "$pid"
  rm "$ZOOPIDFILE"
  # What a server has acknowledged is on the disk: it goes at once, and half a minute is for a disk that hangs.
  for _ in $(seq 300); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  echo STOPPED
  ;;
restart)
  shift
  "$0" --config "$ZOOCFGDIR" stop "$@"
  "$0" --config "$ZOOCFGDIR" start "$@"
  ;;
version)
  "$OXKEEPER" official VersionInfoMain
  ;;
status)
  "$OXKEEPER" official status "${client_flags[@]}" "$ZOOCFG"
  ;;
*)
  echo "Usage: $0 [--config <conf-dir>] {start|start-foreground|stop|version|restart|status|print-cmd}" >&2
  ;;
esac

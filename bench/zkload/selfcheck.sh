#!/usr/bin/env bash
# Shows that each class of violation is caught: runs zkload against echo-limit with faults injected,
# and against a dead port, and expects exit status 1 with the named violation; then once without
# a fault, expecting 0.
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
( cd "$HERE" && cargo build --release --quiet --package zkload ) || exit 2
BIN=${CARGO_TARGET_DIR:-$HERE/../../target}/release
W=$(mktemp -d); bad=0; n=0
port() { python3 -c 'import socket;s=socket.socket();s.bind(("127.0.0.1",0));print(s.getsockname()[1])'; }
# expect STATUS WORD ECHO-OPTIONS -- ZKLOAD-ARGS
expect() {
  local want=$1 word=$2; shift 2
  local e=() p pid rc; while [ "$1" != -- ]; do e+=("$1"); shift; done; shift
  p=$(port); "$BIN/echo-limit" --listen "127.0.0.1:$p" --value-size 100 "${e[@]}" & pid=$!; sleep 0.2
  timeout 60 "$BIN/zkload" "$@" --servers "127.0.0.1:$p" > "$W/out" 2> "$W/err"; rc=$?
  kill "$pid"; wait "$pid" 2>/dev/null
  n=$((n + 1))
  if [ $rc = "$want" ] && { [ -z "$word" ] || grep -q "\"$word\":[1-9]" "$W/out" || grep -q "\"failed\":.*$word" "$W/out"; }; then
    echo "ok    $want ${word:-clean} [${e[*]:-}] $1"
  else
    bad=1; echo "WRONG exit $rc, expected $want $word [${e[*]:-}] $*"; head -c 600 "$W/out" "$W/err"
  fi
}
L="load --conns 8 --pipeline 4 --value-size 100 --znodes 50 --duration 0.5 --warmup 0.2 --drain 1 --no-setup"
expect 0 "" -- $L --mix get=5,exists=2,set=2,multi=1,create=2,sync=1
for f in xid zxid err length content version disconnect; do
  expect 1 $f --fault $f --fault-every 500 -- $L --mix get=5,set=5
done
expect 1 xid --fault drop --fault-every 500 -- $L --mix get=1
expect 1 unanswered --fault drop --fault-every 500 -- $L --mix get=1 --pipeline 1
expect 1 handshake --fault handshake -- $L --mix get=1
expect 1 content --children 9 -- $L --mix children=1 --expect-children 10
# a lost write: the limit server counts versions globally, so the final sum cannot agree
expect 1 lost -- load --conns 2 --value-size 100 --znodes 50 --duration 0.5 --warmup 0.2 --mix set=1
expect 1 lost -- create-many --count 1000 --parents 10 --value-size 100 --conns 2 --pipeline 10
expect 0 "" -- watch --conns 70 --rounds 3 --value-size 100
expect 1 event --fault bad-event -- watch --conns 70 --rounds 3 --value-size 100
expect 1 event --fault no-event -- watch --conns 70 --rounds 3 --value-size 100
expect 0 "" -- idle --conns 50 --session-timeout 4000 --warmup 0 --duration 2
expect 0 "" -- storm --duration 0.5 --warmup 0.1
expect 1 handshake --fault handshake -- idle --conns 50 --session-timeout 4000 --warmup 0 --duration 2
expect 1 handshake --fault handshake -- storm --duration 0.5 --warmup 0.1
expect 1 "" --fault err --fault-every 1 -- probe --path / --limit 1
for m in "load --znodes 1 --duration 1" "probe --limit 1" "idle --conns 2 --duration 1" "storm --duration 1" "watch --conns 2" "create-many --count 10" "failover --duration 1" "leader --limit 1"; do
  n=$((n + 1)); timeout 60 "$BIN/zkload" $m --servers "127.0.0.1:$(port)" > "$W/out" 2>&1; rc=$?
  if [ $rc = 1 ]; then echo "ok    1 dead port: $m"; else bad=1; echo "WRONG exit $rc on a dead port: $m"; head -c 300 "$W/out"; fi
done
rm -rf "$W"
echo "$n cases, $([ $bad = 0 ] && echo all as expected || echo SOME WRONG)"
exit $bad

#!/usr/bin/env bash
# Runs the same load scenarios against two servers, alternating, and prints a table with ratios.
# Usage and settings: see README.md.
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
QUICK=0
for a in "$@"; do
  case $a in
    --quick) QUICK=1 ;;
    -h | --help) sed -n '/^## compare.sh/,/^## /p' "$HERE/README.md"; exit 0 ;;
    *) echo "unknown argument $a" >&2; exit 2 ;;
  esac
done
: "${SUT_A:?set SUT_A to the command of the first server (it gets the zoo.cfg as its argument)}"
SUT_B=${SUT_B:-}
SUT_A_BIG=${SUT_A_BIG:-$SUT_A}
SUT_B_BIG=${SUT_B_BIG:-$SUT_B}
NAME_A=${NAME_A:-A}; NAME_B=${NAME_B:-B}
CFG_A=${CFG_A:-}; CFG_B=${CFG_B:-}           # extra zoo.cfg lines, separated by ;
SERVER_CPU=${SERVER_CPU-0}; LOAD_CPU=${LOAD_CPU-1}   # empty: not pinned
LIMIT=${LIMIT:-1}
LIMIT_SCENARIOS=${LIMIT_SCENARIOS:-"r1 r32 m q w l wn h f t c"}
SCENARIOS=${SCENARIOS:-"b r1 r32 m q w l wn h f t c s n e"}
if [ $QUICK = 1 ]; then
  REPS=${REPS:-1}; DUR=${DUR:-3}; WARM_OPS=${WARM_OPS:-80000}; COUNT=${COUNT:-100000}; IDLE=${IDLE:-6}; ROUNDS=${ROUNDS:-10}
else
  REPS=${REPS:-3}; DUR=${DUR:-15}; WARM_OPS=${WARM_OPS:-400000}; COUNT=${COUNT:-1000000}; IDLE=${IDLE:-16}; ROUNDS=${ROUNDS:-40}
fi
WARM_LIMIT=${WARM_LIMIT:-40}
STARTS=${STARTS:-5}; CONNS=${CONNS:-100}; RATE=${RATE:-4000}; WATCHERS=${WATCHERS:-5000}; HSIZES=${HSIZES:-"1000 5000"}

( cd "$HERE" && cargo build --release --quiet --package zkload ) || exit 2
BIN=${CARGO_TARGET_DIR:-$HERE/../../target}/release
Z=$BIN/zkload
WORK=$(mktemp -d)
OUT=${OUT:-$WORK/results.jsonl}
: > "$OUT" || exit 2
declare -a LIVE=()
FAILED=0

pin() { local cpu=$1; shift; if [ -n "$cpu" ]; then exec taskset -c "$cpu" "$@"; else exec "$@"; fi; }
load() { ( pin "$LOAD_CPU" timeout "${TMO:-300}" "$Z" "$@" ); }
want() { # scenario (of the side in $s)
  [ "${s:-A}" = L ] && case " $LIMIT_SCENARIOS " in *" $1 "*) ;; *) return 1 ;; esac
  case " $SCENARIOS " in *" $1 "*) return 0 ;; esac; return 1
}
free_port() { python3 -c 'import socket
s=[socket.socket() for _ in range(int('"${1:-1}"'))]
for x in s: x.bind(("127.0.0.1",0))
print(*[x.getsockname()[1] for x in s])'; }
# The process that does the work: the largest of the started one and its descendants.
deep_pid() {
  local p best=$1 rss bestrss=0 todo="$1"
  while [ -n "$todo" ]; do
    set -- $todo; p=$1; shift; todo="$*"
    rss=$(awk '/^VmRSS/{print $2}' "/proc/$p/status" 2>/dev/null); rss=${rss:-0}
    if [ "$rss" -gt "$bestrss" ]; then best=$p; bestrss=$rss; fi
    todo="$todo $(cat /proc/"$p"/task/*/children 2>/dev/null)"; todo=$(echo $todo)
  done
  echo "$best"
}
alive() { kill -0 "$1" 2>/dev/null; }
stop_pid() { # only processes that this script started, by number
  local p=$1 sub i; alive "$p" || { wait "$p" 2>/dev/null; return; }
  sub=$(deep_pid "$p")
  kill -TERM "$p" 2>/dev/null; [ "$sub" != "$p" ] && kill -TERM "$sub" 2>/dev/null
  for i in $(seq 300); do alive "$p" || break; sleep 0.1; done
  alive "$p" && { kill -KILL "$p" "$sub" 2>/dev/null; fail "$CUR" "did not stop within 30 s of SIGTERM"; }
  wait "$p" 2>/dev/null
}
stop_all() { local p; for p in "${LIVE[@]:-}"; do [ -n "$p" ] && stop_pid "$p"; done; LIVE=(); }
CUR=start
trap 'stop_all; rm -rf "$WORK"/d.* ; exit 130' INT TERM
fail() { FAILED=1; echo "FAILED $1: $2" >&2; printf '{"label":"%s","failed":"%s"}\n' "$1" "$2" >> "$OUT"; }
emit() { printf '{"label":"%s",%s}\n' "$1" "$2" >> "$OUT"; }
# Warm-up counts operations, not seconds: a starved JVM would otherwise be measured half compiled.
warm() { # servers options...
  local a=$1; shift
  load load --servers "$a" --root /warm --pipeline 4 --warmup 0 --ops "$WARM_OPS" --limit "$WARM_LIMIT" --no-final-check "$@" > /dev/null 2>&1
}
# run LABEL mode options...
run() {
  local label=$1 mode=$2 tmp; shift 2; CUR=$label
  tmp=$WORK/out.json; rm -f "$tmp"
  load "$mode" --label "$label" --out "$tmp" "$@" > "$WORK/stdout" 2> "$WORK/stderr"
  local rc=$?
  [ -s "$tmp" ] && cat "$tmp" >> "$OUT"
  if [ $rc != 0 ]; then fail "$label" "$(head -c 300 "$WORK/stderr" | tr '"\n' "' ")"; else echo "  $label done" >&2; fi
  return $rc
}
sut() { case $1 in A) echo "$SUT_A" ;; B) echo "$SUT_B" ;; A_BIG) echo "$SUT_A_BIG" ;; B_BIG) echo "$SUT_B_BIG" ;; esac; }
extra() { case $1 in A*) echo "$CFG_A" ;; B*) echo "$CFG_B" ;; esac | tr ';' '\n'; }
base_cfg() { # dir port
  printf 'tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir=%s\nclientPort=%s\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\nadmin.enableServer=false\n' "$1" "$2"
}
# ready ADDR PID SECONDS: waits until ADDR serves a read; fails early when PID is gone.
ready() { probe --servers "$1" --limit "$3"; probed "$2"; }
probe() { # options...: in the background, a process that can be ended by $PROBE
  ( pin "$LOAD_CPU" timeout "${TMO:-300}" "$Z" probe "$@" ) > "$WORK/stdout" 2> "$WORK/stderr" &
  PROBE=$!
}
probed() { # PID: waits for the probe's end, no longer than PID lives
  while alive "$PROBE"; do
    if ! alive "$1"; then kill "$PROBE" 2>/dev/null; wait "$PROBE" 2>/dev/null; return 1; fi
    sleep 0.05
  done
  wait "$PROBE"
}
configure() { # SIDE [cfg lines...]: a free port and the zoo.cfg for a standalone server on $DIR
  local side=$1; shift
  PORT=$(free_port); ADDR=127.0.0.1:$PORT
  { base_cfg "$DIR" "$PORT"; printf '%s\n' "$@"; extra "$side"; } > "$WORK/zoo.cfg"
}
launch() { # SIDE
  ( pin "$SERVER_CPU" $(sut "$1") "$WORK/zoo.cfg" ) > "$WORK/server.log" 2>&1 &
  TOP=$!; LIVE+=("$TOP")
}
no_start() { # LABEL
  fail "$1" "server did not start: $(tail -c 200 "$WORK/server.log" | tr '"\n\t' "'  ")"; stop_all; return 1
}
# boot SIDE LABEL [cfg lines...] : a standalone server in a fresh dataDir ($DIR) or, with KEEP=1, in the same one.
boot() {
  local side=$1 label=$2; shift 2
  if [ "${KEEP:-0}" != 1 ]; then DIR=$(mktemp -d "$WORK/d.XXXXXX"); fi
  configure "$side" "$@"
  T0=$(date +%s%N)
  launch "$side"
  ready "$ADDR" "$TOP" 120 || { no_start "$label"; return 1; }
  PID=$(deep_pid "$TOP")
}
# timed_boot SIDE LABEL: the same on $DIR as it is; MS is the time to the first read. The probe runs before the server does and
# tries every millisecond: neither its own start nor its pauses count; the shell's fork and the SUT's own wrapper do.
timed_boot() {
  configure "$1"
  rm -f "$WORK/boot.json"
  T0=${EPOCHREALTIME/[.,]/}000
  probe --servers "$ADDR" --every-ms 1 --limit 60 --since-ns "$T0" --out "$WORK/boot.json"
  launch "$1"
  probed "$TOP" && MS=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["secs"] * 1000)' "$WORK/boot.json") && return
  no_start "$2"
}
boot_limit() { # options of echo-limit
  PORT=$(free_port); ADDR=127.0.0.1:$PORT; DIR=$(mktemp -d "$WORK/d.XXXXXX")
  ( pin "$SERVER_CPU" "$BIN/echo-limit" --listen "$ADDR" "$@" ) > "$WORK/server.log" 2>&1 &
  TOP=$!; PID=$TOP; LIVE+=("$TOP"); sleep 0.3
}
down() { stop_all; rm -rf "$DIR"; }

g_main() { # r1 r32 m q w l
  local s=$1 r=$2 nf=; local L="--servers"
  want r1 || want r32 || want m || want q || want w || want l || return
  if [ "$s" = L ]; then nf=--no-final-check; boot_limit; else boot "$s" "start.$s.$r" || return; fi
  local c="--servers $ADDR --server-pid $PID --conns $CONNS --duration $DUR --threads-cpu"
  warm "$ADDR" --mix get=8,set=2
  want r1 && run "r1.$s.$r" load $c --root /r1 --warmup 2 --mix get=100 --pipeline 1
  want r32 && run "r32.$s.$r" load $c --root /r32 --warmup 2 --mix get=100 --pipeline 32
  want m && run "m.$s.$r" load $c --root /m --warmup 2 --mix get=10,set=1 --pipeline 1 $nf
  # the limit server keeps its writes in a file from here on, as a real one does all along
  if [ "$s" = L ]; then stop_all; boot_limit --wal "$DIR/wal"; c="--servers $ADDR --server-pid $PID --conns $CONNS --duration $DUR --threads-cpu"; fi
  want q && run "q.$s.$r" load $c --root /q --warmup 2 --mix get=10,set=1 --rate "$RATE" --pipeline 4 $nf
  want w && run "w.$s.$r" load $c --root /w --warmup 2 --mix set=100 --pipeline 1 $nf
  if want l; then
    local n=10000
    if [ "$s" != L ]; then load create-many --servers "$ADDR" --root /l --count $n --parents 1 --value-size 0 --conns 4 --pipeline 100 > "$WORK/stdout" 2>&1 || fail "l.$s.$r" "setup: $(tail -c 200 "$WORK/stdout" | tr '"\n' "' ")"; fi
    run "l.$s.$r" load --servers "$ADDR" --server-pid "$PID" --conns 10 --duration "$DUR" --threads-cpu --root /l/p00000 --no-setup --znodes 0 --mix children=1 --expect-children $n --warmup 2
  fi
  down
}
g_b() {
  local s=$1 r=$2 i empty=() again=(); want b || return
  [ "$s" = L ] && return
  for i in $(seq "$STARTS"); do
    DIR=$(mktemp -d "$WORK/d.XXXXXX")
    timed_boot "$s" "b.$s.$r" || return; empty+=("$MS"); stop_all
    timed_boot "$s" "b.$s.$r" || return; again+=("$MS"); down
  done
  emit "b.$s.$r" "\"empty_ms\":$(median "${empty[@]}"),\"again_ms\":$(median "${again[@]}")"
}
median() { python3 -c 'import statistics, sys; print(statistics.median(map(float, sys.argv[1:])))' "$@"; }
g_wn() {
  local s=$1 r=$2 nf=; want wn || return
  if [ "$s" = L ]; then nf=--no-final-check; DIR=$(mktemp -d "$WORK/d.XXXXXX"); boot_limit --wal "$DIR/wal" --no-sync; else boot "$s" "wn.$s.$r" forceSync=no || return; fi
  warm "$ADDR" --mix get=5,set=5
  run "wn.$s.$r" load --servers "$ADDR" --server-pid "$PID" --conns "$CONNS" --duration "$DUR" --threads-cpu --root /w --warmup 2 --mix set=100 $nf
  down
}
g_h() {
  local s=$1 r=$2 n; want h || return
  if [ "$s" = L ]; then boot_limit; else boot "$s" "h.$s.$r" || return; fi
  for n in $HSIZES; do
    run "h$n.$s.$r" idle --servers "$ADDR" --server-pid "$PID" --conns "$n" --session-timeout 12000 --warmup 4 --duration "$IDLE" --threads-cpu
  done
  down
}
g_ft() {
  local s=$1 r=$2; want f || want t || return
  if [ "$s" = L ]; then boot_limit --value-size 100; else boot "$s" "ft.$s.$r" || return; fi
  want f && run "f.$s.$r" watch --servers "$ADDR" --server-pid "$PID" --conns "$WATCHERS" --value-size 100 --rounds "$ROUNDS" --warmup 8 --limit 60 --root /f --threads-cpu
  want t && run "t.$s.$r" storm --servers "$ADDR" --server-pid "$PID" --concurrency 48 --duration "$DUR" --warmup 3 --threads-cpu
  down
}
g_cs() {
  local s=$1 r=$2 nf= v; want c || want s || want n || return
  if [ "$s" = L ]; then want c || return; nf=--no-final-check; DIR=$(mktemp -d "$WORK/d.XXXXXX"); boot_limit --value-size 100 --wal "$DIR/wal"; else boot "${s}_BIG" "c.$s.$r" || return; fi
  TMO=600 run "c.$s.$r" create-many --servers "$ADDR" --server-pid "$PID" --root /c --count "$COUNT" --parents 1000 --value-size 100 --conns 10 --pipeline 100 --threads-cpu $nf
  if [ "$s" != L ]; then
    emit "d.$s.$r" "\"data_bytes\":$(du -sb "$DIR" | cut -f1),\"disk_bytes\":$(du -s -B1 "$DIR" | cut -f1)"
    stop_all
    if want s; then
      KEEP=1 boot "${s}_BIG" "s.$s.$r" && {
        # the probe in boot was for "/"; the time to the first read of the last znode, from exec
        run "s.$s.$r" probe --servers "$ADDR" --server-pid "$PID" --limit 120 --since-ns "$T0" --value-size 100 --path "/c/p$(printf %05d $(((COUNT - 1) % 1000)))/n$(printf %08d $((COUNT - 1)))"
      }
    fi
    # the same load on the same data, first without snapshots, then with one after another
    if want n; then
      for v in nn:100000000 ns:1000; do
        stop_all
        KEEP=1 boot "${s}_BIG" "${v%%:*}.$s.$r" "snapCount=${v#*:}" &&
          run "${v%%:*}.$s.$r" load --servers "$ADDR" --server-pid "$PID" --conns 20 --pipeline 4 --rate "$RATE" --mix get=10,set=1 --root "/${v%%:*}" --warmup 4 --duration "$DUR" --threads-cpu
      done
    fi
  fi
  down
}
g_e() {
  local s=$1 r=$2 i ports p dirs=() pids=() servers= lead; want e || return
  [ "$s" = L ] && return
  read -ra p <<< "$(free_port 9)"
  for i in 0 1 2; do
    dirs[i]=$(mktemp -d "$WORK/d.XXXXXX"); echo $((i + 1)) > "${dirs[i]}/myid"
    { base_cfg "${dirs[i]}" "${p[i]}"
      for j in 0 1 2; do echo "server.$((j + 1))=127.0.0.1:${p[j + 3]}:${p[j + 6]}"; done
      extra "$s"; } > "$WORK/zoo$i.cfg"
    ( pin "$SERVER_CPU" $(sut "$s") "$WORK/zoo$i.cfg" ) > "$WORK/server$i.log" 2>&1 &
    pids[i]=$!; LIVE+=("${pids[i]}")
    servers=$servers${servers:+,}127.0.0.1:${p[i]}
  done
  local ok=1
  for i in 0 1 2; do ready "127.0.0.1:${p[i]}" "${pids[i]}" 60 || ok=0; done
  if [ $ok = 1 ]; then
    local real=() ; for i in 0 1 2; do real[i]=$(deep_pid "${pids[i]}"); done
    local all=${real[0]},${real[1]},${real[2]}
    local c="--servers $servers --server-pid $all --conns $CONNS --duration $DUR --threads-cpu"
    warm "$servers" --mix get=5,set=5
    run "ew.$s.$r" load $c --root /ew --warmup 2 --mix set=100
    run "em.$s.$r" load $c --root /em --warmup 2 --mix get=10,set=1
    lead=$(load leader --servers "$servers")
    run "ek.$s.$r" failover --servers "$servers" --conns 6 --kill-pid "${real[lead]}" --kill-after 3 --duration $((QUICK == 1 ? 10 : 15)) --root /ek
  else
    fail "e.$s.$r" "ensemble did not start: $(tail -c 200 "$WORK/server0.log" | tr '"\n\t' "'  ")"
  fi
  stop_all; rm -rf "${dirs[@]}"
}

START=$(date +%s)
SIDES="A"; [ -n "$SUT_B" ] && SIDES="A B"
[ "$LIMIT" = 1 ] && SIDES="$SIDES L"
for r in $(seq "$REPS"); do
  order=$SIDES
  [ $((r % 2)) = 0 ] && [ -n "$SUT_B" ] && order=$(echo "$SIDES" | sed 's/A B/B A/')
  for g in g_b g_main g_wn g_h g_ft g_cs g_e; do
    for side in $order; do echo "[$(($(date +%s) - START)) s] rep $r $g $side" >&2; CUR="$g.$side.$r"; $g "$side" "$r"; done
  done
  if [ "$LIMIT" = 1 ]; then
    FD=$(mktemp -d "$WORK/d.XXXXXX")
    ( pin "$LOAD_CPU" "$BIN/fsync-limit" --dir "$FD" --methods zeroed,fallocate,sparse --batches 1,10,100 --duration $((QUICK == 1 ? 1 : 2)) --label "x.L.$r" ) >> "$OUT" || fail "x.L.$r" "fsync-limit"
    rm -rf "$FD"
  fi
done
stop_all
echo "took $(($(date +%s) - START)) s; raw results: $OUT" >&2
python3 "$HERE/report.py" "$OUT" "$NAME_A" "${SUT_B:+$NAME_B}"
rc=$?
rm -rf "$WORK"/d.*
[ $FAILED = 0 ] && exit $rc
exit 1

#!/bin/bash
# Shows that the comparison of directories can fail: SUT_B is the official server, too, but its copies of the directories
# have lost their newest log, or a third of it. usage: selftest.sh [VERSION]   (default 3.9.5; about 2 minutes)
here=$(cd "$(dirname "$0")" && pwd)
SUT_A=${SUT_A:-$here/../apache/apache}; export SUT_A SUT_B="env ZKV=3.9.5 $SUT_A"
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
bad=0
for fault in lost-log cut-log; do
  if FAULT=$fault TMPDIR=$scratch "$here/run.sh" "${1:-3.9.5}" >"$scratch/log" 2>&1; then bad=1; echo "WRONG $fault was not seen"; cat "$scratch/log"
  else echo "ok    $fault: $(tail -n 1 "$scratch/log")"; fi
done
if [ $bad = 0 ]; then echo "selftest ok"; else echo "selftest FAILED"; fi
exit $bad

#!/bin/bash
# Shows that the comparison can fail: the official server against itself must be alike, and must not be when the second
# one is spoilt (lost watch events, ephemerals made persistent, a wrong version in stats), never starts, or is no server.
# usage: selftest.sh [client]     (default: go; about 5 minutes)
here=$(cd "$(dirname "$0")" && pwd)
client=${1:-go}
SUT_A=${SUT_A:-$here/../apache/apache}; export SUT_A
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
bad=0
expect() { # status, name, environment...
  local want=$1 name=$2 rc; shift 2
  env "$@" OUT="$scratch/out" "$here/run.sh" "$client" >"$scratch/log" 2>&1; rc=$?
  if [ "$rc" = "$want" ]; then echo "ok    $name: $(tail -n 1 "$scratch/log")"; else bad=1; echo "WRONG $name: status $rc"; tail -n 20 "$scratch/log"; fi
}
expect 0 "itself" SUT_B="$SUT_A"
for fault in nowatch noephemeral stat; do expect 1 "$fault" SUT_B="$SUT_A" FAULT=$fault; done
expect 1 "a server that exits" SUT_B=false
FAKE=words expect 1 "a server that only answers words" SUT_B="$here/../java-official/selftest/fake.py"
if [ $bad = 0 ]; then echo "selftest ok"; else echo "selftest FAILED"; fi
exit $bad

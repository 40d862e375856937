#!/bin/bash
# Shows that the comparison of directories can fail: SUT_B is the official server, too, but its copies of the directories
# have lost their newest log, or a third of it, or of their newest snapshot; or it does not pack its snapshots, though told to.
# usage: selftest.sh [VERSION]   (default 3.9.5; about 4 minutes)
here=$(cd "$(dirname "$0")" && pwd)
SUT_A=${SUT_A:-$here/../apache/apache}; export SUT_A SUT_B="env ZKV=3.9.5 $SUT_A"
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
bad=0
# fault:what must fail of it
for fault in lost-log: cut-log: "cut-snapshot:only a gz snapshot" "plain-snapshot:only a snappy snapshot"; do
  TMPDIR=$scratch FAULT=${fault%%:*} "$here/run.sh" "${1:-3.9.5}" >"$scratch/log" 2>&1; rc=$?
  if [ $rc != 1 ] || ! grep -q "^FAIL .*${fault#*:}" "$scratch/log"; then bad=1; echo "WRONG ${fault%%:*} was not seen"; cat "$scratch/log"
  else echo "ok    ${fault%%:*}: $(tail -n 1 "$scratch/log")"; fi
done
TMPDIR=$scratch FAULT=lost-log python3 "$here/fuzzy.py" 1 3 >"$scratch/log" 2>&1; rc=$?
if [ $rc != 1 ] || ! grep -q "^FAIL .*: oxkeeper shows what was there" "$scratch/log"; then bad=1; echo "WRONG a lost log of a busy server was not seen"; cat "$scratch/log"
else echo "ok    a lost log of a busy server: $(tail -n 1 "$scratch/log")"; fi
if [ $bad = 0 ]; then echo "selftest ok"; else echo "selftest FAILED"; fi
exit $bad

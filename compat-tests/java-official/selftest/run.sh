#!/bin/bash
# Proves that the judge fails where it must: the same tests against three things that are no server.
# usage: selftest/run.sh [--tests list|@file] [--jobs N]     (default: sample.txt, one test per area)
# Ends with status 0 only if not a single test passed against any of them.
here=$(cd "$(dirname "$0")" && pwd)
tests="@$here/sample.txt"
jobs=2
while [ $# -gt 0 ]; do
  case "$1" in
    --tests) tests=$2; shift 2 ;;
    --jobs) jobs=$2; shift 2 ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
done
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
printf '#!/bin/sh\nexit 1\n' >"$scratch/exits.sh"; chmod +x "$scratch/exits.sh"
bad=0
try() { # name, SUT
  echo "== $1"
  SUT=$2 SUT_START_TIMEOUT_MS=2500 SUT_CONNECT_MS=2500 "$here/../run.sh" --tests "$tests" --jobs "$jobs" --limit 25 --out "$scratch/$1" >"$scratch/$1.log"
  tail -n 1 "$scratch/$1.log"
  awk -F'\t' '$2=="PASS"{print "PASSED AGAINST NO SERVER: " $1}' "$scratch/$1/results.tsv"
  n=$(awk -F'\t' '$2=="PASS"' "$scratch/$1/results.tsv" | wc -l)
  r=$(awk -F'\t' '$2=="FAIL"' "$scratch/$1/results.tsv" | wc -l)
  if [ "$n" -ne 0 ] || [ "$r" -eq 0 ]; then bad=1; fi
}
try exits "$scratch/exits.sh"
FAKE=tcp; export FAKE
try tcp-only "$here/fake.py"
FAKE=words
try words-only "$here/fake.py"
if [ $bad -eq 0 ]; then echo "selftest ok: nothing passed without a server"; else echo "selftest FAILED"; fi
exit $bad

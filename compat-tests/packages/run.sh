#!/bin/bash
# The packages: installed, upgraded and removed, each time on a copy of this system that goes with the test. usage: run.sh
# OXKEEPER: the binary (../../target/release/oxkeeper). Needs a Debian, root (namespaces, overlayfs), and for the .rpm the package rpm, which it fetches.
here=$(cd "$(dirname "$0")" && pwd)
export OXKEEPER=${OXKEEPER:-$here/../../target/release/oxkeeper}
. "$here/../common/judges"
judges packages.py

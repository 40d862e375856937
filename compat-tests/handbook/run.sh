#!/bin/bash
# What stands in the handbook (docs/), as it stands there. usage: run.sh [--full] [PAGE ...]
# OXKEEPER: the binary (../../target/release/oxkeeper). Needs a JDK, Maven, curl, openssl, and root (namespaces).
here=$(cd "$(dirname "$0")" && pwd)
export OXKEEPER=${OXKEEPER:-$here/../../target/release/oxkeeper}
exec python3 "$here/handbook.py" "$@"

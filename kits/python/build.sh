#!/usr/bin/env bash
# Makes the wheel with the binary in dist/. usage: build.sh [OXKEEPER]   (../../target/release/oxkeeper)
set -eu
cd "$(dirname "$(realpath "$0")")"
mkdir -p src/oxkeeper/bin
trap 'rm -rf src/oxkeeper/bin build src/*.egg-info' EXIT
install -m 755 "${1:-../../target/release/oxkeeper}" src/oxkeeper/bin/oxkeeper
python3 -m pip wheel -q --no-deps -w dist .

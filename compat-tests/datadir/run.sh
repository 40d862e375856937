#!/bin/bash
# Data directories both ways between oxkeeper and the official servers: see datadir.py. usage: run.sh [VERSION ...]
here=$(cd "$(dirname "$0")" && pwd)
export SUT_A=${SUT_A:-$here/../apache/apache} SUT_B=${SUT_B:-$here/../bin/oxkeeper}
exec python3 "$here/datadir.py" "$@"

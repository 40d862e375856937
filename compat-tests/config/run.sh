#!/bin/bash
# Which configurations the official parser takes, and whether oxkeeper starts with them, too: see config.py.
here=$(cd "$(dirname "$0")" && pwd)
export SUT_A=${SUT_A:-$here/../apache/apache} SUT_B=${SUT_B:-$here/../bin/oxkeeper}
exec python3 "$here/config.py" "$@"

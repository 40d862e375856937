#!/bin/bash
# Runs the scripted clients against two servers and compares what they see: see README.md.
# usage: run.sh [zkcli|cli|kazoo|curator|go|words ...]
# env: SUT_A (default: the official server), SUT_B (default: oxkeeper), FAULT (spoils SUT_B on purpose), OUT (kept transcripts),
# ROLE (leader or follower: of three servers, the client's one)
here=$(cd "$(dirname "$0")" && pwd)
export SUT_A=${SUT_A:-$here/../apache/apache} SUT_B=${SUT_B:-$here/../bin/oxkeeper}
exec python3 "$here/judge.py" "$@"

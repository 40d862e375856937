#!/bin/bash
# The tools and scripts, against the official classes on the same files, and backups of official servers and ours. usage: run.sh
# OXKEEPER: the binary (../../target/release/oxkeeper). Needs a JDK and Maven.
here=$(cd "$(dirname "$0")" && pwd)
export OXKEEPER=${OXKEEPER:-$here/../../target/release/oxkeeper}
export SUT=${SUT:-$here/../bin/oxkeeper}
. "$here/../common/judges"
judges files.py server.py shell.py backup.py

#!/bin/bash
# The container image: built, unpacked, and its commands run in it as the user that it names. usage: run.sh
# OXKEEPER: the binary (../../target/release/oxkeeper). Needs a Debian, and root (chroot).
here=$(cd "$(dirname "$0")" && pwd)
export OXKEEPER=${OXKEEPER:-$here/../../target/release/oxkeeper}
. "$here/../common/judges"
judges image.py

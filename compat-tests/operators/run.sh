#!/bin/bash
# What operators ask by HTTP, against the official server and readers that we did not write. usage: run.sh
# SUT: the command that serves a zoo.cfg (../bin/oxkeeper). Needs openssl, a JDK and Maven.
here=$(cd "$(dirname "$0")" && pwd)
export SUT=${SUT:-$here/../bin/oxkeeper}
. "$here/../common/judges"
judges admin.py metrics.py

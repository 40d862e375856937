#!/bin/bash
# TLS, logins, names of certificates and the audit log, against official servers and clients. usage: run.sh
# SUT: the command that serves a zoo.cfg (../bin/oxkeeper). Needs openssl, a JDK, Go, Rust, and MIT's KDC, whose packages it unpacks for itself where there are none.
here=$(cd "$(dirname "$0")" && pwd)
export SUT=${SUT:-$here/../bin/oxkeeper}
. "$here/../common/judges"
judges tls.py sasl.py kerberos.py clients.py audit.py quorum.py

#!/usr/bin/env bash
# A shell for a running server, as the official script is: -server HOST:PORT[,...][/CHROOT], -timeout MS, -r, -waitforconnection,
# -client-configuration FILE, and perhaps a command. TLS and SASL as the official client is told: -Dzookeeper.* and the JAAS file in
# CLIENT_JVMFLAGS.
ZOOBINDIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/zkEnv.sh
if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then . "$ZOOBINDIR/../libexec/zkEnv.sh"; else . "$ZOOBINDIR/zkEnv.sh"; fi
properties=()
# Flags are words, as they are officially; those of the virtual machine have no effect.
# shellcheck disable=SC2206
for flag in ${CLIENT_JVMFLAGS:-} ${JVMFLAGS:-}; do
  case $flag in -D*) properties+=("$flag") ;; esac
done
exec "$OXKEEPER" cli "${properties[@]}" "$@"

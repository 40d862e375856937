#!/usr/bin/env bash
# Makes a data directory, as the official script does: [--configfile=FILE] [--myid=N] [--force].
ZOOBINDIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/zkEnv.sh
if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then . "$ZOOBINDIR/../libexec/zkEnv.sh"; else . "$ZOOBINDIR/zkEnv.sh"; fi
exec "$OXKEEPER" official initialize "$ZOOCFG" "$@"

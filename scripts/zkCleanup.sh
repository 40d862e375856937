#!/usr/bin/env bash
# Removes old snapshots and logs, as the official script does: -n COUNT.
ZOOBINDIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/zkEnv.sh
if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then . "$ZOOBINDIR/../libexec/zkEnv.sh"; else . "$ZOOBINDIR/zkEnv.sh"; fi
exec "$OXKEEPER" official cleanup "$ZOOCFG" "$@"

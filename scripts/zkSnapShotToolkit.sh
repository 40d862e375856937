#!/usr/bin/env bash
# Shows a snapshot, as the official script does: [-d|-json] FILE.
ZOOBINDIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/zkEnv.sh
if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then . "$ZOOBINDIR/../libexec/zkEnv.sh"; else . "$ZOOBINDIR/zkEnv.sh"; fi
exec "$OXKEEPER" official SnapshotFormatter "$@"

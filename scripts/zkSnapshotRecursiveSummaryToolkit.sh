#!/usr/bin/env bash
# Sums a snapshot up, as the official script does: FILE STARTING_NODE MAX_DEPTH.
ZOOBINDIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/zkEnv.sh
if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then . "$ZOOBINDIR/../libexec/zkEnv.sh"; else . "$ZOOBINDIR/zkEnv.sh"; fi
exec "$OXKEEPER" official SnapshotRecursiveSummary "$@"

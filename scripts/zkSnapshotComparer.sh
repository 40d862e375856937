#!/usr/bin/env bash
# Compares two snapshots, as the official script does: -l LEFT -r RIGHT -b BYTES -n NODES [-d] [-i].
ZOOBINDIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/zkEnv.sh
if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then . "$ZOOBINDIR/../libexec/zkEnv.sh"; else . "$ZOOBINDIR/zkEnv.sh"; fi
exec "$OXKEEPER" official SnapshotComparer "$@"

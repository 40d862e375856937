#!/usr/bin/env bash
# Shows, mends and shortens transaction logs, as the official script does. -h tells more.
ZOOBINDIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/zkEnv.sh
if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then . "$ZOOBINDIR/../libexec/zkEnv.sh"; else . "$ZOOBINDIR/zkEnv.sh"; fi
exec "$OXKEEPER" official TxnLogToolkit "$@"

# What a Job of reconfig does, behind ensemble.sh. MODE: `remove` has the ensemble go on without the pods that the StatefulSet will not have any more;
# `add` gives the new ones a vote when they are up to date. Done again, it does nothing.
set -euo pipefail
pods=; for ((ordinal = 0; ordinal < REPLICAS; ordinal++)); do pods+="$ordinal "; done
until_s=$((SECONDS + TIMEOUT))

now() { # Waits for an ensemble that serves.
  while now=$(members "$pods") && ! grep -q '^server\.' <<<"$now"; do
    [ $SECONDS -lt $until_s ] || { echo "nobody serves: the members stay as they are" >&2; exit 1; }
    sleep 1
  done
}

change() { # COMMAND: asks for a change, as `super`; what came of it tells the configuration alone, since an answer may get lost with a leader.
  [ $SECONDS -lt $until_s ] || { echo "not done in time: $1" >&2; exit 1; }
  [ -n "${RECONFIG_PASSWORD:-}" ] || { echo "there is no password for reconfig yet: enable that alone first" >&2; exit 1; }
  echo "$1"
  ask "$pods" "addauth digest super:$RECONFIG_PASSWORD" "$1" | grep -v -e '^$' -e WATCHER -e WatchedEvent || true
  sleep 1
}

remove() {
  local gone line ordinal
  while :; do
    now; gone=
    while read -r line; do
      # Members that are no pods of this StatefulSet are not ours to remove.
      [[ $line =~ ^server\.([0-9]+)=([^:]*): ]] || continue
      local id=${BASH_REMATCH[1]} host=${BASH_REMATCH[2]}
      [[ $host = "$POD_PREFIX"*".$POD_DOMAIN" ]] || continue
      ordinal=${host#"$POD_PREFIX"}; ordinal=${ordinal%%.*}
      [[ $ordinal =~ ^[0-9]+$ ]] && [ "$ordinal" -ge "$REPLICAS" ] && gone+=${gone:+,}$id
    done <<<"$now"
    [ -n "$gone" ] || break
    change "reconfig -remove $gone"
  done
}

add() {
  local ordinal
  for ordinal in $pods; do
    while now; ! grep -q "^server\.$(id "$ordinal")=.*:participant" <<<"$now"; do
      # A member that cannot be reached yet would only make the quorum larger.
      if ask "$ordinal" 'ls /' | grep -q '^\['; then change "reconfig -add $(line "$ordinal" participant)"; fi
      [ $SECONDS -lt $until_s ] || { echo "pod $ordinal does not serve: it has no vote" >&2; exit 1; }
      sleep 1
    done
  done
}

"$MODE"
echo "$now"

# Sourced by setup.sh: with whom this member begins. What it knows of the members is in its volume (zoo.cfg.dynamic.VERSION) and wins, unless the
# ensemble serves without it. A founder with an empty volume begins with the founders; any other pod waits for the ensemble, and begins without
# a vote until a Job has added it.
ordinal=${POD_NAME##*-}

# The file of the last configuration that was in force.
known() {
  local file version best= most=-1
  for file in "$conf"/zoo.cfg.dynamic.*; do
    version=${file##*.}
    [[ $version =~ ^[0-9a-f]+$ ]] && [ $((16#$version)) -gt $most ] && most=$((16#$version)) best=$file
  done
  echo "$best"
}
is_in() { grep -q "^server\.$ZOO_SERVER_ID=" <<<"$1"; }

# begin VERSION LINES: forgets what was known, and begins with this.
begin() {
  local file=$conf/zoo.cfg.dynamic.$1
  rm -f "$conf"/zoo.cfg.dynamic.*
  grep '^server\.' <<<"$2" >"$file.tmp"
  mv "$file.tmp" "$file"
}

others=
for ((other = 0, count = $(</scripts/replicas); other < count || other < ordinal; other++)); do
  [ $other = "$ordinal" ] || others+="$other "
done
file=$(known); mine=; [ -z "$file" ] || mine=$(<"$file")
waited=$((SECONDS + 60))
while :; do
  now=; [ -z "$others" ] || now=$(members "$others")
  if is_in "$now"; then
    if ! is_in "$mine"; then
      version=$(sed -n 's/^version=//p' <<<"$now")
      begin "${version:-0}" "$now"
    fi
    break
  elif grep -q '^server\.' <<<"$now"; then
    # The version is an old one, so that it learns from the others which is in force.
    begin 0 "$now"$'\n'"$(line "$ordinal" observer)"
    break
  elif is_in "$mine"; then
    break
  elif [ -z "$mine" ] && [ "$ordinal" -lt "$(</scripts/initialReplicas)" ]; then
    begin 0 "$(for ((other = 0; other < $(</scripts/initialReplicas); other++)); do line "$other" participant; done)"
    break
  elif [ $SECONDS -ge $waited ]; then
    echo "setup.sh: no member of the ensemble has answered, and this one may not begin without it" >&2
    exit 1
  fi
  sleep 1
done
export ZOO_CFG_dynamicConfigFile; ZOO_CFG_dynamicConfigFile=$(known)
export ZOO_CFG_standaloneEnabled=false
# `super` is who may reconfigure; the server takes a digest of the password.
: "${RECONFIG_PASSWORD:?is empty in its Secret}"
digest=$(printf 'super:%s' "$RECONFIG_PASSWORD" | sha1sum | cut -d' ' -f1 | xxd -r -p | base64)
export ZOO_CFG_DigestAuthenticationProvider_superDigest=super:$digest
unset RECONFIG_PASSWORD
rm -rf "$asks"
umask 027

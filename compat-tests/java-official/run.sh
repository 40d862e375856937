#!/bin/bash
# Runs published Apache ZooKeeper tests against an external server: see README.md.
# usage: SUT=/path/to/server run.sh [--scope SCOPE,... [--but FILE] | --full | --tests Class#method,...|@file] [--out DIR]
#                                   [--jobs N] [--limit SECONDS] [--max-seconds S]
# SCOPE: standalone (default), ensemble, sasl, ... as in scope.tsv. FILE: tests that are left out, as in missing.tsv.
set -u
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${SUT:-}" ]; then echo "SUT must name the server executable (called as: \$SUT zoo.cfg)" >&2; exit 2; fi
SUT=$(command -v "$SUT") || { echo "SUT is not executable" >&2; exit 2; }
SUT=$(realpath "$SUT"); export SUT
out=""; scope=standalone; but=/dev/null; args=()
while [ $# -gt 0 ]; do
  case "$1" in
    --out) out=$2; shift 2 ;;
    --scope) scope=$2; shift 2 ;;
    --but) but=$2; shift 2 ;;
    --full) scope=full; shift ;;
    --tests) scope=full; args+=("$1" "$2"); shift 2 ;;
    --jobs|--limit|--max-seconds|--heap|--order) args+=("$1" "$2"); shift 2 ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
done
if [ -z "$out" ]; then out=$(mktemp -d); fi
mkdir -p "$out"; out=$(realpath "$out")
if [ "$scope" != full ]; then
  # Also one that is not there any more: a list that is out of date leaves out too much.
  awk -F'\t' 'NR == FNR {if (!/^#/) known[$1] = 1; next} !/^#/ && !($1 in known) {print FILENAME ": no such test: " $1; bad = 1} END {exit bad}' \
    "$here/scope.tsv" "$but" >&2 || exit 2
  awk -F'\t' -v s="$scope" 'FNR == 1 {file++} /^#/ {next} file == 1 {out[$1] = 1; next}
    {sub(/^later: /, "", $2)} ("," s ",") ~ ("," $2 ",") && !($1 in out) {print $1}' \
    <(echo '#'; cat "$but") "$here/scope.tsv" >"$out/chosen"
  args+=(--tests "@$out/chosen")
fi
# RestoreQuorumTest relies on the admin server being on by default; the command for the official server turns it off
[ "$scope" = admin ] && export ADMIN=true
# What two of these need is made by one of them.
mkdir -p "$here/target"; exec 9>"$here/target/.made-once"; flock 9
jar="$here/target/blackbox.jar"
if [ ! -f "$jar" ] || [ -n "$(find "$here/pom.xml" "$here/src" -newer "$jar" -print -quit)" ]; then
  (cd "$here" && mvn -q -B package >"$out/build.log" 2>&1) || { echo "build failed, see $out/build.log" >&2; exit 2; }
fi
data="$here/target/testdata"
if [ ! -f "$data/ssl/.done" ]; then
  mkdir -p "$data/ssl"
  k() { keytool "$@" -storetype PKCS12 -storepass testpass -noprompt >/dev/null 2>&1; }
  for n in test testUntrusted; do
    rm -f "$data/ssl/${n}KeyStore.jks"
    k -genkeypair -alias test -keyalg RSA -keysize 2048 -validity 3650 -dname "CN=localhost,OU=ZooKeeper,O=Apache,L=Unknown,ST=Unknown,C=Unknown" \
      -ext san=dns:localhost,ip:127.0.0.1 -keystore "$data/ssl/${n}KeyStore.jks"
  done
  rm -f "$data/ssl/testTrustStore.jks"
  k -exportcert -alias test -keystore "$data/ssl/testKeyStore.jks" -file "$data/ssl/test.cer"
  k -importcert -alias test -file "$data/ssl/test.cer" -keystore "$data/ssl/testTrustStore.jks"
  [ -s "$data/ssl/testTrustStore.jks" ] && touch "$data/ssl/.done"
fi
exec 9>&-
# When a test fails once, the log of its server tells what has become of its clients.
export RUST_LOG=${RUST_LOG:-info,oxkeeper::clients=debug}
exec java -Xmx128m -XX:+UseSerialGC -Dblackbox.home="$here" -cp "$jar" blackbox.Runner --out "$out" --data "$data" ${args[@]+"${args[@]}"}

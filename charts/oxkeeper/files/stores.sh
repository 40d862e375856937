# Sourced, by pods and by the Jobs of reconfig: puts the stores of TLS where they are looked for.

# stores NAME: puts the stores of a Secret where the server has them: as they are, or as PEM where it has tls.crt, tls.key and ca.crt.
stores() {
  local prefix=ZOO_TLS_${1^^} from=/certs/$1 store source
  for store in KEYSTORE TRUSTSTORE; do
    local file=${prefix}_${store}_FILE type=${prefix}_${store}_TYPE name=${prefix}_SECRET_$store
    source=$from/${!name}
    if [ -e "$source" ]; then
      cat "$source" >"${!file}"
    elif [ -e "$from/tls.crt" ] && [ -e "$from/tls.key" ] && [ -e "$from/ca.crt" ]; then
      source=stores.pem
      if [ $store = KEYSTORE ]; then cat "$from/tls.key" "$from/tls.crt" >"${!file}"; else cat "$from/ca.crt" >"${!file}"; fi
      # A key that is not encrypted has no password.
      [ $store = KEYSTORE ] && grep -q ENCRYPTED "$from/tls.key" || unset "${prefix}_${store}_PASSWORD"
    else
      echo "the Secret of tls.$1 has neither ${!name} nor tls.crt, tls.key and ca.crt" >&2
      exit 1
    fi
    # The path may end otherwise.
    case $source in
      *.pem|*.crt) export "$type=PEM" ;;
      *.p12|*.pfx) export "$type=PKCS12" ;;
      *) [ -n "${!type:-}" ] || export "$type=JKS" ;;
    esac
  done
}
umask 027
[ -z "${ZOO_TLS_CLIENT_SECRET_KEYSTORE:-}" ] || stores client
[ -z "${ZOO_TLS_QUORUM_SECRET_KEYSTORE:-}" ] || stores quorum

#!/bin/bash
# Whether the server lives, as the probes of Bitnami's chart ask: 0 or 1.
timeout=${ZOO_HC_TIMEOUT:-5}
if [[ ${ZOO_TLS_CLIENT_ENABLE:-} == true ]]; then
  options=()
  for pair in keyStore.location=ZOO_TLS_CLIENT_KEYSTORE_FILE keyStore.type=ZOO_TLS_CLIENT_KEYSTORE_TYPE keyStore.password=ZOO_TLS_CLIENT_KEYSTORE_PASSWORD \
    trustStore.location=ZOO_TLS_CLIENT_TRUSTSTORE_FILE trustStore.type=ZOO_TLS_CLIENT_TRUSTSTORE_TYPE trustStore.password=ZOO_TLS_CLIENT_TRUSTSTORE_PASSWORD; do
    name=${pair#*=}; [ -z "${!name:-}" ] || options+=("-D" "ssl.${pair%%=*}=${!name}")
  done
  exec timeout "$timeout" /usr/bin/oxkeeper status --server "localhost:${ZOO_TLS_PORT_NUMBER:-3181}" --tls -D ssl.hostnameVerification=false "${options[@]}"
fi
[[ $(echo ruok | nc -w "$timeout" localhost "${ZOO_PORT_NUMBER:-2181}") == imok ]] ||
  exec timeout "$timeout" /usr/bin/oxkeeper status --server "localhost:${ZOO_PORT_NUMBER:-2181}"

# Sourced, by pods and by the Jobs of reconfig: asks an ensemble who its members are.

# As whom, and in TLS or not, is told by a file: passwords are not for the list of processes.
umask 077
asks=$(mktemp -d /tmp/asks.XXXXXX)
shell=(/usr/bin/oxkeeper cli -waitforconnection -timeout 5000)
if [ "${ZOO_TLS_CLIENT_ENABLE:-}" = true ]; then
  # The authority of the certificates counts; the names of pods need not be in them.
  printf '%s\n' zookeeper.client.secure=true zookeeper.ssl.hostnameVerification=false >"$asks/client.properties"
  for pair in keyStore.location=KEYSTORE_FILE keyStore.type=KEYSTORE_TYPE keyStore.password=KEYSTORE_PASSWORD \
    trustStore.location=TRUSTSTORE_FILE trustStore.type=TRUSTSTORE_TYPE trustStore.password=TRUSTSTORE_PASSWORD; do
    name=ZOO_TLS_CLIENT_${pair#*=}
    [ -z "${!name:-}" ] || printf 'zookeeper.ssl.%s=%s\n' "${pair%%=*}" "${!name}" >>"$asks/client.properties"
  done
  shell+=(-client-configuration "$asks/client.properties")
fi
if [ -n "${ZOO_CLIENT_USER:-}" ]; then
  printf 'Client {\n  org.apache.zookeeper.server.auth.DigestLoginModule required username="%s" password="%s";\n};\n' \
    "$ZOO_CLIENT_USER" "$ZOO_CLIENT_PASSWORD" >"$asks/jaas.conf"
  shell+=(-D "java.security.auth.login.config=$asks/jaas.conf")
fi

host() { echo "$POD_PREFIX$1.$POD_DOMAIN"; }              # ORDINAL
id() { echo $(($1 + MIN_SERVER_ID)); }                    # ORDINAL

# line ORDINAL ROLE: what a member is to the others.
line() { echo "server.$(id "$1")=$(host "$1"):$MEMBER_PORTS:$2;$CLIENT_PORT"; }

# ask ORDINALS COMMAND...: what the first of these pods that serves says to commands of the shell.
ask() {
  local hosts= ordinal
  for ordinal in $1; do hosts+=${hosts:+,}$(host "$ordinal"):$ASK_PORT; done
  shift
  printf '%s\n' "$@" | timeout 20 "${shell[@]}" -server "$hosts" 2>&1
}

# members ORDINALS: the lines of the present members and their version; nothing where nobody serves.
members() { ask "$1" 'config' | grep -E '^(server\.[0-9]+|version)=' || true; }

{{/* A template of claims: immutable in a StatefulSet. dict "name" NAME "of" VALUES "context" $ */}}
{{- define "oxkeeper.claim" -}}
{{- $persistence := .context.Values.persistence -}}
- apiVersion: v1
  kind: PersistentVolumeClaim
  metadata:
    name: {{ .name }}
    {{- with $persistence.annotations }}
    annotations: {{- include "oxkeeper.filled" (dict "value" . "context" $.context) | nindent 6 }}
    {{- end }}
    {{- with $persistence.labels }}
    labels: {{- include "oxkeeper.filled" (dict "value" . "context" $.context) | nindent 6 }}
    {{- end }}
  spec:
    accessModes: {{- toYaml $persistence.accessModes | nindent 6 }}
    resources:
      requests:
        storage: {{ .of.size | quote }}
    {{- with .of.selector }}
    selector: {{- include "oxkeeper.filled" (dict "value" . "context" $.context) | nindent 6 }}
    {{- end }}
    {{- include "oxkeeper.storageClass" .context | nindent 4 }}
{{- end }}

{{/* The members, as the image takes them. */}}
{{- define "oxkeeper.servers" -}}
{{- if .Values.zooServers -}}
{{ .Values.zooServers }}
{{- else -}}
{{- $servers := list -}}
{{- $name := include "oxkeeper.fullname" . -}}
{{- $domain := include "oxkeeper.domain" . -}}
{{- $ports := printf "%d:%d" (int .Values.containerPorts.follower) (int .Values.containerPorts.election) -}}
{{- range $ordinal := until (int .Values.replicaCount) -}}
{{- $servers = append $servers (printf "%s-%d.%s:%s::%d" $name $ordinal $domain $ports (add $ordinal (int $.Values.minServerId))) -}}
{{- end -}}
{{ join " " $servers }}
{{- end -}}
{{- end }}

{{/* The variables of the server. */}}
{{- define "oxkeeper.env" -}}
{{- $yes := dict "true" "yes" "false" "no" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- if .Values.reconfig.enabled }}
{{ include "oxkeeper.reconfig.env" (dict "optional" false "context" .) }}
- name: ZOO_RECONFIG_ENABLED
  value: "yes"
{{- else }}
- name: MIN_SERVER_ID
  value: {{ int .Values.minServerId | quote }}
- name: ZOO_SERVERS
  value: {{ include "oxkeeper.servers" . | quote }}
{{- end }}
{{- range $name, $value := dict
  "ZOO_DATA_LOG_DIR" .Values.dataLogDir
  "ZOO_PORT_NUMBER" (int .Values.containerPorts.client)
  "ZOO_TICK_TIME" (int .Values.tickTime)
  "ZOO_INIT_LIMIT" (int .Values.initLimit)
  "ZOO_SYNC_LIMIT" (int .Values.syncLimit)
  "ZOO_PRE_ALLOC_SIZE" (int .Values.preAllocSize)
  "ZOO_SNAPCOUNT" (int .Values.snapCount)
  "ZOO_MAX_CLIENT_CNXNS" (int .Values.maxClientCnxns)
  "ZOO_MAX_SESSION_TIMEOUT" (int .Values.maxSessionTimeout)
  "ZOO_4LW_COMMANDS_WHITELIST" .Values.fourlwCommandsWhitelist
  "ZOO_LISTEN_ALLIPS_ENABLED" (ternary "yes" "no" .Values.listenOnAllIPs)
  "ZOO_AUTOPURGE_INTERVAL" (int .Values.autopurge.purgeInterval)
  "ZOO_AUTOPURGE_RETAIN_COUNT" (int .Values.autopurge.snapRetainCount)
  "ZOO_LOG_LEVEL" (ternary "DEBUG" .Values.logLevel .Values.image.debug)
  "ZOO_ENABLE_ADMIN_SERVER" "yes"
  "ZOO_ADMIN_SERVER_PORT_NUMBER" (int .Values.containerPorts.adminServer)
  "ALLOW_ANONYMOUS_LOGIN" (ternary "no" "yes" .Values.auth.client.enabled)
  "ZOO_ENABLE_AUTH" (ternary "yes" "no" .Values.auth.client.enabled)
  "ZOO_ENABLE_QUORUM_AUTH" (ternary "yes" "no" .Values.auth.quorum.enabled)
  "ZOO_FIPS_MODE" (ternary "no" "yes" (or .Values.auth.client.enabled .Values.auth.quorum.enabled))
}}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- with .Values.jvmFlags }}
- name: JVMFLAGS
  value: {{ . | quote }}
{{- end }}
{{- if .Values.auth.client.enabled }}
{{ include "oxkeeper.auth.client.env" . }}
- name: ZOO_SERVER_USERS
  value: {{ .Values.auth.client.serverUsers | quote }}
- name: ZOO_SERVER_PASSWORDS
  valueFrom:
    secretKeyRef:
      name: {{ include "oxkeeper.auth.secret" (dict "of" "client" "context" .) }}
      key: server-password
{{- end }}
{{- if .Values.auth.quorum.enabled }}
- name: ZOO_QUORUM_LEARNER_USER
  value: {{ .Values.auth.quorum.learnerUser | quote }}
- name: ZOO_QUORUM_LEARNER_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "oxkeeper.auth.secret" (dict "of" "quorum" "context" .) }}
      key: quorum-learner-password
- name: ZOO_QUORUM_SERVER_USERS
  value: {{ .Values.auth.quorum.serverUsers | quote }}
- name: ZOO_QUORUM_SERVER_PASSWORDS
  valueFrom:
    secretKeyRef:
      name: {{ include "oxkeeper.auth.secret" (dict "of" "quorum" "context" .) }}
      key: quorum-server-password
{{- end }}
{{- if .Values.metrics.enabled }}
- name: ZOO_ENABLE_PROMETHEUS_METRICS
  value: "yes"
- name: ZOO_PROMETHEUS_METRICS_PORT_NUMBER
  value: {{ int .Values.containerPorts.metrics | quote }}
{{- end }}
{{- range list "client" "quorum" }}
{{- with include "oxkeeper.tls.env" (dict "of" . "context" $) }}
{{ . }}
{{- end }}
{{- end }}
{{- if and .Values.reconfig.enabled .Values.tls.quorum.enabled }}
# Who joins is no member yet, and has an address that is in no certificate; the authority counts.
- name: ZOO_CFG_ssl_quorum_clientHostnameVerification
  value: "false"
{{- end }}
{{- if .Values.tls.client.enabled }}
- name: ZOO_TLS_PORT_NUMBER
  value: {{ int .Values.containerPorts.tls | quote }}
{{- end }}
{{- with .Values.extraEnvVars }}
{{ include "oxkeeper.filled" (dict "value" . "context" $) }}
{{- end }}
{{- end }}

{{/* A probe that asks the admin server: dict "values" PROBE "path" PATH "context" $ */}}
{{- define "oxkeeper.probe" -}}
{{- $url := printf "http://127.0.0.1:%d/health/%s" (int .context.Values.containerPorts.adminServer) .path -}}
exec:
  command: [timeout, {{ int (default 3 .values.probeCommandTimeout) | quote }}, wget, -q, -O, "-", {{ $url | quote }}]
{{- range list "initialDelaySeconds" "periodSeconds" "timeoutSeconds" "failureThreshold" "successThreshold" }}
{{ . }}: {{ int (get $.values .) }}
{{- end }}
{{- end }}

{{- define "oxkeeper.probes" -}}
{{- if not .Values.diagnosticMode.enabled -}}
{{- range $name, $path := dict "liveness" "live" "readiness" (eq .Values.podManagementPolicy "OrderedReady" | ternary "live" "ready") "startup" "live" }}
{{- $custom := get $.Values (printf "custom%sProbe" (title $name)) }}
{{- $probe := get $.Values (printf "%sProbe" $name) }}
{{- if $custom }}
{{ $name }}Probe: {{- include "oxkeeper.filled" (dict "value" $custom "context" $) | nindent 2 }}
{{- else if $probe.enabled }}
{{ $name }}Probe: {{- include "oxkeeper.probe" (dict "values" $probe "path" $path "context" $) | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}
{{- end }}

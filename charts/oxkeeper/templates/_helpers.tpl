{{/* Names are those that a release of Bitnami's chart has: RELEASE-zookeeper, or RELEASE where that says zookeeper already. */}}
{{- define "oxkeeper.name" -}}
{{ default "zookeeper" .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* A StatefulSet with a longer name has no pods: its revisions are labels. */}}
{{- define "oxkeeper.fullname" -}}
{{- $name := include "oxkeeper.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "oxkeeper.namespace" -}}
{{ default .Release.Namespace .Values.namespaceOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "oxkeeper.headless" -}}
{{- if .Values.service.headless.servicenameOverride -}}
{{ .Values.service.headless.servicenameOverride | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-headless" (include "oxkeeper.fullname" .) | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* What stands behind the name of a pod in its address. */}}
{{- define "oxkeeper.domain" -}}
{{ include "oxkeeper.headless" . }}.{{ include "oxkeeper.namespace" . }}.svc.{{ .Values.clusterDomain }}
{{- end }}

{{- define "oxkeeper.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "oxkeeper.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{/* A text or an object, with its templates filled in: dict "value" VALUE "context" $ */}}
{{- define "oxkeeper.filled" -}}
{{- $text := kindIs "string" .value | ternary .value (toYaml .value) -}}
{{- if contains "{{" $text -}}{{ tpl $text .context }}{{- else -}}{{ $text }}{{- end -}}
{{- end }}

{{/* Which pods are meant: immutable in a StatefulSet. */}}
{{- define "oxkeeper.selector" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/name: {{ include "oxkeeper.name" . }}
{{- end }}

{{/* Labels of an object: dict "context" $ "component" NAME "more" LABELS. What is given wins over what is common, and nothing over the selector. */}}
{{- define "oxkeeper.labels" -}}
{{- $own := include "oxkeeper.selector" .context | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/component" (default "zookeeper" .component) -}}
{{- $chart := printf "%s-%s" .context.Chart.Name .context.Chart.Version | replace "+" "_" -}}
{{- $labels := dict "app.kubernetes.io/managed-by" .context.Release.Service "app.kubernetes.io/version" .context.Chart.AppVersion "helm.sh/chart" $chart -}}
{{- range list .context.Values.commonLabels .more -}}
{{- if . -}}{{- $labels = merge (include "oxkeeper.filled" (dict "value" . "context" $.context) | fromYaml) $labels -}}{{- end -}}
{{- end -}}
{{ merge $own $labels | toYaml }}
{{- end }}

{{/* The metadata of an object: dict "context" $ "name" NAME "component" NAME "namespace" NAME "labels" LABELS "annotations" ANNOTATIONS */}}
{{- define "oxkeeper.metadata" -}}
{{- $annotations := dict -}}
{{- range list .context.Values.commonAnnotations .annotations -}}
{{- if . -}}{{- $annotations = merge (include "oxkeeper.filled" (dict "value" . "context" $.context) | fromYaml) $annotations -}}{{- end -}}
{{- end -}}
name: {{ .name }}
namespace: {{ default (include "oxkeeper.namespace" .context) .namespace }}
labels: {{- include "oxkeeper.labels" (dict "context" .context "component" .component "more" .labels) | nindent 2 }}
{{- if $annotations }}
annotations: {{- toYaml $annotations | nindent 2 }}
{{- end }}
{{- end }}

{{/* The name of an image: dict "image" VALUES "context" $ */}}
{{- define "oxkeeper.image" -}}
{{- $registry := default .image.registry .context.Values.global.imageRegistry -}}
{{- if $registry }}{{ $registry }}/{{ end -}}
{{ .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ default .context.Chart.AppVersion .image.tag }}{{ end }}
{{- end }}

{{/* The image that gives the volumes to their user: that of the server unless another one is given. */}}
{{- define "oxkeeper.volumePermissions.image" -}}
{{- $image := empty .Values.volumePermissions.image.repository | ternary .Values.image .Values.volumePermissions.image -}}
{{ include "oxkeeper.image" (dict "image" $image "context" .) }}
{{- end }}

{{- define "oxkeeper.pullSecrets" -}}
{{- $names := list -}}
{{- range concat .Values.global.imagePullSecrets .Values.image.pullSecrets .Values.volumePermissions.image.pullSecrets -}}
{{- $names = append $names (kindIs "map" . | ternary . (dict "name" .)) -}}
{{- end -}}
{{- if $names }}
imagePullSecrets: {{- $names | uniq | toYaml | nindent 2 }}
{{- end }}
{{- end }}

{{/* Requests and limits: dict "preset" NAME "resources" RESOURCES. Limits of memory are twice what is asked for; of processors there is none. */}}
{{- define "oxkeeper.resources" -}}
{{- $presets := dict "nano" (list "100m" 128) "micro" (list "250m" 256) "small" (list "500m" 512) "medium" (list "500m" 1024) -}}
{{- $presets = merge $presets (dict "large" (list "1" 2048) "xlarge" (list "2" 3072) "2xlarge" (list "4" 4096)) -}}
{{- if .resources }}
resources: {{- toYaml .resources | nindent 2 }}
{{- else if hasKey $presets .preset }}
{{- $preset := get $presets .preset }}
resources:
  requests: {cpu: {{ first $preset | quote }}, memory: {{ last $preset }}Mi}
  limits: {memory: {{ mul 2 (last $preset) }}Mi}
{{- end }}
{{- end }}

{{/* A security context without `enabled`, and without users and groups where OpenShift chooses them: dict "value" VALUES "context" $ */}}
{{- define "oxkeeper.securityContext" -}}
{{- $adapt := .context.Values.global.compatibility.openshift.adaptSecurityContext -}}
{{- $omitted := omit .value "enabled" -}}
{{- if or (eq $adapt "force") (and (eq $adapt "auto") (.context.Capabilities.APIVersions.Has "security.openshift.io/v1")) -}}
{{- $omitted = omit $omitted "runAsUser" "runAsGroup" "fsGroup" -}}
{{- if not .value.seLinuxOptions -}}{{- $omitted = omit $omitted "seLinuxOptions" -}}{{- end -}}
{{- end -}}
{{- toYaml $omitted -}}
{{- end }}

{{/* Affinity to other pods of the release: dict "preset" soft|hard "context" $ */}}
{{- define "oxkeeper.affinity.pods" -}}
{{- $labels := merge (dict "app.kubernetes.io/component" "zookeeper") (include "oxkeeper.selector" .context | fromYaml) -}}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" $labels) -}}
{{- if eq .preset "hard" -}}
{{ dict "requiredDuringSchedulingIgnoredDuringExecution" (list $term) | toYaml }}
{{- else -}}
{{ dict "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 1 "podAffinityTerm" $term)) | toYaml }}
{{- end -}}
{{- end }}

{{- define "oxkeeper.affinity" -}}
{{- $affinity := dict -}}
{{- range $kind, $preset := dict "podAffinity" .Values.podAffinityPreset "podAntiAffinity" .Values.podAntiAffinityPreset -}}
{{- if $preset }}{{- $_ := set $affinity $kind (include "oxkeeper.affinity.pods" (dict "preset" $preset "context" $) | fromYaml) }}{{- end -}}
{{- end -}}
{{- with .Values.nodeAffinityPreset }}
{{- $term := dict "matchExpressions" (list (dict "key" .key "operator" "In" "values" .values)) -}}
{{- if eq .type "hard" -}}
{{- $_ := set $affinity "nodeAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" (list $term))) -}}
{{- else if eq .type "soft" -}}
{{- $_ := set $affinity "nodeAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 1 "preference" $term))) -}}
{{- end -}}
{{- end -}}
{{- if .Values.affinity -}}
{{ include "oxkeeper.filled" (dict "value" .Values.affinity "context" .) }}
{{- else if $affinity -}}
{{ toYaml $affinity }}
{{- end -}}
{{- end }}

{{/* storageClassName of a claim; "-" stands for none. */}}
{{- define "oxkeeper.storageClass" -}}
{{- $class := coalesce .Values.persistence.storageClass .Values.global.defaultStorageClass .Values.global.storageClass -}}
{{- if eq (toString $class) "-" }}
storageClassName: ""
{{- else if $class }}
storageClassName: {{ $class }}
{{- end }}
{{- end }}

{{/* The ConfigMap with zoo.cfg, if there is one. */}}
{{- define "oxkeeper.configmap" -}}
{{- if .Values.existingConfigmap -}}
{{ tpl .Values.existingConfigmap . }}
{{- else if .Values.configuration -}}
{{ include "oxkeeper.fullname" . }}
{{- end -}}
{{- end }}

{{- define "oxkeeper.auth.secret" -}}
{{- $auth := get .context.Values.auth .of -}}
{{ tpl (default (printf "%s-%s-auth" (include "oxkeeper.fullname" .context) .of) $auth.existingSecret) .context }}
{{- end }}

{{- define "oxkeeper.reconfig.secret" -}}
{{ tpl (default (printf "%s-reconfig" (include "oxkeeper.fullname" .)) .Values.reconfig.existingSecret) . }}
{{- end }}

{{/* The Secret with stores or certificates, if there is one: dict "of" client|quorum "context" $ */}}
{{- define "oxkeeper.tls.secret" -}}
{{- $tls := get .context.Values.tls .of -}}
{{- if and $tls.enabled $tls.existingSecret -}}
{{ tpl $tls.existingSecret .context }}
{{- else if and $tls.enabled $tls.autoGenerated -}}
{{ include "oxkeeper.fullname" .context }}-{{ .of }}-crt
{{- end -}}
{{- end }}

{{- define "oxkeeper.tls.passwords" -}}
{{- $tls := get .context.Values.tls .of -}}
{{- if and $tls.enabled $tls.passwordsSecretName -}}
{{ tpl $tls.passwordsSecretName .context }}
{{- else if and $tls.enabled (or $tls.keystorePassword $tls.truststorePassword) -}}
{{ include "oxkeeper.fullname" .context }}-{{ .of }}-tls-pass
{{- end -}}
{{- end }}

{{/* The variables that tell of TLS: dict "of" client|quorum "context" $ */}}
{{- define "oxkeeper.tls.env" -}}
{{- $tls := get .context.Values.tls .of -}}
{{- $prefix := printf "ZOO_TLS_%s" (upper .of) -}}
{{- if $tls.enabled -}}
- name: {{ $prefix }}_ENABLE
  value: "true"
- name: {{ eq .of "client" | ternary "ZOO_TLS_CLIENT_AUTH" "ZOO_TLS_QUORUM_CLIENT_AUTH" }}
  value: {{ $tls.auth | quote }}
- name: {{ $prefix }}_KEYSTORE_FILE
  value: {{ $tls.keystorePath | quote }}
- name: {{ $prefix }}_TRUSTSTORE_FILE
  value: {{ $tls.truststorePath | quote }}
{{- $passwords := include "oxkeeper.tls.passwords" . -}}
{{- if and $passwords (or $tls.passwordsSecretName $tls.keystorePassword) }}
- name: {{ $prefix }}_KEYSTORE_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $passwords }}
      key: {{ default "keystore-password" $tls.passwordsSecretKeystoreKey }}
{{- end }}
{{- if and $passwords (or $tls.passwordsSecretName $tls.truststorePassword) }}
- name: {{ $prefix }}_TRUSTSTORE_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $passwords }}
      key: {{ default "truststore-password" $tls.passwordsSecretTruststoreKey }}
{{- end }}
{{- if include "oxkeeper.tls.secret" . }}
- name: {{ $prefix }}_SECRET_KEYSTORE
  value: {{ default "zookeeper.keystore.jks" $tls.existingSecretKeystoreKey | quote }}
- name: {{ $prefix }}_SECRET_TRUSTSTORE
  value: {{ default "zookeeper.truststore.jks" $tls.existingSecretTruststoreKey | quote }}
{{- end }}
{{- end -}}
{{- end }}

{{/* Where the stores are mounted, and where they are put for the server. */}}
{{- define "oxkeeper.tls.mounts" -}}
{{- if include "oxkeeper.tls.secret" . -}}
- name: {{ .of }}-certificates
  mountPath: /certs/{{ .of }}
  readOnly: true
- name: {{ .of }}-shared-certs
  mountPath: {{ dir (get .context.Values.tls .of).keystorePath }}
{{- end -}}
{{- end }}

{{- define "oxkeeper.tls.volumes" -}}
{{- with include "oxkeeper.tls.secret" . -}}
- name: {{ $.of }}-certificates
  secret:
    secretName: {{ . }}
    defaultMode: 0440
- name: {{ $.of }}-shared-certs
  emptyDir: {}
{{- end -}}
{{- end }}

{{/* Who logs in as a client: of the server's container, and of Jobs. */}}
{{- define "oxkeeper.auth.client.env" -}}
- name: ZOO_CLIENT_USER
  value: {{ .Values.auth.client.clientUser | quote }}
- name: ZOO_CLIENT_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "oxkeeper.auth.secret" (dict "of" "client" "context" .) }}
      key: client-password
{{- end }}

{{/* What the scripts need to find the members, to ask them, and to be let: dict "optional" BOOL "context" $ */}}
{{- define "oxkeeper.reconfig.env" -}}
{{- $optional := .optional -}}
{{- with .context -}}
- name: MIN_SERVER_ID
  value: {{ .Values.minServerId | quote }}
- name: POD_PREFIX
  value: {{ include "oxkeeper.fullname" . }}-
- name: POD_DOMAIN
  value: {{ include "oxkeeper.domain" . }}
- name: MEMBER_PORTS
  value: {{ printf "%v:%v" (int .Values.containerPorts.follower) (int .Values.containerPorts.election) | quote }}
- name: CLIENT_PORT
  value: {{ int .Values.containerPorts.client | quote }}
- name: ASK_PORT
  value: {{ .Values.tls.client.enabled | ternary (int .Values.containerPorts.tls) (int .Values.containerPorts.client) | quote }}
- name: RECONFIG_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "oxkeeper.reconfig.secret" . }}
      key: reconfig-password
      {{- if $optional }}
      optional: true
      {{- end }}
{{- end -}}
{{- end }}

{{/* What cannot work is refused. */}}
{{- define "oxkeeper.check" -}}
{{- with .Values.auth.client -}}
{{- if and .enabled (not .existingSecret) (or (not .clientPassword) (not .serverPasswords)) -}}
{{- fail "auth.client.enabled needs clientPassword and serverPasswords, or existingSecret" -}}
{{- else if and .enabled (or (not .clientUser) (not .serverUsers)) -}}
{{- fail "auth.client.enabled needs clientUser and serverUsers" -}}
{{- end -}}
{{- end -}}
{{- with .Values.auth.quorum -}}
{{- if and .enabled (not .existingSecret) (or (not .learnerPassword) (not .serverPasswords)) -}}
{{- fail "auth.quorum.enabled needs learnerPassword and serverPasswords, or existingSecret" -}}
{{- else if and .enabled (or (not .learnerUser) (not .serverUsers)) -}}
{{- fail "auth.quorum.enabled needs learnerUser and serverUsers" -}}
{{- end -}}
{{- end -}}
{{- range $of := list "client" "quorum" -}}
{{- $tls := get $.Values.tls $of -}}
{{- $secret := include "oxkeeper.tls.secret" (dict "of" $of "context" $) -}}
{{- if and $tls.enabled (not $secret) (not $.Values.extraVolumeMounts) -}}
{{- fail (printf "tls.%s.enabled needs autoGenerated, existingSecret, or stores that extraVolumeMounts has at keystorePath and truststorePath" $of) -}}
{{- else if and $secret (ne (dir $tls.keystorePath) (dir $tls.truststorePath)) -}}
{{- fail (printf "tls.%s.keystorePath and truststorePath must be in one directory, where stores of a Secret are put" $of) -}}
{{- end -}}
{{- end -}}
{{- $configured := include "oxkeeper.configmap" . -}}
{{- if and $configured (or .Values.auth.client.enabled .Values.auth.quorum.enabled) -}}
{{- fail "a zoo.cfg of your own (configuration, existingConfigmap) goes with a JAAS file of your own (extraVolumes, jvmFlags), not with auth" -}}
{{- end -}}
{{- with .Values.reconfig -}}
{{- if and .enabled $configured -}}
{{- fail "reconfig.enabled makes the zoo.cfg: it goes without configuration and existingConfigmap" -}}
{{- else if and .enabled $.Values.zooServers -}}
{{- fail "reconfig.enabled keeps the members itself: it goes without zooServers" -}}
{{- else if and .enabled (lt (int $.Values.replicaCount) (int .initialReplicas)) -}}
{{- $both := printf "replicaCount is %d, and reconfig.initialReplicas %d" (int $.Values.replicaCount) (int .initialReplicas) -}}
{{- fail (printf "%s: lower that, too, and never raise it again" $both) -}}
{{- end -}}
{{- end -}}
{{- with .Values.persistence -}}
{{- if and .enabled (or .existingClaim .dataLogDir.existingClaim) (gt (int $.Values.replicaCount) 1) -}}
{{- fail "an existingClaim is for a single pod: replicaCount must be 1" -}}
{{- end -}}
{{- end -}}
{{- end }}

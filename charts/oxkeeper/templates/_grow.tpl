{{/* Without reconfig new pods begin with the new list, and more of them than there are old ones would be a quorum of it that has none of the data. */}}
{{- define "oxkeeper.grow" -}}
{{- if not .Values.reconfig.enabled -}}
{{- $set := lookup "apps/v1" "StatefulSet" (include "oxkeeper.namespace" .) (include "oxkeeper.fullname" .) -}}
{{- $old := dig "spec" "replicas" 0 $set | int -}}
{{- $new := int .Values.replicaCount -}}
{{- if and (gt $old 0) (ge (sub $new $old | int) (add 1 (div $new 2) | int)) -}}
{{- fail (printf "replicaCount goes from %d to %d: the new pods would be a quorum without the data of the old ones. Enable reconfig (with initialReplicas=%d) first, or go by smaller steps" $old $new $old) -}}
{{- end -}}
{{- end -}}
{{- end }}

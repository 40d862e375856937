{{/* Without reconfig some pods have the old list for a while, and some the new one: there must be no majority of one without any of the other's,
     or there would be two ensembles, and new pods alone might decide without the data. */}}
{{- define "oxkeeper.grow" -}}
{{- if not .Values.reconfig.enabled -}}
{{- $set := lookup "apps/v1" "StatefulSet" (include "oxkeeper.namespace" .) (include "oxkeeper.fullname" .) -}}
{{- $old := dig "spec" "replicas" 0 $set | int -}}
{{- $new := int .Values.replicaCount -}}
{{- if and (gt $old 0) (gt $new $old) (le (add (div $old 2) (div $new 2) 2 | int) $new) -}}
{{- $change := printf "replicaCount goes from %d to %d without reconfig" $old $new -}}
{{- fail (printf "%s: old and new members would be two ensembles for a while. Go by one, or enable reconfig (with initialReplicas=%d) first" $change $old) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
Every key, however old the values are. With `helm upgrade --reuse-values` those of an older release take the place of
values.yaml, and what is new is nowhere; a key that is null is not there either. What is not there is as by default, but for
the keys of "computegate.takenAway", of which null means none. Each template includes this first.
*/}}
{{- define "computegate.values" -}}
{{- $defaults := .Files.Get "files/defaults.yaml" | fromYaml -}}
{{- $away := include "computegate.takenAway" . | fromYamlArray -}}
{{- include "computegate.fill" (dict "into" .Values "from" $defaults "under" "" "away" $away) -}}
{{- end -}}

{{- define "computegate.takenAway" -}}
- grafana.labels
- kyc.receiver.resources
- podDisruptionBudget.maxUnavailable
- podSecurityContext
- priorityClassName
- resources
- screening.resources
- securityContext
{{- end -}}

{{- define "computegate.fill" -}}
{{- range $key, $default := .from -}}
{{- $path := printf "%s%s" $.under $key -}}
{{- $held := get $.into $key -}}
{{- if or (not (hasKey $.into $key)) (kindIs "invalid" $held) -}}
{{- $none := kindIs "map" $default | ternary dict (kindIs "slice" $default | ternary list "") -}}
{{- $_ := set $.into $key (has $path $.away | ternary $none (deepCopy $default)) -}}
{{- else if and (kindIs "map" $default) (kindIs "map" $held) (not (has $path $.away)) -}}
{{- include "computegate.fill" (dict "into" $held "from" $default "under" (printf "%s." $path) "away" $.away) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
What `make registration` wrote from admission/demand: rules and match conditions of the webhook, and the tests that the
guards share with them. Used as `include "computegate.registration" . | fromYaml`.
*/}}
{{- define "computegate.registration" -}}
{{- .Files.Get "files/registration.yaml" -}}
{{- end -}}

{{/* What asks for devices itself, and what the operator switched on besides; both entries that judge it see the same. */}}
{{- define "computegate.judgedRules" -}}
{{- $registration := include "computegate.registration" . | fromYaml -}}
{{- $rules := $registration.rules -}}
{{- range $switch, $more := $registration.switched -}}
{{- if index $.Values.webhook $switch }}{{ $rules = concat $rules $more }}{{ end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}

{{- define "computegate.matchConditions" -}}
{{- toYaml (include "computegate.registration" . | fromYaml).matchConditions -}}
{{- end -}}

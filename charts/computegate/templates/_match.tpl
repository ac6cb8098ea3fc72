{{/*
What `make registration` wrote from admission/demand: rules and match conditions of the webhook, and the tests that the
guards share with them. Used as `include "computegate.registration" . | fromYaml`.
*/}}
{{- define "computegate.registration" -}}
{{- .Files.Get "files/registration.yaml" -}}
{{- end -}}

{{/* Labels and annotations that are the chart's, by the value that may add to them. A key that stands twice is the last one. */}}
{{- define "computegate.checkReserved" -}}
{{- $labels := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" -}}
{{- $values := .Values -}}
{{- range $path := list "commonLabels" "podLabels" "webhook.labels" "service.labels" "serviceAccount.labels" "serviceMonitor.labels" "podMonitor.labels" "prometheusRule.labels" "grafana.labels" -}}
{{- $given := $values -}}
{{- range splitList "." $path -}}
{{- $given = get $given . -}}
{{- end -}}
{{- $taken := ternary $labels (concat $labels (keys $values.commonLabels)) (eq $path "commonLabels") -}}
{{- include "computegate.refuseKeys" (dict "path" $path "given" $given "taken" $taken) -}}
{{- end -}}
{{- include "computegate.refuseKeys" (dict "path" "podAnnotations" "given" .Values.podAnnotations "taken" (list "computegate.io/config")) -}}
{{- include "computegate.refuseKeys" (dict "path" "webhook.annotations" "given" .Values.webhook.annotations "taken" (list "computegate.io/rendered" "cert-manager.io/inject-ca-from")) -}}
{{- end -}}

{{- define "computegate.refuseKeys" -}}
{{- range $key, $_ := .given -}}
{{- if has $key $.taken -}}
{{- fail (printf "%s must not set %s: the chart sets it" $.path $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

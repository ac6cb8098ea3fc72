{{/* Values that would do nothing, as another one leaves out what they are about. */}}
{{- define "computegate.checkIdle" -}}
{{- if and .Values.workloads.deny (not .Values.workloads.enabled) -}}
{{- fail "workloads.deny is set, but nobody is asked about workloads: set workloads.enabled too" -}}
{{- end -}}
{{- if and .Values.guards.exec (not .Values.guards.enabled) -}}
{{- fail "guards.exec is set, but no guard is installed: set guards.enabled too" -}}
{{- end -}}
{{- if and .Values.test.clearedNamespace (eq .Values.test.clearedNamespace (printf "%s-test" (include "computegate.fullname" .))) -}}
{{- fail (printf "test.clearedNamespace is %s, which the test makes for itself: name one of a cleared tenant" .Values.test.clearedNamespace) -}}
{{- end -}}
{{- if .Values.webhook.url -}}
{{- include "computegate.checkOutside" . -}}
{{- end -}}
{{- $issuer := .Values.tls.certManager.issuerRef -}}
{{- if and $issuer (ne .Values.tls.mode "certManager") -}}
{{- fail (printf "tls.certManager.issuerRef is set, but tls.mode is %s: set tls.mode to certManager" .Values.tls.mode) -}}
{{- end -}}
{{- if and $issuer (not $issuer.name) -}}
{{- fail "tls.certManager.issuerRef names no issuer: give its name" -}}
{{- end -}}
{{- end -}}

{{/* What is not there when the server is elsewhere; monitors and policies still are about what runs in the cluster. */}}
{{- define "computegate.checkOutside" -}}
{{- $idle := dict "hostNetwork" .Values.hostNetwork "tls.extraNames" .Values.tls.extraNames "tls.clientCA" .Values.tls.clientCA
      "tls.mode=certManager" (eq .Values.tls.mode "certManager") -}}
{{- if not .Values.kyc.receiver.enabled -}}
{{- $_ := set $idle "serviceMonitor.enabled" .Values.serviceMonitor.enabled -}}
{{- $_ := set $idle "podMonitor.enabled" .Values.podMonitor.enabled -}}
{{- if not .Values.screening.enabled -}}
{{- $_ := set $idle "networkPolicy.enabled" .Values.networkPolicy.enabled -}}
{{- end -}}
{{- end -}}
{{- range $key, $set := $idle -}}
{{- if $set -}}
{{- fail (printf "webhook.url is set, and with it no server is installed that %s would be about: leave one of them out" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

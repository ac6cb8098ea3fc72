{{/* The receiver of KYC deliveries: an account, pods and labels of its own, which the webhook's Service must not select. */}}
{{- define "computegate.receiverName" -}}
{{ include "computegate.fullname" . }}-receiver
{{- end -}}

{{- define "computegate.receiverSelector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}-receiver
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "computegate.receiverLabels" -}}
{{ include "computegate.receiverSelector" . }}
{{ omit (fromYaml (include "computegate.labels" .)) "app.kubernetes.io/name" "app.kubernetes.io/instance" | toYaml }}
{{- end -}}

{{- define "computegate.receiverConfig" -}}
{{- with .Values.kyc.receiver -}}
providers: {{- toYaml .providers | nindent 2 }}
secretsFolder: /etc/computegate/kyc/secrets
{{- if .mappings }}
mappingsFolder: /etc/computegate/kyc/mappings
{{- end }}
drainSeconds: {{ .drainSeconds }}
listen:
  port: {{ .port }}
  metricsPort: {{ .metricsPort }}
{{- if .tlsSecret }}
tls:
  certFile: /etc/computegate/tls/tls.crt
  keyFile: /etc/computegate/tls/tls.key
{{- end }}
{{- end -}}
{{- end -}}

{{- define "computegate.receiverCheck" -}}
{{- with .Values.kyc.receiver -}}
{{- if not .providers -}}
{{- fail "kyc.receiver.enabled is set: name whose deliveries it takes in kyc.receiver.providers" -}}
{{- end -}}
{{- if not .existingSecret -}}
{{- fail "kyc.receiver.enabled is set: name the Secret with a key for each provider in kyc.receiver.existingSecret" -}}
{{- end -}}
{{- if eq (int .port) (int .metricsPort) -}}
{{- fail "kyc.receiver.port and kyc.receiver.metricsPort are the same: choose two ports" -}}
{{- end -}}
{{- if eq (int .metricsPort) (ternary 443 80 (ne .tlsSecret "")) -}}
{{- fail (printf "kyc.receiver.metricsPort is %d, the port at which its Service takes deliveries: choose another" (int .metricsPort)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

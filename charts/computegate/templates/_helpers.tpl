{{- define "computegate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "computegate.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "computegate.labels" -}}
{{ include "computegate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "computegate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "computegate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.create is false: name the existing ServiceAccount in serviceAccount.name" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "computegate.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{- with .Values.image.registry }}{{ . }}/{{ end }}{{ printf "%s:%s" .Values.image.repository $tag }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{- define "computegate.tlsSecret" -}}
{{- ternary .Values.tls.existingSecret (printf "%s-tls" (include "computegate.fullname" .)) (eq .Values.tls.mode "provided") -}}
{{- end -}}

{{/* JSON list of the namespaces that are not judged. */}}
{{- define "computegate.excludedNamespaces" -}}
{{- concat (list .Release.Namespace "kube-system") .Values.config.excludedNamespaces | uniq | sortAlpha | toJson -}}
{{- end -}}

{{- define "computegate.judgedNamespaces" -}}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{ include "computegate.excludedNamespaces" . }}
{{- end -}}

{{- define "computegate.enforcedNamespaces" -}}
{{ include "computegate.judgedNamespaces" . }}
  - key: computegate.io/mode
{{- if eq .Values.config.mode "enforce" }}
    operator: NotIn # also selects namespaces without the label
    values: [observe, warn]
{{- else }}
    operator: In
    values: [enforce]
{{- end }}
{{- end -}}

{{/* The judged ones that are not enforced. */}}
{{- define "computegate.observedNamespaces" -}}
{{ include "computegate.judgedNamespaces" . }}
  - key: computegate.io/mode
{{- if eq .Values.config.mode "enforce" }}
    operator: In
    values: [observe, warn]
{{- else }}
    operator: NotIn
    values: [enforce]
{{- end }}
{{- end -}}

{{/* Whom to ask, as the end of a guard's sentence. */}}
{{- define "computegate.ask" -}}
ask the cluster's operator for it{{ with .Values.config.contact }} ({{ . }}){{ end }}
{{- end -}}

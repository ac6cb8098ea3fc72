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
{{- if eq .Values.tls.mode "provided" -}}
{{- .Values.tls.existingSecret -}}
{{- else -}}{{/* two names: what cert-manager made stays behind, and helm takes over nothing */}}
{{- include "computegate.fullname" . }}-{{ ternary "tls" "authority" (eq .Values.tls.mode "certManager") }}
{{- end -}}
{{- end -}}

{{/* The namespace of the canary, and its quota. */}}
{{- define "computegate.canary" -}}
{{ include "computegate.fullname" . }}-canary
{{- end -}}

{{/* The name by which the API server calls the server. */}}
{{- define "computegate.serverName" -}}
{{ include "computegate.fullname" . }}.{{ .Release.Namespace }}.svc
{{- end -}}

{{- define "computegate.serverNames" -}}
- {{ include "computegate.serverName" . }}
- {{ include "computegate.serverName" . }}.cluster.local
{{- end -}}

{{/* Whether a name in tls.extraNames is an address. */}}
{{- define "computegate.isAddress" -}}
{{- if regexMatch "^([0-9]{1,3}([.][0-9]{1,3}){3}|.*:.*)$" . }}yes{{ end -}}
{{- end -}}

{{/* JSON list of the namespaces that are not judged. */}}
{{- define "computegate.excludedNamespaces" -}}
{{- $names := concat (list .Release.Namespace "kube-system") .Values.config.excludedNamespaces -}}
{{- range $name, $_ := .Files.Get "files/excluded.yaml" | fromYaml -}}
{{- if not (has $name $.Values.config.judgedNamespaces) -}}
{{- $names = append $names $name -}}
{{- end -}}
{{- end -}}
{{- $names | uniq | sortAlpha | toJson -}}
{{- end -}}

{{/* What config.judgedNamespaces may name. */}}
{{- define "computegate.checkExcluded" -}}
{{- range .Values.config.judgedNamespaces -}}
{{- if not (hasKey ($.Files.Get "files/excluded.yaml" | fromYaml) .) -}}
{{- fail (printf "config.judgedNamespaces names %s, which the chart does not leave out: see its list in docs/chart.md" .) -}}
{{- end -}}
{{- if has . $.Values.config.excludedNamespaces -}}
{{- fail (printf "config.judgedNamespaces and config.excludedNamespaces both name %s: remove it from one" .) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.canary.seconds (has (include "computegate.canary" .) .Values.config.excludedNamespaces) -}}
{{- fail (printf "config.excludedNamespaces names %s, where the canary must be denied: leave it out, or set canary.seconds to 0" (include "computegate.canary" .)) -}}
{{- end -}}
{{- $tested := printf "%s-test" (include "computegate.fullname" .) -}}
{{- if and .Values.test.enabled (has $tested .Values.config.excludedNamespaces) -}}
{{- fail (printf "config.excludedNamespaces names %s, where helm test must be denied: leave it out, or set test.enabled to false" $tested) -}}
{{- end -}}
{{- if has .Values.test.clearedNamespace (include "computegate.excludedNamespaces" . | fromJsonArray) -}}
{{- fail (printf "test.clearedNamespace is %s, which is not judged: name an enforced namespace of a cleared tenant" .Values.test.clearedNamespace) -}}
{{- end -}}
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

{{/* Contradictions between values; each says what to change. */}}
{{- define "computegate.check" -}}
{{- $tls := .Values.tls -}}
{{- $ca := contains "-----BEGIN CERTIFICATE-----" $tls.caBundle -}}
{{- if and $tls.caBundle (not $ca) -}}
{{- fail "tls.caBundle is not a PEM certificate: pass the file's text, as with --set-file tls.caBundle=ca.crt" -}}
{{- end -}}
{{- if .Values.webhook.url -}}
{{- if not $ca -}}
{{- fail "webhook.url is set: give the CA of that server's certificate in tls.caBundle (--set-file tls.caBundle=ca.crt)" -}}
{{- end -}}
{{- else if eq $tls.mode "provided" -}}
{{- if not $tls.existingSecret -}}
{{- fail "tls.mode is provided: name the Secret with tls.crt and tls.key in tls.existingSecret, or set tls.mode to certManager" -}}
{{- end -}}
{{- if not $ca -}}
{{- fail "tls.mode is provided: give the CA that signed the certificate in tls.caBundle (--set-file tls.caBundle=ca.crt)" -}}
{{- end -}}
{{- else if or $tls.existingSecret $tls.caBundle -}}
{{- fail (printf "tls.mode is %s, but tls.existingSecret or tls.caBundle is set: remove them, or set tls.mode to provided" $tls.mode) -}}
{{- end -}}
{{- include "computegate.checkReplicas" . -}}
{{- include "computegate.checkNetwork" . -}}
{{- include "computegate.checkPods" . -}}
{{- include "computegate.checkUnfit" . -}}
{{- include "computegate.checkClients" . -}}
{{- include "computegate.checkExcluded" . -}}
{{- $pdb := .Values.podDisruptionBudget -}}
{{- $least := ne (toString $pdb.minAvailable) "" -}}
{{- $most := ne (toString $pdb.maxUnavailable) "" -}}
{{- if and $pdb.enabled (eq $least $most) -}}
{{- fail "podDisruptionBudget needs either minAvailable or maxUnavailable: set one and make the other \"\"" -}}
{{- end -}}
{{- if and .Values.screening.enabled (not .Values.screening.volume) -}}
{{- fail "screening.enabled is set: name the volume that holds the list in screening.volume" -}}
{{- end -}}
{{- if eq (int .Values.config.listen.port) (int .Values.config.listen.metricsPort) -}}
{{- fail "config.listen.port and config.listen.metricsPort are the same: choose two ports" -}}
{{- end -}}
{{- if has (int .Values.config.debugPort) (list (int .Values.config.listen.port) (int .Values.config.listen.metricsPort)) -}}
{{- fail (printf "config.debugPort is %d, as a port of config.listen is: choose another" (int .Values.config.debugPort)) -}}
{{- end -}}
{{- if and .Values.resources.limits (hasKey .Values.resources.limits "cpu") -}}
{{- fail "resources.limits.cpu throttles admission of the whole cluster: remove it and set resources.requests.cpu" -}}
{{- end -}}
{{- if and .Values.guards.blockWhenMissing (not (and .Values.guards.enabled .Values.guards.narrowed)) -}}
{{- fail "guards.blockWhenMissing is a part of guards.narrowed: set guards.enabled and guards.narrowed, or leave it out" -}}
{{- end -}}
{{- include "computegate.checkReserved" . -}}
{{- include "computegate.checkIdle" . -}}
{{- include "computegate.checkMonitoring" . -}}
{{- end -}}

{{/* Contradictions between values of the certificates of clients, and of the authority of our own. */}}
{{- define "computegate.checkClients" -}}
{{- $tls := .Values.tls -}}
{{- if and $tls.clientCA (not (contains "-----BEGIN CERTIFICATE-----" $tls.clientCA)) -}}
{{- fail "tls.clientCA is not a PEM certificate: pass the file's text, as with --set-file tls.clientCA=ca.crt" -}}
{{- end -}}
{{- if and $tls.clientCA (not $tls.clientNames) -}}
{{- fail "tls.clientCA is set: name in tls.clientNames who of those that it signs may ask for reviews" -}}
{{- end -}}
{{- if and $tls.clientNames (not $tls.clientCA) -}}
{{- fail "tls.clientNames is set, but no certificate is asked for: give the CA that signs them in tls.clientCA" -}}
{{- end -}}
{{- if ge (int $tls.selfManaged.certificateDays) (int $tls.selfManaged.authorityDays) -}}
{{- fail "tls.selfManaged.certificateDays must be fewer than authorityDays: what an authority signs ends before it" -}}
{{- end -}}
{{- end -}}

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
{{- fail "tls.mode is certManager, but tls.existingSecret or tls.caBundle is set: remove them, or set tls.mode to provided" -}}
{{- end -}}
{{- include "computegate.checkReplicas" . -}}
{{- include "computegate.checkNetwork" . -}}
{{- include "computegate.checkPods" . -}}
{{- if and .Values.screening.enabled (not .Values.screening.volume) -}}
{{- fail "screening.enabled is set: name the volume that holds the list in screening.volume" -}}
{{- end -}}
{{- end -}}

{{/* How many there are, and how many must stay. */}}
{{- define "computegate.checkReplicas" -}}
{{- $pdb := .Values.podDisruptionBudget -}}
{{- $replicas := int .Values.replicas -}}
{{- $least := toString $pdb.minAvailable -}}
{{- $most := toString $pdb.maxUnavailable -}}
{{- if $pdb.enabled -}}
{{- if eq (eq $least "") (eq $most "") -}}
{{- fail "podDisruptionBudget needs either minAvailable or maxUnavailable: set one and make the other \"\"" -}}
{{- end -}}
{{- if or (has $most (list "0" "0%")) (eq $least "100%") (and $replicas $least (not (hasSuffix "%" $least)) (ge (int $least) $replicas)) -}}
{{- fail (printf "podDisruptionBudget lets none of %d replicas be evicted, so that no node could be drained: lower minAvailable or raise maxUnavailable" $replicas) -}}
{{- end -}}
{{- end -}}
{{- $rolling := default dict .Values.updateStrategy.rollingUpdate -}}
{{- if and (hasKey $rolling "maxUnavailable") (hasKey $rolling "maxSurge") (has (toString $rolling.maxUnavailable) (list "0" "0%")) (has (toString $rolling.maxSurge) (list "0" "0%")) -}}
{{- fail "updateStrategy.rollingUpdate has maxUnavailable 0 and maxSurge 0: nothing could ever be replaced" -}}
{{- end -}}
{{- if and (eq (default "" .Values.updateStrategy.type) "Recreate") (hasKey .Values.updateStrategy "rollingUpdate") -}}
{{- fail "updateStrategy.type is Recreate: remove updateStrategy.rollingUpdate" -}}
{{- end -}}
{{- end -}}

{{- define "computegate.checkNetwork" -}}
{{- if eq (int .Values.config.listen.port) (int .Values.config.listen.metricsPort) -}}
{{- fail "config.listen.port and config.listen.metricsPort are the same: choose two ports" -}}
{{- end -}}
{{- if .Values.hostNetwork -}}
{{- if .Values.networkPolicy.enabled -}}
{{- fail "hostNetwork and networkPolicy.enabled are both set: a NetworkPolicy does not bind pods on the network of the node; close the ports on the nodes instead" -}}
{{- end -}}
{{- if has 10250 (list (int .Values.config.listen.port) (int .Values.config.listen.metricsPort)) -}}
{{- fail "hostNetwork is set, and port 10250 of each node is the kubelet's: choose another for config.listen, such as 10260" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- fail "serviceMonitor.enabled and podMonitor.enabled are both set: every replica would be scraped twice; choose one" -}}
{{- end -}}
{{- end -}}

{{- define "computegate.checkPods" -}}
{{- if and .Values.resources.limits (hasKey .Values.resources.limits "cpu") -}}
{{- fail "resources.limits.cpu throttles admission of the whole cluster: remove it and set resources.requests.cpu" -}}
{{- end -}}
{{- range $value, $labels := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels -}}
{{- range $key := list "app.kubernetes.io/name" "app.kubernetes.io/instance" -}}
{{- if hasKey $labels $key -}}
{{- fail (printf "%s must not set %s: the Service selects by it" $value $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if has .name (list "POD_NAME" "POD_NAMESPACE") -}}
{{- fail (printf "extraEnv must not set %s: the server finds its Lease and its Secret by it" .name) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraVolumes -}}
{{- if has .name (list "config" "kinds" "reference" "tls" "tmp" "token") -}}
{{- fail (printf "extraVolumes must not use the name %s: the chart has a volume of that name" .name) -}}
{{- end -}}
{{- end -}}
{{- if not .Values.podSecurityContext.runAsNonRoot -}}
{{- fail "podSecurityContext.runAsNonRoot must be true: the server needs no root" -}}
{{- end -}}
{{- if or .Values.securityContext.privileged .Values.securityContext.allowPrivilegeEscalation -}}
{{- fail "securityContext must give no privileges: the server needs none" -}}
{{- end -}}
{{- end -}}

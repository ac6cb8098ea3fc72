{{/* Values that the API server, or a kubelet, would take no pod with, or with which none would ever be ready. */}}
{{- define "computegate.checkUnfit" -}}
{{- $name := include "computegate.fullname" . -}}
{{- if not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" $name) -}}
{{- fail (printf "%s cannot be the name of a Service, which begins with a letter and has no dot: set fullnameOverride, or name the release otherwise" $name) -}}
{{- end -}}
{{- include "computegate.checkMemory" (dict "path" "resources" "given" .Values.resources "least" 128) -}}
{{- if .Values.screening.enabled -}}
{{- include "computegate.checkMemory" (dict "path" "screening.resources" "given" .Values.screening.resources "least" 96) -}}
{{- end -}}
{{- if .Values.kyc.receiver.enabled -}}
{{- include "computegate.checkMemory" (dict "path" "kyc.receiver.resources" "given" .Values.kyc.receiver.resources "least" 96) -}}
{{- end -}}
{{- $volumes := list -}}
{{- range .Values.extraVolumes -}}
{{- $volumes = append $volumes .name -}}
{{- end -}}
{{- range .Values.extraVolumeMounts -}}
{{- if not (has .name $volumes) -}}
{{- fail (printf "extraVolumeMounts mounts %s, which extraVolumes does not name" .name) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.dnsPolicy "None") (not .Values.dnsConfig.nameservers) -}}
{{- fail "dnsPolicy is None: name the servers in dnsConfig.nameservers" -}}
{{- end -}}
{{- if and .Values.record.file.volume (not .Values.record.file.enabled) -}}
{{- fail "record.file.volume is set, but record.file.enabled is not: nothing would be written there" -}}
{{- end -}}
{{- if and .Values.tls.extraNames (eq .Values.tls.mode "provided") -}}
{{- fail "tls.extraNames is set, but tls.mode is provided: have the names in the certificate that you keep, and remove them here" -}}
{{- end -}}
{{- end -}}

{{/* path, given: resources; least: Mebibytes without which nothing starts. */}}
{{- define "computegate.checkMemory" -}}
{{- $limit := dig "limits" "memory" "" .given | toString -}}
{{- $request := dig "requests" "memory" "" .given | toString -}}
{{- $bytes := include "computegate.bytes" $limit | float64 -}}
{{- if and $limit (lt $bytes (mulf .least 1048576.0)) -}}
{{- fail (printf "%s.limits.memory is %s: with less than %dMi nothing starts" .path $limit .least) -}}
{{- end -}}
{{- if and $limit $request (gt (include "computegate.bytes" $request | float64) $bytes) -}}
{{- fail (printf "%s.requests.memory is %s, more than its limit, %s: no such pod is taken" .path $request $limit) -}}
{{- end -}}
{{- end -}}

{{/* Bytes of a quantity, such as 1.5Gi. */}}
{{- define "computegate.bytes" -}}
{{- $units := dict "m" 0.001 "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 -}}
{{- $unit := regexFind "(m|k|[KMGT]i?)?$" . -}}
{{- mulf (trimSuffix $unit . | float64) (get $units $unit) -}}
{{- end -}}

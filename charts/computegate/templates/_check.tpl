{{/* More contradictions between values, a part each. */}}

{{/* How many there are, and how many must stay. */}}
{{- define "computegate.checkReplicas" -}}
{{- $pdb := .Values.podDisruptionBudget -}}
{{- $replicas := int .Values.replicas -}}
{{- $least := toString $pdb.minAvailable -}}
{{- $most := toString $pdb.maxUnavailable -}}
{{- if $pdb.enabled -}}
{{- if hasSuffix "%" $least -}}{{/* rounded up, as the API server does */}}
{{- $least = div (add (mul (trimSuffix "%" $least | int) $replicas) 99) 100 | toString -}}
{{- end -}}
{{- if or (has $most (list "0" "0%")) (and $replicas $least (ge (int $least) $replicas)) -}}
{{- fail (printf "podDisruptionBudget lets none of %d replicas be evicted, so that no node could be drained: lower minAvailable or raise maxUnavailable" $replicas) -}}
{{- end -}}
{{- if hasSuffix "%" $most -}}
{{- $most = div (add (mul (trimSuffix "%" $most | int) $replicas) 99) 100 | toString -}}
{{- end -}}
{{- if and (gt $replicas 1) $most (ge (int $most) $replicas) -}}
{{- fail (printf "podDisruptionBudget lets all %d replicas be evicted at once: lower maxUnavailable" $replicas) -}}
{{- end -}}
{{- end -}}
{{- if and (lt (int .Values.config.ledger.rebuildSeconds) 44) (not .Values.config.ledger.forTests) -}}
{{- fail "config.ledger.rebuildSeconds is less than 44: a create that is under way while a ledger is counted could be missed, and more than the quota admitted; leave it at 44, or set config.ledger.forTests=true where nothing is at stake" -}}
{{- end -}}
{{- if and (not $replicas) (eq .Values.config.mode "enforce") (not .Values.webhook.url) -}}
{{- fail "replicas is 0 and config.mode enforce: every pod that asks for accelerators would be refused; set replicas, or take the gate out by computegate off" -}}
{{- end -}}
{{- $rolling := default dict .Values.updateStrategy.rollingUpdate -}}
{{- if and (hasKey $rolling "maxUnavailable") (hasKey $rolling "maxSurge") (has (toString $rolling.maxUnavailable) (list "0" "0%")) (has (toString $rolling.maxSurge) (list "0" "0%")) -}}
{{- fail "updateStrategy.rollingUpdate has maxUnavailable 0 and maxSurge 0: nothing could ever be replaced" -}}
{{- end -}}
{{- $down := get $rolling "maxUnavailable" | toString -}}
{{- if and (gt $replicas 1) (or (eq $down "100%") (and (not (hasSuffix "%" $down)) (ge (int $down) $replicas))) -}}
{{- fail (printf "updateStrategy.rollingUpdate takes all %d replicas down at once: lower maxUnavailable" $replicas) -}}
{{- end -}}
{{- if and (eq (default "" .Values.updateStrategy.type) "Recreate") (hasKey .Values.updateStrategy "rollingUpdate") -}}
{{- fail "updateStrategy.type is Recreate: remove updateStrategy.rollingUpdate" -}}
{{- end -}}
{{- end -}}

{{- define "computegate.checkNetwork" -}}
{{- if .Values.hostNetwork -}}
{{- if .Values.networkPolicy.enabled -}}
{{- fail "hostNetwork and networkPolicy.enabled are both set: a NetworkPolicy does not bind pods on the network of the node; close the ports on the nodes instead" -}}
{{- end -}}
{{- range $port, $whose := dict "10248" "the kubelet's" "10249" "kube-proxy's" "10250" "the kubelet's" "10256" "kube-proxy's" -}}
{{- if has (int $port) (list (int $.Values.config.listen.port) (int $.Values.config.listen.metricsPort) (int $.Values.config.debugPort)) -}}
{{- fail (printf "hostNetwork is set, and port %s of each node is %s: choose another for config, such as 10260" $port $whose) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- fail "serviceMonitor.enabled and podMonitor.enabled are both set: every replica would be scraped twice; choose one" -}}
{{- end -}}
{{- end -}}

{{- define "computegate.checkPods" -}}
{{- range .Values.extraEnv -}}
{{- if has .name (list "POD_NAME" "POD_NAMESPACE") -}}
{{- fail (printf "extraEnv must not set %s: the server finds its Lease and its Secret by it" .name) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraVolumes -}}
{{- if has .name (list "clients" "config" "kinds" "record" "reference" "signing" "tls" "tmp" "token") -}}
{{- fail (printf "extraVolumes must not use the name %s: the chart has a volume of that name" .name) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraVolumeMounts -}}
{{- $path := clean .mountPath -}}
{{- if or (eq $path "/") (has $path (list "/etc" "/etc/computegate" "/tmp" "/var" "/var/lib" "/var/lib/computegate" "/var/run" "/var/run/secrets")) (regexMatch "^(/etc/computegate/(clients|config.yaml|kinds|record|reference|tls)|/var/lib/computegate/record|/var/run/secrets/kubernetes.io)(/|$)" $path) -}}
{{- fail (printf "extraVolumeMounts must not mount over %s: the server reads or writes its own files there" .mountPath) -}}
{{- end -}}
{{- end -}}
{{- if or (eq (toString .Values.podSecurityContext.runAsUser) "0") (eq (toString .Values.securityContext.runAsUser) "0") -}}
{{- fail "runAsUser is 0, beside runAsNonRoot: the kubelet would start nothing; leave it out, or name another user" -}}
{{- end -}}
{{- if not .Values.podSecurityContext.runAsNonRoot -}}
{{- fail "podSecurityContext.runAsNonRoot must be true: the server needs no root" -}}
{{- end -}}
{{- if or .Values.securityContext.privileged .Values.securityContext.allowPrivilegeEscalation -}}
{{- fail "securityContext must give no privileges: the server needs none" -}}
{{- end -}}
{{- end -}}

{{/* What the pods of the release have in common. */}}

{{/*
The ServiceAccount's token, as the admission plugin ServiceAccount would mount it, but of a lifetime that is kept: with the
plugin's own 3607 seconds the API server honours a token for a year (--service-account-extend-token-expiration).
*/}}
{{- define "computegate.tokenVolume" -}}
- name: token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: {{ int64 .Values.serviceAccount.tokenSeconds }}
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end -}}

{{- define "computegate.tokenMount" -}}
- name: token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end -}}

{{/* Fields of a pod's spec: no token but the one above, who runs it, and where. */}}
{{- define "computegate.podFields" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Names of Kubernetes' own priority classes that pods of the release have, as a YAML list. */}}
{{- define "computegate.systemClasses" -}}
{{- $named := list (ternary "" .Values.priorityClassName (ne .Values.webhook.url "")) -}}
{{- range list .Values.kyc.receiver .Values.screening -}}
{{- if .enabled }}{{ $named = append $named .priorityClassName }}{{ end -}}
{{- end -}}
{{- $found := list -}}
{{- range $named -}}
{{- if hasPrefix "system-" . }}{{ $found = append $found . }}{{ end -}}
{{- end -}}
{{- uniq $found | toYaml -}}
{{- end -}}

{{/* Replicas apart from each other: nobody's rollout waits for it, as a cluster of one node shall have its replicas too. */}}
{{- define "computegate.antiAffinity" -}}
preferredDuringSchedulingIgnoredDuringExecution:
  - weight: 100
    podAffinityTerm:
      topologyKey: kubernetes.io/hostname
      matchLabelKeys: [pod-template-hash]
      labelSelector:
        matchLabels: {{- include "computegate.selectorLabels" . | nindent 10 }}
{{- end -}}

{{- define "computegate.affinity" -}}
{{- $affinity := deepCopy .Values.affinity -}}
{{- if and .Values.antiAffinity.enabled (not $affinity.podAntiAffinity) -}}
{{- $_ := set $affinity "podAntiAffinity" (include "computegate.antiAffinity" . | fromYaml) -}}
{{- end -}}
{{- with $affinity }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{- define "computegate.spread" -}}
{{- $labels := dict "matchLabels" (include "computegate.selectorLabels" . | fromYaml) -}}
{{- $found := list -}}
{{- range .Values.topologySpreadConstraints -}}
{{- $found = append $found (hasKey . "labelSelector" | ternary . (merge (dict "labelSelector" $labels) .)) -}}
{{- else -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" -}}
{{- $found = append $found (dict "topologyKey" . "maxSkew" 1 "whenUnsatisfiable" "ScheduleAnyway" "matchLabelKeys" (list "pod-template-hash") "labelSelector" $labels) -}}
{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{/* A replica more before one less; on the nodes' network its ports are taken as long as the old one is there. */}}
{{- define "computegate.strategy" -}}
{{- if .Values.updateStrategy -}}
{{- toYaml .Values.updateStrategy -}}
{{- else -}}
type: RollingUpdate
rollingUpdate:
  maxUnavailable: {{ ternary 1 0 .Values.hostNetwork }}
  maxSurge: {{ ternary 0 1 .Values.hostNetwork }}
{{- end -}}
{{- end -}}

{{- define "computegate.network" -}}
{{- if .Values.hostNetwork }}
hostNetwork: true
{{- end }}
dnsPolicy: {{ default (ternary "ClusterFirstWithHostNet" "ClusterFirst" .Values.hostNetwork) .Values.dnsPolicy }}
{{- with .Values.dnsConfig }}
dnsConfig: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Annotations of what `helm test` makes: its place in the order, and when it goes. */}}
{{- define "computegate.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: {{ .delete }}
{{- end -}}

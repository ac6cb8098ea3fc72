{{/*
One ValidatingAdmissionPolicy and its binding.
root; name; rules (YAML list of resource rules); variables, validations and audit (YAML lists); namespaces (selector, optional).
*/}}
{{- define "computegate.guard" -}}
{{- $name := printf "%s-%s" (include "computegate.fullname" .root) .name -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ $name }}
  labels: {{- include "computegate.labels" .root | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConstraints:
    matchPolicy: Equivalent
    resourceRules: {{- .rules | nindent 6 }}
    {{- with .namespaces }}
    namespaceSelector: {{- . | nindent 6 }}
    {{- end }}
  {{- with .variables }}
  variables: {{- . | nindent 4 }}
  {{- end }}
  validations: {{- .validations | nindent 4 }}
  {{- with .audit }}
  auditAnnotations: {{- . | nindent 4 }}
  {{- end }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ $name }}
  labels: {{- include "computegate.labels" .root | nindent 4 }}
spec:
  policyName: {{ $name }}
  validationActions: [Deny]
{{- end -}}

{{/* Every way to write the labels of a namespace: its status and finalize write metadata too. */}}
{{- define "computegate.namespaceWrites" -}}
- apiGroups: [""]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [namespaces, namespaces/status, namespaces/finalize]
  scope: Cluster
{{- end -}}

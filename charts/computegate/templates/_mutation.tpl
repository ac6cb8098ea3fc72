{{/*
One MutatingAdmissionPolicy of enforced namespaces and its binding.
root; name; version; rules, conditions and variables (YAML lists); patches (CEL, a list of JSONPatch).
*/}}
{{- define "computegate.mutation" -}}
{{- $name := printf "%s-%s" (include "computegate.fullname" .root) .name -}}
apiVersion: {{ .version }}
kind: MutatingAdmissionPolicy
metadata:
  name: {{ $name }}
  labels: {{- include "computegate.labels" .root | nindent 4 }}
spec:
  failurePolicy: Fail
  # A container that another webhook adds afterwards is seen too.
  reinvocationPolicy: IfNeeded
  matchConstraints:
    matchPolicy: Equivalent
    resourceRules: {{- .rules | nindent 6 }}
    namespaceSelector: {{- include "computegate.enforcedNamespaces" .root | nindent 6 }}
    objectSelector: {} # as the API server writes it: Argo CD's engine does not know the defaults of so new a kind
  matchConditions: {{- .conditions | nindent 4 }}
  variables: {{- .variables | nindent 4 }}
  mutations:
    - patchType: JSONPatch
      jsonPatch:
        expression: >-
          {{- .patches | nindent 10 }}
---
apiVersion: {{ .version }}
kind: MutatingAdmissionPolicyBinding
metadata:
  name: {{ $name }}
  labels: {{- include "computegate.labels" .root | nindent 4 }}
spec:
  policyName: {{ $name }}
{{- end -}}

{{/* The version of MutatingAdmissionPolicy that the cluster serves. root; value: what asks for it, for the refusal. */}}
{{- define "computegate.mutationVersion" -}}
{{- $capabilities := .root.Capabilities -}}
{{/* helm template knows a cluster's version, not its kinds. */}}
{{- if or (semverCompare ">=1.36-0" $capabilities.KubeVersion.Version) ($capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy") -}}
admissionregistration.k8s.io/v1
{{- else if $capabilities.APIVersions.Has "admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy" -}}
admissionregistration.k8s.io/v1beta1
{{- else -}}
{{- fail (printf "%s needs MutatingAdmissionPolicy, which this cluster does not serve: use Kubernetes 1.36 or later, or set it to false" .value) -}}
{{- end -}}
{{- end -}}

{{- define "computegate.podCreation" -}}
- apiGroups: [""]
  apiVersions: [v1]
  operations: [CREATE]
  resources: [pods]
  scope: Namespaced
{{- end -}}

{{/* What makes pods: the kinds of the table, and the operator's own. */}}
{{- define "computegate.workloadRules" -}}
{{ .Files.Get "files/workloads.yaml" }}
{{- range .Values.workloads.extraRules }}
- apiGroups: {{ toJson .apiGroups }}
  apiVersions: ["*"]
  operations: [CREATE, UPDATE]
  resources: {{ toJson .resources }}
  scope: Namespaced
{{- end }}
{{- end -}}

{{/*
Which of them are sent. Nothing is lost by leaving one out: its pods are judged when they come. What a controller made
was foretold with the object that it was made for; and without a change of the spec there are no other pods.
*/}}
{{- define "computegate.workloadConditions" -}}
- name: not-being-deleted
  expression: "!has(object.metadata.deletionTimestamp)"
- name: not-made-by-a-controller
  expression: >-
    !(has(object.metadata.ownerReferences)
    && object.metadata.ownerReferences.exists(owner, has(owner.controller) && owner.controller))
- name: may-make-other-pods
  expression: >-
    request.operation == 'CREATE' || !has(object.spec) || !has(oldObject.spec) || object.spec != oldObject.spec
{{- end -}}

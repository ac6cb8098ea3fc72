{{/*
Which pods are sent to the webhook: those that ask for a device or can reach one unasked. Every other pod is created
without waiting for us. What is not sent must have no demand by admission/demand, so each test here is at least as wide
as the code's: paths are not normalised in CEL, hence the mount is found by its last fixed component.
Evaluated in the API server; an error refuses the pod in enforced namespaces.
*/}}
{{- define "computegate.matchConditions" -}}
# The kubelet's own record of a static pod: refusing it would not stop the pod.
- name: not-a-mirror-pod
  expression: >-
    !('system:nodes' in request.userInfo.?groups.orValue([])
    && has(object.metadata.annotations) && 'kubernetes.io/config.mirror' in object.metadata.annotations)
- name: can-reach-a-device
  expression: >-
    request.resource.resource == 'resourceclaims' || {{- include "computegate.asksForDevices" . | nindent 4 }}
    || object.spec.?runtimeClassName.orValue('') != ''
    || (request.operation == 'CREATE' && object.spec.?nodeName.orValue('') != '')
    || object.spec.?volumes.orValue([]).exists(volume, has(volume.hostPath))
    || (object.spec.?containers.orValue([]) + object.spec.?initContainers.orValue([])
    + object.spec.?ephemeralContainers.orValue([])).exists(container,
    container.?securityContext.?privileged.orValue(false)
    || container.?securityContext.?capabilities.?add.orValue([]).exists(capability,
    capability.upperAscii() in ['SYS_ADMIN', 'CAP_SYS_ADMIN', 'ALL'])
    || container.?env.orValue([]).exists(variable,
    (variable.name.endsWith('_VISIBLE_DEVICES') || variable.name.endsWith('HABANA_VISIBLE_MODULES'))
    && (has(variable.valueFrom) || !(variable.?value.orValue('') in ['', 'void', 'none'])))
    || container.?volumeMounts.orValue([]).exists(mount, mount.mountPath.contains('nvidia-container-devices')))
{{- end -}}

{{/* What the pod asks for openly: by resource, claim or annotation. */}}
{{- define "computegate.asksForDevices" -}}
size(object.spec.?resourceClaims.orValue([])) > 0
|| object.spec.?overhead.orValue({}).exists(name, {{ include "computegate.isDevice" "name" }})
|| object.metadata.?annotations.orValue({}).exists(key, {{ include "computegate.opensDevices" "key" }})
|| (object.spec.?containers.orValue([]) + object.spec.?initContainers.orValue([])
+ object.spec.?ephemeralContainers.orValue([])).exists(container,
container.?resources.?limits.orValue({}).exists(name, {{ include "computegate.isDevice" "name" }})
|| container.?resources.?requests.orValue({}).exists(name, {{ include "computegate.isDevice" "name" }}))
{{- end -}}

{{/* Annotations by which a runtime injects devices, or a scheduler grants shares of them. */}}
{{- define "computegate.opensDevices" -}}
({{ . }} in ['gpu-fraction', 'gpu-memory', 'gpu-fraction-num-devices']
|| {{ . }}.startsWith('cdi.k8s.io/') || {{ . }}.startsWith('nvidia.cdi.k8s.io/') || {{ . }}.startsWith('devices.gke.io/')
|| {{ . }}.startsWith('devices.nri.io') || {{ . }}.startsWith('cdi-devices.nri.io')
|| {{ . }}.startsWith('io.kubernetes.cri-o.Devices'))
{{- end -}}

{{/*
Extended resources have a "/" in their name; kubernetes.io/ itself is the only prefix that cannot be one
(deviceclass.resource.kubernetes.io/NAME names a DeviceClass).
*/}}
{{- define "computegate.isDevice" -}}
({{ . }}.contains('/') && !{{ . }}.startsWith('kubernetes.io/'))
{{- end -}}

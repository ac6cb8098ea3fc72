"""Tests in CEL, the language of match conditions, each at least as wide as the code that it stands for.

The API server evaluates them for every pod of the cluster within a budget (a quarter of a policy's), so what most pods
with devices are told by goes first, and nothing is compared by regular expression that a prefix can tell.  CEL can
neither normalise a path nor turn letters outside ASCII into capitals: what would need it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.catalogue.resources import DEVICE_CLASS_PREFIX, harmless
from admission.demand import ways

if TYPE_CHECKING:
    from collections.abc import Iterable

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def either(*tests: str) -> str:
    """Return the test that any of these holds, a line for each."""
    return "\n|| ".join(tests)


def _listed(values: Iterable[str]) -> str:
    return f"[{', '.join(map(repr, values))}]"


def _begins(text: str, beginnings: Iterable[str]) -> str:
    return either(*(f"{text}.startsWith({beginning!r})" for beginning in beginnings))


def containers(pod: str, kinds: Iterable[str] = _CONTAINERS) -> str:
    """Return the list of the pod's containers of these kinds."""
    return f"({' + '.join(f'{pod}.spec.?{kind}.orValue([])' for kind in kinds)})"


def extended(name: str) -> str:
    """Test a resource name: is it an extended one, as the scheduler tells them."""
    native = f"{name}.contains('kubernetes.io/') && !{name}.startsWith({DEVICE_CLASS_PREFIX!r})"
    return f"{name}.contains('/') && !({native})"


def device(name: str) -> str:
    """Test a resource name: can it be a device, which is every extended one that is not known to be harmless."""
    names, beginnings = harmless()
    return f"{extended(name)}\n&& !({name} in {_listed(names)})\n&& !({_begins(name, beginnings)})"


def grants_share(key: str) -> str:
    """Test the key of an annotation: does a scheduler give a share of a device for it."""
    return f"{key} in {_listed(ways.FRACTION_ANNOTATIONS)}"


def opens_devices(key: str) -> str:
    """Test the key of an annotation: does a runtime or a scheduler give devices for it."""
    return either(grants_share(key), _begins(key, (*ways.DEVICE_ANNOTATIONS, *ways.RUNTIME_ANNOTATIONS)))


def asks(pod: str) -> str:
    """Test a pod: does it ask for a device by claim, resource or annotation."""
    amounts = (
        f"container.?resources.?{kind}.orValue({{}}).exists(name, {device('name')})" for kind in ("limits", "requests")
    )
    return either(
        f"{containers(pod)}.exists(container,\n{either(*amounts)})",
        f"size({pod}.spec.?resourceClaims.orValue([])) > 0",
        f"{pod}.metadata.?annotations.orValue({{}}).exists(key, {opens_devices('key')})",
        f"{pod}.spec.?overhead.orValue({{}}).exists(name, {device('name')})",
    )


def reaches(pod: str) -> str:
    """Test a pod: does it take of the node what may lead to a device unasked."""
    return either(
        f"!({pod}.spec.?runtimeClassName.orValue('') in {_listed(('', *ways.HARMLESS_RUNTIMES))})",
        f"{pod}.spec.?hostPID.orValue(false)",
        f"{pod}.spec.?securityContext.?windowsOptions.?hostProcess.orValue(false)",
        f"{pod}.spec.?volumes.orValue([]).exists(volume, has(volume.hostPath) && {_opens_node(pod)})",
        f"{containers(pod)}.exists(container,\n{container_reaches('container')})",
    )


def container_reaches(container: str) -> str:
    """Test a container: does it reach past its own resources, by privilege, variable or mount."""
    security = f"{container}.?securityContext"
    capabilities = [each for name in ways.NODE_CAPABILITIES for each in (name, f"CAP_{name}")]
    return either(
        f"{security}.?privileged.orValue(false)",
        f"{security}.?windowsOptions.?hostProcess.orValue(false)",
        f"{security}.?capabilities.?add.orValue([]).exists(capability,\n!capability.matches('^[ -~]*$')"
        f" || capability.upperAscii() in {_listed(capabilities)})",
        f"{container}.?env.orValue([]).exists(variable, {_variable('variable')})",
        f"{container}.?volumeMounts.orValue([]).exists(mount,"
        f" mount.mountPath.contains({ways.MOUNT_DEVICES.rpartition('/')[2]!r}))",
    )


def writes_to_node(pod: str, kinds: Iterable[str]) -> str:
    """Test a pod: can containers of these kinds write to a directory of the node."""
    mounted = "mount.name == volume.name && !mount.?readOnly.orValue(false)"
    writes = f"container.?volumeMounts.orValue([]).exists(mount, {mounted})"
    return (
        f"{pod}.spec.?volumes.orValue([]).exists(volume, has(volume.hostPath)"
        f"\n&& {containers(pod, kinds)}.exists(container, {writes}))"
    )


def resources_change(pod: str, before: str) -> str:
    """Test an update of a pod: does a container's amount of an extended resource become another."""
    kinds = ("containers", "initContainers")
    changes = (
        f"container.?resources.?{kind}.orValue({{}}).exists(name, {extended('name')}"
        f"\n&& !{containers(before, kinds)}.exists(old, old.name == container.name"
        f" && old.?resources.?{kind}[?name] == container.?resources.?{kind}[?name]))"
        for kind in ("limits", "requests")
    )
    return f"{containers(pod, kinds)}.exists(container,\n{either(*changes)})"


def _opens_node(pod: str) -> str:
    """Test a host path: everything but the files and directories that are harmless, the latter only to read."""
    path = "volume.hostPath.path"
    directories = ways.HARMLESS_HOST_DIRECTORIES
    below = f"{path} in {_listed(directories)} || {_begins(path, [f'{each}/' for each in directories])}"
    reads = "mount.name != volume.name || mount.?readOnly.orValue(false)"
    return (
        f"!({path} in {_listed(ways.HARMLESS_HOST_FILES)})"
        f"\n&& !(({below}) && !{path}.contains('..')"
        f"\n&& {containers(pod)}.all(container, container.?volumeMounts.orValue([]).all(mount, {reads})))"
    )


def claims(claim: str) -> str:
    """Test a resource claim: is anything asked for but classes that are known to be harmless, or with admin access."""
    classes = _listed(name.removeprefix(DEVICE_CLASS_PREFIX) for name in harmless()[0] if DEVICE_CLASS_PREFIX in name)
    alike = "{0}.deviceClassName in " + classes + " && !{0}.?adminAccess.orValue(false)"
    exact = "has(asked.exactly) && " + alike.format("asked.exactly")
    alternatives = f"has(asked.firstAvailable) && asked.firstAvailable.all(one, {alike.format('one')})"
    return f"!{claim}.spec.?devices.?requests.orValue([]).all(asked,\n{exact}\n|| {alternatives})"


def _variable(variable: str) -> str:
    endings = " || ".join(f"{variable}.name.endsWith({ending!r})" for ending in ways.VISIBLE_DEVICES)
    return (
        f"(({endings}) && !({variable}.name in {_listed(ways.NARROWING_VARIABLES)})"
        f"\n|| {variable}.name in {_listed(ways.FURTHER_VARIABLES)})"
        f"\n&& (has({variable}.valueFrom) || !({variable}.?value.orValue('') in {_listed(ways.NO_DEVICES)}))"
    )

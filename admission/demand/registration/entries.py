"""Which resources and operations the webhook is registered for, each with the condition under which it is asked.

``pods`` does not mean the subresources of pods, and each of those has a way of its own to write a pod.  Not here are
``pods`` UPDATE and ``pods/status``: of what they can change, annotations and tolerations alone lead to devices, which
the chart's ValidatingAdmissionPolicies refuse without us; nor ``*/scale``, as each pod is judged when it is created.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from admission.demand.registration import cel
from admission.demand.registration.objects import objects

ENFORCED = "enforced.computegate.io"
"""Name of the webhook that denies, in our configuration, whatever the release is called."""


class Entry(NamedTuple):
    """One resource, or subresource, and the condition in CEL that is true for what must be judged."""

    resource: str
    operation: str
    condition: str
    group: str = ""
    version: str = "v1"
    switch: str = ""
    """The key below the chart's ``webhook`` that turns the entry on; empty where it always is."""

    @property
    def rule(self) -> dict[str, Any]:
        """The rule of the webhook configuration."""
        return {
            "apiGroups": [self.group],
            "apiVersions": [self.version],
            "operations": [self.operation],
            "resources": [self.resource],
            "scope": "Namespaced",
        }

    @property
    def test(self) -> str:
        """The test in CEL that a request is for this entry."""
        name, _, sub = self.resource.partition("/")
        return (
            f"request.resource.group == {self.group!r} && request.resource.resource == {name!r}"
            f" && request.?subResource.orValue('') == {sub!r}"
        )


# A pod that names its node and asks for nothing obtains nothing: one that asks is sent anyway, and judged by that node.
_POD = cel.either(cel.asks("object"), cel.reaches("object"))
_EPHEMERAL = cel.either(
    f"{cel.containers('object', ['ephemeralContainers'])}.exists(container,\n{cel.container_reaches('container')})",
    cel.writes_to_node("object", ["ephemeralContainers"]),
)

ENTRIES = (
    Entry("pods", "CREATE", _POD),
    Entry("pods/ephemeralcontainers", "UPDATE", _EPHEMERAL),
    Entry("pods/resize", "UPDATE", cel.resources_change("object", "oldObject")),
    Entry("resourceclaims", "CREATE", cel.claims("object"), group="resource.k8s.io"),
    # A binding shows nothing of its pod: each one waits for us, so an operator has to choose it.
    Entry("pods/binding", "CREATE", "true", switch="bindings"),
    Entry("bindings", "CREATE", "true", switch="bindings"),
)

MIRROR = (
    "has(object.metadata.annotations) && 'kubernetes.io/config.mirror' in object.metadata.annotations"
    "\n&& 'system:nodes' in request.userInfo.?groups.orValue([])"
)
"""The kubelet's own record of a static pod: refusing it would not stop the pod."""


def condition() -> str:
    """Return the one condition of all entries: a review of anything else is sent, and refused as unknown."""
    cases = "\n: ".join(f"{entry.test}\n? ({entry.condition})" for entry in ENTRIES)
    return f"{cases}\n: true"


def registration() -> dict[str, Any]:
    """Return what the chart takes up: rules, match conditions, and the tests that its guards share with them."""
    switched: dict[str, list[dict[str, Any]]] = {}
    for entry in ENTRIES:
        switched.setdefault(entry.switch, []).append(entry.rule)
    return {
        "rules": switched.pop(""),
        "switched": switched,
        "matchConditions": [
            {"name": "not-a-mirror-pod", "expression": f"!({MIRROR})"},
            {"name": "can-reach-a-device", "expression": condition()},
        ],
        "expressions": {
            "asks": cel.asks("object"),
            "asked": cel.asks("oldObject"),
            "opensDevices": cel.opens_devices("key"),
            "grantsShare": cel.grants_share("key"),
            "isDevice": cel.device("name"),
        },
        "objects": objects(),
    }

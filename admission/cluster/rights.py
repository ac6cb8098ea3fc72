"""What the server may need to do at the API server, in one table: the chart grants this, and the audit asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_GATE = "admissionregistration.k8s.io"
_OURS = "computegate.io"
_READ = ("get", "list", "watch")


class Right(NamedTuple):
    """One verb on one resource; in every namespace, or where there are none, when ``namespace`` is empty.

    ``name`` is the one object it is for; empty is any.  ``resource`` has its subresource after a slash.
    """

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Say it as ``kubectl auth can-i`` takes it, with where."""
        resource, slash, part = self.resource.partition("/")
        where = f" in namespace {self.namespace}" if self.namespace else ""
        named = f" {self.name}" if self.name else ""
        return f"{self.verb} {resource}{f'.{self.group}' if self.group else ''}{slash}{part}{named}{where}"


class Installed(NamedTuple):
    """What of an installation its rights depend on; an empty name means that there is no such thing."""

    namespace: str
    gate: str
    """The ConfigMap of the gate's own alarm."""
    reference_secret: str = ""
    tls_secret: str = ""
    webhook_configurations: tuple[str, ...] = ()
    """Those that are told whom to trust."""
    service: bool = False
    """Whether the API server reaches us by a Service."""
    canary: str = ""
    """The canary's namespace."""
    evicts: bool = False
    """Whether pods may be ended."""
    suspends: bool = False
    """Whether what makes pods may be suspended."""


Grants = tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]

EVERYWHERE: Grants = (
    ("", ("namespaces", "nodes", "pods"), _READ),
    ("resource.k8s.io", ("deviceclasses", "resourceslices", "resourceclaims"), _READ),
    ("resource.k8s.io", ("resourceclaimtemplates",), ("get",)),
    ("scheduling.k8s.io", ("podgroups",), ("get",)),
    (_OURS, ("tenants", "acceleratorclasses", "acceleratorpools", "accesspolicies", "computequotas"), _READ),
    (_OURS, ("authorizations", "exemptions", "kycoverrides", "screeningdismissals"), _READ),
    (_OURS, ("enforcements",), _READ),
    (_OURS, ("enforcements/status",), ("get", "update", "patch")),
    (_OURS, ("acceleratorpresences",), (*_READ, "create", "patch")),
    (_OURS, ("tenants",), ("patch",)),
    (_OURS, ("tenants/status", "computequotas/status", "authorizations/status"), ("get", "update", "patch")),
    (_OURS, ("quotaledgers",), (*_READ, "create", "update")),
    (_OURS, ("quotaledgers/status",), ("get", "update")),
    (_OURS, ("usagejournals",), ("list", "create", "update")),
    (_OURS, ("allowances",), (*_READ, "create", "update")),
    (_OURS, ("allowances/status",), ("get", "update", "patch")),
    ("events.k8s.io", ("events",), ("create", "patch")),
    ("openreports.io", ("reports", "clusterreports"), ("list", "create", "update", "delete")),
    (_GATE, ("validatingwebhookconfigurations",), _READ),
    (_GATE, ("validatingadmissionpolicies", "validatingadmissionpolicybindings"), _READ),
    (_GATE, ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings"), _READ),
)
"""Groups, resources and verbs of whatever is installed; together they are the chart's ClusterRole."""

EVICTING: Grants = (("", ("pods/eviction",), ("create",)), ("", ("pods",), ("delete",)))
SUSPENDING: Grants = (
    ("apps", ("deployments", "replicasets", "statefulsets"), ("get", "patch")),
    ("batch", ("jobs",), ("get", "patch")),
    ("kueue.x-k8s.io", ("workloads",), ("get", "list", "patch")),
)
"""The same of what the chart grants where it is asked to."""


def rights_of(installed: Installed) -> Iterator[Right]:
    """Yield everything that an installation's server does."""
    asked = (*EVERYWHERE, *(EVICTING if installed.evicts else ()), *(SUSPENDING if installed.suspends else ()))
    for group, resources, verbs in asked:
        yield from (Right(verb, group, resource) for resource in resources for verb in verbs)
    yield from (
        Right("patch", _GATE, "validatingwebhookconfigurations", "", n) for n in installed.webhook_configurations
    )
    yield from _at_home(installed)
    if installed.canary:
        yield Right("create", "", "pods", installed.canary)


def _at_home(installed: Installed) -> Iterator[Right]:
    """What is done in the namespace of the installation."""
    home, secret = installed.namespace, installed.reference_secret
    for verb in (*_READ, "create", "update", "patch"):
        yield Right(verb, "coordination.k8s.io", "leases", home)
    yield from (Right(verb, "", "configmaps", home, installed.gate) for verb in _READ)
    yield from (Right("create", _OURS, "computegates", home), Right("get", _OURS, "computegates", home, "computegate"))
    yield Right("update", _OURS, "computegates/status", home, "computegate")
    if secret:
        yield from (Right("create", "", "secrets", home), Right("get", "", "secrets", home, secret))
    if installed.tls_secret:
        yield from (Right(verb, "", "secrets", home, installed.tls_secret) for verb in ("get", "update"))
    if installed.service:
        yield Right("list", "discovery.k8s.io", "endpointslices", home)

"""What a cluster has that enforcement rests on: its version, our webhook and guards, policies that mutate, runtimes."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from admission.cluster.client import ApiError
from admission.cluster.lists import pages
from admission.demand.access import find_access
from admission.demand.registration.entries import ENFORCED
from admission.review.pod import Pod, PodSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.cluster.client import Client

LEAST = (1, 35)
"""The version from which resourceVersions may be compared, which the ledger relies on."""

_NAME = "kubernetes.io/metadata.name"
_INSTANCE = "app.kubernetes.io/instance"
_REGISTRATION = "/apis/admissionregistration.k8s.io"


class Features(msgspec.Struct, frozen=True, rename="camel"):
    """What was found; empty means that it is not there."""

    version: str
    supported: bool
    webhook: str = ""
    """Name of our ValidatingWebhookConfiguration."""
    problems: tuple[str, ...] = ()
    """Why it, or a guard, does not do its work."""
    exempt_namespaces: tuple[str, ...] = ()
    """Namespaces that the webhook leaves out."""
    guards: tuple[str, ...] = ()
    """Names of the release's ValidatingAdmissionPolicies that are bound to deny."""
    mutating_policies: str = ""
    """Version in which MutatingAdmissionPolicies are served."""
    runtime_classes: tuple[str, ...] = ()
    """Runtime classes that may hand out devices: all but the known others."""


async def features_of(client: Client) -> Features:
    """Ask the cluster; raises ``ClusterError``."""
    version = msgspec.json.decode(await client.get("/version"))
    release = await configuration_of(client)
    there, bound = await _guards(client, release)
    runtimes = await _every(client, "/apis/node.k8s.io/v1/runtimeclasses")
    return Features(
        version=version["gitVersion"],
        supported=(int(version["major"]), int(version["minor"].rstrip("+"))) >= LEAST,
        webhook=_name_of(release),
        problems=(
            *_weaknesses(release),
            *(f"policy {name} is not bound to deny" for name in sorted(there - bound)),
        ),
        exempt_namespaces=_left_out(release),
        guards=tuple(sorted(there & bound)),
        mutating_policies=await _mutating(client),
        runtime_classes=tuple(_name_of(each) for each in runtimes if _hands_out(each)),
    )


async def configuration_of(client: Client) -> dict[str, Any]:
    """Return our ValidatingWebhookConfiguration, {} where there is none; raises ``ClusterError``."""
    for each in await _every(client, f"{_REGISTRATION}/v1/validatingwebhookconfigurations"):
        if any(entry["name"] == ENFORCED for entry in each.get("webhooks") or ()):
            return each
    return {}


def _entries(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in configuration.get("webhooks", ()) if each["name"] == ENFORCED]


def _weaknesses(configuration: dict[str, Any]) -> Iterator[str]:
    for entry in _entries(configuration):
        if not entry["clientConfig"].get("caBundle"):
            yield f"{ENFORCED} has no CA: no review reaches the server, and every pod that waits for it is refused"
        if entry["failurePolicy"] != "Fail":
            yield f"{ENFORCED} has the failurePolicy Ignore: pods pass while the server is down"
        if entry.get("objectSelector"):
            yield f"{ENFORCED} has an objectSelector: pods choose whether they are judged"


def _left_out(configuration: dict[str, Any]) -> tuple[str, ...]:
    found = [
        name
        for entry in _entries(configuration)
        for expression in entry.get("namespaceSelector", {}).get("matchExpressions", ())
        if (expression["key"], expression["operator"]) == (_NAME, "NotIn")
        for name in expression["values"]
    ]
    return tuple(sorted(found))


async def _guards(client: Client, release: dict[str, Any]) -> tuple[set[str], set[str]]:
    """The names of the release's policies, and of those that a binding makes deny."""
    instance = release.get("metadata", {}).get("labels", {}).get(_INSTANCE)
    if not instance:
        return set(), set()
    selector = {"labelSelector": f"{_INSTANCE}={instance}"}
    there = await _every(client, f"{_REGISTRATION}/v1/validatingadmissionpolicies", selector)
    bindings = await _every(client, f"{_REGISTRATION}/v1/validatingadmissionpolicybindings", selector)
    bound = {each["spec"]["policyName"] for each in bindings if "Deny" in each["spec"].get("validationActions", ())}
    return {_name_of(each) for each in there}, bound


async def _mutating(client: Client) -> str:
    for version in ("v1", "v1beta1"):
        try:
            served = msgspec.json.decode(await client.get(f"{_REGISTRATION}/{version}"))
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            continue
        if any(each["name"] == "mutatingadmissionpolicies" for each in served["resources"]):
            return version
    return ""


def _hands_out(runtime: dict[str, Any]) -> bool:
    """Whether a pod of the class would be said to reach devices, or of one that is called like its handler."""
    specs = (PodSpec(runtime_class_name=name) for name in (_name_of(runtime), runtime["handler"]))
    return any(find_access(Pod(spec=spec), granted=False) for spec in specs)


def _name_of(content: dict[str, Any]) -> str:
    return str(content.get("metadata", {}).get("name", ""))


async def _every(client: Client, path: str, query: dict[str, str] | None = None) -> list[dict[str, Any]]:
    return [msgspec.json.decode(item) async for page in pages(client, path, query) for item in page]

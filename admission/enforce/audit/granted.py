"""Which of the rights that the server needs it has not.

One review lists what is granted in a namespace, and everywhere.  Where an authorizer besides RBAC decides, that list is
not all: what is missing in it is asked for one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from admission.cluster.client import Client
    from admission.cluster.rights import Right

_REVIEWS = "/apis/authorization.k8s.io/v1"


class _Rule(msgspec.Struct, frozen=True, rename="camel"):
    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    resource_names: tuple[str, ...] | None = None

    def grants(self, right: Right) -> bool:
        part = right.resource.partition("/")[2]
        resources = {"*", right.resource} | ({f"*/{part}"} if part else set())
        return (
            not {"*", right.verb}.isdisjoint(self.verbs)
            and not {"*", right.group}.isdisjoint(self.api_groups or ())
            and not resources.isdisjoint(self.resources or ())
            and (not self.resource_names or right.name in self.resource_names)
        )


class _Rules(msgspec.Struct, frozen=True, rename="camel"):
    resource_rules: tuple[_Rule, ...] = ()


class _RulesReview(msgspec.Struct, frozen=True):
    status: _Rules


class _Allowed(msgspec.Struct, frozen=True):
    allowed: bool


class _AccessReview(msgspec.Struct, frozen=True):
    status: _Allowed


T = TypeVar("T")


async def not_granted(client: Client, rights: Sequence[Right]) -> list[Right]:
    """Return what of ``rights`` this account has not; raises ``ClusterError`` and ``msgspec.MsgspecError``."""
    suspects: list[Right] = []
    for namespace in dict.fromkeys(right.namespace for right in rights):
        # A list for one namespace also shows a right that holds there alone: what is needed everywhere is looked for
        # in a namespace in which nothing is granted.
        rules = await _rules(client, namespace or "computegate.none")
        suspects += [r for r in rights if r.namespace == namespace and not any(rule.grants(r) for rule in rules)]
    return [right for right in suspects if not await _is_allowed(client, right)]


async def _rules(client: Client, namespace: str) -> Iterable[_Rule]:
    spec = {"namespace": namespace}
    found = await _reviewed(client, "SelfSubjectRulesReview", "selfsubjectrulesreviews", spec, _RulesReview)
    return found.status.resource_rules


async def _is_allowed(client: Client, right: Right) -> bool:
    resource, _, part = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": part,
        "namespace": right.namespace,
        "name": right.name,
    }
    spec = {"resourceAttributes": attributes}
    return (
        await _reviewed(client, "SelfSubjectAccessReview", "selfsubjectaccessreviews", spec, _AccessReview)
    ).status.allowed


async def _reviewed(client: Client, kind: str, resource: str, spec: Mapping[str, object], answer: type[T]) -> T:
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    found = await client.create(f"{_REVIEWS}/{resource}", msgspec.json.encode(review))
    return msgspec.json.decode(found, type=answer)

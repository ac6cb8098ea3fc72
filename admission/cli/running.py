"""The pods that run in a cluster, each judged as if it were created now in an enforced namespace.

They are taken in the order in which they were created, and counted in a ledger of this process: the first that fit a
limit are admitted, as they would be if all of them came again.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
from typing import TYPE_CHECKING, NamedTuple

from admission.cli.embedded import embedded_ledger
from admission.cli.features import features_of
from admission.cli.survey import registry_of
from admission.cli.watches import DECIDING
from admission.cluster.client import ClusterError
from admission.cluster.decoding import Decoder
from admission.cluster.lists import pages
from admission.cluster.lookup import ClusterLookup
from admission.demand.request import DemandError
from admission.enforce.sweep.endings import Endings
from admission.enforce.sweep.steps import EVERYTHING
from admission.ledger.seen import ENDED
from admission.review.claim import DeviceClass, ResourceSlice
from admission.review.pod import MIRROR, Pod
from admission.server.case import Ask
from admission.server.claims import claims_of
from admission.server.judge import Judge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Container

    from admission.cluster.client import Client
    from admission.decide.registry import Registry
    from admission.server.judge import Judgement

MOST_PODS = 200_000
"""Pods that are held while they are put in order."""

_SECONDS = 10.0
_RESOURCES = "/apis/resource.k8s.io/v1"
_pods = Decoder(Pod)
_classes = Decoder(DeviceClass)
_slices = Decoder(ResourceSlice)


class Running(NamedTuple):
    """A pod, when it was created, and what would be said of it."""

    uid: str
    namespace: str
    name: str
    created: dt.datetime
    judgement: Judgement


async def judged(
    client: Client,
    *,
    default_country: str = "",
    contact: str = "",
    seen: Container[str] = frozenset(),
    since: dt.datetime | None = None,
) -> AsyncIterator[Running]:
    """Yield the pods outside excluded namespaces that ask for, or reach, accelerators.

    Those whose uid is in ``seen``, and those created before ``since``, count, and are not yielded.
    Raises ``ClusterError``.
    """
    registry = await registry_of(client, DECIDING, default_country)
    await add_devices(client, registry)
    if broken := registry.held_back_at(dt.datetime.now(dt.UTC)):
        raise ClusterError(f"the rules cannot be used: {broken}")
    key, endings = secrets.token_bytes(32), Endings(registry, EVERYTHING)
    judge = Judge(registry, embedded_ledger(), reference_key=key, contact=contact, endings=endings)
    lookup = ClusterLookup(client)
    for pod in await _created(client):
        namespace, created = pod.metadata.namespace, _instant(pod)
        try:
            claims = await claims_of(pod, namespace, lookup)
        except DemandError:
            claims = {}
        ask = Ask(pod.metadata.uid, namespace, pod.metadata.name, pod, claims=claims, enforced=True)
        judgement = await judge.judge(ask, dt.datetime.now(dt.UTC), time.monotonic() + _SECONDS)
        concerned = judgement.findings or not judgement.demand.is_empty
        if concerned and pod.metadata.uid not in seen and (since is None or created >= since):
            yield Running(pod.metadata.uid, namespace, pod.metadata.name, created, judgement)


async def add_devices(client: Client, registry: Registry) -> None:
    """Read device classes and what nodes publish of devices; raises ``ClusterError``."""
    async for page in pages(client, f"{_RESOURCES}/deviceclasses"):
        for raw in page:
            registry.put_device_class(_classes.decode(raw))
    async for page in pages(client, f"{_RESOURCES}/resourceslices"):
        for raw in page:
            registry.put_slice(_slices.decode(raw))


async def _created(client: Client) -> list[Pod]:
    """Return the pods that are judged, the oldest first; one that ended, or that a kubelet runs by itself, is not."""
    exempt = {"kube-system", *(await features_of(client)).exempt_namespaces}
    found: list[Pod] = []
    async for page in pages(client, "/api/v1/pods"):
        for pod in map(_pods.decode, page):
            ended = pod.status.phase in ENDED
            if not ended and pod.metadata.namespace not in exempt and MIRROR not in (pod.metadata.annotations or {}):
                found.append(pod)
        if len(found) > MOST_PODS:
            raise ClusterError(f"more than {MOST_PODS} pods; take the decision record instead")
    return sorted(found, key=lambda pod: (pod.metadata.creation_timestamp or "", pod.metadata.uid))


def _instant(pod: Pod) -> dt.datetime:
    return dt.datetime.fromisoformat(pod.metadata.creation_timestamp or "1970-01-01T00:00:00Z")

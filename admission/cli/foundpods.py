"""``computegate report found``: each pod that runs and would be denied now, with what is done about it.

    pods, page by page ─► the sweep's own Reviewer ─► a row   ◄─ Enforcements: the step
                           (ledgers, usage record)            ◄─ Allowances: since when, until when

What the server is configured with besides, its default mode and country, the command has to be told.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import secrets
import sys
from typing import TYPE_CHECKING

import msgspec

from admission.api import API_VERSION
from admission.api.allowance import Allowance, OwnFinding
from admission.api.enforcement import Action, Enforcement
from admission.api.policy import Mode
from admission.cli.features import features_of
from admission.cli.followed import Followed
from admission.cli.kubeconfig import add_kubeconfig
from admission.cli.reevaluation import Judging, Reviewer
from admission.cli.running import add_devices
from admission.cli.survey import registry_of
from admission.cli.watches import DECIDING
from admission.cluster.client import Client, ClusterError
from admission.cluster.credentials import NoCredentialsError
from admission.cluster.decoding import Decoder
from admission.cluster.lists import pages
from admission.cluster.lookup import ClusterLookup
from admission.enforce.sweep.claims import Unadmitted
from admission.enforce.sweep.endings import Endings
from admission.enforce.sweep.reader import PODS, Reader
from admission.enforce.sweep.steps import EVERYTHING, ORDER, Policy, acting
from admission.ledger import objects
from admission.ledger.ledger import Ledger
from admission.ledger.objects import LedgerObject, ObjectStore
from admission.ledger.usage.journal import Journal
from admission.review.claim import ResourceClaim
from admission.review.fitting import printable
from admission.review.reference import Keys
from admission.server.judge import Judge

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator

    from admission.decide.registry import Registry
    from admission.review.pod import Pod
    from admission.review.reasons import Reason
    from admission.server.judge import Judgement

_UNUSABLE = (NoCredentialsError, ClusterError, OSError, ValueError, msgspec.MsgspecError)
_CLAIMS = "/apis/resource.k8s.io/v1/resourceclaims"
_claims, _ledgers = Decoder(ResourceClaim), msgspec.json.Decoder(LedgerObject)


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """A pod, and one reason for which it would be denied; instants are RFC 3339, empty where there is none."""

    namespace: str
    pod: str
    uid: str
    controller: str
    """``Kind/name``; empty for a pod of nobody's."""
    tenant: str
    classes: tuple[str, ...]
    """Of its devices, each once."""
    devices: int
    created: str
    reason: str
    code: str
    action: str
    """What is done about it, or would be by an Enforcement in DryRun."""
    dry_run: bool
    """Whether no Enforcement that acts does as much."""
    told: str
    """What the tenant was told is done, by the code: less than ``action`` where the server is not granted that."""
    since: str
    """When it was first told so in the namespace."""
    deadline: str
    """From when it is evicted."""


def add(below: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of ``report``."""
    parser = below.add_parser(
        "found",
        help="each pod that runs and would be denied now, and what is done about it",
        description="Judges as the sweep of the server does.  Exit code 0: none is found, 1: some are, 2: bad input.",
    )
    parser.add_argument("-n", "--namespace", default="", help="this one only")
    parser.add_argument(
        "--mode", type=Mode, choices=tuple(Mode), default=Mode.Observe, help="of namespaces without the label (observe)"
    )
    parser.add_argument(
        "--place", default="", metavar="COUNTRY", help="country of nodes that no AcceleratorPool declares"
    )
    parser.add_argument("--shards", type=int, default=0, help="config.ledger.shards of the server (0)")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    add_kubeconfig(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the pods; 0 none, 1 some, 2 nothing can be read."""
    try:
        rows, untold = asyncio.run(_found(arguments))
    except _UNUSABLE as error:
        print(printable(f"computegate report found: {error}"), file=sys.stderr)
        return 2
    if arguments.output == "json":
        print(msgspec.json.format(msgspec.json.encode({"found": rows, "untold": untold})).decode())
    elif rows:
        print(_table(rows))
    if untold:
        print(f"computegate report found: of {untold} pods nobody can tell now", file=sys.stderr)
    return int(bool(rows or untold))


async def _found(arguments: argparse.Namespace) -> tuple[list[Row], int]:
    client = await Client.connect(arguments.kubeconfig)
    try:
        registry = await registry_of(client, DECIDING, arguments.place)
        registry.default_mode, registry.shards = arguments.mode, arguments.shards
        await add_devices(client, registry)
        if broken := registry.held_back_at(_now()):
            raise ClusterError(f"the rules cannot be used: {broken}")
        return await _Looked(client, registry).rows(arguments.namespace)
    finally:
        await client.close()


class _Looked:
    """What one look at a cluster found."""

    def __init__(self, client: Client, registry: Registry) -> None:
        self._client, self._registry = client, registry
        every = registry.every(Enforcement)
        self._would, self._does = Policy(every), Policy(acting(every))
        self._told: dict[str, list[OwnFinding]] = {}

    async def rows(self, namespace: str) -> tuple[list[Row], int]:
        """Return a row for each pod and reason, and of how many pods nobody can tell."""
        excluded = {"kube-system", *(await features_of(self._client)).exempt_namespaces}
        reviewer = await self._reviewer(excluded)
        async for page in pages(self._client, f"/apis/{API_VERSION}/{Allowance.crd.plural}"):
            for allowance in map(Allowance.model_validate_json, map(bytes, page)):
                self._told[allowance.metadata.namespace] = allowance.status.findings
        reader = Reader(self._client, reviewer, excluded, lambda _: None)
        rows, untold = list[Row](), 0
        async for pod in _each(reader, f"/api/v1/namespaces/{namespace}/pods" if namespace else PODS):
            judgement = await reviewer.judged(pod)
            reviewed = reviewer.reviewed(pod, judgement)
            untold += reviewed is None
            rows += (self._row(pod, judgement, reason) for reason in sorted(reviewed.reasons if reviewed else ()))
        return rows, untold

    async def _reviewer(self, excluded: set[str]) -> Reviewer:
        store = ObjectStore(self._client)
        async for page in pages(self._client, objects.COLLECTION):
            for raw in page:
                store.observe(_ledgers.decode(raw))
        head, _ = await Journal(self._client).load()
        unadmitted = Unadmitted(excluded, lambda: head.since / 1000, _now)
        claims = dict[str, ResourceClaim]()
        async for page in pages(self._client, _CLAIMS):
            for claim in map(_claims.decode, page):
                name = f"{claim.metadata.namespace}/{claim.metadata.name}"
                claims[name] = claim
                unadmitted.take(name, claim)
        key, endings = secrets.token_bytes(32), Endings(self._registry, EVERYTHING)
        judge = Judge(self._registry, Ledger(store), reference_key=key, contact="", endings=endings)
        judging = Judging(judge, ClusterLookup(self._client), Keys(key), lambda: "")
        followed = Followed(claims, judging.lookup, keep=math.inf)
        return Reviewer(judging, _now, lambda: head.since / 1000, unadmitted.used_by, followed)

    def _row(self, pod: Pod, judgement: Judgement, reason: Reason) -> Row:
        meta, mode = pod.metadata, self._registry.mode(pod.metadata.namespace)
        would, does = (policy.of(reason, mode).action for policy in (self._would, self._does))
        owner = next((each for each in meta.owner_references or () if each.controller), None)
        told = self._finding(meta.namespace, str(reason.code), does)
        devices = judgement.demand.devices
        return Row(
            namespace=meta.namespace,
            pod=meta.name,
            uid=meta.uid,
            controller=f"{owner.kind}/{owner.name}" if owner else "",
            tenant=self._registry.requester(meta.namespace).tenant_name,
            classes=tuple(dict.fromkeys("|".join(each.classes) for each in devices)),
            devices=sum(each.count for each in devices),
            created=meta.creation_timestamp or "",
            reason=str(reason),
            code=str(reason.code),
            action=str(would),
            dry_run=ORDER.index(does) < ORDER.index(would),
            told=str(told.action) if told else "",
            since=told.since.isoformat() if told else "",
            deadline=told.deadline.isoformat() if told and told.deadline else "",
        )

    def _finding(self, namespace: str, code: str, action: Action) -> OwnFinding | None:
        """Return what the Allowance says; a tenant reads no reason, so that the code has to do."""
        said = (each for each in self._told.get(namespace, ()) if each.code == code)
        upto = (each for each in said if ORDER.index(each.action) <= ORDER.index(action))
        return min(upto, key=lambda each: (-ORDER.index(each.action), each.since), default=None)


async def _each(reader: Reader, path: str) -> AsyncIterator[Pod]:
    async for pods in reader.live(path):
        for pod in pods:
            yield pod


def _table(rows: list[Row]) -> str:
    cells = [("NAMESPACE", "POD", "CONTROLLER", "TENANT", "DEVICES", "REASON", "STEP", "SINCE", "DEADLINE")]
    cells += [
        (
            row.namespace,
            row.pod,
            row.controller or "-",
            row.tenant or "-",
            f"{row.devices} {','.join(row.classes)}".strip(),
            row.reason,
            _step(row),
            row.since or "-",
            row.deadline or "-",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(printable("  ".join(map(str.ljust, row, widths)).rstrip()) for row in cells)


def _step(row: Row) -> str:
    if row.dry_run:
        return f"{row.action} (dry run)"
    return f"{row.action} (told: {row.told})" if row.told not in {"", row.action} else row.action


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)

"""Writes into each Tenant where its charges stand (``ledger.homes``), and keeps the Tenant while there are any.

Every write names the version that it was decided on, so that nobody overwrites what it has not seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from admission.cluster.client import ApiError, ClusterError
from admission.decide.shards import shard_of
from admission.ledger.fold import follows, is_current
from admission.ledger.homes import FINALIZER, TENANTS, ChargedTenant, Homes, Places, Record, TenantMeta
from admission.ledger.moves import Facts, wanted
from admission.ledger.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from admission.cluster.client import Client
    from admission.ledger.objects import ObjectStore
    from admission.ledger.pods import PodCensus

LINGER_SECONDS = 10.0
"""A namespace that was emptied is kept in the record for so long: the next pod of a queue finds it there."""

READ_SECONDS = 5.0
BETWEEN_SECONDS = 0.25
IDLE_SECONDS = 2.0

_EMPTY = Record({}, {})

_tenant = msgspec.json.Decoder(ChargedTenant)
logger = logging.getLogger(__name__)


class ChargedWriter:
    """Keeps ``Tenant.status.chargedTo`` and ``.namespaces``, and the finalizer; run by the leader.

    ``census`` returns what the watches have, or None while a list is under way; ``followed`` says which ledgers are
    kept: the others grant nothing, and are counted anew before they do.
    """

    def __init__(
        self,
        client: Client,
        census: Callable[[], PodCensus | None],
        store: ObjectStore,
        clock: Callable[[], float],
        *,
        followed: Callable[[str], bool] = lambda _scope: True,
    ) -> None:
        self._followed = followed
        self._client, self._census, self._store, self._clock = client, census, store, clock
        self._awake = asyncio.Event()
        self._emptied: dict[str, float] = {}
        self._said: set[str] = set()

    def wake(self) -> None:
        """Ask for a round soon: something was seen."""
        self._awake.set()

    async def run(self) -> None:
        """Go round until cancelled."""
        while True:
            self._awake.clear()
            await self.round()
            await asyncio.sleep(BETWEEN_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._awake.wait()

    async def round(self) -> None:
        """Make the next step of every record that is not as it should be."""
        census = self._census()
        if census is None or self._is_behind(census):
            return
        records = wanted(census.charging.homes, self._facts(census))
        tenants = [(each, record, records.get(each.name, _EMPTY)) for each, record in census.charging.homes.tenants()]
        if any(record != wished for _, record, wished in tenants) and await self._is_overtaken(census):
            return
        for metadata, record, wished in tenants:
            await self._correct(metadata, record, wished)

    def _is_behind(self, census: PodCensus) -> bool:
        """Whether a ledger was folded by what these watches have not come to: what its namespaces hold is not known."""
        cached = ((scope, self._store.cached(scope)) for scope in self._store.scopes())
        return not all(is_current(census, each.state, scope) for scope, each in cached if each)

    async def _is_overtaken(self, census: PodCensus) -> bool:
        """Whether the newest ledgers say so: what is cached of them may be as old as the watches are.

        A leader that was stopped for long does not know that another one has folded a new pod into a namespace.
        """
        try:
            newest = [(scope, await self._store.read(scope, READ_SECONDS)) for scope in self._store.scopes()]
        except StoreError:
            return True
        return not all(is_current(census, each.state, scope) for scope, each in newest)

    def _facts(self, census: PodCensus) -> Facts:
        residents = census.residents()
        homes = census.charging.homes
        self._note_emptied(homes, residents)
        ending = {each for meta, record in homes.tenants() if meta.deletion_timestamp for each in record.namespaces}
        return Facts(
            residents,
            self._waiting(census),
            census.charging.home,
            census.charging.account,
            census.charging.governing,
            lambda scope, party, places: census.charging.belongs(scope)(party, places),
            lambda party, places: self._follow(census, party, places),
            lambda namespace: namespace not in ending and self._lingers(namespace),
        )

    def _note_emptied(self, homes: Homes, residents: Mapping[str, object]) -> None:
        empty = homes.namespaces() - residents.keys()
        self._emptied = {namespace: self._emptied.get(namespace, self._clock()) for namespace in empty}

    def _lingers(self, namespace: str) -> bool:
        return self._clock() - self._emptied.get(namespace, float("-inf")) < LINGER_SECONDS

    def _waiting(self, census: PodCensus) -> Mapping[tuple[str, str], Places]:
        """The scopes of reservations whose objects are there and that no record covers, by namespace and party."""
        found: defaultdict[tuple[str, str], Places] = defaultdict(frozenset)
        for scope in self._store.scopes():
            snapshot = self._store.cached(scope)
            for entry in snapshot.state.inflight.values() if snapshot else ():
                if census.settled(entry) and not census.attributed(entry, scope):
                    shard = shard_of(scope)
                    found[entry.namespace, entry.charge.party] |= {shard.total if shard else scope}
        return found

    def _follow(self, census: PodCensus, party: str, places: Places) -> bool:
        """Whether every ledger in which the party is charged, for these places, has it as the census does."""
        kept = (scope for scope in self._store.scopes() if self._followed(scope))
        charged = (scope for scope in kept if census.charging.belongs(scope)(party, places))
        snapshots = ((scope, self._store.cached(scope)) for scope in charged)
        return all(snapshot is not None and follows(snapshot.state, scope, census) for scope, snapshot in snapshots)

    async def _correct(self, metadata: TenantMeta, record: Record, wished: Record) -> None:
        keeps = FINALIZER in metadata.finalizers
        try:
            if wished.namespaces and not keeps:
                metadata = await self._keep(metadata, (*metadata.finalizers, FINALIZER))
            if wished != record:
                await self._write(metadata, wished)
            elif keeps and not wished.namespaces:
                await self._keep(metadata, tuple(each for each in metadata.finalizers if each != FINALIZER))
        except (ClusterError, msgspec.MsgspecError) as error:
            self._failed(metadata.name, error)
        else:
            self._said.discard(metadata.name)

    async def _keep(self, metadata: TenantMeta, finalizers: tuple[str, ...]) -> TenantMeta:
        body = {"metadata": {"resourceVersion": metadata.resource_version, "finalizers": finalizers}}
        found = await self._client.merge_patch(f"{TENANTS}/{metadata.name}", msgspec.json.encode(body))
        return _tenant.decode(found).metadata

    async def _write(self, metadata: TenantMeta, record: Record) -> None:
        body = {"metadata": {"resourceVersion": metadata.resource_version}, "status": _status(record)}
        await self._client.merge_patch(f"{TENANTS}/{metadata.name}/status", msgspec.json.encode(body))

    def _failed(self, name: str, error: Exception) -> None:
        """Say once what keeps failing; that somebody else wrote meanwhile is ordinary."""
        if isinstance(error, ApiError) and error.status == HTTPStatus.CONFLICT:
            return
        logger.log(logging.DEBUG if name in self._said else logging.WARNING, "charges of tenant %s: %s", name, error)
        self._said.add(name)


def _status(record: Record) -> dict[str, Any]:
    return {
        "chargedTo": [
            {"party": party, "jurisdictions": sorted(places)} for party, places in sorted(record.charged_to.items())
        ],
        "namespaces": [
            {"name": namespace, "parties": sorted(parties)} for namespace, parties in sorted(record.namespaces.items())
        ],
    }

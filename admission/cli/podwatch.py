"""What the leader watches of pods and claims: what they hold goes into the census and into the record of use."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from admission.cluster.change import Added, Deleted, Event, Malformed, Modified
from admission.cluster.reflector import Reflector
from admission.ledger.homes import TENANTS, ChargedTenant
from admission.ledger.pods import PodCensus
from admission.ledger.seen import ENDED
from admission.ledger.usage.journal import Journal
from admission.ledger.usage.keeper import Keeper
from admission.review.claim import ResourceClaim
from admission.review.pod import Pod

if TYPE_CHECKING:
    import asyncio
    import datetime as dt
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from typing import Any

    from admission.cluster.client import Client
    from admission.decide.registry import Registry
    from admission.ledger.objects import LedgerObject, ObjectStore
    from admission.ledger.usage.outbox import Lines

CLAIMS = "/apis/resource.k8s.io/v1/resourceclaims"
WATCH_SECONDS = (20.0, 40.0)
"""A watch that is ended is told how far it has come: within 44 s and these, an entry whose pod never came is gone."""

logger = logging.getLogger(__name__)


class PodWatch:
    """Watches pods, claims, and where tenants are charged, for one term of leadership.

    ``stir`` hears that something changed that charges depend on; ``touch``, of the namespace of a pod that changed;
    ``claimed``, of a claim, by its key, or of its end.
    """

    def __init__(
        self,
        client: Client,
        registry: Registry,
        store: ObjectStore,
        *,
        record: Callable[[Lines], asyncio.Future[None]],
        now: Callable[[], dt.datetime],
        stir: Callable[[], None],
        touch: Callable[[str], None],
        claimed: Callable[[str, ResourceClaim | None], None],
    ) -> None:
        self._store, self._stir, self._touch, self._claimed = store, stir, touch, claimed
        self._unreadable: dict[tuple[str, str], str] = {}
        self._versions: list[LedgerObject] = []
        self.census = PodCensus(registry, now)
        self._pods = Reflector(client, "/api/v1/pods", Pod, on_change=self._on_pod, server_timeout=WATCH_SECONDS)
        self._claims = Reflector(
            client, CLAIMS, ResourceClaim, on_change=self._on_claim, optional=True, server_timeout=WATCH_SECONDS
        )
        self._tenants = Reflector(client, TENANTS, ChargedTenant, on_change=self._on_tenant)
        self.usage = Keeper(
            client,
            Journal(client),
            registry,
            self.census,
            pods=self._pods,
            claims=self._claims,
            attributed=lambda: self.up_to() is not None,
            emit=record,
            now=now,
        )

    def runs(self) -> Iterable[Callable[[], Coroutine[Any, Any, None]]]:
        """What to keep running besides ``usage``."""
        return (self._pods.run, self._claims.run, self._tenants.run)

    @property
    def claims(self) -> Mapping[str, ResourceClaim]:
        """The claims that exist, by ``namespace/name``."""
        return self._claims.items

    def heed(self, ledger: LedgerObject) -> None:
        """Take note of a newer version of a ledger: pods are attributed as its entries say, from the next pass on."""
        self._versions.append(ledger)
        self._stir()

    def is_settled(self) -> bool:
        """Whether no list runs, during which old and new stand together."""
        return self._pods.settled and self._claims.settled and self._tenants.settled

    def up_to(self) -> PodCensus | None:
        """Return the census as far as the watch has come; None while a list runs."""
        self._learn()
        if not self.is_settled():
            return None
        for scope in self._store.scopes():
            snapshot = self._store.cached(scope)
            if snapshot is not None:
                self.census.learn(scope, snapshot.state.inflight)
        self.census.resource_version = self._pods.resource_version
        self.census.claims_version = self._claims.resource_version
        self.census.lists = self._pods.relists + self._claims.relists
        self.census.charging.homes.version = self._tenants.resource_version
        return self.census

    def _learn(self) -> None:
        """Note the entries of every version that somebody else wrote: some leave again before the next pass.

        Those of versions that this process wrote are noted from the cache, before they are folded.  Which these are is
        known only now: the watch is often ahead of the answer to a write.
        """
        for ledger in self._versions:
            if not self._store.wrote(ledger):
                self.census.learn(ledger.spec.scope, ledger.snapshot.state.inflight)
        self._versions.clear()

    def _on_tenant(self, event: Event[ChargedTenant]) -> None:
        match event:
            case Added(item=item) | Modified(item=item):
                self.census.charging.homes.take(item)
            case Deleted(key=key):
                self.census.charging.homes.lose(key)
            case Malformed(key=key, error=error):
                logger.error("where tenant %s is charged cannot be read; the last that was known holds: %s", key, error)
        self._stir()

    def _on_pod(self, event: Event[Pod]) -> None:
        match event:
            case Added(key=key, item=item) | Modified(key=key, item=item):
                self._read("pods", key)
                self._take(item)
            case _:
                self._lose("pods", event)
        self._touch(event.key.partition("/")[0])
        self._stir()

    def _take(self, pod: Pod) -> None:
        """An end is told before the census forgets what was held until then."""
        ended = pod.status.phase in ENDED
        for take in (self.usage.take, self.census.take) if ended else (self.census.take, self.usage.take):
            take(pod)

    def _on_claim(self, event: Event[ResourceClaim]) -> None:
        match event:
            case Added(key=key, item=item) | Modified(key=key, item=item):
                self._read("resourceclaims", key)
                self.census.take_claim(item)
                self.usage.take_claim(item)
                self._claimed(key, item)
            case _:
                self._lose("resourceclaims", event)
                if isinstance(event, Deleted):
                    self._claimed(event.key, None)
        self._stir()

    def _read(self, resource: str, key: str) -> None:
        self._unreadable.pop((resource, key), None)
        self.census.clear(resource, key)

    def _lose(self, resource: str, event: Event[Pod] | Event[ResourceClaim]) -> None:
        match event:
            case Malformed(key=key, error=error, old=old):
                logger.error("%s %s exists and cannot be read: %s", resource, key, error)
                if old is not None:
                    self._unreadable[resource, key] = old.metadata.uid  # it goes on holding what it held
                elif (resource, key) not in self._unreadable:
                    self.census.doubt(resource, key)
            case Deleted(key=key, old=old, version=version):
                self.census.clear(resource, key)
                uid = old.metadata.uid if old is not None else self._unreadable.pop((resource, key), "")
                (self.usage.lose if resource == "pods" else self.usage.lose_claim)(uid)
                self.census.lose(uid, version, claim=resource == "resourceclaims")

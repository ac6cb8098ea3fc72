"""What every replica watches of a cluster: the objects go into the registry, the ledgers into their store."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from admission.api import API_VERSION
from admission.api.accelerator import AcceleratorClass, AcceleratorPool
from admission.api.allowance import Allowance
from admission.api.dismissal import ScreeningDismissal
from admission.api.enforcement import Enforcement
from admission.api.exemption import Exemption
from admission.api.override import KYCOverride
from admission.api.policy import AccessPolicy
from admission.api.presence import AcceleratorPresence
from admission.api.quota import Authorization, ComputeQuota
from admission.api.tenant import Tenant
from admission.cli.files import node_of
from admission.cli.reevaluation import stops_of
from admission.cluster import wire
from admission.cluster.change import Added, Deleted, Event, Malformed, Modified
from admission.cluster.reflector import Reflector
from admission.ledger.objects import LedgerObject, ObjectStore
from admission.review.claim import DeviceClass, ResourceSlice
from admission.server.rules import rules_said

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from admission.api.object import Object
    from admission.cli.weakened import Weakened
    from admission.cluster.client import Client
    from admission.decide.lastgood import LastGood
    from admission.decide.registry import Registry
    from admission.review.pod import Meta
    from admission.review.reference import Keys

DECIDING: tuple[type[Object], ...] = (
    Tenant,
    AcceleratorClass,
    AcceleratorPool,
    AcceleratorPresence,
    AccessPolicy,
    ComputeQuota,
    Authorization,
    Exemption,
    ScreeningDismissal,
    KYCOverride,
    Enforcement,
)
"""Our kinds that decide; each is watched by every replica."""

LONGEST_WATCH = 60.0
"""Seconds after which a watch begins anew at the latest, and tells so that what is quiet is current; earlier where
less is stale already."""

PATIENCE = 4 / 3
"""By so much longer than until it answers TryAgain is a silent replica left in the Service: an API server that was away
shall not find that all of them left with it."""

_CLASSES, _SLICES = "/apis/resource.k8s.io/v1/deviceclasses", "/apis/resource.k8s.io/v1/resourceslices"

logger = logging.getLogger(__name__)


class Watches:
    """One reflector for each collection, and what its events change.

    Nothing is decided by any of them that has been silent for ``stale_seconds``: what it says may have been revoked.
    ``heed`` hears of each version of a ledger; ``tell_weaker``, with name and uid, of each namespace that is less
    enforced than before.
    """

    def __init__(
        self,
        client: Client,
        registry: Registry,
        store: ObjectStore,
        weakened: Weakened,
        *,
        keys: Keys,
        stale_seconds: float,
        now: Callable[[], dt.datetime],
        last_good: LastGood,
        heed: Callable[[LedgerObject], None],
        tell_weaker: Callable[[str, str], None],
    ) -> None:
        self._client, self._registry, self._store, self._weakened = client, registry, store, weakened
        self._keys, self._stale_seconds = keys, stale_seconds
        longest = min(LONGEST_WATCH, stale_seconds * 2 / 3)
        self._watched_for = longest / 2, longest
        self._last_good = last_good
        self._now, self._heed, self._tell_weaker = now, heed, tell_weaker
        self._said, self._read = "", False
        self.allowances: dict[str, Allowance] = {}
        self.reflectors = {**self._of_others(), **self._of_ours()}

    def unsynced(self) -> list[str]:
        """Return the collections that have not been read once yet."""
        if self._read:  # and so for ever: this is asked with every request
            return []
        unread = [f"{name} not read yet" for name, reflector in self.reflectors.items() if not reflector.synced]
        self._read = not unread
        return unread

    def unready(self) -> str:
        """Return why no request for accelerators can be decided: not read yet, or too old."""
        return "; ".join(self.unsynced() or self._silent(self._stale_seconds))

    def unserving(self) -> list[str]:
        """Return why no request should come here: not read yet, or silent for so long that it is no blip of a watch."""
        return self.unsynced() or self._silent(self._stale_seconds * PATIENCE)

    def _silent(self, seconds: float) -> list[str]:
        """Return what has told nothing for longer than that, in one phrase."""
        silent = [name for name, reflector in self.reflectors.items() if reflector.silence() > seconds]
        return [f"nothing heard of {' and '.join(sorted(silent))}"] if silent else []

    def _of_others(self) -> dict[str, Reflector[Any]]:
        return {
            "namespaces": self._reflector("/api/v1/namespaces", wire.Namespace, self._on_namespace),
            "nodes": self._reflector("/api/v1/nodes", wire.Node, self._on_node),
            "deviceclasses": self._reflector(_CLASSES, DeviceClass, self._on_device_class, optional=True),
            "resourceslices": self._reflector(_SLICES, ResourceSlice, self._on_slice, optional=True),
        }

    def _of_ours(self) -> dict[str, Reflector[Any]]:
        ledgers = self._reflector(
            f"/apis/{API_VERSION}/quotaledgers", LedgerObject, self._on_ledger, on_cut=self._store.doubt
        )
        allowances = self._reflector(
            f"/apis/{API_VERSION}/allowances", Allowance.model_validate_json, self._on_allowance
        )
        return {
            "quotaledgers": ledgers,
            "allowances": allowances,
            **{k.crd.plural: self._deciding(k) for k in DECIDING},
        }

    def _deciding(self, kind: type[Object]) -> Reflector[Any]:
        path = f"/apis/{API_VERSION}/{kind.crd.plural}"
        return self._reflector(path, kind.model_validate_json, functools.partial(self._on_object, kind))

    def _reflector(
        self, path: str, decoder: Any, handler: Callable[[Event[Any]], None], **options: Any
    ) -> Reflector[Any]:
        return Reflector(self._client, path, decoder, on_change=handler, server_timeout=self._watched_for, **options)

    def _on_object(self, kind: type[Object], event: Event[Any]) -> None:
        if kind is AccessPolicy and isinstance(event, Modified):
            self._weakened.policy(event.key, event.old.spec.mode, event.item.spec.mode, event.item.metadata.annotations)
        match event:
            case Added(key=key, item=item) | Modified(key=key, item=item):
                try:
                    self._registry.put(item)
                except (ValueError, ArithmeticError) as error:
                    self._registry.refuse(kind, key, str(error))
            case Deleted(key=key):
                self._registry.drop(kind, key)
            case Malformed(key=key, error=error):
                self._registry.refuse(kind, key, error)
        self._tell()

    def _tell(self) -> None:
        """Keep what is good, and log what is broken."""
        broken = self._last_good.broken(self._now())
        said = rules_said(broken)
        if said != self._said:
            self._said = said
            logger.warning("objects do not fit together: %s", said or "no longer")

    def _on_namespace(self, event: Event[wire.Namespace]) -> None:
        if isinstance(event, Modified):
            self._compare(event.key, event.old.metadata, event.item.metadata)
        match event:
            case Added(key=key, item=item) | Modified(key=key, item=item):
                self._registry.put_namespace(key, item.metadata.labels or {})
            case Deleted(key=key) | Malformed(key=key):
                self._registry.namespaces.pop(key, None)

    def _compare(self, name: str, old: Meta, new: Meta) -> None:
        if self._weakened.namespace(name, old.labels or {}, new.labels or {}, new.annotations or {}):
            self._tell_weaker(name, new.uid)

    def _on_node(self, event: Event[wire.Node]) -> None:
        match event:
            case Added(item=item) | Modified(item=item):
                self._registry.put_node(node_of(item))
            case Deleted(key=key) | Malformed(key=key):
                self._registry.drop_node(key)

    def _on_device_class(self, event: Event[DeviceClass]) -> None:
        match event:
            case Added(item=item) | Modified(item=item):
                self._registry.put_device_class(item)
            case Deleted(key=key) | Malformed(key=key):
                self._registry.drop_device_class(key)

    def _on_slice(self, event: Event[ResourceSlice]) -> None:
        match event:
            case Added(item=item) | Modified(item=item):
                self._registry.put_slice(item)
            case Deleted(key=key) | Malformed(key=key):
                self._registry.drop_slice(key)

    def _on_ledger(self, event: Event[LedgerObject]) -> None:
        match event:
            case Added(item=item) | Modified(item=item):
                self._store.observe(item)
                self._heed(item)
            case Deleted() | Malformed():
                self._store.forget()

    def _on_allowance(self, event: Event[Allowance]) -> None:
        namespace = event.key.partition("/")[0]
        match event:
            case Added(key=key, item=item) | Modified(key=key, item=item):
                self.allowances[key] = item
                self._registry.stops.say(namespace, *stops_of(item, namespace, self._keys))
            case Deleted(key=key):
                self.allowances.pop(key, None)
                self._registry.stops.say(namespace, "", ())
            case Malformed(key=key):
                self.allowances.pop(key, None)  # what it stopped stays stopped

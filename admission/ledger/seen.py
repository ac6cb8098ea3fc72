"""What the pods and the claims of a cluster hold, as they were last seen, and for whom.

A pod with a reservation holds no fewer devices than that says until it is bound; then those of its node's class.  One
whose request cannot be read (an annotation can change) holds what it was known to hold; where that is not known, nobody
knows what.  What was once found of an object stays.

Claims hold by themselves, for as long as they exist.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from typing import TYPE_CHECKING

from admission.demand.claims import given_devices
from admission.demand.devices import added, classes_in, counted
from admission.demand.pod import demand_of_claim, longest_of, requested_devices
from admission.demand.reach import UNKNOWN_CLASS
from admission.demand.request import DemandError
from admission.ledger.charging import Charging
from admission.ledger.claims import ClaimBook
from admission.ledger.ends import End, Ends
from admission.ledger.given import instant, since_of
from admission.ledger.promises import Promises, trim
from admission.ledger.sums import Held, Holdings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from admission.decide.registry import Registry
    from admission.demand.inventory import Inventory
    from admission.ledger.state import Entry
    from admission.review.claim import ResourceClaim
    from admission.review.pod import Pod

logger = logging.getLogger(__name__)

ENDED = frozenset({"Succeeded", "Failed"})
"""Phases in which a pod holds nothing.  A deletion timestamp alone releases nothing: containers may still run."""


class Seen:
    """Live accelerator pods and claims up to one version of each."""

    def __init__(self, registry: Registry, now: Callable[[], datetime]) -> None:
        self._registry = registry
        self._now = now
        self._held = Holdings()
        self._inherited = Holdings()
        self._idle: dict[str, str] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._ends = Ends()
        self._lasting: dict[str, int] = {}
        self._promises = Promises()
        self._homeless: set[str] = set()
        self._unnamed: dict[str, Pod] = {}
        self._misread: dict[str, Pod] = {}
        self._named_by: Inventory | None = None
        self._harmless: Mapping[str, str] = self._idle
        self._unreadable: dict[tuple[str, str], str] = {}
        self._book = ClaimBook()
        self._unpromised: dict[str, ResourceClaim] = {}
        self.charging = Charging(registry, now)
        self._newest_pod = self._newest_claim = 0
        self.resource_version = 0
        self.claims_version = 0
        self.lists = 0

    def take(self, pod: Pod) -> None:
        """Take in a pod that exists."""
        uid = pod.metadata.uid
        if pod.status.phase in ENDED:
            self.lose(uid, int(pod.metadata.resource_version or 0))
            return
        self._newest_pod = max(self._newest_pod, int(pod.metadata.resource_version or 0))
        self._book.note_pod(pod)
        if pod.spec.resource_claims:
            self._lasting[uid] = longest_of(pod.spec) or 0
        before = self._held.get(uid) or self._inherited.get(uid)
        if before is not None and (before.bound or not pod.spec.node_name):
            self._held.put(before)
            return
        counts = self._counts(pod)
        self._misread.pop(uid, None)
        if counts is None and before is None and uid not in self._promises and uid not in self._harmless:
            logger.error("what pod %s asks for cannot be read, nor is known what it holds", _key(pod))
            self._misread[uid] = pod
            self.doubt("pods", _key(pod), uid)
        elif not counts and before is None and uid not in self._promises:
            self._idle[uid] = pod.metadata.namespace
        else:
            since = since_of(pod, self._now()) if pod.spec.node_name else 0
            self._hold(
                uid,
                pod.metadata.namespace,
                counts or (),
                bound=bool(since),
                since=since,
                seconds=longest_of(pod.spec) or 0,
            )
            if counts is not None and _is_unnamed(self._held[uid]):
                self._unnamed[uid] = pod

    def take_claim(self, claim: ResourceClaim) -> None:
        """Take in a claim that exists: it holds all that it asks for, whatever it was given of that.

        Given back by one pod, it may be given to another elsewhere.  What it was given besides, it holds too.
        """
        self._newest_claim = max(self._newest_claim, int(claim.metadata.resource_version or 0))
        self._book.note(claim)
        promise = self._promises.get(claim.metadata.uid)
        if promise is None:
            self._unpromised[claim.metadata.uid] = claim
        given = given_devices(claim, self._registry.inventory)
        try:
            asked = promise.counts if promise else counted(demand_of_claim(claim, self._registry.inventory).devices)
        except DemandError:
            asked = ()
        known = {name for key, _ in asked for name in classes_in(key)}
        strange = counted(each for each in given if not known.issuperset(each.classes))
        self._hold(
            claim.metadata.uid,
            claim.metadata.namespace,
            added(asked, strange),
            bound=bool(strange),
            since=instant(claim.metadata.creation_timestamp, self._now()),
            owner=next((each.uid for each in claim.metadata.owner_references or () if each.controller), ""),
        )

    def lose(self, uid: str, version: int = 0, *, claim: bool = False) -> None:
        """Take out an object that is gone, or has ended, as ``version`` says."""
        self._book.forget(uid)
        self._unpromised.pop(uid, None)
        held = self._held.pop(uid)
        if held is not None:
            until = math.ceil(self._now().timestamp())  # a second that was begun counts
            self._ends.note(End(self._lasts(held), self.charging.home_of(held.home), until, version, claim))
        if claim:
            self._newest_claim = max(self._newest_claim, version)
        else:
            self._newest_pod = max(self._newest_pod, version)
        self._lasting.pop(uid, None)
        self._homeless.discard(uid)
        self._unnamed.pop(uid, None)
        self._misread.pop(uid, None)
        self._idle.pop(uid, None)
        self._promises.drop(uid)
        self._gone[uid] = None
        trim(self._gone)

    def doubt(self, resource: str, key: str, uid: str = "") -> None:
        """Take note of an object, ``namespace/name``, that exists and cannot be read.

        It holds what it was known to hold; where nothing was known, nobody knows what.
        """
        before = self._held.get(uid) or self._inherited.get(uid)
        if before is not None:
            self._held.put(before)
        elif uid not in self._harmless:
            self._unreadable[resource, key] = key.partition("/")[0]

    def clear(self, resource: str, key: str) -> None:
        """Take note that an object can be read, or is gone."""
        self._unreadable.pop((resource, key), None)

    def learn(self, scope: str, inflight: Mapping[str, Entry]) -> None:
        """Take note of reservations: pods are attributed as these say."""
        for uid, entry in inflight.items():
            if uid in self._gone or not self._promises.note(scope, entry):
                continue
            held = self._held.get(uid)
            if held is not None:
                self._hold(uid, held.namespace, held.counts if held.bound else (), bound=held.bound)
            elif uid in self._idle:
                self._hold(uid, self._idle.pop(uid), (), bound=False)
            elif uid in self._misread:
                self.clear("pods", _key(self._misread[uid]))
                self.take(self._misread[uid])

    def seen(self, uid: str) -> bool:
        """Say whether the pod was ever seen here."""
        return uid in self._held or uid in self._idle or uid in self._gone

    def live(self, uid: str) -> bool:
        """Say whether the object is there and has not ended."""
        return uid in self._held or uid in self._idle

    def newest(self) -> tuple[int, int]:
        """Return the newest version of a pod, and of a claim, that was taken in."""
        return self._newest_pod, self._newest_claim

    def unread(self) -> int:
        """Return how many objects hold nobody knows what."""
        return len(self._unreadable)

    def of(self, uid: str) -> Held | None:
        """Return what one object holds, as it was last counted."""
        return self._held.get(uid)

    def _lasts(self, held: Held) -> Held:
        """A claim without a promise lasts as long as the pod that it belongs to."""
        return held if held.seconds or not held.owner else held._replace(seconds=self._lasting.get(held.owner, 0))

    def _hold(
        self,
        uid: str,
        namespace: str,
        counts: tuple[tuple[str, int], ...],
        *,
        bound: bool,
        since: int = 0,
        seconds: int = 0,
        owner: str = "",
    ) -> None:
        promise, before = self._promises.get(uid), self._held.get(uid) or self._inherited.get(uid)
        governing, party = (before.governing, before.party) if before else self.charging.home(namespace)
        group = before.group if before else self.charging.group(namespace)
        if promise is not None and promise.party != party:  # the namespace was another's, or nobody's
            governing, group = self.charging.governing(promise.party), self.charging.group_of(promise.party)
        if promise is not None and (not bound or not counts):
            counts = promise.counts
        held = Held(
            uid=uid,
            namespace=namespace,
            governing=governing,
            party=promise.party if promise else party,
            counts=counts or (before.counts if before else ()),
            bound=bound,
            scopes=promise.scopes if promise else before.scopes if before else frozenset(),
            group=(promise and promise.group) or group,
            since=(before.since if before else 0) or since,
            seconds=(promise and promise.seconds) or (before.seconds if before else 0) or seconds,
            owner=owner or (before.owner if before else ""),
        )
        self._held.put(held)
        if promise is None and not governing:
            self._homeless.add(uid)

    def _settle(self) -> None:
        """Attribute and name what could not be when it was first seen; what was once found stays.

        So a namespace that is bound to a tenant, and a pool that is declared, bring along what runs there already.
        """
        homes: dict[str, tuple[str, str]] = {}
        for uid in tuple(self._homeless):
            held = self._held[uid]
            if held.namespace not in homes:
                homes[held.namespace] = self.charging.home(held.namespace)
            governing, party = homes[held.namespace]
            if held.scopes or governing:
                self._homeless.discard(uid)
            if not held.scopes:
                self._held.put(held._replace(governing=governing, party=party))
        if (self._unnamed or self._unpromised) and self._registry.inventory is not self._named_by:
            self._named_by = self._registry.inventory
            self._name()
            for claim in tuple(self._unpromised.values()):
                self.take_claim(claim)

    def _name(self) -> None:
        for uid, pod in tuple(self._unnamed.items()):
            held = self._held[uid]
            if not held.scopes:
                held = held._replace(counts=self._counts(pod) or held.counts)
                self._held.put(held)
            if not _is_unnamed(held):
                del self._unnamed[uid]

    def _counts(self, pod: Pod) -> tuple[tuple[str, int], ...] | None:
        """Devices by class key, as today's nodes and pools have it; None for a pod whose request cannot be read."""
        try:
            return counted(requested_devices(pod, self._registry.inventory))
        except DemandError:
            return None


def _key(pod: Pod) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"


def _is_unnamed(held: Held) -> bool:
    return any(UNKNOWN_CLASS in key.split("|") for key, _ in held.counts)

"""What must hold of resource claims at every revision of etcd, beside what the replay asserts of pods.

over        the claims that exist ask for no more devices than the limit
unclaimed   what a pod may still claim stands in flight with it, until a claim takes it over
uncovered   the ledger, once it is counted, accounts for at least what claims ask for and pods may still claim
overdrawn   and for no more than the limit: a pod's part and the claim that took it over are not counted both
unpromised  what appears stands in flight with just what it asks for: a claim, and a pod with what its claim will
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.ledger.limits import Kind
from admission.ledger.objects import object_name
from admission.ledger.seen import ENDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from admission.ledger.state import State
    from tools.revisions import Change

REFERENCE = "gpus"
"""What a pod calls the claim that is made for it."""

TEMPLATE = "gpus-"
"""What a template's name begins with; it ends with the devices that its claims ask for."""


class Claimed(NamedTuple):
    """What the claims of a namespace may hold, whose tenant bears the same name, and the ledger that counts them."""

    name: str
    scope: str
    limit: int


class _Exactly(msgspec.Struct):
    count: int


class _Request(msgspec.Struct):
    exactly: _Exactly


class _Devices(msgspec.Struct):
    requests: list[_Request]


class _ClaimSpec(msgspec.Struct):
    devices: _Devices


class _Meta(msgspec.Struct):
    uid: str


class _Claim(msgspec.Struct):
    metadata: _Meta
    spec: _ClaimSpec

    @property
    def asks(self) -> int:
        return sum(each.exactly.count for each in self.spec.devices.requests)


class _Reference(msgspec.Struct, rename="camel"):
    resource_claim_template_name: str


class _PodSpec(msgspec.Struct, rename="camel"):
    resource_claims: list[_Reference]


class _Status(msgspec.Struct, frozen=True):
    phase: str = ""


class _Pod(msgspec.Struct):
    metadata: _Meta
    spec: _PodSpec
    status: _Status = _Status()

    @property
    def asks(self) -> int:
        return sum(int(each.resource_claim_template_name.removeprefix(TEMPLATE)) for each in self.spec.resource_claims)


_claim, _pod = msgspec.json.Decoder(_Claim), msgspec.json.Decoder(_Pod)


class Claims:
    """The claims and the pods of one namespace, and the ledger beside them.  ``blame`` is told what does not hold."""

    def __init__(self, limit: Claimed, blame: Callable[[str, str], None]) -> None:
        self.limit, self._blame = limit, blame
        self.made = self.for_pods = self.peak = 0
        self._claims: dict[str, _Claim] = {}
        self._pods: dict[str, _Pod] = {}
        self._waiting: dict[str, _Pod] = {}
        """Pods of which no claim has stood yet, in flight or by itself, since the ledger was last counted anew."""
        self._epoch = 0
        self._wrong: set[str] = set()

    def take(self, change: Change, state: State) -> None:
        """Go on to the next change of a claim, a pod or a ledger; ``state`` is what the ledger says then."""
        if change.key.startswith(f"/registry/resourceclaims/{self.limit.name}/"):
            self._take_claim(change, state)
        elif change.key.startswith(f"/registry/pods/{self.limit.name}/"):
            self._take_pod(change, state)
        elif change.key.endswith(f"/{object_name(self.limit.scope)}"):
            self._take_over(state)
        else:
            return
        self._check(state)

    def held(self) -> int:
        """Return what the claims ask for that exist."""
        return sum(each.asks for each in self._claims.values())

    def leftover(self, state: State) -> Iterator[str]:
        """Yield where the ledger differs from what exists, once all is quiet: a pod's claim may still be to come."""
        pods = {pod.metadata.uid for pod in self._pods.values()}
        stays = [uid for uid, entry in state.inflight.items() if uid not in pods or not entry.charge.parts]
        if not state.initialized or stays:
            yield f"{self.limit.name}: {len(stays)} in flight, initialized {state.initialized}"
        if sum(state.used.values()) != self.held():
            yield f"{self.limit.name}: claims hold {self.held()}, used {sum(state.used.values())}"

    def _take_over(self, state: State) -> None:
        """Note whose claims stand in flight; whoever counts anew has no promises, and claims are asked for anew."""
        if state.epoch != self._epoch:
            self._epoch = state.epoch
            self._waiting.clear()
        for entry in state.inflight.values():
            if entry.kind is Kind.Claim:
                self._waiting.pop(_pod_of(entry.name), None)

    def _take_claim(self, change: Change, state: State) -> None:
        before = self._claims.pop(change.key, None)
        if change.value is None:
            return
        claim = self._claims[change.key] = _claim.decode(change.value)
        if before is None or before.metadata.uid != claim.metadata.uid:
            self.made += 1
            self._check_promise(state, claim, change.key)

    def _take_pod(self, change: Change, state: State) -> None:
        before, name = self._pods.pop(change.key, None), change.key.rpartition("/")[2]
        if change.value is None:
            self._waiting.pop(name, None)
            return
        pod = _pod.decode(change.value)
        if pod.status.phase in ENDED:
            self._waiting.pop(name, None)
            return
        self._pods[change.key] = pod
        if before is None or before.metadata.uid != pod.metadata.uid:
            self.for_pods += 1
            self._waiting[name] = pod
            self._check_promise(state, pod, change.key)

    def _check_promise(self, state: State, made: _Claim | _Pod, key: str) -> None:
        entry = state.inflight.get(made.metadata.uid)
        promised = sum(count for _, count in entry.charge.counts) if entry else 0
        if promised != made.asks:
            self._blame(f"unpromised {self.limit.name}", f"{key} asks for {made.asks}, promised {promised}")

    def _check(self, state: State) -> None:
        held, limit, scope = self.held(), self.limit.limit, self.limit.scope
        self.peak = max(self.peak, held)
        self._expect("over", held <= limit, f"{held} of {limit} claimed")
        if not state.initialized:
            return
        lost = [name for name, pod in self._waiting.items() if not _promises(state, pod)]
        known, to_come = (
            sum(state.used.values()) + sum(state.reserved().values()),
            sum(pod.asks for pod in self._waiting.values()),
        )
        self._expect("unclaimed", not lost, f"{' '.join(lost)} may still claim, not in flight in {scope}")
        self._expect("uncovered", held + to_come <= known, f"{held} claimed, {to_come} to come, {known} in {scope}")
        self._expect("overdrawn", known <= limit, f"{known} of {limit} in {scope}")

    def _expect(self, what: str, holds: bool, otherwise: str) -> None:
        """Blame once for each time that something goes wrong."""
        if holds:
            self._wrong.discard(what)
        elif what not in self._wrong:
            self._wrong.add(what)
            self._blame(f"{what} {self.limit.name}", otherwise)


def _promises(state: State, pod: _Pod) -> bool:
    """Say whether all that a pod may claim stands in flight with it."""
    entry = state.inflight.get(pod.metadata.uid)
    parts = entry.charge.parts if entry else ()
    return sum(count for part in parts for _, count in part.counts) == pod.asks


def _pod_of(claim: str) -> str:
    """Return the name of the pod that a claim was made for, by the name that the claim controller gives it."""
    return claim.rpartition(f"-{REFERENCE}-")[0]

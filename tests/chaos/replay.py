"""What every revision of etcd must satisfy, held against one change after the other.  Pure.

Of each bound, at each revision at which a pod or a ledger changed:

    over        the pods that exist and have not ended hold no more than the limit
    uncovered   the ledger, once it is counted, accounts for at least what each party's pods hold
    overdrawn   the ledger accounts for no more than the limit: nobody is counted twice, nothing is promised twice
    unpromised  a pod that appears stands in flight with just what it holds: it was counted before it was allowed
    skipped     no revision is missing
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.decide.shards import account_of
from admission.ledger.codec import Record
from admission.ledger.objects import Spec, object_name
from admission.ledger.seen import ENDED
from admission.ledger.state import State
from admission.ledger.store import Snapshot
from tests.chaos.claimed import Claims
from tests.chaos.overtime import Overtime

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from admission.decide.limits import Account
    from tests.chaos.claimed import Claimed
    from tests.chaos.overtime import Timed
    from tools.revisions import Change

_PODS = "/registry/pods/"
_LEDGERS = "/registry/computegate.io/quotaledgers/"
_TOLD = 20
"""So many violations are told in full; the others are only counted."""


class Bound(NamedTuple):
    """What the pods of some namespaces may hold of one resource together, and the ledger that counts them.

    `parties` are the accounts by namespace, `chip` is the class that the resource stands for in the ledger.
    Without a `scope` there is no ledger to look at.  Of several shards, each has parties of its own.
    """

    name: str
    limit: int
    parties: Mapping[str, str]
    scope: str = ""
    resource: str = "nvidia.com/gpu"
    chip: str = "h100-sxm"


class _Meta(msgspec.Struct):
    uid: str
    namespace: str
    name: str


class _Resources(msgspec.Struct):
    limits: dict[str, str] = {}


class _Container(msgspec.Struct):
    resources: _Resources


class _PodSpec(msgspec.Struct):
    containers: list[_Container]


class _PodStatus(msgspec.Struct):
    phase: str = ""


class _Pod(msgspec.Struct):
    metadata: _Meta
    spec: _PodSpec
    status: _PodStatus

    def devices(self, resource: str) -> int:
        return sum(int(each.resources.limits.get(resource, 0)) for each in self.spec.containers)


class _Ledger(msgspec.Struct):
    spec: Spec
    status: Record | None = None


_pod = msgspec.json.Decoder(_Pod)
_ledger = msgspec.json.Decoder(_Ledger)


class Replay:
    """The pods and ledgers as they stood at the revision reached, and what was wrong on the way."""

    def __init__(
        self, bounds: Sequence[Bound], since: int = 1, *, timed: Sequence[Timed] = (), claimed: Sequence[Claimed] = ()
    ) -> None:
        self.bounds = bounds
        self.claims = [Claims(limit, self._blame) for limit in claimed]
        self.overtime = [Overtime(limit, self._blame) for limit in timed]
        self.revision = since
        self.checked = 0
        self.violations: list[str] = []
        self.violated = 0
        self.peaks: Counter[str] = Counter()
        self._live: dict[str, _Pod] = {}
        self._states: dict[str, State] = {}
        self._wrong: set[tuple[str, str]] = set()

    def take(self, change: Change) -> None:
        """Go on to the next change; changes of keys that say nothing here only prove that nothing is missing."""
        if not self.revision <= change.revision <= self.revision + 1:
            self._blame("skipped", f"after revision {self.revision} comes {change.revision}")
        self.checked += change.revision != self.revision
        self.revision = change.revision
        if change.key.startswith(_PODS):
            self._take_pod(change)
        elif change.key.startswith(_LEDGERS):
            self._take_ledger(change)
        beside: tuple[Overtime | Claims, ...] = (*self.overtime, *self.claims)
        for each in beside:
            each.take(change, self.ledger(each.limit.scope))

    def live(self, bound: Bound) -> int:
        """Return what the pods under a bound hold now."""
        return sum(self._held(bound).values())

    def ledger(self, scope: str) -> State:
        """Return a ledger as it stands; a missing one is not initialised."""
        return self._states.get(object_name(scope), State())

    def leftover(self) -> list[str]:
        """Return where ledgers differ from what exists now, once nothing is under way: nothing, if nothing leaked."""
        ours = (line for bound in self.bounds if bound.scope for line in self._differences(bound))
        return [*ours, *(line for each in self.claims for line in each.leftover(self.ledger(each.limit.scope)))]

    def forget_peaks(self) -> None:
        """Begin a new round: the highest use so far is the present one."""
        self.peaks = Counter({bound.name: self.live(bound) for bound in self.bounds})

    # -- changes -------------------------------------------------------------------------------

    def _take_pod(self, change: Change) -> None:
        before = self._live.pop(change.key, None)
        pod = _pod.decode(change.value) if change.value is not None else None
        if pod is not None and pod.status.phase not in ENDED:
            self._live[change.key] = pod
            if before is None or before.metadata.uid != pod.metadata.uid:
                self._check_promise(pod)
        self._check()

    def _take_ledger(self, change: Change) -> None:
        name = change.key.removeprefix(_LEDGERS)
        self._states.pop(name, None)
        if change.value is not None:
            stored = _ledger.decode(change.value)
            snapshot = Snapshot.of(change.revision, stored.status or Record())
            self._expect(f"fault of {name}", snapshot.fault.value == "none", f"ledger {name} cannot be read")
            self._states[name] = snapshot.state
        self._check()

    # -- checks --------------------------------------------------------------------------------

    def _check(self) -> None:
        for bound in self.bounds:
            held = self._held(bound)
            live = sum(held.values())
            self.peaks[bound.name] = max(self.peaks[bound.name], live)
            self._expect(f"over {bound.name}", live <= bound.limit, f"{live} of {bound.limit} live")
            state = self.ledger(bound.scope) if bound.scope else State()
            if state.initialized:
                self._check_ledger(bound, held, _accounted(state, bound))

    def _check_ledger(self, bound: Bound, held: Counter[str], accounted: Counter[str]) -> None:
        for party, count in held.items():
            known = accounted[party]
            self._expect(f"uncovered {bound.name} {party}", count <= known, f"{count} live, {known} in {bound.scope}")
        total = sum(accounted[party] for party in set(bound.parties.values()))
        self._expect(f"overdrawn {bound.name}", total <= bound.limit, f"{total} of {bound.limit} in {bound.scope}")

    def _check_promise(self, pod: _Pod) -> None:
        for bound in self._bounds_of(pod):
            entry = self.ledger(bound.scope).inflight.get(pod.metadata.uid)
            promised = dict(entry.charge.counts).get(bound.chip, 0) if entry else 0
            if promised != pod.devices(bound.resource):
                name = f"{pod.metadata.namespace}/{pod.metadata.name}"
                self._blame(
                    f"unpromised {bound.name}", f"{name} holds {pod.devices(bound.resource)}, promised {promised}"
                )

    def _bounds_of(self, pod: _Pod) -> Iterator[Bound]:
        for bound in self.bounds:
            if bound.scope and pod.metadata.namespace in bound.parties and pod.devices(bound.resource):
                yield bound

    def _held(self, bound: Bound) -> Counter[str]:
        held: Counter[str] = Counter()
        for pod in self._live.values():
            party = bound.parties.get(pod.metadata.namespace)
            if party is not None:
                held[party] += pod.devices(bound.resource)
        return held

    def _differences(self, bound: Bound) -> Iterator[str]:
        state, held = self.ledger(bound.scope), self._held(bound)
        used = _by_party(state.used.items(), bound, state.shards)
        if not state.initialized or state.inflight:
            yield f"{bound.name}: {len(state.inflight)} in flight, initialized {state.initialized}"
        for party in sorted({*bound.parties.values()}):
            if used[party] != held[party]:
                yield f"{bound.name}: {party} holds {held[party]}, used {used[party]}"

    def _expect(self, what: str, holds: bool, otherwise: str) -> None:
        """Blame once for each time that something goes wrong, not for each revision until it is right again."""
        name, _, key = what.partition(" ")
        if holds:
            self._wrong.discard((name, key))
        elif (name, key) not in self._wrong:
            self._wrong.add((name, key))
            self._blame(what, otherwise)

    def _blame(self, what: str, details: str) -> None:
        self.violated += 1
        if self.violated <= _TOLD:
            self.violations.append(f"revision {self.revision}: {what}: {details}")


def _accounted(state: State, bound: Bound) -> Counter[str]:
    """What a ledger accounts for by party: used, and promised."""
    return _by_party([*state.used.items(), *state.reserved().items()], bound, state.shards)


def _by_party(accounts: Iterable[tuple[Account, int]], bound: Bound, shards: int) -> Counter[str]:
    total: Counter[str] = Counter()
    for (party, key), count in accounts:
        total[account_of(bound.scope, party, shards)] += count * (key == bound.chip)
    return total

"""The simulated cluster with a longest hold, told from what each ledger has seen of an ownership group's pods.

Clocks of replicas are right here, as holds are told by them.  A hold goes on over a break that is longer than any watch
lags: shorter ones than an hour cannot be asked for, and no watch is that far behind.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

import msgspec

from admission.decide.limits import Limit, Parties, whole
from tests.ledger.paid import PaidWorld
from tests.ledger.paying import PaidServer
from tests.ledger.simulation import now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.ledger.limits import Request
    from admission.ledger.state import State
    from tests.ledger.simulation import ApiServer, Backup, Pod

GROUP, KEY = "owners", "h100"
HOLD, GAP = 120, 100


class HeldServer(PaidServer):
    """Knows since when a group really holds what a ledger has counted."""

    longest = HOLD

    def __init__(self, *about: object) -> None:
        super().__init__(*about)  # type: ignore[arg-type]  # the same
        self.counts: collections.defaultdict[str, dict[str, int]] = collections.defaultdict(dict)
        """By scope: the pods that its ledger has counted while they were there, and the revisions of that."""
        self.granted: dict[str, frozenset[str]] = {}

    def lose(self, name: str) -> None:
        super().lose(name)
        for scope in self.lost:
            self.counts[scope].clear()

    def restore(self, backup: Backup) -> None:
        super().restore(backup)
        for counts in self.counts.values():
            for uid in [uid for uid, revision in counts.items() if revision > backup.revision]:
                del counts[uid]
        self.granted = {scope: frozenset(state.inflight) for scope, state in self.counted()}

    def check(self) -> None:
        super().check()
        for scope, state in self.counted():
            for uid, pod in self.live.items():
                if scope in pod.scopes and self.created[uid] <= state.observed_pods and uid not in state.inflight:
                    self.counts[scope].setdefault(uid, self.revision)
            self._check_begin(scope, state)
            self._check_end(scope, state)

    def _check_begin(self, scope: str, state: State) -> None:
        since, hold = self.held_since(scope), state.hours.holds.get((GROUP, KEY))
        if since is not None and (hold is None or hold.since > since):
            self.note(f"{scope}: held since {since:.2f}, and {hold} said")

    def _check_end(self, scope: str, state: State) -> None:
        hold, added = state.hours.holds.get((GROUP, KEY)), state.inflight.keys() - self.granted.get(scope, frozenset())
        self.granted[scope] = frozenset(state.inflight)
        for entry in (state.inflight[uid] for uid in added):
            goes_on = hold and (not hold.until or entry.reserved_at <= hold.until + GAP)
            held = entry.reserved_at - hold.since if hold and goes_on else 0
            if max(0, held) + entry.charge.seconds > self.longest:
                self.note(f"{scope}: {entry.uid} may end {held + entry.charge.seconds} s after its group's hold began")

    def held_since(self, scope: str) -> float | None:
        """Return since when what goes on now has gone on; None where nothing is held."""
        since, last = None, 0.0
        for begun, until in sorted(self._times(scope)):
            if since is None or begun > last + GAP:
                since = begun
            last = max(last, until)
        return since if last > now() else None

    def _times(self, scope: str) -> Iterator[tuple[float, float]]:
        counts = self.counts[scope]
        yield from ((each.begun, each.until) for each in self.ended if each.pod.uid in counts)
        yield from ((self.begun[uid], now() + 1) for uid in self.live if uid in counts)


@dataclasses.dataclass
class HeldWorld(PaidWorld):
    """Two tenants of one ownership group, under one longest hold."""

    gap: int | None = GAP
    longest: int = HOLD

    def _server(self) -> ApiServer:
        return HeldServer(self.rng, self.faults, self.allowed, self.payable)

    def wrong(self) -> float:
        return 0.0

    def pod(self, number: int) -> Pod:
        pod = super().pod(number)
        return dataclasses.replace(pod, charge=dataclasses.replace(pod.charge, group=GROUP))

    def request(self, pod: Pod) -> Request:
        wanted = super().request(pod)
        scopes = tuple((scope, (*bounds, self.hold_of(scope, pod.charge.party))) for scope, bounds in wanted.scopes)
        return msgspec.structs.replace(wanted, scopes=scopes)

    def hold_of(self, scope: str, tenant: str) -> Limit:
        """Return the longest hold, as a tenant is asked about it."""
        classes = frozenset({KEY})
        return Limit(
            scope, "hold", self.longest, {KEY: 1}, None, Parties.of(whole, tenant), window=GAP, classes=classes
        )

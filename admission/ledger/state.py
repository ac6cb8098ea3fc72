"""The state of one scope: what is used, what is promised, and up to where it has been counted."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from admission.ledger.limits import Kind, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from admission.decide.limits import Account, Charge

SHARED = ""
"""Owner of an entry on which more than one attempt relies: none of them may withdraw it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One reservation: promised, and not yet counted among the objects that exist.

    ``owner`` names the attempt that wrote it.  Only that attempt may take it back, and only while no
    other relies on it: two reviews of one object can be under way at once (a retried webhook call),
    and the one that is denied in a later scope must not pull the entry away from the one that is allowed.
    ``reserved_at`` is unix seconds by the writer's clock; nothing is decided by it.
    """

    uid: str
    namespace: str
    name: str
    charge: Charge
    reserved_at: int
    owner: str
    kind: Kind = Kind.Pod

    def shared(self) -> Entry:
        """Return the entry as nobody's own."""
        return dataclasses.replace(self, owner=SHARED)


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """One scope at one version of its store; never changed in place.

    ``used`` sums the objects that existed at ``observed_pods`` and ``observed_claims``, attributed by the records of
    ``observed_tenants`` (resourceVersions, which compare only within one resource); ``inflight`` holds, by uid, what
    was promised and not yet seen there.
    Their sum is never less than what exists or may still come to exist by a promise.
    """

    epoch: int = 0
    initialized: bool = False
    observed_pods: int = 0
    used: Mapping[Account, int] = dataclasses.field(default_factory=dict)
    inflight: Mapping[str, Entry] = dataclasses.field(default_factory=dict)
    observed_claims: int = 0
    observed_tenants: int = 0

    def tally(self) -> Tally:
        """Return the running use that this state starts from: used and promised."""
        tally = Tally(self.used.items())
        for entry in self.inflight.values():
            tally.add(entry.charge)
        return tally

    def reserved(self) -> dict[Account, int]:
        """Return what is promised, by account."""
        total: dict[Account, int] = {}
        for account, count in self._promises():
            total[account] = total.get(account, 0) + count
        return total

    def _promises(self) -> Iterator[tuple[Account, int]]:
        for entry in self.inflight.values():
            for key, count in entry.charge.counts:
                yield (entry.charge.party, key), count

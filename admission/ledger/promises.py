"""What reservations said of the objects that they were made for: remembered once they have left their ledgers."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from admission.decide.limits import Charge
    from admission.ledger.state import Entry

REMEMBERED = 100_000
"""So many promises, ends, and uids of objects that are gone are remembered."""


class Promise(NamedTuple):
    """What the reservations of one object named: its party, the charge without its parts, the scopes."""

    party: str
    counts: tuple[tuple[str, int], ...]
    scopes: frozenset[str]
    seconds: int = 0
    group: str = ""


class Promises:
    """Promises by the uid of their object, the latest ones."""

    def __init__(self) -> None:
        self._each: OrderedDict[str, Promise] = OrderedDict()

    def __contains__(self, uid: object) -> bool:
        """Say whether an object was promised for."""
        return uid in self._each

    def get(self, uid: str) -> Promise | None:
        """Return what was promised for an object."""
        return self._each.get(uid)

    def copy(self) -> Promises:
        """Return the same promises, to go on by themselves."""
        found = Promises()
        found._each.update(self._each)
        return found

    def note(self, scope: str, entry: Entry) -> bool:
        """Take note of an entry of a scope; False where nothing is new about it."""
        known, charge = self._each.get(entry.uid), entry.charge
        scopes = (known.scopes if known else frozenset()) | {scope}
        if known is not None and scopes == known.scopes:
            return False
        ends_after = 0 if charge.endless else charge.seconds
        self._each[entry.uid] = Promise(charge.party, _without_parts(charge), scopes, ends_after, charge.group)
        trim(self._each)
        return True

    def drop(self, uid: str) -> None:
        """Forget an object."""
        self._each.pop(uid, None)


def trim(kept: OrderedDict[str, Any]) -> None:
    """Let go of the oldest beyond what is remembered."""
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)


def _without_parts(charge: Charge) -> tuple[tuple[str, int], ...]:
    """What the object itself holds once everything that is made for it stands on its own."""
    for part in charge.parts:
        charge = charge.without(part)
    return charge.counts

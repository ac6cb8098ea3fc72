"""How long objects hold their devices, and the ends that were seen, until every ledger has taken them in."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from admission.ledger.hours import Stay
from admission.ledger.promises import trim

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from admission.ledger.homes import Places
    from admission.ledger.sums import Held


class End(NamedTuple):
    """An object's end as it was seen here: what it held, for whom and where, until when, the version that said so."""

    held: Held
    home: Mapping[str, Places]
    until: int
    version: int
    claim: bool


class Ends:
    """Ends by uid, the latest ones."""

    def __init__(self) -> None:
        self._each: OrderedDict[str, End] = OrderedDict()

    def note(self, end: End) -> None:
        """Take note of an end."""
        self._each[end.held.uid] = end
        trim(self._each)

    def of(
        self, belongs: Callable[[str, Places], bool], on_account_of: Callable[[str, Held], Held]
    ) -> Collection[Stay]:
        """Return the stays that ended of whom ``belongs`` says, once for each party that is charged."""
        return [
            stay_of(on_account_of(party, end.held), end.until, end.version, claim=end.claim)
            for end in self._each.values()
            for party, places in end.home.items()
            if belongs(party, places)
        ]

    def forget(self, pods: int, claims: int) -> None:
        """Forget the ends up to these versions."""
        for uid in [uid for uid, end in self._each.items() if end.version <= (claims if end.claim else pods)]:
            del self._each[uid]


def stay_of(held: Held, until: int = 0, version: int = 0, *, claim: bool = False) -> Stay:
    """Return for how long something is held; ``until`` and ``version`` of an end, 0 where it goes on."""
    return Stay(held.uid, held.party, held.group, held.counts, held.seconds, held.since, until, version, claim)

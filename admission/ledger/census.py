"""What the reconciler needs to know of the world: a census that lags, and a witness that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from admission.decide.limits import Account
    from admission.ledger.homes import Attribution
    from admission.ledger.hours import Stay
    from admission.ledger.state import Entry


class Census(Protocol):
    """Pods and claims as their watches, or lists, have them up to one resourceVersion of each.

    All answers belong together: they may change between two turns of the event loop, never within one.
    With objects newer than ``resource_version`` (half-way through a list, say) an entry would leave under a
    version at which its object did not exist, and another reconciler at that version would count neither.
    A live object is one that exists and has not ended; being deleted is not enough.  Each live object that
    was admitted is charged in the very scopes, and to the very party, that its reservation named, and to no
    fewer devices than it may hold.  Only ``charges`` of a scope that has shards name nobody (``decide.shards``).
    """

    @property
    def resource_version(self) -> int:
        """Of pods, up to which everything has been seen."""

    @property
    def claims_version(self) -> int:
        """Of resource claims, likewise; 0 where there are none."""

    @property
    def lists(self) -> int:
        """How often it was listed anew: while this stays, nothing comes and goes without being seen."""

    def newest(self) -> tuple[int, int]:
        """Return the newest version of a pod, and of a claim, taken in, ends included; never above how far was seen."""

    def settled(self, entry: Entry) -> bool:
        """Say whether the object of an entry was ever seen here, and nothing is to be made that was charged with it.

        Gone since or not; may forget those long gone.  From then on ``charges`` has it.
        """

    def attributed(self, entry: Entry, scope: str) -> bool:
        """Say whether ``charges`` has the object of an entry in that scope even for one who never saw the entry."""

    def attribution(self, scope: str) -> Attribution:
        """Return how new the records are by which this census attributes the charges of a scope."""

    def live(self, uid: str) -> bool:
        """Say whether the object is there: claims may still be made for it."""

    def unreadable(self, scope: str) -> Collection[str]:
        """Return what exists, may be charged in a scope and cannot be read, nor is known from before: for people."""

    def charges(self, scope: str, promised: Collection[str]) -> Mapping[Account, int]:
        """Return the charges of all live objects of a scope, but for those whose uid is among the promised."""

    def stays(self, scope: str, promised: Collection[str]) -> Collection[Stay]:
        """Return for how long the same objects hold what they are charged for."""

    def ended(self, scope: str) -> Collection[Stay]:
        """Return the stays of charged objects whose end was seen here and is not forgotten."""

    def forget(self, pods: int, claims: int) -> None:
        """Forget the ends up to these versions: every ledger has taken them in."""


class Witness(Protocol):
    """Reads that the store answers from its newest state (quorum reads: no resourceVersion given).

    Any exception means that there was no answer.  The caller bounds none of them: each bounds itself.
    """

    async def recount(self) -> Census:
        """Count by a list that is begun after the call."""

    async def probe(self, entry: Entry) -> bool:
        """Say whether the object of an entry is there.  An ended pod is not: nothing is made for it."""

    async def revision(self) -> int:
        """Return the objects' newest resourceVersion (a list with limit 1 tells it)."""

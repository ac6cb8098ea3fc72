"""What the reconciler needs to know of the world: a census that lags, and a witness that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from admission.decide.limits import Account


class Census(Protocol):
    """Objects as one watch, or one list, has them up to one resourceVersion.

    All three answers belong together: they may change between two turns of the event loop, never within one.
    With objects newer than ``resource_version`` (half-way through a list, say) an entry would leave under a
    version at which its object did not exist, and another reconciler at that version would count neither.
    A live object is one that exists and has not ended; being deleted is not enough.  Each live object that
    was admitted is charged in the very scopes, and to the very party, that its reservation named, and to no
    fewer devices than it may hold.
    """

    @property
    def resource_version(self) -> int:
        """Up to which everything has been seen."""

    def seen(self, uid: str) -> bool:
        """Say whether the object was ever seen here, gone since or not; may forget those long gone."""

    def charges(self, scope: str) -> Mapping[Account, int]:
        """Return the charges of all live objects of a scope."""


class Witness(Protocol):
    """Reads that the store answers from its newest state (quorum reads: no resourceVersion given).

    Any exception means that there was no answer.  The caller bounds none of them: each bounds itself.
    """

    async def recount(self) -> Census:
        """Count by a list that is begun after the call."""

    async def probe(self, namespace: str, name: str) -> str | None:
        """Return the uid of the object of this name; None where there is none."""

    async def revision(self) -> int:
        """Return the objects' newest resourceVersion (a list with limit 1 tells it)."""

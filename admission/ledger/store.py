"""Where a ledger is kept: one versioned state per scope, changed by compare-and-swap alone.

Everything that can go wrong with a store is one of:

    StoreError
    ├── Conflict   another writer was first; certainly not written
    ├── Failed     the store could not or would not; certainly not written
    └── Unknown    no answer: written, or not, or *not yet*

Another backend is a class with the methods of ``Store`` and nothing else, over anything that can replace a value
if its version still stands and is durable when it says so.  What it stores is a ``Record`` (``encode``, and
``Snapshot.of`` the way back), as one text: it knows neither what a state holds nor what holds devices.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Protocol

from admission.ledger.codec import LedgerCorrupt, LedgerNewer, Record, decode
from admission.ledger.state import State

if TYPE_CHECKING:
    from collections.abc import Collection


class StoreError(Exception):
    """A store did not do as it was asked."""


class Conflict(StoreError):  # noqa: N818 (the outcome's own name, as in HTTP 409)
    """The version is no longer the newest; certainly not written."""


class Failed(StoreError):  # noqa: N818 (an outcome beside Conflict and Unknown)
    """Certainly not written, or not read; a repeat may succeed."""


class Forbidden(Failed):
    """Certainly not written, or not read, and a repeat will not be either before somebody grants a right."""


class Unknown(StoreError):  # noqa: N818 (an outcome beside Conflict and Failed)
    """The write may have happened, or may still happen: only a read of the newest version tells."""


class Fault(enum.Enum):
    """Why a stored ledger cannot be used as it is."""

    NONE = "none"
    CORRUPT = "corrupt"
    NEWER = "newer"


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """A state and the version at which it stood.

    A version names one write for ever: equal versions are equal states, and larger ones are newer.
    A ledger that cannot be decoded reads as not initialised, with its fault beside it.
    """

    version: int
    state: State
    fault: Fault = Fault.NONE

    @classmethod
    def of(cls, version: int, record: Record) -> Snapshot:
        """Decode a record without ever raising: what is not understood is not counted."""
        try:
            return cls(version, decode(record))
        except LedgerNewer:
            return cls(version, State(epoch=max(record.epoch, 0)), Fault.NEWER)
        except LedgerCorrupt:
            return cls(version, State(epoch=max(record.epoch, 0)), Fault.CORRUPT)


class Store(Protocol):
    """A backend.  One conformance suite runs against all of them."""

    def scopes(self) -> Collection[str]:
        """Return the scopes that have a ledger, as far as is known here."""

    def cached(self, scope: str) -> Snapshot | None:
        """Return the newest snapshot seen here; it may be old, a write with its version then conflicts."""

    def forget(self) -> None:
        """Drop all snapshots seen: the store behind them went back in time."""

    async def read(self, scope: str, timeout: float) -> Snapshot:  # noqa: ASYNC109 (the transport's own limit)
        """Return the newest snapshot at some instant after the call; a missing ledger is created, not initialised.

        Raises:
            Failed: no answer within ``timeout`` seconds, or a refusal.

        """

    async def write(self, scope: str, state: State, version: int, timeout: float) -> Snapshot:  # noqa: ASYNC109 (likewise)
        """Replace the state that stands at ``version``, and return the new snapshot.

        Raises:
            Conflict: another version stands, or none.
            Failed: refused.
            Unknown: no answer within ``timeout`` seconds, or one that does not tell.

        """

"""What a second person signs, and how long that may last: shared by all that two people stand behind."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pydantic

from admission.api.object import Model, UserName

if TYPE_CHECKING:
    from admission.api.object import ObjectMeta


class Approval(Model):
    """Who approved, and when."""

    by: UserName
    """User name of the approver: another one than requestedBy, with the verb approve on the object."""
    at: pydantic.AwareDatetime
    """It counts from this instant."""

    def counts(self, requested_by: str, now: dt.datetime) -> bool:
        """Whether it is a second person's and has begun: one who writes a name in other letters is the same."""
        return self.by.casefold() != requested_by.casefold() and self.at <= now


def check_end(metadata: ObjectMeta, approval: Approval | None, valid_until: dt.datetime, days: int) -> None:
    """Check that an object ends within so many days of its creation, in files without one of its approval.

    A guard of the chart asks the same of whoever creates it; this holds without the guard, and for files.  Raises
    ``ValueError`` with what to do.
    """
    since = metadata.creation_timestamp or (approval.at if approval else None)
    if since is not None and valid_until - since > dt.timedelta(days=days):
        raise ValueError(f"validUntil is more than {days} days away; choose an earlier instant and ask anew before it")

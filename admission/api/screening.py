"""What was found of a tenant's parties on lists of restricted parties, and how an operator has it judged."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from admission.api.identity import PartyID
from admission.api.object import Digest, Justification, Model, UserName
from admission.api.quota import Duration

EntryID = Annotated[str, pydantic.Field(min_length=1, max_length=128)]


class Confirmation(Model):
    """Who found that a hit is the listed party, and why."""

    by: UserName
    """User name of who judged it."""
    at: pydantic.AwareDatetime
    """When."""
    reason: Justification
    """What shows that both are the same."""


class ScreeningHit(Model):
    """One party that may stand on a list. Everything here is for operators; a tenant never reads it."""

    party: PartyID
    """Party id, or `tenant`."""
    entry: EntryID
    """The list's own id of the entry."""
    source: Annotated[str, pydantic.Field(max_length=256)] = ""
    """The list, as the file names it."""
    name: Annotated[str, pydantic.Field(max_length=512)] = ""
    """The entry's name or alias that is the most alike."""
    by: Literal["Identifier", "Number", "Name"]
    """Identifier: a registered identifier is the same, or was when it was first found, which is a match. Number: digits alone, too few to tell one register from another. Name: names are alike. The last two are candidates until judged."""
    score: Annotated[int, pydantic.Field(ge=0, le=100)] = 100
    """How alike, in percent."""
    covers: Digest
    """Digest of the party's names and identifiers and of the entry's: what a ScreeningDismissal is bound to."""
    seen_at: pydantic.AwareDatetime
    """When the party was first under review, from which the review period runs; kept over new lists."""
    confirmed: Confirmation | None = None
    """Set, once, by who judged that it is the listed party; then it is a match until two people dismiss it."""

    @property
    def is_match(self) -> bool:
        """Whether this is the listed party: by a registered identifier, or by somebody's judgement."""
        return self.by == "Identifier" or self.confirmed is not None


class ScreeningTerms(Model):
    """How long a name hit may wait for judgement, and how old a list may grow. Of several policies the strictest counts."""

    review_period: Duration | None = None
    """For so long after a name hit was first seen a tenant that was verified before goes on, such as 72h; absent: not at all. A tenant that is not verified, or was verified since, waits in any case."""
    max_age: Duration | None = None
    """Past this age of the list, such as 7d, a tenant that was clear by it is of unknown screening, which is not cleared; absent: never."""
    significant_from: Annotated[float, pydantic.Field(gt=0, lt=50)] | None = None
    """Percent from which listed owners of less than half are MatchSignificantMinority: by the most that they may have together of what is stated; of several policies the lowest; absent: 25."""

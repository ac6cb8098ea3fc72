"""Dates of the Beneficial Ownership Data Standard: a day, or an instant; one without a zone is in UTC."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from admission.tenants.imports.fragment import ImportProblem


class Moment(NamedTuple):
    """An instant, in UTC; of a day its beginning."""

    instant: dt.datetime
    has_time: bool

    @property
    def day(self) -> dt.date:
        """The day, in UTC."""
        return self.instant.date()


def moment_of(text: str, where: str) -> Moment:
    """Return what is written; raises ``ImportProblem`` with ``where`` for what is no date."""
    try:
        found = dt.datetime.fromisoformat(text)
        instant = found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        raise ImportProblem(f"{where}: {text[:40]!r} is no date; write it as 2026-11-26") from None
    return Moment(instant, has_time=len(text) > len("2026-11-26"))

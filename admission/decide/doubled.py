"""Authorizations with the number of another one: a licence that was entered twice counts twice."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from admission.api.quota import Authorization
from admission.decide.remarks import Remark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime


def find_doubled(grants: Iterable[Authorization], now: datetime) -> Iterator[Remark]:
    """Yield a remark on each authorization, not ended at ``now``, whose number an earlier one by name has for the time.

    A licence may stand in parts, for several tenants or classes: then the sum is what the operator compares with it.
    """
    by_number: defaultdict[str, list[Authorization]] = defaultdict(list)
    for grant in sorted(grants, key=lambda grant: grant.name):
        if grant.spec.valid_until > now:
            by_number[grant.spec.number].append(grant)
    for number, together in by_number.items():
        for place, grant in enumerate(together):
            before = [each for each in together[:place] if _meet(each, grant)]
            if before:
                total = sum(each.spec.devices for each in (*before, grant))
                said = f"{number} is the number of {before[0].name} too; both count, {total} devices with those before"
                yield Remark(Authorization.__name__, grant.name, ("spec", "number"), said)


def _meet(one: Authorization, other: Authorization) -> bool:
    return one.spec.valid_from < other.spec.valid_until and other.spec.valid_from < one.spec.valid_until

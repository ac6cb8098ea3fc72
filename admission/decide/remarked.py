"""Everything of an installation's objects that somebody should look at, though nothing waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.api.policy import AccessPolicy
from admission.api.quota import Authorization
from admission.catalogue.catalogue import Catalogue
from admission.decide.doubled import find_doubled
from admission.decide.idle import find_idle, find_undecided, find_unheld
from admission.decide.minorities import find_minorities
from admission.decide.overlaps import find_overlaps
from admission.decide.overridden import find_overridden
from admission.decide.remarks import find_remarks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from admission.decide.registry import Registry
    from admission.decide.remarks import Remark


def all_remarks(registry: Registry, now: datetime) -> Iterator[Remark]:
    """Yield the remarks, as of ``now``: what ``check`` prints, and what is said of an object as it is written."""
    policies, grants = registry.every(AccessPolicy), registry.every(Authorization)
    yield from find_remarks(policies, now)
    yield from find_overlaps(policies, registry.rules(now))
    yield from find_idle(policies, registry.catalogue.chips, grants, now)
    yield from find_undecided(registry.dangling(), registry.dangling(now))
    yield from find_doubled(grants, now)
    yield from find_unheld(grants, registry.standings)
    yield from find_minorities(registry.standings.values(), registry.rules(now).owner_threshold)
    yield from find_overridden(registry, Catalogue.builtin(), now)

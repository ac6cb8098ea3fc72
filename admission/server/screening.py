"""What the screenings of all tenants come to, as gauges: how old the list is, and who waits for judgement."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from admission.api.policy import Fact
from admission.decide.screening import screened_by
from admission.server.metrics import gauge

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from prometheus_client.metrics_core import Metric

    from admission.decide.registry import Registry
    from admission.tenants.standing import Values

_STATES = ("Clear", "Candidate", "Match", "Unknown")


def _state(values: Values) -> str:
    return "Unknown" if values is None else next(state for state in _STATES if state in values)


def screening_figures(registry: Registry, now: datetime) -> Iterable[Metric]:
    """Return the gauges: tenants by the screening that counts now, the oldest list, hits that nobody judged."""
    rules, standings = registry.rules(now), tuple(registry.standings.values())
    values = Counter(_state(screened_by(rules, each, now).facts[Fact.Screening]) for each in standings)
    judged = [each.judged for each in standings if each.judged]
    dates = [each.screening.lists_as_of.timestamp() for each in judged if each.screening.lists_as_of]
    waiting = sum(not hit.is_match for each in judged for hit in each.open(now))
    oldest: dict[tuple[str, ...], float] = {(): min(dates)} if dates else {}
    by_state: dict[tuple[str, ...], float] = {(state,): values[state] for state in _STATES}
    return (
        gauge("computegate_screening_list_date_seconds", "Date of the oldest list that a tenant rests on.", oldest, ()),
        gauge("computegate_screening_tenants", "Tenants by their screening as it counts now.", by_state, ("state",)),
        gauge("computegate_screening_waiting_hits", "Hits that wait for judgement.", {(): waiting}, ()),
    )

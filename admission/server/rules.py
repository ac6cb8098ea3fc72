"""What of the operator's objects is broken, for whom it concerns: in the log, in Events and as figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.review import alarms
from admission.server.metrics import gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from prometheus_client.metrics_core import Metric

    from admission.decide.lastgood import Broken, LastGood
    from admission.server.figures import Samples


def rules_said(broken: Broken | None) -> str:
    """Return one line on what is broken and what is done meanwhile; "" where nothing is."""
    if broken is None:
        return ""
    fields = (f"{field} of {name}" if field else name for name, field in broken.fields)
    return alarms.rules_broken(broken.said, fields, broken.since, broken.until)


def rule_troubles(last_good: LastGood, now: Callable[[], datetime]) -> Mapping[str, Callable[[], str]]:
    """Return what is told on the release: that something is broken, and that everything waits for it."""

    def said(*, waits: bool) -> str:
        broken = last_good.broken(now())
        return rules_said(broken) if broken and broken.waits(now()) is waits else ""

    return {"RulesBroken": lambda: said(waits=False), "RulesUnusable": lambda: said(waits=True)}


def rule_figures(last_good: LastGood, now: datetime) -> Iterable[Metric]:
    """Return which objects are broken, for how long, and whether everything waits for them."""
    broken = last_good.latest
    fields: Samples = dict.fromkeys(broken.fields if broken else (), 1.0)
    seconds = (now - broken.since).total_seconds() if broken else 0.0
    waits = float(broken is not None and broken.waits(now))
    return (
        gauge("computegate_objects_broken", "Objects that decide and are wrong.", fields, ("object", "field")),
        gauge("computegate_objects_broken_seconds", "For how long one or another has been wrong.", {(): seconds}, ()),
        gauge("computegate_rules_unusable", "Whether all requests for accelerators wait for them.", {(): waits}, ()),
    )

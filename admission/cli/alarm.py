"""Tells, in the log and by events, when the gate is no longer what was installed, and when it is again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from admission.cluster.events import Regarding
from admission.enforce.alarm.releases import ReleaseWatch
from admission.enforce.alarm.watch import GateWatch
from admission.review import alarms

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from admission.cluster.client import Client
    from admission.cluster.events import Events
    from admission.cluster.lease import Lease
    from admission.enforce.alarm.watch import Problem
    from admission.server.settings import Settings

logger = logging.getLogger(__name__)


class GateAlarm:
    """Every replica watches, logs and measures; the leader alone records events, on the ConfigMap of the release."""

    def __init__(
        self,
        client: Client,
        namespace: str,
        settings: Settings,
        events: Events,
        *,
        lease: Lease,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._namespace, self._events, self._lease = namespace, events, lease
        gate = settings.gate
        self.watch = GateWatch(client, namespace, gate.config_map, tell=self._tell, grace=gate.grace_seconds)
        self.releases = ReleaseWatch(
            client,
            lease.path,
            leads=lambda: lease.held,
            installed=lambda: self.watch.installed,
            settings=tuple(strict_of(settings)),
            tell=self._tell_weaker,
            now=now,
        )

    def _tell(self, began: list[Problem], ended: list[Problem]) -> None:
        for problem in began:
            text = sentence(problem)
            logger.error("gate: %s", text)
            self.record(f"Gate{problem.problem.capitalize()}", text, warning=True)
        for problem in ended:
            logger.warning("gate: no longer so: %s %s %s", problem.kind, problem.name, problem.problem)
        if not self.watch.problems:
            logger.warning("gate: %s", alarms.gate_intact())
            self.record("GateIntact", alarms.gate_intact(), warning=False)

    def _tell_weaker(self, what: list[str]) -> None:
        text = alarms.released_weaker(what)
        logger.warning("release: %s", text)
        self.record("Weakened", text, warning=True)

    def record(self, reason: str, text: str, *, warning: bool, transition: str = "", anyone: bool = False) -> bool:
        """Record an event about the gate that began, or ended, now, where this replica leads.

        ``transition`` tells apart what is one reason but not one case; without it the text does.  With ``anyone`` it is
        about this replica, which need not lead.  Returns whether it was this replica's to record.
        """
        if not (anyone or self._lease.held):
            return False
        held = self.watch.regarding
        about = Regarding("v1", "ConfigMap", held.name, held.uid, self._namespace)
        self._events.record(
            about, reason, text, action="Watch", warning=warning, transition=transition or text, anew=True
        )
        return True


def strict_of(settings: Settings) -> Iterator[str]:
    """Yield the settings by which a server enforces more, as the chart's values have them, that are on."""
    on = {
        "canary.seconds": settings.canary.seconds > 0,
        "enforcement.evict": settings.enforcement.evict,
        "enforcement.suspend": settings.enforcement.suspend,
        "record.onFailure=Deny": settings.record.on_failure == "Deny",
        "workloads.deny": settings.workloads.deny,
    }
    yield from (name for name, is_on in on.items() if is_on)


def sentence(problem: Problem) -> str:
    """Say what is wrong, and what to do."""
    match problem.problem:
        case "missing":
            return alarms.gate_missing(problem.kind, problem.name)
        case "changed":
            return alarms.gate_changed(problem.kind, problem.name, problem.detail)
        case "unseen":
            return alarms.gate_unseen(problem.kind, problem.name, problem.detail)

"""Whether the gate stands, by asking: what the canary and the audit tell in log, events and figures."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from admission.api.policy import Mode
from admission.cli.looks import answers, audited
from admission.cluster.rights import Installed, rights_of
from admission.enforce.audit.audit import Audit, Lack, Surroundings
from admission.enforce.audit.reached import Told
from admission.enforce.audit.released import is_replaced
from admission.enforce.canary.pods import CANARIES
from admission.enforce.canary.reading import GOOD, UNKNOWN, Mark, Outcome
from admission.enforce.canary.watch import CanaryWatch
from admission.review import alarms
from admission.server.handshake import doubt
from admission.server.metrics import gauge
from admission.server.settings import digest_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from prometheus_client.metrics_core import Metric

    from admission.cli.alarm import GateAlarm
    from admission.cluster.client import Client
    from admission.decide.registry import Registry
    from admission.enforce.audit.audit import Found
    from admission.enforce.canary.pods import Canary
    from admission.enforce.canary.watch import Seen
    from admission.enforce.installation import Finding
    from admission.review.reference import Keys
    from admission.server.figures import Samples
    from admission.server.settings import Settings
    from admission.server.tls import Certificate

_REASONS = {outcome: f"Gate{outcome.capitalize()}" for outcome in Outcome}
_CONFIGURATION, _POLICY = "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy"

logger = logging.getLogger(__name__)


class Proof:
    """The leader asks for canaries, every replica audits its rights and its registration; the leader records events."""

    def __init__(
        self,
        client: Client,
        registry: Registry,
        settings: Settings,
        *,
        keys: Keys,
        namespace: str,
        alarm: GateAlarm,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._registry, self._settings, self._alarm = registry, settings, alarm
        self._client, self._namespace, self._now = client, namespace, now
        self.certificate: Certificate | None = None
        self._canary = CanaryWatch(
            client,
            lambda: Mark(keys, settings.canary.namespace, alarm.watch.names(_POLICY)),
            seconds=settings.canary.seconds,
            tell=self._tell_of_canary,
            now=now,
        )
        self._audit = Audit(
            client,
            tuple(rights_of(installed_of(settings, namespace))),
            Surroundings(
                self._configuration,
                self._enforced,
                self._doubt,
                Told(settings.excluded_namespaces, by_default=settings.mode is Mode.Enforce),
                self._others,
            ),
            tell=self._tell_of_lack,
            seconds=settings.gate.audit_seconds,
            grace=settings.gate.grace_seconds,
        )

    def everywhere(self) -> Iterable[Callable[[], Coroutine[Any, Any, None]]]:
        """What to keep running in each replica."""
        return [self._audit.run]

    def leading(self) -> Iterable[Callable[[], Coroutine[Any, Any, None]]]:
        """What to keep running while this replica leads."""
        return [self._canary.run] if self._settings.canary.seconds else []

    def looks(self, *, leads: Callable[[], bool]) -> dict[str, Callable[[], Finding | None]]:
        """Return what conditions of the installation rest on here; the canary is the leader's to ask."""
        looks: dict[str, Callable[[], Finding | None]] = {"Audited": lambda: audited(self._audit.lacks)}
        if self._settings.canary.seconds:
            looks["GateAnswers"] = lambda: answers(self._canary.seen) if leads() else None
        return looks

    def figures(self, *, leads: bool) -> Iterable[Metric]:
        """Return what is scraped; nothing of what is not known yet."""
        lacks = self._audit.lacks
        if lacks is not None:
            counts: Samples = {(lack,): float(lacks[lack].number if lack in lacks else 0) for lack in Lack}
            yield gauge("computegate_audit_problems", "What the server lacks to do its work.", counts, ("problem",))
        if leads and self._settings.canary.seconds:
            yield from _canary_figures(self._canary)

    def _configuration(self) -> Mapping[str, Any]:
        return next(iter(self._alarm.watch.found(_CONFIGURATION)), {})

    def _enforced(self) -> Mapping[str, Mapping[str, str]]:
        excluded, registry = self._settings.excluded_namespaces, self._registry
        return {
            name: labels
            for name, labels in registry.namespaces.items()
            if name not in excluded and registry.mode(name) is Mode.Enforce
        }

    async def _others(self) -> Mapping[Lack, str]:
        """Return what the ConfigMap says otherwise than we were told, unless an upgrade is under way; with its name."""
        watch, name, found = self._alarm.watch, self._settings.gate.config_map, {}
        own, said = self._settings.gate.digest, watch.digest
        if own and said and said != own and not await self._replaced(lambda text: said in text):
            found[Lack.Release] = name
        given, wanted = self._settings.digest, watch.settings
        if wanted and wanted != given and not await self._replaced(lambda text: digest_of(text.encode()) == wanted):
            found[Lack.Edited] = name
        return found

    async def _replaced(self, given: Callable[[str], bool]) -> bool:
        return await is_replaced(self._client, self._namespace, given, self._now())

    def _doubt(self, bundle: bytes, name: str) -> str:
        return doubt(self.certificate.listening, bundle, name) if self.certificate else ""

    def _tell_of_canary(self, canary: Canary, seen: Seen) -> None:
        good = seen.outcome in GOOD
        text = alarms.canary_answered(canary.name, seen.outcome, "" if good else seen.detail)
        logger.log(logging.WARNING if good or seen.outcome in UNKNOWN else logging.ERROR, "gate: %s", text)
        self._alarm.record(_REASONS[seen.outcome], text, warning=not good, transition=canary.name)

    def _tell_of_lack(self, lack: Lack, found: Found | None) -> None:
        if found is None:
            logger.warning("audit: %s", alarms.lacks_no_longer(lack))
            return
        text = alarms.lacking(lack, found.detail)
        logger.error("audit: %s", text)
        own = lack in {Lack.Settings, Lack.Edited}  # another replica, which leads, may have been told otherwise
        self._alarm.record(f"Lacks{lack.capitalize()}", text, warning=True, anyone=own)


def installed_of(settings: Settings, namespace: str) -> Installed:
    """Return what of the settings the server's rights depend on."""
    managed = settings.tls.self_managed
    return Installed(
        namespace=namespace,
        gate=settings.gate.config_map,
        reference_secret="" if settings.reference_key_file else settings.reference_secret,
        tls_secret=managed.secret if managed else "",
        webhook_configurations=tuple(managed.webhook_configurations) if managed else (),
        service=bool(settings.tls.server_name),
        canary=settings.canary.namespace if settings.canary.seconds else "",
        evicts=settings.enforcement.evict,
        suspends=settings.enforcement.suspend,
    )


def _canary_figures(canary: CanaryWatch) -> Iterable[Metric]:
    outcomes: Samples = {
        (each.name, outcome): float(canary.seen[each.name].outcome is outcome)
        for each in CANARIES
        if each.name in canary.seen
        for outcome in Outcome
    }
    text = "Which answer the canary was given last."
    yield gauge("computegate_canary_outcome", text, outcomes, ("canary", "outcome"))
    good: Samples = {(name,): at for name, at in canary.good_at.items()}
    text = "When the canary was last answered as it must be, or the term began."
    yield gauge("computegate_canary_last_good_timestamp_seconds", text, good, ("canary",))

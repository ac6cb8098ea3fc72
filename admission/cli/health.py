"""Whether the gate stands: its alarm, canaries and audit, what hinders a replica, and the conditions of ComputeGate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from admission.cli import looks
from admission.cli.alarm import GateAlarm
from admission.cli.canary import Proof
from admission.cli.installation import Installation, Replica
from admission.cli.troubles import Troubles
from admission.server.figures import gate_figures
from admission.server.rules import rule_troubles

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from prometheus_client.metrics_core import Metric

    from admission.cluster.client import Client
    from admission.cluster.clock import Clock
    from admission.cluster.events import Events
    from admission.cluster.lease import Lease
    from admission.decide.lastgood import LastGood
    from admission.decide.registry import Registry
    from admission.enforce.installation import Finding
    from admission.review.reference import Keys
    from admission.server.recorder import Recorder
    from admission.server.settings import Settings
    from admission.server.tls import Certificate


class Health:
    """Every replica looks, and says so for itself; the leader asks for canaries and records the events of all.

    ``renewal`` says, by reason, what hinders the renewal of certificates; ``unread`` and ``unready`` why nothing can be
    decided, or "": for want of what is watched, and for that or want of the time.
    """

    def __init__(
        self,
        client: Client,
        registry: Registry,
        settings: Settings,
        *,
        pod: str,
        namespace: str,
        keys: Keys,
        events: Events,
        lease: Lease,
        clock: Clock,
        recorder: Recorder,
        last_good: LastGood,
        renewal: Mapping[str, Callable[[], str]],
        unread: Callable[[], str],
        unready: Callable[[], str],
    ) -> None:
        self._lease = lease
        self._alarm = GateAlarm(client, namespace, settings, events, lease=lease, now=clock)
        self._proof = Proof(client, registry, settings, keys=keys, namespace=namespace, alarm=self._alarm, now=clock)
        hindering = {"ClockLeapt": clock.leap, "RecordUnwritten": lambda: recorder.problem, "NotReady": unready}
        shared = {**rule_troubles(last_good, clock), **renewal}
        self._troubles = Troubles(self._alarm, settings.gate.grace_seconds, own=hindering, shared=shared)
        conditions: dict[str, Callable[[], Finding | None]] = {
            "CertificateCurrent": lambda: looks.certified(self._proof.certificate, renewal),
            "ClockRight": lambda: looks.right(clock),
            "GateIntact": lambda: looks.intact(self._alarm.watch.problems),
            "Reading": looks.good_unless("NotReady", "Current", unread),
            "RecordWritten": looks.good_unless("RecordUnwritten", "Written", lambda: recorder.problem),
            "RulesUsable": looks.good_unless("RulesUnusable", "Usable", lambda: registry.held_back_at(clock())),
            **self._proof.looks(leads=lambda: lease.held),
        }
        self._installation = Installation(
            client,
            Replica(pod, namespace, is_pod=bool(settings.tls.server_name)),
            conditions,
            leads=lambda: lease.held,
            grace=settings.gate.grace_seconds,
            now=clock,
        )

    def follow(self, certificate: Certificate) -> None:
        """Look at the certificate that is served, too."""
        self._proof.certificate = certificate
        self._troubles.own["CertificateUnusable"] = lambda: certificate.failure or certificate.problem() or ""

    def everywhere(self) -> Iterable[Callable[[], Coroutine[Any, Any, None]]]:
        """What to keep running in each replica until it resigns."""
        gate = self._alarm.watch.run, self._alarm.releases.run, self._troubles.run, self._installation.run
        return (*gate, *self._proof.everywhere())

    def leading(self) -> Iterable[Callable[[], Coroutine[Any, Any, None]]]:
        """What to keep running while this replica leads."""
        return self._proof.leading()

    def figures(self) -> Iterable[Metric]:
        """Return what is scraped."""
        return (
            *gate_figures(self._alarm.watch.problems, self._alarm.watch.breaks, self._alarm.releases.weakened),
            *self._proof.figures(leads=self._lease.held),
        )

"""What a replica in a cluster knows of its ledgers, quotas and watches, as gauges read at a scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from admission.api.exemption import Exemption
from admission.api.override import KYCOverride
from admission.api.policy import Fact
from admission.decide.exemption import in_force
from admission.ledger.membership import scopes_of
from admission.server.metrics import counter, counters, gauge
from admission.server.quotas import quota_figures
from admission.server.screening import screening_figures
from admission.tenants.age import ATTESTED
from admission.tenants.kyc import due_state

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from prometheus_client.metrics_core import Metric

    from admission.cluster.lease import Lease
    from admission.cluster.reflector import Reflector
    from admission.decide.registry import Registry
    from admission.ledger.ledger import Ledger
    from admission.ledger.usage.keeper import Keeper
    from admission.ledger.work import Work


Samples = dict[tuple[str, ...], float]


class Upkept(Protocol):
    """What the leader alone knows."""

    @property
    def work(self) -> Work:
        """What was done to the ledgers."""

    @property
    def usage(self) -> Keeper:
        """What keeps the usage record."""

    def unread(self) -> int:
        """Return how many pods and claims exist of which nobody knows what they hold."""

    def unattributed(self) -> int:
        """Return the devices of live pods that no tenant's jurisdiction is found for."""


class Figured(Protocol):
    """What is measured."""

    ledger: Ledger
    lease: Lease

    @property
    def upkeep(self) -> Upkept | None:
        """The upkeep, while this replica does it."""

    @property
    def reflectors(self) -> Mapping[str, Reflector[Any]]:
        """The watches by resource."""


def figures_of(source: Figured, registry: Registry, now: datetime, dropped: int) -> Iterable[Metric]:
    """Return the gauges of one replica."""
    upkeep = source.upkeep
    views = {scope: source.ledger.view(scope) for scope in source.ledger.scopes()}
    silence: Samples = {(name,): reflector.silence() for name, reflector in source.reflectors.items()}
    synced: Samples = {(name,): float(reflector.synced) for name, reflector in source.reflectors.items()}
    named = scopes_of(registry)
    counted: Samples = {
        (scope,): float(view.initialized)
        for scope, view in views.items()
        if view and (view.initialized or scope in named)
    }
    entries: Samples = {(scope,): float(view.entries) for scope, view in views.items() if view}
    return (
        gauge("computegate_records_dropped", "Lines of the decision record that were lost.", {(): dropped}, ()),
        gauge("computegate_leader", "Whether this replica does the upkeep.", {(): float(source.lease.held)}, ()),
        gauge("computegate_watch_synced", "Whether the collection was read once.", synced, ("resource",)),
        gauge("computegate_watch_silence_seconds", "Time since anything was heard of it.", silence, ("resource",)),
        gauge("computegate_ledger_initialized", "Whether the ledger has been counted.", counted, ("scope",)),
        gauge("computegate_ledger_inflight", "Reservations not yet folded.", entries, ("scope",)),
        *_commits(source.ledger),
        *quota_figures(source.ledger, registry, now),
        _exemptions(registry, now),
        *_clearances(registry, now),
        *screening_figures(registry, now),
        *(_kept(upkeep, views) if upkeep is not None else ()),
    )


def gate_figures(
    problems: Collection[Sequence[str]] | None, breaks: int, weakened: datetime | None
) -> Iterable[Metric]:
    """Return whether the gate is what was installed, unless unknown, how often it ceased to be, and a weaker release.

    ``problems`` begin with kind, name and what is wrong.
    """
    broken = counters("computegate_gate_breaks", "Times that something of the gate ceased to be.", {(): breaks}, ())
    since = gauge(
        "computegate_release_weakened_timestamp_seconds",
        "When the release last came to enforce less.",
        {(): weakened.timestamp() if weakened else 0.0},
        (),
    )
    if problems is None:
        return broken, since
    named: Samples = {(f"{kind}/{name}", problem): 1 for kind, name, problem, *_ in problems}
    text = "What of the gate is missing, changed or unseen."
    return (
        broken,
        since,
        gauge("computegate_gate_intact", "Whether the gate is what was installed.", {(): float(not problems)}, ()),
        gauge("computegate_gate_problems", text, named, ("object", "problem")),
    )


def clock_figures(ahead: tuple[float, float] | None) -> Iterable[Metric]:
    """Return by how much our own clock and the machine's differ from the API server's, where that is known."""
    known: Samples = {} if ahead is None else {("ours",): ahead[0], ("machine",): ahead[1]}
    text = "Seconds by which the time that is used, and the machine's clock, are ahead of the API server's."
    return (gauge("computegate_clock_ahead_seconds", text, known, ("clock",)),)


def _commits(ledger: Ledger) -> Iterable[Metric]:
    """What this replica asked of each ledger on behalf of requests."""
    done = ledger.counters()

    def of(field: str) -> Samples:
        return {(scope,): getattr(each, field) for scope, each in done.items()}

    return (
        counters(
            "computegate_ledger_writes", "Writes that made reservations, or took them back.", of("commits"), ("scope",)
        ),
        counters("computegate_ledger_reservations", "Requests whose reservation was made.", of("granted"), ("scope",)),
        counters(
            "computegate_ledger_conflicts", "Writes that another replica's was ahead of.", of("conflicts"), ("scope",)
        ),
        counters(
            "computegate_ledger_confirmations", "Reads that confirmed a verdict.", of("confirmations"), ("scope",)
        ),
    )


def _kept(upkeep: Upkept, scopes: Iterable[str]) -> Iterable[Metric]:
    work = upkeep.work
    known = tuple(scopes)
    uncounted, missed = _by_kind(work.uncounted, known), _by_kind(work.missed, known)
    return (
        counter("computegate_ledger_folds", "Writes that made a ledger follow the pods.", work.folds),
        counter("computegate_ledger_rebuilds", "Ledgers counted anew.", work.rebuilt),
        counter("computegate_ledger_expired", "Reservations whose pod was proved not to come.", work.expired),
        counter("computegate_ledger_failures", "Passes that failed; each is tried again.", work.failures),
        gauge("computegate_ledger_uncounted_devices", "Found by a recount alone.", uncounted, ("scope", "party")),
        counters("computegate_ledger_missed_devices", "Counted in unannounced.", missed, ("scope", "party")),
        gauge("computegate_unreadable_objects", "Of which nobody knows what they hold.", {(): upkeep.unread()}, ()),
        gauge("computegate_unattributed_devices", "Of no tenant's account.", {(): upkeep.unattributed()}, ()),
        *_used(upkeep.usage),
    )


def _used(usage: Keeper) -> Iterable[Metric]:
    return (
        counter("computegate_usage_lines", "Lines of the usage record.", usage.lines),
        counter("computegate_usage_unseen", "Lines whose end nobody saw.", usage.unseen),
        counter("computegate_usage_gaps", "Times in which nobody watched.", usage.gaps),
        counter("computegate_usage_journal_writes", "Objects written to keep the record.", usage.journal_writes),
        gauge("computegate_usage_open_intervals", "Objects that hold devices.", {(): usage.open_intervals}, ()),
        gauge("computegate_usage_waiting_lines", "Lines that are not written yet.", {(): usage.waiting}, ()),
    )


def _by_kind(found: Mapping[str, Mapping[str, int]], scopes: Iterable[str]) -> Samples:
    """Sum by scope and kind of party: a name is the tenant's own, and no label takes it."""
    samples: Samples = {(scope, kind): 0.0 for scope in scopes for kind in ("tenant", "customer", "none")}
    for scope, parties in found.items():
        for party, count in parties.items():
            kind = "customer" if "/" in party else "tenant" if party else "none"
            samples[scope, kind] = samples.get((scope, kind), 0.0) + count
    return samples


def _exemptions(registry: Registry, now: datetime) -> Metric:
    ends: Samples = {
        (each.name,): each.spec.valid_until.timestamp() for each in registry.every(Exemption) if in_force(each, now)
    }
    return gauge("computegate_exemption_expires_seconds", "End of an exemption in force.", ends, ("exemption",))


def _clearances(registry: Registry, now: datetime) -> Iterable[Metric]:
    """What of the tenants' clearances is due, rests on an override, or is too old to be known."""
    rules = registry.rules(now)
    states: Samples = {("due",): 0, ("overdue",): 0}
    stale: Samples = {(str(fact),): 0 for fact in (*sorted(ATTESTED), Fact.AccessCountry)}
    for standing in tuple(registry.standings.values()):
        state = due_state(standing.tenant.status.kyc, now, rules.due.warn_before)
        if state:
            states[state,] += 1
        for fact in standing.stale_at(now, rules.ages):
            stale[str(fact),] += 1
    ends: Samples = {
        (each.name,): each.spec.valid_until.timestamp() for each in registry.every(KYCOverride) if in_force(each, now)
    }
    return (
        gauge("computegate_tenants_to_verify", "Tenants whose next verification is due, or was.", states, ("state",)),
        gauge("computegate_tenants_stale_facts", "Tenants of whom a fact is too old to be known.", stale, ("fact",)),
        gauge("computegate_kyc_override_expires_seconds", "End of a KYC override in force.", ends, ("override",)),
    )

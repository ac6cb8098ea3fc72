"""Every metric of ours, beside what it means.  No label takes a value that a tenant chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from admission import __version__
from admission.server.config import CAUSES, OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.metrics_core import Metric

    from admission.review.reasons import Reason
    from admission.server.config import Counts

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The instruments, with their children made once: looking up a label costs more than counting."""

    def __init__(self, entries: Iterable[str]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Gauge(
            "computegate_build_info", "Always 1; the version is in the label.", ["version"], registry=self.registry
        ).labels(__version__).set(1)
        self._decisions = Counter(
            "computegate_decisions",
            "Decisions by webhook entry, mode of the namespace and outcome: allowed, denied, would_deny.",
            ["entry", "mode", "decision"],
            registry=self.registry,
        )
        self._reasons = Counter(
            "computegate_denial_reasons",
            "Reasons of denials, and of requests that would have been denied, by mode.",
            ["reason", "mode"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "computegate_decision_duration_seconds",
            "Time from the decoded review to the answer, the ledger included.",
            ["entry"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._devices = Counter(
            "computegate_devices",
            "Accelerators asked for, by class and outcome; a pod that may land on several classes counts in each.",
            ["accelerator_class", "decision"],
            registry=self.registry,
        )
        self._exempted = Counter(
            "computegate_exempted_pods",
            "Pods that reach devices past a request and were not refused for it, by the exemption that lets them.",
            ["exemption"],
            registry=self.registry,
        )
        self._overridden = Counter(
            "computegate_overridden_clearances",
            "Requests that were not refused for a clearance that does not hold, by the KYCOverride that lets it stand.",
            ["override"],
            registry=self.registry,
        )
        self._writes = Counter(
            "computegate_object_writes",
            "Writes of our own objects that were looked at: allowed, warned, refused, unjudged.",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self._timers = {entry: self._seconds.labels(entry) for entry in entries}
        self._children: dict[tuple[Counter, tuple[str, ...]], Counter] = {}

    def _child(self, counter: Counter, *labels: str) -> Counter:
        """Return the counter of some labels; there are as many as modes, reasons and classes make."""
        found = self._children.get((counter, labels))
        if found is None:
            found = self._children[counter, labels] = counter.labels(*labels)
        return found

    def decided(self, entry: str, mode: str, decision: str, seconds: float) -> None:
        """Count a decision and its time."""
        self._child(self._decisions, entry, mode, decision).inc()
        self._timers[entry].observe(seconds)

    def refused(self, reasons: Iterable[Reason], mode: str) -> None:
        """Count the reasons of a denial."""
        for reason in reasons:
            self._child(self._reasons, str(reason), mode).inc()

    def asked(self, classes: Iterable[tuple[str, int]], decision: str) -> None:
        """Count devices by class."""
        for name, count in classes:
            self._child(self._devices, name, decision).inc(count)

    def exempted(self, exemptions: Iterable[str]) -> None:
        """Count a pod for each exemption that it needed."""
        for name in exemptions:
            self._exempted.labels(name).inc()

    def overridden(self, overrides: Iterable[str]) -> None:
        """Count a request for each override that it needed."""
        for name in overrides:
            self._overridden.labels(name).inc()

    def wrote(self, kind: str, outcome: str) -> None:
        """Count a write of one of our own objects."""
        self._writes.labels(kind, outcome).inc()

    def watch(self, collect: Callable[[], Iterable[Metric]]) -> None:
        """Read further figures at each scrape."""
        self.registry.register(Live(collect))


class Live(Collector):
    """Figures that something else keeps, read when they are scraped; what is gone there is gone here."""

    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: registering must not read what is not there yet."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return the figures as they are."""
        return self._collect()


def of_http(counts: Counts, entries: Iterable[str]) -> Iterable[Metric]:
    """What the HTTP layer counts; copied first, as a scrape runs in a thread of its own.

    What has not happened yet is shown as 0: Prometheus does not see the first of a series as a growth.
    """
    requests = CounterMetricFamily(
        "computegate_http_requests", "Reviews by entry and outcome of the HTTP layer.", labels=["entry", "outcome"]
    )
    answered = {(entry, outcome): 0 for entry in entries for outcome in OUTCOMES} | dict(counts.requests)
    for (entry, outcome), number in answered.items():
        requests.add_metric([entry, outcome], number)
    closed = CounterMetricFamily(
        "computegate_http_connections_closed", "Connections closed by us, by cause.", labels=["cause"]
    )
    for cause, number in (dict.fromkeys(CAUSES, 0) | dict(counts.closed)).items():
        closed.add_metric([cause], number)
    in_flight = GaugeMetricFamily("computegate_http_in_flight", "Reviews in work, by entry.", labels=["entry"])
    for entry, number in dict(counts.in_flight).items():
        in_flight.add_metric([entry], number)
    connections = GaugeMetricFamily("computegate_http_connections", "Open connections.", value=counts.connections)
    handshakes = CounterMetricFamily(
        "computegate_tls_handshakes_failed", "TLS handshakes that did not end well.", value=counts.handshakes_failed
    )
    return (requests, closed, in_flight, connections, handshakes)


def counter(name: str, text: str, value: float) -> Metric:
    """Return a counter without labels."""
    return CounterMetricFamily(name, text, value=value)


def counters(name: str, text: str, values: Mapping[tuple[str, ...], float], labels: tuple[str, ...]) -> Metric:
    """Return a counter with one sample for each entry of ``values``."""
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def gauge(name: str, text: str, values: Mapping[tuple[str, ...], float], labels: tuple[str, ...]) -> Metric:
    """Return a gauge with one sample for each entry of ``values``."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family

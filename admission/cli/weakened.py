"""What was enforced is not any more, in a namespace or by a policy: said and counted, with who asked for it and why."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from admission.api import GROUP, MODE_LABEL, TENANT_LABEL
from admission.api.policy import Mode
from admission.server.metrics import counters, gauge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.metrics_core import Metric

    from admission.decide.registry import Registry

TO, REASON, REQUESTED_BY = (f"{GROUP}/weaken-{each}" for each in ("to", "reason", "requested-by"))
"""Annotations of a namespace or an AccessPolicy: what is asked for, why, and by whom.  A guard holds them to it."""

_NAMESPACE, _POLICY = "namespace", "policy"

logger = logging.getLogger(__name__)


class Weakened:
    """Takes note of changes of mode, as the watches show them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._counts: Counter[str] = Counter({_NAMESPACE: 0, _POLICY: 0})

    def namespace(
        self, name: str, before: Mapping[str, str], after: Mapping[str, str], notes: Mapping[str, str]
    ) -> bool:
        """Compare the labels of a namespace; says whether it is not enforced any more."""
        return self._compare(_NAMESPACE, name, self._mode(before), self._mode(after), notes)

    def policy(self, name: str, before: Mode, after: Mode, notes: Mapping[str, str]) -> bool:
        """Compare the modes of an AccessPolicy; says whether it does not deny any more."""
        return self._compare(_POLICY, name, before, after, notes)

    def figures(self) -> Iterable[Metric]:
        """Return how many namespaces of tenants are in each mode, and how often one, or a policy, ceased to enforce."""
        modes = Counter(
            self._mode(labels) for labels in tuple(self._registry.namespaces.values()) if labels.get(TENANT_LABEL)
        )
        return (
            gauge(
                "computegate_namespaces",
                "Namespaces that name a tenant, by mode.",
                {(str(mode),): modes[mode] for mode in Mode},
                ("mode",),
            ),
            counters(
                "computegate_weakened",
                "Changes by which a namespace, or a policy, ceased to enforce.",
                {(what,): count for what, count in self._counts.items()},
                ("what",),
            ),
        )

    def _mode(self, labels: Mapping[str, str]) -> Mode:
        word = labels.get(MODE_LABEL, self._registry.default_mode)
        return Mode(word) if word in set(Mode) else Mode.Enforce

    def _compare(self, what: str, name: str, before: Mode, after: Mode, notes: Mapping[str, str]) -> bool:
        if before is not Mode.Enforce or after is Mode.Enforce:
            return False
        self._counts[what] += 1
        asked = notes.get(REQUESTED_BY, "nobody"), notes.get(REASON, "no reason given")
        logger.warning("%s %s went from %s to %s; asked for by %s: %s", what, name, before, after, *asked)
        return True

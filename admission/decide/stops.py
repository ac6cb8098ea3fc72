"""Of which tenants no new pods are admitted, and for which reasons: as the Allowances of their namespaces say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.review.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable


class Stops:
    """What was said last of each namespace."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, frozenset[Reason]]] = {}
        self._reasons: dict[str, tuple[Reason, ...]] = {}

    def of(self, tenant: str) -> tuple[Reason, ...]:
        """Return why nothing new of a tenant is admitted; nothing where it is."""
        return self._reasons.get(tenant, ())

    def say(self, namespace: str, tenant: str, reasons: Iterable[Reason]) -> None:
        """Take in what stands in the Allowance of a namespace; no reasons, and it stops nothing."""
        before, now = self._said.pop(namespace, ("", frozenset())), (tenant, frozenset(reasons))
        if now[1]:
            self._said[namespace] = now
        for name in {before[0], tenant} if before != now else ():
            self._sum(name)

    def _sum(self, tenant: str) -> None:
        """A tenant has few namespaces that stop it, and seldom others than before."""
        found = frozenset[Reason]().union(*(reasons for name, reasons in self._said.values() if name == tenant))
        if found:
            self._reasons[tenant] = tuple(sorted(found))
        else:
            self._reasons.pop(tenant, None)

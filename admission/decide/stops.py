"""Of whom no new pods are admitted, and for which reasons: as the Allowances of their namespaces say."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from admission.review.reasons import Reason


class Stops:
    """What was said last of each namespace."""

    def __init__(self) -> None:
        self._tenants: dict[str, str] = {}
        self._said: defaultdict[str, dict[str, frozenset[Reason]]] = defaultdict(dict)

    def of(self, tenant: str) -> Mapping[str, frozenset[Reason]]:
        """Return the namespaces of a tenant for which nothing new is admitted, and why."""
        return self._said.get(tenant, {})

    def say(self, namespace: str, tenant: str, reasons: Iterable[Reason]) -> None:
        """Take in what stands in the Allowance of a namespace; no reasons, and it stops nothing."""
        before = self._tenants.pop(namespace, None)
        if before is not None:
            del self._said[before][namespace]
            if not self._said[before]:
                del self._said[before]
        found = frozenset(reasons)
        if found:
            self._tenants[namespace], self._said[tenant][namespace] = tenant, found

"""Where a verdict may be another one than when the pods of a namespace were judged last, without asking anybody.

What decides is compared by identity, as the registry keeps one object for as long as it says the same.  Nodes are not
part of it: they come and go all day, and what they change is found by the next full sweep.
"""

from __future__ import annotations

import asyncio
import operator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from admission.api import TENANT_LABEL
from admission.api.exemption import Exemption
from admission.api.quota import ComputeQuota
from admission.decide.exemption import in_force
from admission.decide.screening import too_old
from admission.enforce.shown import deciding_anywhere

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from admission.decide.registry import Registry

NEVER = datetime.max.replace(tzinfo=UTC)

_BATCH = 20  # namespaces between two turns of the loop


class Changes:
    """What decided when each namespace was judged."""

    def __init__(self, registry: Registry, now: Callable[[], datetime]) -> None:
        self._registry, self._now = registry, now
        self._noted: dict[str, tuple[object, ...]] = {}
        self._quotas: tuple[object, ...] = ()
        self._exemptions: tuple[object, ...] = ()
        self._generation: object = None
        self._until = NEVER

    def note(self, namespace: str) -> None:
        """Note what decides, before the pods of a namespace are judged."""
        self._noted[namespace] = self._basis(namespace)

    def keep(self, namespaces: Container[str]) -> None:
        """Forget all other namespaces."""
        self._noted = {name: basis for name, basis in self._noted.items() if name in namespaces}

    async def since(self, namespaces: Iterable[str]) -> list[str]:
        """Return those where anything that decides is another than was noted, or nothing was."""
        found = []
        for count, namespace in enumerate(namespaces, 1):
            noted, basis = self._noted.get(namespace), self._basis(namespace)
            if noted is None or len(noted) != len(basis) or any(map(operator.is_not, noted, basis)):
                found.append(namespace)
            if count % _BATCH == 0:
                await asyncio.sleep(0)
        return found

    def _basis(self, namespace: str) -> tuple[object, ...]:
        """What decides; another object stands for what is not the same."""
        registry = self._registry
        labels = registry.namespaces.get(namespace)
        standing = registry.standings.get((labels or {}).get(TENANT_LABEL, ""))
        common = (labels, *self._kept())
        if standing is None:
            return (*common, registry.rules(self._now()))
        return (*common, *deciding_anywhere(standing, registry, self._now(), namespace))

    def _kept(self) -> tuple[object, object]:
        """The quotas by what they say, not by what they hold, and the exemptions in force; the same while these are."""
        registry, now = self._registry, self._now()
        if registry.generation is not self._generation or now >= self._until:
            self._generation = registry.generation
            quotas = tuple((each.name, each.spec) for each in registry.every(ComputeQuota))
            asked = registry.every(Exemption)
            turns = {each.spec.valid_until for each in asked}
            turns.update(each.status.approval.at for each in asked if each.status.approval)
            self._until = min((at for at in turns if at > now), default=NEVER)
            exemptions = tuple(each for each in asked if in_force(each, now))
            self._quotas = self._quotas if quotas == self._quotas else quotas
            self._exemptions = self._exemptions if exemptions == self._exemptions else exemptions
        return self._quotas, self._exemptions


def lists_too_old(registry: Registry, namespace: str, now: datetime) -> bool:
    """Say whether somebody behind a namespace is unknown for want of a newer list alone: that is our own fault."""
    rules = registry.rules(now)
    return any(too_old(each, now, rules.screening) for each in registry.requester(namespace).standings)

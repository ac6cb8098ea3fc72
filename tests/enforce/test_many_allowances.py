"""With many tenants: what an Allowance says of others' use is summed seldom, and never of two of them in one turn."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from admission.api import TENANT_LABEL
from admission.api.allowance import Allowance
from admission.enforce import writer
from admission.enforce.own import own_limits
from admission.enforce.writer import StatusWriter
from admission.ledger.ledger import Ledger
from admission.ledger.memory import MemoryStore
from admission.ledger.pods import PodCensus
from tests.decide.questions import ALLOW, CHIP, NOW, policy, quota, tenant, world

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest

    from admission.decide.registry import Registry

NAMES = tuple(f"tenant-{number}" for number in range(12))
ROUNDS = 20


class Server:
    """The Allowances of an API server."""

    def __init__(self) -> None:
        self.allowances = {f"{name}/compute": _allowance({}) for name in NAMES}

    async def merge_patch(self, path: str, body: bytes) -> bytes:
        if "allowances" in path:
            key = f"{path.split('/')[5]}/compute"
            before = self.allowances[key].status.model_dump(mode="json", by_alias=True)
            self.allowances[key] = _allowance({**before, **json.loads(body)["status"]})
        return b"{}"


def _allowance(status: dict[str, Any]) -> Allowance:
    return Allowance.model_validate({"metadata": {"name": "compute"}, "status": status})


class Census(PodCensus):
    """What parties hold, as told; counts how often that was asked: once in each round."""

    rounds = 0
    held: Mapping[str, Counter[str]] = {}

    def use(self) -> Mapping[str, Counter[str]]:
        self.rounds += 1
        return self.held


class Kept:
    """A writer at its rounds, and in which turn of the loop, and which round, it looked at each tenant's limits."""

    def __init__(self, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.census = Server(), Census(registry, lambda: NOW)
        self.looks: list[tuple[int, str]] = []
        self._turns = 0

        def noted(requester: Any, *others: Any) -> Any:
            self.looks.append((self._turns, requester.party))
            return own_limits(requester, *others)

        monkeypatch.setattr(writer, "own_limits", noted)
        monkeypatch.setattr(writer, "ROUND_SECONDS", 0.0)
        allowances = self.server.allowances
        self._writer = StatusWriter(
            self.server,  # type: ignore[arg-type]  # all that it is asked for
            *(registry, Ledger(MemoryStore(initialized=True)), self.census),
            allowances=allowances,
            contact="",
            now=lambda: NOW,
        )

    async def go(self, *happenings: Callable[[], None]) -> None:
        """Let it go round, and again after each of these."""
        tasks = [asyncio.create_task(self._writer.run()), asyncio.create_task(self._count())]
        try:
            for happening in happenings:
                happening()
                until = self.census.rounds + ROUNDS
                while self.census.rounds < until:  # noqa: ASYNC110  (the state of another task)
                    await asyncio.sleep(0)
        finally:
            for task in tasks:
                task.cancel()

    async def _count(self) -> None:
        while True:
            self._turns += 1
            await asyncio.sleep(0)


def test_an_allowance_is_looked_at_when_its_own_use_or_a_limit_changes_else_seldom_and_each_in_a_turn_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "LEAST_SECONDS", 0.0)
    registry = world(policy(ALLOW), quota(limits={"devices": 100})).registry()
    for name in NAMES:
        registry.put(tenant(name))
        registry.put_namespace(name, {TENANT_LABEL: name})
    registry.namespaces.pop("lab")
    kept, seen = Kept(registry, monkeypatch), list[Counter[str]]()

    def uses() -> None:
        seen.append(Counter(party for _, party in kept.looks))
        kept.looks.clear()
        party = registry.requester(NAMES[3]).party
        kept.census.held = {party: Counter({CHIP: 2})}

    def limits() -> None:
        seen.append(Counter(party for _, party in kept.looks))
        registry.put(quota(limits={"devices": 50}))

    asyncio.run(kept.go(lambda: None, uses, limits))
    turns = [turn for turn, _ in kept.looks]

    parties = {registry.requester(name).party for name in NAMES}
    assert seen == [Counter(parties), Counter({registry.requester(NAMES[3]).party: 1})]
    assert Counter(party for _, party in kept.looks) == Counter(parties) + seen[1]
    assert len(set(turns)) == len(turns)

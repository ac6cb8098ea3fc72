"""Statuses follow the clock: no object changes, and what operators and tenants are shown does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from admission.api.allowance import Allowance
from admission.enforce import writer
from admission.enforce.patcher import LEAST_SECONDS
from admission.enforce.writer import StatusWriter
from admission.ledger.ledger import Ledger
from admission.ledger.memory import MemoryStore
from admission.ledger.pods import PodCensus
from tests.cluster.scripted import api_server
from tests.decide.questions import ALLOW, H100, NOW, World, policy, quota, rule, tenant, world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOON = NOW + timedelta(seconds=0.3)
ALLOWANCE = "/apis/computegate.io/v1alpha1/namespaces/lab/allowances/compute/status"
TENANT = "/apis/computegate.io/v1alpha1/tenants/acme/status"
NEVER = 3600.0


class Shown:
    """An API server that keeps what is patched, and lets the writer see Allowances again."""

    def __init__(self) -> None:
        self.statuses: dict[str, dict[str, Any]] = {}
        self.allowances = {"lab/compute": Allowance.model_validate({"metadata": {"name": "compute"}})}

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        status = json.loads(await request.read())["status"]
        self.statuses[request.path] = {**self.statuses.get(request.path, {}), **status}
        if request.path == ALLOWANCE:
            self.allowances["lab/compute"] = Allowance.model_validate({"status": self.statuses[ALLOWANCE]})
        return web.json_response({})

    def told(self) -> tuple[str, str, str]:
        """Return what the Allowance, the standing and the condition say."""
        standing = self.statuses.get(TENANT, {})
        conditions = [each["reason"] for each in standing.get("conditions", ()) if each["type"] == "Cleared"]
        clearance = self.statuses.get(ALLOWANCE, {}).get("clearance", "")
        return clearance, standing.get("standing", {}).get("reason", "-"), "".join(conditions)


async def _followed(given: World, directory: Path, change: datetime) -> list[tuple[str, str, str]]:
    """Return what is shown just before an instant, and once it has come."""
    clock, shown, registry = [change - timedelta(seconds=0.2)], Shown(), given.registry()
    async with api_server(shown.answer, directory) as client:
        ledger, census = Ledger(MemoryStore(initialized=True)), PodCensus(registry, lambda: clock[0])
        kept = StatusWriter(
            client, registry, ledger, census, allowances=shown.allowances, contact="", now=lambda: clock[0]
        )
        task = asyncio.create_task(kept.run())
        try:
            before = await _once(shown, lambda told: told == ("Cleared", "", "Cleared"))
            clock[0] = change
            after = await _once(shown, lambda told: all(one != other for one, other in zip(told, before, strict=True)))
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    return [before, after]


async def _once(shown: Shown, holds: Callable[[tuple[str, str, str]], bool]) -> tuple[str, str, str]:
    """Return what is shown once it holds, or after five seconds: half of what lies between two writes."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LEAST_SECONDS / 2):
            while not holds(shown.told()):  # noqa: ASYNC110  (the state of another task)
                await asyncio.sleep(0.01)
    return shown.told()


RULE = rule("closed", "Deny", ("Headquarters", "In", "DE"), effective=SOON.isoformat())
CASES = {
    "a rule that begins, between two rounds": (
        world(policy(ALLOW, RULE), quota(), pod=H100),
        NEVER,
        "JurisdictionNotAllowed",
    ),
    "a clearance that lapses": (
        *(world(tenant(status={"kyc": {"expiresAt": SOON.isoformat()}}), quota(), pod=H100), 0.1),
        "KYCExpired",
    ),
}


@pytest.mark.parametrize(("given", "round_", "reason"), CASES.values(), ids=CASES)
def test_statuses_follow_an_instant_though_no_object_changes(
    given: World, round_: float, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "ROUND_SECONDS", round_)

    assert asyncio.run(_followed(given, tmp_path, SOON)) == [
        ("Cleared", "", "Cleared"),
        ("NotCleared", reason, reason),
    ]

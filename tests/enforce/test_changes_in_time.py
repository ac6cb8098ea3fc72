"""A namespace is judged again at once when what decides there changes, also when time alone changes it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from admission.enforce.sweep.changes import Changes
from tests.decide.questions import NOW, exemption, grant, override, quota, tenant, world

if TYPE_CHECKING:
    from admission.api.object import Object

SOON = (NOW + timedelta(seconds=60)).isoformat()
LATER = (NOW + timedelta(days=9)).isoformat()
EXPIRED = tenant(status={"kyc": {"expiresAt": (NOW - timedelta(days=1)).isoformat()}})
TURNS = {
    "an exemption that ends": exemption(images=["a"], validUntil=SOON),
    "an exemption whose approval begins": exemption(at=SOON, images=["a"], validUntil=LATER),
    "an authorization that ends": grant(validUntil=SOON),
    "an override that ends": override("KYCExpired", validUntil=SOON),
}


@pytest.mark.parametrize("turning", TURNS.values(), ids=TURNS)
def test_what_begins_or_ends_by_time_has_a_namespace_judged_again_once(turning: Object) -> None:
    clock = [NOW]
    changes = Changes(world(EXPIRED, quota(), turning).registry(), lambda: clock[0])

    def changed_at(seconds: float) -> list[str]:
        clock[0] = NOW + timedelta(seconds=seconds)
        return asyncio.run(changes.since(["lab"]))

    changes.note("lab")
    assert [changed_at(seconds) for seconds in (0, 59, 60, 61)] == [[], [], ["lab"], ["lab"]]
    changes.note("lab")
    assert changed_at(62) == []

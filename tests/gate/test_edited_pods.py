"""No edit of a denied pod admits it, unless the pod then obtains less: fewer devices, fewer classes, no way around."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import msgspec
from hypothesis import event, given, settings
from hypothesis import strategies as st

from admission.cli.embedded import embedded_ledger
from admission.review.pod import Pod
from admission.server.case import Ask
from admission.server.judge import Judge
from tests.decide.questions import ALLOW, NOW, policy, quota, rule, world
from tests.gate.edits import ABROAD, EDITS, EXISTING, Edit, Obtained, obtained, pods
from tests.gate.reviews import CONTACT, KEY, deadline

RULES = policy(
    ALLOW,
    rule("no-h100", "Deny", classes=["h100-sxm"]),
    rule("not-there", "Deny", ("Place", "In", "CN"), classes=["*"]),
)
MOST, HOUR = 4, 3600
LIMITS = quota(classes=["a100-80gb"], limits={"devices": MOST, "longestHold": "1h"})
JUDGE = Judge(
    world(RULES, LIMITS, ABROAD, nodes=EXISTING).registry(),
    embedded_ledger(),
    reference_key=KEY,
    contact=CONTACT,
)
"""A cleared tenant: any number of T4, four A100 for an hour, no H100, and nothing that may stand in China."""


def _admits(pod: dict[str, Any]) -> bool:
    made = msgspec.json.decode(msgspec.json.encode(pod), type=Pod)
    ask = Ask(uid="u", namespace="lab", name="p", pod=made, dry_run=True, enforced=True)
    return asyncio.run(JUDGE.judge(ask, NOW, deadline())).decision == "allowed"


def _may_run(what: Obtained) -> bool:
    """The rules above in one line, for the second opinion."""
    a100 = what.devices["a100-80gb", "DE"]
    elsewhere = what.devices.keys() - {("a100-80gb", "DE"), ("t4", "DE")}
    return not (what.opened or what.unknown or elsewhere or a100 > MOST or (a100 and what.hold > HOUR))


@settings(max_examples=1000)
@given(pods(), st.lists(EDITS, min_size=1, max_size=3))
def test_no_edit_admits_a_denied_pod_but_for_less(pod: dict[str, Any], edits: list[Edit]) -> None:
    edited = copy.deepcopy(pod)
    for edit in edits:
        edit(edited)
    before, after = obtained(pod), obtained(edited)
    admitted = _admits(pod), _admits(edited)
    event(f"admitted before and after: {admitted}")
    assert admitted == (_may_run(before), _may_run(after))
    # What can be edited can be edited back: each pair is a denied pod and its edit, one way or the other.
    assert not (admitted == (False, True) and after.covers(before)), "as much as before, or what nobody may have"
    assert not (admitted == (True, False) and before.covers(after)), "no more than before, and no longer allowed"

"""Limits of TPP that weigh slices of a chip, beside those that count each as a whole one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.decide.counting import weights_in
from admission.decide.levels import scopes_of
from admission.decide.limits import Charge, measure
from admission.ledger.limits import Granted, Tally, judge
from tests.decide.questions import ALLOW, grant, policy, quota, rule, tenant, world
from tests.demand.cluster import H100, node, pod

WHOLE, PART = 15832, 2262
"""TPP of an H100, and a seventh of it rounded up."""

NODES = (node("s", f"{H100}-MIG-1g.10gb"), node("w", H100, pool="whole"))
SLICED, FULL = {"kubernetes.io/hostname": "s"}, {"kubernetes.io/hostname": "w"}


def room(tpp: int | None, *, slices: str, devices: int | None = None, asked: int = 1, **where: str) -> bool:
    """Return whether a quota has room for a pod of so many devices, by the limits that any ledger decides."""
    limits = {key: value for key, value in (("tpp", tpp), ("devices", devices)) if value is not None}
    made = world(
        quota(limits=limits, slices=slices), nodes=NODES, pod=pod(asked, nodeSelector=where or SLICED)
    ).question()
    charge = Charge("acme", tuple((each.class_key, each.count) for each in made.demand.devices))
    limits_ = [limit for scope in scopes_of(made, "DE") for limit in scope.limits]
    return isinstance(judge(charge, limits_, Tally(())), Granted)


@pytest.mark.parametrize(
    ("limits", "fits"),
    [
        ({"tpp": WHOLE, "slices": "Whole", "asked": 1}, True),
        ({"tpp": WHOLE, "slices": "Whole", "asked": 2}, False),
        ({"tpp": PART, "slices": "Whole", "asked": 1}, False),
        ({"tpp": PART, "slices": "Weighed", "asked": 1}, True),
        ({"tpp": PART - 1, "slices": "Weighed", "asked": 1}, False),
        ({"tpp": 7 * PART, "slices": "Weighed", "asked": 7}, True),
        ({"tpp": WHOLE, "slices": "Weighed", "asked": 7}, False),
        ({"tpp": WHOLE - 1, "slices": "Weighed", "asked": 1, **FULL}, False),
        ({"tpp": WHOLE, "slices": "Weighed", "asked": 1, **FULL}, True),
        ({"tpp": WHOLE, "devices": 1, "slices": "Weighed", "asked": 2}, False),
        ({"tpp": None, "devices": 2, "slices": "Weighed", "asked": 2}, True),
    ],
)
def test_a_slice_takes_its_part_of_a_limit_of_tpp_and_one_of_a_limit_of_devices(
    limits: dict[str, Any], fits: bool
) -> None:
    assert room(**limits) is fits


def test_a_quota_counts_slices_whole_unless_it_says_otherwise() -> None:
    assert (quota().spec.slices, quota(slices="Weighed").spec.slices) == ("Whole", "Weighed")


def test_levels_by_amount_and_authorizations_count_slices_whole() -> None:
    raising = rule("more", "Level", level=1, levels=[{"tpp": WHOLE, "level": 3}])
    asked = {"nodes": NODES, "pod": pod(1, nodeSelector=SLICED)}

    assert world(policy(ALLOW, raising), tenant(), quota(slices="Weighed"), **asked).reasons() == ["KYCLevelTooLow"]
    made = world(
        policy(ALLOW, rule("licensed", "Authorization")), grant(devices=1), quota(slices="Weighed"), **asked
    ).question()
    weighed = [limit.measure((("h100-sxm/1g.10gb", 1),)) for each in scopes_of(made, "DE") for limit in each.limits]
    assert weighed == [1, 1]


KEYS = st.lists(
    st.sampled_from(
        ["h100-sxm", "h100-sxm/1g.10gb", "h100-sxm/3g.40gb", "a30/1g.6gb", "t4", "gone/1g.10gb", "unknown"]
    ),
    min_size=1,
    max_size=4,
    unique=True,
).map("|".join)


@given(st.lists(st.tuples(KEYS, st.integers(min_value=1, max_value=10**9)), max_size=5))
def test_weighed_use_is_never_more_than_whole_use_nor_less_than_its_part(counts: list[tuple[str, int]]) -> None:
    rules = world().registry().rules(world().now)
    whole, weighed = (
        measure(counts, weights_in(rules, quota(slices=slices), "tpp")) for slices in ("Whole", "Weighed")
    )

    assert whole / 7 <= weighed <= whole
    for slices in ("Whole", "Weighed"):
        weights = weights_in(rules, quota(classes=["*"], slices=slices), "devices")
        assert measure(counts, weights) == sum(count for _, count in counts)

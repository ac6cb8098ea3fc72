"""Levels by amount: a floor from the first device on, and never less for more; decided where the use is counted."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.decide.decide import decide
from admission.decide.levels import exceeded, is_level
from admission.decide.limits import Charge
from admission.ledger.limits import Exceeded, Tally, judge
from admission.review.messages import Shortage
from admission.review.reasons import Reason
from tests.decide.questions import ALLOW, CHIP, EITHER, policy, quota, rule, tenant, world
from tests.demand.cluster import pod

if TYPE_CHECKING:
    from admission.api.policy import AccessPolicy
    from admission.decide.limits import Limit
    from admission.decide.question import Verdict

STEPS = [{"devices": 5, "level": 3}, {"devices": 17, "level": 4}]
RESOLD = {"computegate.io/tenant": "kumo", "computegate.io/end-customer": "tanuki"}


def stepped(*steps: dict[str, Any], level: int = 1, **fields: Any) -> AccessPolicy:
    return policy(ALLOW, rule("amount", "Level", level=level, levels=list(steps or STEPS), **fields))


def of_level(level: int, name: str = "acme", **spec: Any) -> Any:
    return tenant(name, {"kyc": {"level": level}}, **spec)


def asking(devices: int) -> Any:
    return pod({"nvidia.com/h100": devices})


def limits(verdict: Verdict) -> list[tuple[str, str, str, int]]:
    """The limits by level: the ledger, whose, the unit, how much."""
    return [
        (scope.name, limit.key, limit.unit, limit.amount)
        for scope in verdict.scopes
        for limit in scope.limits
        if is_level(limit.key)
    ]


@pytest.mark.parametrize(
    ("devices", "level", "needed"),
    [
        (1, 0, "needs verification level 1"),
        (1, 1, ""),
        (4, 1, ""),
        (5, 1, "so much of class h100-sxm at once needs verification level 3"),
        (5, 0, "class h100-sxm needs verification level 3"),
        (5, 2, "needs verification level 3"),
        (16, 3, ""),
        (17, 3, "needs verification level 4"),
        (17, 4, ""),
        (4000, 4, ""),
    ],
)
def test_what_is_asked_for_at_once_needs_its_level_and_the_line_says_which(
    devices: int, level: int, needed: str
) -> None:
    found = world(stepped(), of_level(level), quota(), pod=asking(devices)).verdict()
    too_low = [each.sentence for each in found.findings if each.reason is Reason.KYCLevelTooLow]
    unverified = [Reason.KYCMissing] if level == 0 else []
    assert list(found.reasons()) == unverified + ([Reason.KYCLevelTooLow] if needed else [])
    assert all(needed in sentence for sentence in too_low)


def test_what_is_held_is_the_ledgers_to_add_below_the_next_amount() -> None:
    first = ("DE", "level/acme/access/amount/3", "devices", 4)
    second = ("DE", "level/acme/access/amount/4", "devices", 16)
    assert limits(world(stepped(), of_level(1), quota()).verdict()) == [first, second]
    assert limits(world(stepped(), of_level(3), quota()).verdict()) == [second]
    assert limits(world(stepped(), of_level(4), quota()).verdict()) == []


def test_compute_is_weighed_where_the_amount_is_tpp() -> None:
    rules = stepped({"tpp": 40_000, "level": 3})
    assert world(rules, of_level(1), quota(), pod=asking(2)).reasons() == []
    assert world(rules, of_level(1), quota(), pod=asking(3)).reasons() == ["KYCLevelTooLow"]


def test_classes_that_a_pod_may_get_count_as_the_one_that_the_rule_means() -> None:
    rules = stepped({"devices": 1, "level": 3}, classes=["a100-80gb"])
    assert world(rules, of_level(1), quota(), pod=EITHER).reasons() == ["KYCLevelTooLow"]
    assert world(rules, of_level(1), quota()).reasons() == []


def test_where_nothing_counts_what_is_held_nobody_below_the_highest_level_gets_any() -> None:
    for nothing in ((), (quota("fr", "FR"),), (quota(classes=["t4"]),)):
        assert world(stepped(), of_level(1), *nothing).reasons() == ["QuotaExceeded"]
        assert world(stepped(), of_level(4), *nothing).reasons() == []
    assert world(stepped(), of_level(1), quota(limits={})).reasons() == []


def test_all_classes_of_a_rule_are_counted_in_one_ledger_whichever_is_asked_for() -> None:
    several = quota("a", "DE", "FR", classes=["h100-sxm"]), quota("b", classes=["a100-80gb"])
    found = [
        limits(world(stepped(), of_level(1), *several, pod=asked).verdict())
        for asked in (asking(1), pod({"nvidia.com/gpu": 1}, nodeSelector={"kubernetes.io/hostname": "mixed-a"}))
    ]
    assert found[0] == found[1] != []
    assert {name for name, *_ in found[0]} == {"DE"}


def test_a_reseller_needs_the_level_of_all_its_customers_together() -> None:
    reseller, customer = of_level(1, "kumo", kind="Reseller"), of_level(4, "tanuki", suppliedBy="kumo")
    found = world(stepped(), reseller, customer, quota(), labels=RESOLD).verdict()
    assert [key for _, key, _, _ in limits(found)] == ["level/kumo/access/amount/3", "level/kumo/access/amount/4"]
    limit = _first(found)
    assert limit.asked(Charge("kumo/other", ((CHIP, 3),))) == 3
    assert limit.asked(Charge("acme", ((CHIP, 3),))) == 0
    assert (limit.own.has("kumo/tanuki"), limit.own.has("kumo/other")) == (True, False)


def test_how_far_its_supplier_was_verified_is_not_a_customers_to_read() -> None:
    reseller, customer = of_level(1, "kumo", kind="Reseller"), of_level(4, "tanuki", suppliedBy="kumo")
    labels = {"computegate.io/tenant": "tanuki"}
    (finding,) = world(stepped(), reseller, customer, quota(), labels=labels, pod=asking(5)).verdict().findings
    assert (str(finding.reason), finding.party, "kumo" in finding.sentence) == ("KYCLevelTooLow", "kumo", False)


@pytest.mark.parametrize(
    ("given", "reseller", "ledgers"),
    [
        (quota(), 4, {"DE.tenants"}),
        (quota(perReseller={"devices": 9}), 1, {"DE.tenants", "DE.resellers"}),
        (quota(), 1, None),
    ],
    ids=["who computes", "a reseller that is counted", "a reseller that is not"],
)
def test_shards_know_a_party_where_its_accounts_stand(given: Any, reseller: int, ledgers: set[str] | None) -> None:
    parties = of_level(reseller, "kumo", kind="Reseller"), of_level(1, "tanuki", suppliedBy="kumo")
    question = world(stepped(), *parties, given, labels=RESOLD).question()
    verdict = decide(dataclasses.replace(question, shards=4))
    if ledgers is None:
        assert [str(each) for each in verdict.reasons()] == ["QuotaExceeded"]
    else:
        assert {name.rpartition(".")[0] for name, *_ in limits(verdict)} == ledgers


def _first(verdict: Verdict) -> Limit:
    return next(limit for scope in verdict.scopes for limit in scope.limits if is_level(limit.key))


def test_a_ledger_without_room_names_the_highest_level_that_is_needed() -> None:
    question = world(stepped(), of_level(1), quota()).question()
    short = [Shortage(f"level/acme/access/amount/{level}", "devices", 1, 20, 0) for level in (3, 4)]
    over = Shortage("home", "nvidia.com/h100", 1, 8, 0)
    found = exceeded(question, [short[0], over, short[1]])
    assert [(str(each.reason), each.rule) for each in found] == [
        ("KYCLevelTooLow", "access/amount"),
        ("QuotaExceeded", ""),
    ]
    assert "needs verification level 4" in found[0].sentence


@pytest.mark.parametrize(
    ("screening", "reason"),
    [
        ({"state": "Match", "matchedParties": ["tenant"]}, "ListedParty"),
        ({"state": "Candidate"}, "NeedsReview"),
        (None, "NeedsReview"),
        ({"state": "Clear"}, "KYCLevelTooLow"),
    ],
)
def test_a_ledger_without_room_does_not_tell_of_a_screening_either(screening: Any, reason: str) -> None:
    rules = stepped(when=[{"fact": "Screening", "operator": "NotIn", "values": ["MatchOwners"]}])
    found = tenant(status={"kyc": {"level": 1}, "screening": screening})
    question = world(rules, found, quota()).question()
    (finding,) = exceeded(question, [Shortage("level/acme/access/amount/3", "devices", 1, 20, 0)])
    assert (str(finding.reason), "level" in finding.sentence) == (reason, reason == "KYCLevelTooLow")


@pytest.mark.parametrize(
    ("payment", "values", "reason"),
    [(["Invoice"], ["Invoice"], "KYCLevelTooLow"), ([], ["Invoice"], "PaymentUnknown")],
    ids=["the rule applies", "it only may apply"],
)
def test_a_ledger_without_room_names_a_level_only_where_the_rule_is_known_to_apply(
    payment: list[str], values: list[str], reason: str
) -> None:
    rules = stepped(when=[{"fact": "Payment", "operator": "In", "values": values}])
    question = world(rules, of_level(1, payment=payment), quota()).question()
    (finding,) = exceeded(question, [Shortage("level/acme/access/amount/3", "devices", 1, 20, 0)])
    assert (str(finding.reason), "level" in finding.sentence) == (reason, reason == "KYCLevelTooLow")
    assert finding.rule == "access/amount"


AMOUNTS = st.lists(
    st.builds(
        lambda unit, amount, level: {unit: amount * (1 if unit == "devices" else 15_000), "level": level},
        st.sampled_from(["devices", "tpp"]),
        st.integers(1, 24),
        st.integers(2, 4),
    ),
    min_size=1,
    max_size=4,
)


@given(AMOUNTS, st.integers(1, 24), st.integers(1, 24))
def test_more_compute_never_lowers_the_level(steps: list[dict[str, Any]], one: int, other: int) -> None:
    rules = world(stepped(*steps)).registry().rules(world().now)
    (amount,) = (each.rule for each in rules.rules if each.rule.levels)
    less, more = (rules.level_for(amount, [(CHIP, count)]) for count in sorted((one, other)))
    assert 1 <= less <= more


@given(AMOUNTS, st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 4))
def test_however_it_is_cut_no_party_holds_more_than_its_level_allows(
    steps: list[dict[str, Any]], wishes: list[int], level: int
) -> None:
    tally, held = Tally([]), 0
    for wish in wishes:
        asked = world(stepped(*steps), of_level(level), quota(limits={}), pod=asking(wish))
        verdict = asked.verdict()
        if verdict.findings:
            continue
        charge = Charge("acme", ((CHIP, wish),))
        if not isinstance(
            judge(charge, [limit for scope in verdict.scopes for limit in scope.limits], tally), Exceeded
        ):
            tally.add(charge)
            held += wish
    at_once = world(stepped(*steps), of_level(level), quota(limits={}), pod=asking(held)).reasons() if held else []
    assert at_once == []

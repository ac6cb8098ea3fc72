"""How rules come together: strictest wins, in any order, at their own instants, and only as far as they may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.api.policy import Effect
from admission.decide.grants import scope_of_grant
from admission.review.reasons import Reason
from tests.decide.questions import (
    ALLOW,
    CHIP,
    H100,
    NOW,
    OPEN,
    grant,
    party,
    policy,
    quota,
    rule,
    tenant,
    world,
)

if TYPE_CHECKING:
    import random

    from admission.api.quota import Authorization

SECOND = timedelta(seconds=1)

TESTS = st.sampled_from(
    [
        ("Headquarters", "In", "DE"),
        ("Headquarters", "NotIn", "DE"),
        ("Headquarters", "In", "CN", "ear-d5"),
        ("UltimateParentHeadquarters", "In", "CN"),
        ("UltimateParentHeadquarters", "Unknown"),
        ("OwnerHeadquarters", "In", "CN"),
        ("OwnerHeadquarters", "Unknown"),
        ("Place", "In", "DE"),
        ("AccessCountry", "In", "CN"),
        ("Payment", "Exists"),
        ("Screening", "In", "Match"),
    ]
)
RULES = st.lists(
    st.tuples(st.sampled_from(Effect), st.lists(TESTS, max_size=2), st.sampled_from(["enforce", "warn", "observe"])),
    max_size=7,
)
TENANTS = st.builds(
    lambda known, owner, screened: tenant(
        status={} if screened else {"screening": None},
        independent=known,
        parties=[party("x", "CN" if owner else None)],
        ownership=[{"owner": "x", "share": {"exact": 60} if known else {}}],
    ),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


def _policies(drawn: list[tuple[Any, ...]], *, order: list[int] | None = None, together: bool = False) -> list[Any]:
    """Return the drawn rules, each in a policy of its own or all of one mode in one, in this order."""
    made = [(rule(f"r{place}", effect, *tests), mode) for place, (effect, tests, mode) in enumerate(drawn)]
    ordered = [made[place] for place in (order or range(len(made)))]
    if not together:
        return [policy(each, name=f"p{place}", mode=mode) for place, (each, mode) in enumerate(ordered)]
    modes = ("enforce", "warn", "observe")
    return [policy(*[each for each, its in ordered if its == mode], name=mode, mode=mode) for mode in modes]


@given(RULES, TENANTS, st.randoms())
def test_neither_the_order_of_rules_nor_their_split_into_policies_matters(
    drawn: list[tuple[Any, ...]], who: Any, shuffler: random.Random
) -> None:
    order = list(range(len(drawn)))
    shuffler.shuffle(order)
    asked = world(who, policy(name="none"), *_policies(drawn))
    shuffled = world(who, policy(name="none"), *_policies(drawn, order=order))
    together = world(who, policy(name="none"), *_policies(drawn, order=order, together=True))
    assert asked.reasons() == shuffled.reasons() == together.reasons()


@given(RULES, TENANTS)
def test_another_deny_never_lets_anything_in(drawn: list[tuple[Any, ...]], who: Any) -> None:
    before = world(who, policy(name="none"), *_policies(drawn)).reasons()
    deny = rule("more", "Deny")
    enforced = world(who, policy(name="none"), policy(deny, name="more"), *_policies(drawn)).reasons()
    observed = world(who, policy(name="none"), policy(deny, name="more", mode="observe"), *_policies(drawn)).reasons()
    assert "JurisdictionNotAllowed" in enforced
    assert observed == before


@given(
    RULES, TENANTS, st.sampled_from([each for each in Effect if each is not Effect.Allow]), st.lists(TESTS, max_size=2)
)
def test_another_rule_that_restricts_never_lets_anything_in(
    drawn: list[tuple[Any, ...]], who: Any, effect: Effect, tests: list[tuple[str, ...]]
) -> None:
    those = (quota(), grant(), who, policy(name="none"), *_policies(drawn))
    before = world(*those).reasons()
    after = world(policy(rule("more", effect, *tests), name="more"), *those).reasons()
    assert after or not before


_SEVERAL = {
    "log-ins": ("AccessCountry", {"status": {"access": {"countries": ["DE", "CN"]}}}, "DE", "CN"),
    "payment": ("Payment", {"payment": ["Invoice", "Cash"]}, "Invoice", "Cash"),
    "end use": ("DeclaredUse", {"declaredUse": ["Training", "Research"]}, "Training", "Research"),
    "owners of half each": (
        "OwnerHeadquarters",
        {
            "independent": False,
            "parties": [party("d"), party("c", "CN")],
            "ownership": [{"owner": each, "share": {"exact": 50}} for each in ("d", "c")],
        },
        *("DE", "CN"),
    ),
    "of whom a match is": (
        "Screening",
        {
            "status": {"screening": {"state": "Match", "matchedParties": ["tenant", "d"]}},
            "parties": [party("d")],
            "ownership": [{"owner": "d", "share": {"exact": 100}}],
        },
        *("MatchOwners", "MatchItself"),
    ),
}


@pytest.mark.parametrize(("fact", "stated", "one", "other"), _SEVERAL.values(), ids=_SEVERAL)
def test_of_several_values_any_decides_for_a_rule_that_restricts_and_all_do_for_one_that_allows(
    fact: str, stated: dict[str, Any], one: str, other: str
) -> None:
    def applies(effect: str, operator: str, *values: str) -> bool:
        checks = world(tenant(**stated), policy(rule("r", effect, (fact, operator, *values)))).verdict().checks
        return any(each.inputs["applies"] == "true" for each in checks if each.name.startswith("rule access/r"))

    none = "FR" if len(one) == 2 else "Clear" if fact == "Screening" else "Card" if fact == "Payment" else "Graphics"
    found = {
        (effect, operator): [applies(effect, operator, *values) for values in ((none,), (one,), (one, other))]
        for effect in ("Deny", "Level", "Allow")
        for operator in ("In", "NotIn")
    }
    restricting = {"In": [False, True, True], "NotIn": [True, True, False]}
    allowing = {"In": [False, False, True], "NotIn": [True, False, False]}
    expected = {(each, "In"): restricting["In"] for each in ("Deny", "Level")}
    expected |= {(each, "NotIn"): restricting["NotIn"] for each in ("Deny", "Level")}
    assert found == {**expected, ("Allow", "In"): allowing["In"], ("Allow", "NotIn"): allowing["NotIn"]}


@pytest.mark.parametrize("operator", ["In", "NotIn"])
def test_of_a_fact_that_is_known_to_have_no_value_none_is_among_any(operator: str) -> None:
    rules = (rule(str(each).lower(), each, ("UltimateParentHeadquarters", operator, "DE")) for each in Effect)
    checks = world(tenant(), policy(*rules), quota(), grant()).verdict().checks
    applied = {each.name for each in checks if each.inputs.get("applies") == "true"}
    assert len(applied) == (len(Effect) if operator == "NotIn" else 0)


@given(RULES, TENANTS)
def test_an_advisory_policy_never_adds_a_reason(drawn: list[tuple[Any, ...]], who: Any) -> None:
    asked = world(who, OPEN, *_policies([(effect, tests, "observe") for effect, tests, _ in drawn]), grant(devices=1))
    assert asked.reasons() == []
    limits = [limit.key for scope in asked.verdict().scopes for limit in scope.limits]
    assert limits == []


@pytest.mark.parametrize(
    ("when", "at", "applied"),
    [
        ({"effective": NOW}, NOW - SECOND, False),
        ({"effective": NOW}, NOW, True),
        ({"effective": NOW}, NOW + SECOND, True),
        ({"expires": NOW}, NOW - SECOND, True),
        ({"expires": NOW}, NOW, False),
        ({"effective": NOW, "expires": NOW + SECOND}, NOW, True),
        ({"effective": NOW, "expires": NOW + SECOND}, NOW + SECOND, False),
        ({}, datetime(2022, 12, 1, tzinfo=UTC), True),
        ({"status": "InForce"}, NOW, True),
        ({"status": "ByLetter"}, NOW, True),
        ({"status": "Stayed"}, NOW, False),
        ({"status": "NotEnforced"}, NOW, False),
        ({"status": "Proposed"}, NOW, False),
        ({"certainty": "Unconfirmed"}, NOW, True),
    ],
    ids=str,
)
def test_a_rule_is_applied_in_its_time_and_status(when: dict[str, Any], at: datetime, applied: bool) -> None:
    asked = world(policy(ALLOW, rule("deny", "Deny", **when)), now=at)
    assert (Reason.JurisdictionNotAllowed in asked.verdict().reasons()) is applied


def test_the_same_rulebook_changes_at_the_instant_and_back() -> None:
    registry = world(policy(ALLOW, rule("deny", "Deny", effective=NOW, expires=NOW + SECOND))).registry()
    names = [[each.name for each in registry.rules(NOW + step * SECOND).rules] for step in (-1, 0, 1, 0, -1)]
    allow, both = ["access/allow"], ["access/allow", "access/deny"]
    assert names == [allow, both, allow, both, allow]
    assert registry.rules(NOW) is registry.rules(NOW + SECOND / 2)


def test_control_entries_and_groups_are_those_of_the_day() -> None:
    """H100 came under control on 2022-10-21 (87 FR 62186); nothing changes in between but the date."""
    day = datetime(2022, 10, 21, tzinfo=UTC)
    status = {"kyc": {"verifiedAt": "2020-01-01T00:00:00Z"}}
    before, after = (world(tenant(status=status), policy(), now=at) for at in (day - SECOND, day))
    assert before.reasons() == []
    assert after.reasons() == ["JurisdictionNotAllowed"]


ORDER = {"jurisdictionOrder": ["CN", "frowned-on", "FR"], "groups": [{"name": "frowned-on", "countries": ["SG", "AE"]}]}


@pytest.mark.parametrize(
    ("who", "spec", "governing"),
    [
        (tenant(), {}, "DE"),
        (tenant(headquarters="absent"), {}, ""),
        (tenant(parties=[party("top", "CN")], ultimateParent="top"), {}, "CN"),
        (tenant(headquarters="CN", parties=[party("top", "DE")], ultimateParent="top"), {}, "CN"),
        (tenant(parties=[party("o", "SG")], ownership=[{"owner": "o", "share": {"exact": 50}}]), ORDER, "SG"),
        (tenant(parties=[party("o", "SG")], ownership=[{"owner": "o", "share": {"exact": 49}}]), ORDER, "DE"),
        (tenant(headquarters="FR", parties=[party("top", "AE")], ultimateParent="top"), ORDER, "AE"),
        (tenant(headquarters="FR", parties=[party("top", "US")], ultimateParent="top"), ORDER, "FR"),
        (tenant(headquarters="US", parties=[party("top", "CA")], ultimateParent="top"), ORDER, "CA"),
    ],
    ids=[
        "headquarters",
        "nothing known",
        "the parent's is stricter",
        "its own is stricter",
        "an owner of half",
        "an owner of less",
        "by a group's rank",
        "the ranked one",
        "none ranked: the first in the alphabet",
    ],
)
def test_the_strictest_jurisdiction_governs(who: Any, spec: dict[str, Any], governing: str) -> None:
    assert world(who, policy(ALLOW, **spec)).verdict().governing == governing


def test_a_resellers_customer_is_governed_by_the_stricter_of_the_two() -> None:
    reseller, customer = (
        tenant("kumo", kind="Reseller", headquarters="JP"),
        tenant("t", suppliedBy="kumo", headquarters="SG"),
    )
    labels = {"computegate.io/tenant": "kumo", "computegate.io/end-customer": "t"}
    order = policy(ALLOW, jurisdictionOrder=["SG", "JP"])
    assert world(reseller, customer, order, labels=labels).verdict().governing == "SG"


def _limits(*objects: Any, **fields: Any) -> set[tuple[str, str, str, int]]:
    return {
        (scope.name, limit.key, limit.unit, limit.amount)
        for scope in world(*objects, **fields).verdict().scopes
        for limit in scope.limits
    }


GRANT = scope_of_grant(grant())
KUMO, TANUKI = tenant("kumo", kind="Reseller"), tenant("tanuki", suppliedBy="kumo")


@pytest.mark.parametrize(
    ("objects", "labels", "limits"),
    [
        ((), None, set()),
        ((quota(),), None, {("DE", "home", "devices", 8)}),
        ((quota("fr", "FR"),), None, set()),
        ((quota(classes=["t4"]),), None, set()),
        ((quota(classes=[CHIP]),), None, {("DE", "home", "devices", 8)}),
        ((quota(classes=["3A090.a.1"]),), None, {("DE", "home", "devices", 8)}),
        ((quota(limits={"tpp": 9}),), None, {("DE", "home", "tpp", 9)}),
        (
            (quota(limits={"devices": 8, "tpp": 9}, perTenant={"devices": 2}),),
            None,
            {("DE", "home", "devices", 8), ("DE", "home", "tpp", 9), ("DE", "home", "devices", 2)},
        ),
        ((quota(perReseller={"devices": 3}),), None, {("DE", "home", "devices", 8)}),
        (
            (quota(perReseller={"devices": 3}), KUMO, TANUKI),
            {"computegate.io/tenant": "kumo", "computegate.io/end-customer": "tanuki"},
            {("DE", "home", "devices", 8), ("DE", "home", "devices", 3)},
        ),
        (
            (quota(), quota("two", limits={"devices": 5})),
            None,
            {("DE", "home", "devices", 8), ("DE", "two", "devices", 5)},
        ),
        ((policy(ALLOW, rule("a", "Authorization")), grant()), None, {(GRANT, "authorization/licence", "devices", 4)}),
        (
            (
                policy(ALLOW, rule("a", "Authorization")),
                grant(),
                grant("sooner", validUntil="2026-12-01T00:00:00Z", devices=2),
            ),
            None,
            {(GRANT, "authorization/sooner+licence", "devices", 6)},
        ),
        (
            (
                policy(ALLOW, rule("a", "Authorization")),
                grant(),
                grant("sooner", validUntil="2026-12-01T00:00:00Z", devices=2, classes=[CHIP]),
                grant("other", classes=["l4"], devices=9),
            ),
            None,
            {
                (GRANT, "authorization/sooner+licence", "devices", 6),
                (GRANT, "authorization/sooner+licence+other", "devices", 15),
            },
        ),
        ((policy(ALLOW, rule("a", "Authorization", ("Headquarters", "In", "CN"))), grant()), None, set()),
    ],
    ids=lambda value: "" if isinstance(value, (set, tuple)) else str(value),
)
def test_a_request_must_fit_these_limits(
    objects: tuple[Any, ...], labels: dict[str, str] | None, limits: set[tuple[str, str, str, int]]
) -> None:
    assert _limits(*objects, **({"labels": labels} if labels else {})) == limits


def test_a_limit_over_several_jurisdictions_stands_in_a_ledger_of_its_own() -> None:
    ((scope, key, _, _),) = _limits(quota("both", "DE", "FR"))
    assert (key, scope == "DE") == ("both", False)


@pytest.mark.parametrize(
    ("labels", "account"),
    [
        ({"computegate.io/tenant": "kumo", "computegate.io/end-customer": "tanuki"}, "kumo/tanuki"),
        ({"computegate.io/tenant": "tanuki"}, "kumo/tanuki"),
    ],
    ids=["in the reseller's namespace", "in its own"],
)
def test_an_end_customer_has_one_account_wherever_it_computes(labels: dict[str, str], account: str) -> None:
    charge = world(KUMO, TANUKI, labels=labels).verdict().charge
    assert charge is not None
    assert (charge.party, charge.counts) == (account, ((CHIP, 1),))


def test_limits_tell_whose_use_counts_and_whose_may_be_shown() -> None:
    labels = {"computegate.io/tenant": "kumo", "computegate.io/end-customer": "tanuki"}
    many = quota(perTenant={"devices": 5}, perReseller={"devices": 6})
    (scope,) = world(KUMO, TANUKI, many, labels=labels).verdict().scopes
    by_amount = {limit.amount: limit for limit in scope.limits}
    accounts = ("kumo/tanuki", "tanuki", "kumo/other", "other", "other/kumo")
    counted = {amount: [each for each in accounts if limit.counts(each)] for amount, limit in by_amount.items()}
    shown = {amount: [each for each in accounts if limit.own.has(each)] for amount, limit in by_amount.items()}
    assert counted == {8: list(accounts), 5: ["kumo/tanuki", "tanuki"], 6: ["kumo/tanuki", "kumo/other"]}
    assert shown[8] == shown[5] == ["kumo/tanuki", "tanuki"]


def test_an_ownership_group_is_one_party_over_all_its_tenants() -> None:
    owned: dict[str, Any] = {"parties": [party("parent", "FR")], "ultimateParent": "parent"}
    parent = tenant("parent", legalName="PARENT secret name")
    sold = tenant("sold", suppliedBy="kumo", **owned)
    objects = (tenant(**owned), parent, sold, tenant("other"), KUMO, quota(perGroup={"devices": 5}))
    (scope,) = world(*objects, policy(ALLOW)).verdict().scopes
    (limit,) = (limit for limit in scope.limits if limit.amount == 5)
    accounts = ("acme", "parent", "kumo/sold", "other", "kumo/other", "kumo", "deleted", "")
    assert [each for each in accounts if limit.counts(each)] == ["acme", "parent", "kumo/sold"]
    assert [each for each in accounts if limit.own.has(each)] == ["acme"]


def test_a_pod_that_may_land_on_two_classes_weighs_the_heavier() -> None:
    (scope,) = world(quota(limits={"tpp": 1})).verdict().scopes
    (limit,) = scope.limits
    either = limit.measure([("a100-80gb|h100-sxm", 1)])
    assert either == limit.measure([("h100-sxm", 1)]) > limit.measure([("a100-80gb", 1)]) > 0


def test_when_something_denies_the_ledger_is_not_asked() -> None:
    assert world(quota(), policy(rule("no", "Deny")), pod=H100).verdict().scopes == ()


@pytest.mark.parametrize(
    ("grants", "expected"),
    [((), ""), ((grant(), grant("other", classes=["t4"])), "licence=D-1"), ((grant("b"), grant("a")), "a=D-1; b=D-1")],
    ids=["none", "one that covers the class", "two"],
)
def test_the_record_names_the_licences_that_cover(grants: tuple[Authorization, ...], expected: str) -> None:
    checks = world(tenant(), policy(ALLOW, rule("a", "Authorization")), *grants).verdict().checks
    assert [check.inputs["authorizations"] for check in checks if check.name.startswith("grant ")] == [expected]

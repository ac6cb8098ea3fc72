"""Facts grow old: who attests them, for how long that counts, and that time alone changes a verdict."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.decide.decide import decide
from admission.enforce.shown import obstacle, passing, standing_status
from tests.decide.questions import ALLOW, NOW, party, policy, quota, rule, tenant, world

if TYPE_CHECKING:
    from admission.api.policy import AccessPolicy
    from admission.decide.registry import Registry

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
LONGEST = 366 * DAY
NEVER = datetime.max.replace(tzinfo=UTC)
HOME = {"fact": "Headquarters", "maxAge": "1d"}
OWNERS = rule("owners", "Deny", ("OwnerHeadquarters", "In", "FR"))
FRENCH = rule("french", "Deny", ("Headquarters", "In", "FR"))


def says(*facts: str, by: str = "Operator", at: datetime = NOW - DAY, until: datetime = NOW + DAY) -> dict[str, Any]:
    return {"facts": list(facts), "by": by, "at": at.isoformat(), "validUntil": until.isoformat()}


def aged(fact: str, most: str, *by: str, deny: dict[str, Any] = FRENCH) -> AccessPolicy:
    return policy(ALLOW, deny, factAges=[{"fact": fact, "maxAge": most, "attestedBy": list(by)}])


def attested(*attestations: dict[str, Any], **fields: Any) -> Any:
    return tenant(attestations=list(attestations), **fields)


VERIFIED = datetime(2026, 1, 1, tzinfo=UTC)
"""When the tenants of these worlds were verified, until a year later."""

AGES = {
    "no age is asked for": (tenant(), policy(ALLOW, FRENCH), NOW, []),
    "a clearance attests what it covers": (tenant(), aged("Headquarters", "30d"), VERIFIED + 30 * DAY, []),
    "and grows old": (tenant(), aged("Headquarters", "30d"), VERIFIED + 30 * DAY + SECOND, ["FactStale"]),
    "no fact of a suspended clearance": (
        tenant(status={"kyc": {"state": "Suspended"}}),
        aged("Headquarters", "999d"),
        NOW,
        ["FactStale", "KYCSuspended"],
    ),
    "a clearance is the provider's word": (tenant(), aged("Headquarters", "999d", "Operator"), NOW, ["FactStale"]),
    "and counts as that": (tenant(), aged("Headquarters", "999d", "Provider", "Operator"), NOW, []),
    "of owners only where these were verified": (
        *(tenant(status={"kyc": {"level": 1}}), aged("OwnerHeadquarters", "999d", deny=OWNERS), NOW, ["FactStale"]),
    ),
    "and where they were": (tenant(), aged("OwnerHeadquarters", "999d", deny=OWNERS), NOW, []),
    "an attestation is younger": (attested(says("Headquarters")), aged("Headquarters", "1d", "Operator"), NOW, []),
    "by another's word": (
        attested(says("Headquarters", by="Tenant")),
        aged("Headquarters", "1d", "Operator"),
        NOW,
        ["FactStale"],
    ),
    "of another fact": (attested(says("Payment")), aged("Headquarters", "1d"), NOW, ["FactStale"]),
    "an attestation that has ended, whatever no age says": (
        attested(says("Headquarters", until=NOW)),
        policy(ALLOW, FRENCH),
        NOW,
        ["FactStale"],
    ),
    "an attestation that nobody renewed for a year": (
        attested(says("Headquarters", at=NOW - LONGEST, until=NOW + 9999 * DAY)),
        policy(ALLOW, FRENCH),
        NOW,
        ["FactStale"],
    ),
    "one that has a second left of that": (
        attested(says("Headquarters", at=NOW - LONGEST + SECOND, until=NOW + 9999 * DAY)),
        policy(ALLOW, FRENCH),
        NOW,
        [],
    ),
    "one until the end of the calendar": (
        attested(says("Headquarters", at=NEVER - DAY, until=NEVER)),
        policy(ALLOW, FRENCH),
        NOW,
        ["FactStale"],
    ),
    "one of two has ended": (
        attested(says("Headquarters", until=NOW), says("Headquarters", by="Tenant")),
        policy(ALLOW, FRENCH),
        NOW,
        [],
    ),
    "an attestation of tomorrow": (
        attested(says("Headquarters", at=NOW + SECOND)),
        policy(ALLOW, FRENCH),
        NOW,
        ["FactStale"],
    ),
    "an end use that nobody attests": (
        tenant(),
        aged("DeclaredUse", "30d", deny=rule("use", "Deny", ("DeclaredUse", "In", "Research"))),
        NOW,
        ["FactStale"],
    ),
    "an end use that somebody does": (
        attested(says("DeclaredUse")),
        aged("DeclaredUse", "30d", deny=rule("use", "Deny", ("DeclaredUse", "In", "Research"))),
        NOW,
        [],
    ),
    "a fact that no rule tests": (tenant(), aged("Payment", "1d"), NOW, []),
    "an age past what any date has": (tenant(), aged("Headquarters", "9999999999d"), NOW, []),
    "a fact that is unknown stays that": (
        tenant(payment=[]),
        aged("Payment", "1d", deny=rule("cash", "Deny", ("Payment", "In", "Cash"))),
        NOW,
        ["PaymentUnknown"],
    ),
    "a restriction that a stale fact may meet": (
        tenant(),
        aged("Payment", "1d", deny=rule("more", "Level", ("Payment", "In", "Cash"), level=3)),
        NOW,
        ["PaymentUnknown"],
    ),
    "a permission that rests on a stale fact": (
        tenant(),
        policy(rule("home", "Allow", ("Headquarters", "In", "DE")), factAges=[HOME]),
        NOW,
        ["FactStale"],
    ),
    "an age that only a policy in observation asks for": (
        tenant(),
        policy(ALLOW, FRENCH, mode="observe", factAges=[HOME]),
        NOW,
        ["JurisdictionNotAllowed"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("who", "rules", "at", "reasons"), AGES.values(), ids=AGES)
def test_a_fact_past_its_age_is_unknown(who: Any, rules: AccessPolicy, at: datetime, reasons: list[str]) -> None:
    assert world(who, rules, now=at).reasons() == reasons


def test_access_evidence_ages_by_when_it_was_refreshed() -> None:
    deny = rule("from", "Deny", ("AccessCountry", "In", "CN"))
    rules = aged("AccessCountry", "2d", "IdentityProvider", deny=deny)

    def seen(**evidence: Any) -> list[str]:
        return world(tenant(status={"access": evidence or None}), rules).reasons()

    assert seen(countries=["DE"], asOf=(NOW - 2 * DAY).isoformat()) == []
    assert seen(countries=["DE"], asOf=(NOW - 2 * DAY - SECOND).isoformat()) == ["FactStale"]
    assert seen(countries=["DE"], asOf=(NOW + SECOND).isoformat()) == ["FactStale"]
    assert seen(countries=["DE"]) == ["FactStale"]
    assert seen() == ["NeedsReview"]


def test_of_several_policies_each_age_must_be_met() -> None:
    lax, strict = ({"fact": "Headquarters", "maxAge": each} for each in ("999d", "30d"))
    both = policy(ALLOW, FRENCH, factAges=[lax]), policy(name="strict", factAges=[strict])
    assert world(*both).reasons() == ["FactStale"]
    assert world(both[0]).reasons() == []


def _moments(registry: Registry, *moments: datetime) -> list[list[str]]:
    asked = world().question()
    found = []
    for now in moments:
        rules, requester = registry.rules(now), registry.requester("lab")
        question = dataclasses.replace(asked, now=now, rules=rules, requester=requester)
        found.append([str(reason) for reason in decide(question).reasons()])
    return found


def test_time_alone_changes_the_verdict_and_back() -> None:
    registry = world(attested(says("Headquarters")), policy(ALLOW, FRENCH)).registry()
    ends = NOW + DAY
    wanted = [[], [], ["FactStale"], []]
    assert [
        [reason for reason in found if reason == "FactStale"]
        for found in _moments(registry, NOW, ends - SECOND, ends, ends - SECOND)
    ] == wanted


def test_what_is_shown_of_a_tenant_changes_with_time_alone() -> None:
    registry = world(attested(says("Headquarters", "Payment")), policy(ALLOW, FRENCH)).registry()
    standing, ends = registry.standings["acme"], NOW + DAY
    before, same, after = (passing(standing, registry, now) for now in (NOW, ends - SECOND, ends))
    assert all(a is b for a, b in zip(before, same, strict=True))
    assert before[0] is not after[0]
    shown = standing_status(standing, obstacle(standing, registry, ends), registry, ends)
    assert (shown.reason, shown.stale_facts) == ("FactStale", ["Headquarters", "Payment"])
    assert obstacle(standing, registry, NOW) is None


def test_what_a_party_holds_stays_counted_where_its_facts_last_led() -> None:
    stale = attested(says("Headquarters", until=NOW))
    found = world(stale, policy(ALLOW), quota()).verdict()
    assert (found.governing, found.scopes) == ("DE", ())
    assert [str(reason) for reason in found.reasons()] == ["FactStale"]


def test_a_jurisdiction_that_rests_on_a_stale_fact_of_anybody_behind_the_request_is_not_known() -> None:
    rules = policy(ALLOW, rule("governed", "Deny", ("GoverningJurisdiction", "In", "FR")))
    placed = {"parties": [party("top")], "ultimateParent": "top"}
    assert world(attested(says("Headquarters"), **placed), rules).reasons() == []
    assert world(attested(says("Headquarters", until=NOW), **placed), rules).reasons() == ["FactStale"]
    reseller = tenant("kumo", kind="Reseller")
    customer = tenant("tanuki", suppliedBy="kumo", attestations=[says("Headquarters", until=NOW)])
    labels = {"computegate.io/tenant": "kumo", "computegate.io/end-customer": "tanuki"}
    found = world(rules, reseller, customer, labels=labels).verdict().findings
    assert {(str(each.reason), each.party) for each in found} == {
        ("FactStale", "kumo"),
        ("EndCustomerNotCleared", "tanuki"),
    }


FACTS: dict[str, dict[str, Any]] = {
    "Headquarters": {"headquarters": None},
    "Incorporation": {"incorporation": None},
    "UltimateParentHeadquarters": {"parties": [party("top", None), party("x")], "ultimateParent": "top"},
    "OwnerHeadquarters": {"parties": [party("top"), party("x", None)], "ultimateParent": "top"},
    "Payment": {"payment": []},
    "DeclaredUse": {"declaredUse": []},
}
"""Facts, and the same tenant of whom the fact is not known."""

OWNED: dict[str, Any] = {
    "parties": [party("top"), party("x")],
    "ultimateParent": "top",
    "ownership": [{"owner": "x", "share": {"exact": 60}}],
}
WORDS = {"Payment": ("Invoice", "Cash"), "DeclaredUse": ("Training", "Research")}


@st.composite
def _rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for place in range(draw(st.integers(1, 4))):
        fact = draw(st.sampled_from([*FACTS, "GoverningJurisdiction"]))
        operator = draw(st.sampled_from(["In", "NotIn", "Exists", "Unknown"]))
        values = [] if operator in {"Exists", "Unknown"} else [draw(st.sampled_from(WORDS.get(fact, ("DE", "FR"))))]
        effect = draw(st.sampled_from(["Deny", "Level", "Allow"]))
        found.append(
            rule(f"r{place}", effect, (fact, operator, *values), **({"level": 3} if effect == "Level" else {}))
        )
    return found


@given(st.sampled_from(sorted(FACTS)), _rules(), st.booleans())
def test_a_stale_fact_never_admits_what_an_unknown_one_denies(fact: str, rules: list[Any], everyone: bool) -> None:
    drawn = policy(*rules, *([ALLOW] if everyone else []))
    unknown = world(tenant(**{**OWNED, **FACTS[fact]}), drawn).verdict().findings
    stale = world(tenant(attestations=[says(fact, until=NOW)], **OWNED), drawn).verdict().findings
    assert bool(stale) or not unknown


@given(st.sampled_from(sorted(FACTS)), _rules())
def test_a_stale_fact_lets_no_restriction_pass_that_the_fact_met(fact: str, rules: list[Any]) -> None:
    drawn = policy(ALLOW, *(each for each in rules if each["effect"] != "Allow"))
    known = world(tenant(**OWNED), drawn).verdict().findings
    stale = world(tenant(attestations=[says(fact, until=NOW)], **OWNED), drawn).verdict().findings
    assert bool(stale) or not known

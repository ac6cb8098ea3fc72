"""What is kept between decisions changes none: asked again, at any instant, the answer is that of a world just made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.api.quota import ComputeQuota
from admission.api.tenant import Tenant
from admission.decide import facts
from admission.decide.decide import decide
from admission.decide.rulebook import COUNTRY_FACTS
from admission.tenants.age import ATTESTED, Age
from admission.tenants.standing import MOST_AGES, standing_of
from tests.decide import questions
from tests.decide.questions import (
    ALLOW,
    COUNT,
    EITHER,
    H100,
    UNCONTROLLED,
    policy,
    question_of,
    quota,
    rule,
    world,
)

if TYPE_CHECKING:
    from admission.api.object import Object
    from admission.api.policy import Fact
    from admission.decide.registry import Registry
    from admission.review.pod import Pod
    from admission.tenants.standing import Standing

START = datetime(2026, 11, 22, tzinfo=UTC)
HOURS = st.integers(0, 6).map(lambda hour: START + timedelta(hours=hour))
"""When all that is drawn here begins and ends."""

INSTANTS = st.builds(lambda hour, step: hour + timedelta(microseconds=step), HOURS, st.sampled_from((-1, 0, 1)))
"""When it is asked about: just before, at, and just after."""

ATTESTERS = ("Operator", "Provider", "Tenant")
ATTESTATIONS = st.lists(
    st.builds(
        lambda fact, by, ends: {"facts": [fact], "by": by, "at": min(ends), "validUntil": max(ends)},
        st.sampled_from(("Headquarters", "Payment", "DeclaredUse")),
        st.sampled_from(ATTESTERS),
        st.sets(HOURS.map(datetime.isoformat), min_size=2, max_size=2),
    ),
    max_size=4,
)
SCREENINGS = st.one_of(
    st.builds(lambda at: {"state": "Clear", "listsAsOf": at.isoformat()}, HOURS),
    st.builds(
        lambda at, cleared: {
            "state": "Candidate",
            "candidateSince": at.isoformat(),
            "clearedSince": cleared.isoformat(),
            "listsAsOf": START.isoformat(),
        },
        HOURS,
        HOURS,
    ),
)
TENANTS = st.builds(
    lambda home, attested, ends, screening: questions.tenant(
        status={"kyc": {"expiresAt": ends.isoformat()}, "screening": screening},
        headquarters=home,
        attestations=attested,
    ),
    st.sampled_from(("DE", "FR")),
    ATTESTATIONS,
    HOURS,
    SCREENINGS,
)
FACT_AGES = st.lists(
    st.builds(
        lambda fact, hours, by: {"fact": fact, "maxAge": f"{hours}h", "attestedBy": sorted(by)},
        st.sampled_from(("Headquarters", "Payment")),
        st.integers(0, 3),
        st.sets(st.sampled_from(ATTESTERS)),
    ),
    max_size=2,
    unique_by=lambda each: each["fact"],
)
LEVELS = [{"level": 3, "devices": 2}]
RULES = (
    COUNT,
    rule("french", "Deny", ("Headquarters", "In", "FR")),
    rule("paid", "Authorization", ("Payment", "In", "Invoice")),
    rule("large", "Level", ("GoverningJurisdiction", "In", "DE"), levels=[{"level": 3, "devices": 2}]),
    rule("held-up", "Deny", ("Screening", "In", "Candidate"), classes=["h100-sxm"]),
)
POLICIES = st.builds(
    lambda rules, ages, terms: policy(ALLOW, *rules, factAges=ages, screening=terms),
    st.lists(st.sampled_from(RULES), unique_by=lambda each: each["name"], max_size=3),
    FACT_AGES,
    st.sampled_from(({}, {"maxAge": "2h"}, {"reviewPeriod": "2h"})),
)
QUOTAS = st.builds(
    lambda places, limits, classes: quota("home", *places, limits=limits, classes=classes),
    st.sampled_from((("DE",), ("DE", "FR"))),
    st.sampled_from(({"devices": 8}, {"tpp": 9000, "longestHold": "2h"}, {"deviceHours": 9})),
    st.sampled_from((["*"], ["h100-sxm"])),
)
GRANTS = st.builds(
    lambda end: questions.grant(validFrom=(START - timedelta(hours=1)).isoformat(), validUntil=end.isoformat()), HOURS
)
OVERRIDES = st.builds(lambda end: questions.override(at=START.isoformat(), validUntil=end.isoformat()), HOURS)
CHANGES = st.none() | st.one_of(TENANTS, POLICIES, QUOTAS, GRANTS, OVERRIDES)
PODS = st.sampled_from((H100, EITHER, UNCONTROLLED))


def _told(registry: Registry, pod: Pod, now: datetime) -> tuple[object, ...]:
    """Return a verdict without what no two have in common: which function tells what a party's devices weigh."""
    found = decide(question_of(registry, pod, now))
    limits = [(scope.name, limit._replace(varying=None)) for scope in found.scopes for limit in scope.limits]
    return found.findings, found.checks, found.governing, found.charge, limits, found.overrides


@given(TENANTS, POLICIES, st.lists(st.tuples(CHANGES, PODS, INSTANTS), min_size=2, max_size=8))
def test_a_decision_is_that_of_a_world_just_made_whatever_was_asked_before(
    first: Object, rules: Object, steps: list[tuple[Object | None, Pod, datetime]]
) -> None:
    objects = {(each.kind, each.name): each for each in (first, rules, quota())}
    kept = world(*objects.values()).registry()
    for changed, pod, now in steps:
        if changed is not None:
            objects[changed.kind, changed.name] = changed
            kept.put(changed)
        assert _told(world(*objects.values()).registry(), pod, now) == _told(kept, pod, now)


LATER = datetime(2026, 12, 1, tzinfo=UTC)
LASTING = questions.tenant(
    status={"kyc": {"reverifyBy": LATER.isoformat()}, "screening": {"listsAsOf": "2026-11-22T00:00:00Z"}}
)
DRAWN = policy(ALLOW, COUNT, rule("later", "Deny", effective=LATER.isoformat(), classes=["h100-sxm"]))
LISTED = policy(ALLOW, rule("listed", "Deny", ("Screening", "Unknown")), screening={"maxAge": "7d"})
FREE = ((), {"home": 8})
CHANGES_SEEN: dict[str, tuple[tuple[Object, ...], Object | datetime | str, object]] = {
    "another amount": ((), quota(limits={"devices": 2}), ((), {"home": 2})),
    "another unit": ((), quota(limits={"deviceHours": 1}), (("HoldUnbounded",), {})),
    "a quota beside": ((), quota("beside", limits={"devices": 3}), ((), {"home": 8, "beside": 3})),
    "other classes": ((policy(ALLOW, COUNT),), quota(classes=["a100-80gb"]), (("QuotaExceeded",), {})),
    "other jurisdictions": ((policy(ALLOW, COUNT),), quota("home", "FR"), (("QuotaExceeded",), {})),
    "a quota that goes": ((policy(ALLOW, COUNT),), "home", (("QuotaExceeded",), {})),
    "another policy": ((), policy(), (("JurisdictionNotAllowed",), {})),
    "another home": ((policy(ALLOW, COUNT),), questions.tenant(headquarters="FR"), (("QuotaExceeded",), {})),
    "a clearance withdrawn": ((), questions.tenant(status={"kyc": {"state": "Revoked"}}), (("KYCSuspended",), {})),
    "a rule that begins": ((DRAWN,), LATER, (("JurisdictionNotAllowed",), {})),
    "a clearance that ends": ((), datetime(2027, 1, 1, tzinfo=UTC), (("KYCExpired",), {})),
    "a verification that is due": ((LASTING,), LATER, (("NeedsReview",), {})),
    "a list that is too old": ((LASTING, LISTED), datetime(2026, 11, 29, 0, 0, 1, tzinfo=UTC), (("ListedParty",), {})),
}


@pytest.mark.parametrize(("objects", "change", "expected"), CHANGES_SEEN.values(), ids=CHANGES_SEEN)
def test_a_change_shows_in_the_very_next_decision(
    objects: tuple[Object, ...], change: Object | datetime | str, expected: object
) -> None:
    registry = world(quota(), *objects).registry()

    def found(now: datetime = questions.NOW) -> object:
        verdict = decide(question_of(registry, H100, now))
        return verdict.reasons(), {limit.key: limit.amount for scope in verdict.scopes for limit in scope.limits}

    assert (found(), found()) == (FREE, FREE)
    match change:
        case datetime():
            assert (found(change), found()) == (expected, FREE), "asked about an earlier instant it is as it was"
        case str():
            registry.drop(ComputeQuota, change)
            assert found() == expected
        case _:
            registry.put(change)
            assert found() == expected


def test_of_too_many_answers_about_rules_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "MOST_KEPT", 2)
    registry = world(policy(ALLOW, COUNT), quota()).registry()
    for pod in (H100, UNCONTROLLED, EITHER):
        decide(question_of(registry, pod, START))
    assert [class_name for _, class_name, *_ in registry.rules(START).applied] == ["a100-80gb", "h100-sxm"]


def _plainly_stale(standing: Standing, now: datetime, ages: tuple[Age, ...]) -> frozenset[Fact]:
    """Return the facts that are too old, by the words of the documentation and nothing that is kept."""
    stated, every = standing.sources.stated, standing.sources.every
    lapsed = {fact for fact, said in stated.items() if not any(each.at <= now < each.until for each in said)}
    old = {
        age.fact
        for age in ages
        if not any(
            each.at <= now < each.until and (now - each.at).total_seconds() <= age.seconds and each.by in age.by
            for each in every.get(age.fact, ())
        )
    }
    return frozenset(fact for fact in lapsed | old if standing.facts[fact] is not None)


AGES = st.lists(
    st.builds(
        Age,
        st.sampled_from(sorted(ATTESTED & {*COUNTRY_FACTS, "Payment"})),
        st.integers(0, 4).map(lambda hours: hours * 3600) | st.just(10**16),
        st.sets(st.sampled_from(ATTESTERS), min_size=1).map(frozenset),
    ),
    max_size=3,
).map(tuple)


@given(TENANTS, AGES, AGES, st.data())
def test_what_is_kept_as_too_old_is_what_is_too_old_at_each_instant(
    made: Tenant, one: tuple[Age, ...], other: tuple[Age, ...], data: st.DataObject
) -> None:
    standing, ages = standing_of(made), [(), one[:1], one, other[:1], other, one + other]
    for asked, now in data.draw(st.lists(st.tuples(st.sampled_from(ages), INSTANTS), min_size=2, max_size=12)):
        assert _plainly_stale(standing, now, asked) == standing.stale_at(now, asked)
    assert len(standing._stale) <= MOST_AGES


def test_who_is_behind_a_namespace_follows_its_labels_and_its_tenants() -> None:
    registry = world(quota()).registry()

    def behind() -> tuple[str, object]:
        requester = registry.requester("lab")
        assert registry.requester("lab") is requester, "nothing has changed"
        return requester.tenant_name, requester.tenant and requester.tenant.tenant.spec.headquarters

    assert behind() == ("acme", "DE")
    registry.put(questions.tenant(headquarters="FR"))
    assert behind() == ("acme", "FR")
    registry.put_namespace("lab", {"computegate.io/tenant": "kumo"})
    assert behind() == ("kumo", None)
    registry.put(questions.tenant("kumo", headquarters="JP"))
    assert behind() == ("kumo", "JP")
    registry.drop(Tenant, "kumo")
    assert behind() == ("kumo", None)
    del registry.namespaces["lab"]
    assert registry.requester("lab").tenant_name == ""

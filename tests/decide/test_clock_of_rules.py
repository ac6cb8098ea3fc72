"""Nothing changes but the clock: what the built-in rules then say, and when somebody must ask again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.catalogue import control, jurisdictions, lines
from admission.cli.profile import profiles
from admission.decide.rules import NEVER
from admission.enforce.shown import obstacle
from admission.review.reasons import Reason
from tests.decide.questions import ALLOW, grant, party, policy, pool, quota, rule, tenant, world
from tests.demand.cluster import pod

SECOND = timedelta(seconds=1)
BUILT_IN = {name: profile.policy for name, profile in profiles().items()}
LASTING = {"kyc": {"verifiedAt": "2020-01-01T00:00:00Z", "expiresAt": "2099-01-01T00:00:00Z", "level": 3}}
NEEDED, ALLOWED = ["AuthorizationRequired"], list[str]()


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def of(chip: str) -> dict[str, Any]:
    """Return what asks for one device of a class, and the pool in Germany where it stands."""
    wanted = pod({"nvidia.com/gpu": 1}, nodeSelector={"pool": chip})
    return {"pod": wanted, "objects": (pool(chip, chip, "DE"),)}


def who(country: str, status: dict[str, Any] | None = None, **spec: Any) -> Any:
    return tenant(headquarters=country, incorporation=country, status={**LASTING, **(status or {})}, **spec)


def screened(party_: Any, at: str) -> Any:
    """Return the tenant as screened by the list of the day."""
    content = party_.model_dump(mode="json", by_alias=True)
    content["status"]["screening"]["listsAsOf"] = day(at).isoformat()
    return type(party_).model_validate(content)


def parent(country: str) -> dict[str, Any]:
    owned = [{"owner": "top", "share": {"exact": 100}}]
    return {"parties": [party("top", country)], "ultimateParent": "top", "ownership": owned}


OWNED = {"parties": [party("top", "DE")], "ownership": [{"owner": "top", "share": {"exact": 50}}]}
LISTED = {"screening": {"state": "Match", "matchedParties": ["top"]}}
VN, CN, KH, AE = (who(code) for code in ("VN", "CN", "KH", "AE"))

CASES: dict[str, tuple[str, str, Any, dict[str, list[str]]]] = {
    "a chip that becomes controlled": (
        *("transfer-tests", "a800", CN),
        {"2023-11-16T23:59:59": ALLOWED, "2023-11-17": NEEDED},
    ),
    "a destination of 2023": ("transfer-tests", "h100-sxm", VN, {"2023-11-16T23:59:59": ALLOWED, "2023-11-17": NEEDED}),
    "the first destination": ("transfer-tests", "h100-sxm", CN, {"2022-10-20T23:59:59": ALLOWED, "2022-10-21": NEEDED}),
    "Macau": (
        *("transfer-tests", "h100-sxm", who("MO")),
        {"2023-01-17T23:59:59": ALLOWED, "2023-01-18": NEEDED, "2026-11-21": NEEDED},
    ),
    "a letter": ("transfer-tests", "h20", CN, {"2025-04-08T23:59:59": ALLOWED, "2025-04-09": NEEDED}),
    "a letter, for others": ("transfer-tests", "h20", VN, {"2025-04-08T23:59:59": ALLOWED, "2025-04-09": ALLOWED}),
    "a letter's line of bandwidth": (
        *("transfer-tests", "rtx-5090-d", CN),
        {"2025-04-08T23:59:59": ALLOWED, "2025-04-09": NEEDED},
    ),
    "a letter's line, for others": ("transfer-tests", "rtx-5090-d", VN, {"2025-04-09": ALLOWED}),
    "a chip below the letter's line": ("transfer-tests", "rtx-4090-d", CN, {"2025-04-09": ALLOWED}),
    "Cambodia leaves the headquarters test": (
        *("transfer-tests", "h100-sxm", who("DE", independent=False, **parent("KH"))),
        {"2026-02-02T23:59:59": NEEDED, "2026-02-03": ALLOWED},
    ),
    "Cambodia stays a destination": (
        *("transfer-tests", "h100-sxm", KH),
        {"2026-02-02T23:59:59": NEEDED, "2026-02-03": NEEDED},
    ),
    "the Emirates": ("transfer-tests", "h100-sxm", AE, {"2026-07-09T23:59:59": NEEDED, "2026-07-10": ALLOWED}),
    "the Emirates under 3A090.b": ("transfer-tests", "a30", AE, {"2026-07-09T23:59:59": NEEDED, "2026-07-10": NEEDED}),
    "the Emirates under a chip whose entry nobody knows": ("transfer-tests", "inferentia2", AE, {"2026-07-10": NEEDED}),
    "a chip whose entry nobody knows": (
        *("transfer-tests", "inferentia2", VN),
        {"2023-11-16T23:59:59": ALLOWED, "2023-11-17": NEEDED},
    ),
    "owned by listed parties": (
        *("access-as-regulated", "h100-sxm", who("DE", LISTED, **OWNED)),
        {
            "2025-09-28T23:59:59": ALLOWED,
            "2025-09-29": ["ListedParty"],
            "2025-11-09T23:59:59": ["ListedParty"],
            "2025-11-10": ALLOWED,
            "2026-11-09T23:59:59": ALLOWED,
            "2026-11-10": ["ListedParty"],
        },
    ),
    "a listed party": (
        *(
            "access-as-regulated",
            "h100-sxm",
            who("DE", {"screening": {"state": "Match", "matchedParties": ["tenant"]}}),
        ),
        {"2025-09-28T23:59:59": ["ListedParty"], "2025-11-10": ["ListedParty"], "2026-11-21": ["ListedParty"]},
    ),
    "training, once there is a policy on it": (
        *("access-as-regulated", "h100-sxm", who("CN", {"kyc": {**LASTING["kyc"], "level": 2}})),
        {"2025-05-12T23:59:59": ALLOWED, "2025-05-13": ["KYCLevelTooLow"]},
    ),
    "a bill": ("access-as-regulated", "h100-sxm", CN, {"2026-01-12": ALLOWED, "2026-11-21": ALLOWED}),
}


@pytest.mark.parametrize(("profile", "chip", "party_", "expected"), CASES.values(), ids=CASES)
def test_time_alone_changes_the_verdict(profile: str, chip: str, party_: Any, expected: dict[str, list[str]]) -> None:
    asked = of(chip)
    objects = (*asked.pop("objects"), BUILT_IN[profile])
    given_ = {at: world(*objects, screened(party_, at), **asked)._replace(now=day(at)) for at in expected}

    assert {at: each.reasons() for at, each in given_.items()} == expected


def test_one_registry_answers_by_the_rules_of_each_instant_that_it_announced() -> None:
    """As the server does: the objects are read once, and asked of at each instant that ``next_change`` names."""
    asked = of("a800")
    registry = world(*asked["objects"], BUILT_IN["transfer-tests"], CN).registry()
    at, seen = day("2022-01-01"), list[tuple[str, int, str]]()
    while (after := registry.next_change(at)) is not None:
        at = after
        rules = registry.rules(at)
        seen.append((at.date().isoformat(), len(rules.rules), rules.entry("a800").short))

    assert seen == [
        ("2022-10-21", 4, "none"),
        ("2023-01-18", 4, "none"),
        ("2023-11-17", 10, "a.1"),
        ("2025-04-09", 20, "a.1"),
        ("2026-01-15", 26, "a.1"),
        ("2026-02-03", 26, "a.1"),
        ("2026-07-10", 26, "a.1"),
    ]
    assert registry.rules(at).until == NEVER


def test_an_authorization_is_announced_when_it_begins_and_when_it_ends() -> None:
    registry = world(grant(validFrom="2026-12-01T00:00:00Z", validUntil="2027-01-01T00:00:00Z")).registry()
    starts, ends = day("2026-12-01"), day("2027-01-01")

    assert [registry.next_change(at) for at in (starts - SECOND, starts, ends)] == [starts, ends, None]


def test_rules_that_are_not_applied_announce_nothing() -> None:
    begins = day("2027-01-01")
    applied, proposed = (rule("r", "Deny", status=status, effective=begins) for status in ("ByLetter", "Proposed"))
    last = max(*jurisdictions.changes(), *control.changes(), *lines.changes())

    assert world(policy(ALLOW, applied)).registry().next_change(last) == begins
    assert world(policy(ALLOW, proposed)).registry().next_change(last) is None


INSTANTS = st.datetimes(min_value=datetime(2022, 1, 1), max_value=datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone itself


@given(st.lists(st.tuples(INSTANTS, INSTANTS).map(sorted), max_size=4), INSTANTS, INSTANTS)
def test_between_two_announced_instants_the_rules_stay_what_they_are(
    spans: list[list[datetime]], now: datetime, later: datetime
) -> None:
    dated = [
        rule(f"r{place}", "Deny", ("Headquarters", "In", "ear-destinations"), effective=start, expires=end + SECOND)
        for place, (start, end) in enumerate(spans)
    ]
    registry = world(policy(*dated)).registry()
    change = registry.next_change(now) or NEVER
    moment = min(max(now, later), change - SECOND)

    def found(at: datetime) -> tuple[Any, ...]:
        fresh = world(policy(*dated)).registry().rules(at)
        return fresh.rules, fresh.groups, {name: fresh.entry(name) for name in fresh.catalogue.chips}

    assert moment < now or found(now) == found(moment)


def changed(name: str, mode: str = "enforce", **fields: Any) -> Any:
    """Return a built-in policy as an operator would change a copy of it: its mode, and fields of each rule."""
    content = BUILT_IN[name].model_dump(mode="json", by_alias=True, exclude_none=True)
    content["spec"]["mode"] = mode
    content["spec"]["rules"] = [{**each, **fields} for each in content["spec"]["rules"]]
    return type(BUILT_IN[name]).model_validate(content)


@pytest.mark.parametrize(
    ("country", "expected"),
    [("DE", ALLOWED), ("PL", NEEDED), ("SG", NEEDED), ("CN", ["AuthorizationRequired", "JurisdictionNotAllowed"])],
)
def test_the_rule_that_is_not_enforced_shows_what_it_would_change(country: str, expected: list[str]) -> None:
    """Tiers of 90 FR 4544: Germany is in the first, Poland and Singapore in the second, China in the third."""
    name = "ai-diffusion-2025"
    as_shipped, in_force = (world(who(country), policy(ALLOW), each) for each in (BUILT_IN[name], changed(name)))
    switched_on = world(who(country), policy(ALLOW), changed(name, status="InForce"))

    assert [each.reasons() for each in (as_shipped, in_force, switched_on)] == [ALLOWED, ALLOWED, expected]
    assert switched_on._replace(now=day("2025-05-14T23:59:59")).reasons() == ALLOWED


@pytest.mark.parametrize(
    ("country", "expected"),
    [
        ("SG", ALLOWED),
        ("AQ", NEEDED),
        ("BV", ["JurisdictionNotAllowed"]),
        ("DE", ["JurisdictionNotAllowed"]),
    ],
)
def test_the_template_denies_nothing_until_it_enforces(country: str, expected: list[str]) -> None:
    cover = quota("all", "SG", "AQ", "BV", "DE")
    observed = world(who(country), policy(ALLOW), BUILT_IN["operator-template"], cover)
    enforced = world(who(country), changed("operator-template"), cover)

    assert (observed.reasons(), enforced.reasons()) == (ALLOWED, expected)


def test_what_is_shown_of_a_tenant_follows_the_clock_too() -> None:
    asked = of("h100-sxm")
    owned = who("DE", LISTED, **OWNED)
    registry = world(*asked["objects"], BUILT_IN["access-as-regulated"], owned).registry()
    standing = registry.standings[owned.name]
    ends, returns = day("2025-11-10"), day("2026-11-10")
    shown = [obstacle(standing, registry, at) for at in (ends - SECOND, ends, returns - SECOND, returns)]

    assert shown == [Reason.ListedParty, None, None, Reason.ListedParty]
    assert registry.next_change(ends) == day("2026-01-15")
    assert registry.next_change(day("2026-07-10")) == returns

"""Clearance in time, the digest it is bound to, and the facts that rules test."""

from __future__ import annotations

import copy
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.api.clearance import KYC, LONGEST_DAYS, KYCState
from admission.api.identity import TenantSpec
from admission.api.policy import Fact
from admission.review.reasons import Reason
from admission.tenants.identity import identity_digest
from admission.tenants.kyc import judge_clearance
from admission.tenants.standing import standing_of
from admission.tenants.ternary import Ternary
from tests.tenants.statements import tenant

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DIGEST = "sha256:facts"
LONGEST = timedelta(days=LONGEST_DAYS)
NEVER = datetime.max.replace(tzinfo=UTC)


def _kyc(**changed: Any) -> KYC:
    known = {
        "state": "Verified",
        "level": 1,
        "verified_at": NOW - timedelta(days=9),
        "expires_at": NOW + SECOND,
        "covers": DIGEST,
    }
    return KYC.model_validate(known | changed)


@pytest.mark.parametrize(
    ("kyc", "reason"),
    [
        (None, Reason.KYCMissing),
        (_kyc(), None),
        (_kyc(level=0), Reason.KYCMissing),
        (_kyc(level=0, expires_at=NOW), Reason.KYCMissing),
        (_kyc(level=0, state="Revoked"), Reason.KYCSuspended),
        (_kyc(expires_at=NOW), Reason.KYCExpired),
        (_kyc(expires_at=NOW - SECOND), Reason.KYCExpired),
        (_kyc(expires_at=None), Reason.KYCExpired),
        (_kyc(verified_at=NOW - LONGEST + SECOND, expires_at=NEVER), None),
        (_kyc(verified_at=NOW - LONGEST, expires_at=NEVER), Reason.KYCExpired),
        (_kyc(verified_at=NOW), None),
        (_kyc(verified_at=NOW + SECOND), Reason.KYCPending),
        (_kyc(verified_at=None), Reason.KYCPending),
        (_kyc(covers="sha256:other"), Reason.KYCStale),
        (_kyc(covers=""), Reason.KYCStale),
        (_kyc(covers="", expires_at=NOW), Reason.KYCExpired),
        (_kyc(state="Unverified"), Reason.KYCMissing),
        (_kyc(state="Pending"), Reason.KYCPending),
        (_kyc(state="NeedsReview"), Reason.NeedsReview),
        (_kyc(state="Rejected"), Reason.KYCRejected),
        (_kyc(state="Expired"), Reason.KYCExpired),
        (_kyc(state="Suspended"), Reason.KYCSuspended),
        (_kyc(state="Revoked"), Reason.KYCSuspended),
    ],
)
def test_a_clearance_holds_from_its_verification_to_its_end_for_the_facts_it_covers(
    kyc: KYC | None, reason: Reason | None
) -> None:
    assert judge_clearance(kyc, DIGEST, NOW) is reason


OFFSETS = st.none() | st.integers(-5, 5)


@given(st.sampled_from(KYCState), OFFSETS, OFFSETS, st.booleans(), st.integers(0, 4))
def test_nothing_but_a_current_verification_of_these_facts_clears(
    state: KYCState, verified: int | None, expires: int | None, covers: bool, level: int
) -> None:
    kyc = KYC(
        state=state,
        level=level,
        verified_at=None if verified is None else NOW + verified * SECOND,
        expires_at=None if expires is None else NOW + expires * SECOND,
        covers=DIGEST if covers else "sha256:other",
    )
    holds = state is KYCState.Verified and level > 0 and covers and None not in (verified, expires)
    holds = holds and (verified or 0) <= 0 < (expires or 0)
    assert (judge_clearance(kyc, DIGEST, NOW) is None) is holds


FACTS: dict[str, Any] = {
    "legalName": "Acme",
    "kind": "Company",
    "incorporation": "DE",
    "headquarters": "SG",
    "ultimateParent": "a",
    "othersBelow": 25,
    "identifiers": [{"scheme": "LEI", "id": "1"}, {"scheme": "DUNS", "id": "2"}],
    "parties": [
        {"id": "a", "name": "A", "headquarters": "CN", "identifiers": [{"scheme": "LEI", "id": "3"}]},
        {
            "id": "b",
            "name": "B",
            "type": "NaturalPerson",
            "incorporation": "US",
            "identifiers": [{"scheme": "x", "id": "4"}, {"scheme": "a", "id": "5"}],
        },
    ],
    "ownership": [
        {"owner": "a", "share": {"exact": 60}},
        {"owner": "b", "owned": "a", "interest": "VotingRights", "share": {"minimum": 1, "maximum": 2}},
        {"owner": "a", "directness": "Indirect", "share": {"exclusiveMinimum": 1, "exclusiveMaximum": 2}},
    ],
    "suppliedBy": "kumo",
    "payment": ["Card", "Invoice"],
    "declaredUse": ["Training", "Research"],
}
OTHER: dict[str, Any] = {
    "legalName": "Acme 2",
    "name": "A2",
    "kind": "Reseller",
    "incorporation": "FR",
    "headquarters": "HK",
    "ultimateParent": "b",
    "scheme": "other",
    "id": "9",
    "type": "State",
    "owner": "c",
    "owned": "c",
    "interest": "Control",
    "exact": 61,
    "minimum": 0,
    "maximum": 3,
    "exclusiveMinimum": 0,
    "exclusiveMaximum": 3,
    "directness": "Unknown",
    "othersBelow": 10,
    "suppliedBy": "other",
}


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [path for key, child in value.items() for path in _places(child, (*at, key))]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [path for key, child in enumerate(value) for path in _places(child, (*at, key))]
    return [at]


IDENTITY = [path for path in _places(FACTS) if path[0] not in {"payment", "declaredUse"} and path[-1] != "id"]


def _digest(facts: dict[str, Any]) -> str:
    return identity_digest(TenantSpec.model_construct(**_fields(facts)))


def _fields(facts: dict[str, Any]) -> dict[str, Any]:
    extra = [{"id": "c", "name": "C"}, {"id": "9", "name": "9"}]
    spec = TenantSpec.model_validate({**facts, "parties": [*facts["parties"], *extra]})
    return {name: getattr(spec, name) for name in TenantSpec.model_fields}


@pytest.mark.parametrize("path", IDENTITY, ids=lambda path: ".".join(map(str, path)))
def test_every_identity_fact_changes_the_digest(path: tuple[Any, ...]) -> None:
    changed = copy.deepcopy(FACTS)
    at: Any = changed
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = OTHER[path[-1]]
    assert _digest(changed) != _digest(FACTS)


@pytest.mark.parametrize(
    "change",
    [
        {"payment": ["Card"]},
        {"payment": ["Card", "Cash"]},
        {"parties": FACTS["parties"][:1], "ownership": FACTS["ownership"][:1]},
        {"ownership": []},
        {"ultimateParent": None},
        {"ultimateParent": None, "independent": True},
        {"identifiers": []},
        {"suppliedBy": None},
    ],
    ids=str,
)
def test_a_fact_added_or_left_out_changes_the_digest(change: dict[str, Any]) -> None:
    assert _digest({**FACTS, **change}) != _digest(FACTS)


SAID = {"facts": ["Headquarters"], "by": "Tenant", "at": "2026-01-01T00:00:00Z", "validUntil": "2027-01-01T00:00:00Z"}


def _turned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _turned(child) for key, child in reversed(value.items())}
    return [_turned(child) for child in reversed(value)] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "same",
    [
        _turned(FACTS),
        {**FACTS, "declaredUse": ["WeaponsOfMassDestruction"]},
        {**FACTS, "declaredUse": []},
        {**FACTS, "independent": False},
        {**FACTS, "attestations": [SAID]},
    ],
    ids=["every list turned round", "another use", "no use", "a default spelt out", "an attestation"],
)
def test_order_declared_use_attestations_and_spelt_out_defaults_leave_the_digest(same: dict[str, Any]) -> None:
    assert _digest(same) == _digest(FACTS)


@pytest.mark.parametrize(
    ("spec", "fact", "values"),
    [
        ({}, Fact.Headquarters, {"DE"}),
        ({"headquarters": None}, Fact.Headquarters, None),
        ({}, Fact.Incorporation, None),
        ({}, Fact.UltimateParentHeadquarters, None),
        ({"independent": True}, Fact.UltimateParentHeadquarters, set()),
        (
            {"ultimateParent": "a", "parties": [{"id": "a", "name": "A", "headquarters": "CN"}]},
            Fact.UltimateParentHeadquarters,
            {"CN"},
        ),
        ({"ultimateParent": "a", "parties": [{"id": "a", "name": "A"}]}, Fact.UltimateParentHeadquarters, None),
        (
            {
                "ultimateParent": "a",
                "parties": [{"id": "a", "name": "A", "type": "NaturalPerson", "headquarters": "CN"}],
            },
            Fact.UltimateParentHeadquarters,
            set(),
        ),
        ({"kind": "Individual", "legalName": "Ada Acme"}, Fact.Incorporation, set()),
        ({"kind": "Individual", "legalName": "Acme Ltd."}, Fact.Incorporation, None),
        ({"independent": True}, Fact.UltimateParentIncorporation, set()),
        *(
            (
                {"ultimateParent": "a", "parties": [{"id": "a", "name": "A", "headquarters": "SG", **formed}]},
                Fact.UltimateParentIncorporation,
                country,
            )
            for formed, country in (
                ({"incorporation": "CN"}, {"CN"}),
                ({}, None),
                ({"type": "State"}, set()),
                ({"type": "NaturalPerson"}, set()),
            )
        ),
        ({}, Fact.AccessCountry, None),
        ({}, Fact.Payment, None),
        ({"payment": ["Cash"]}, Fact.Payment, {"Cash"}),
        ({}, Fact.DeclaredUse, None),
        ({}, Fact.TenantKind, {"Company"}),
        ({}, Fact.Screening, None),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_not_declared_is_unknown_and_what_cannot_be_is_empty(
    spec: dict[str, Any], fact: Fact, values: set[str] | None
) -> None:
    found = standing_of(tenant(spec)).facts[fact]
    assert found == (None if values is None else frozenset(values))


def test_log_ins_from_no_country_are_unknown() -> None:
    evidence = ({"countries": [], "asOf": "2026-11-25T00:00:00Z"}, {"countries": ["DE"]})
    found = [standing_of(tenant({}, {"access": each})).facts[Fact.AccessCountry] for each in evidence]
    assert found == [None, frozenset({"DE"})]


def test_a_country_of_log_ins_that_is_none_is_told_with_its_field() -> None:
    found = standing_of(tenant({}, {"access": {"countries": ["DE", "UK"]}}))
    assert found.problem == "status.access.countries.1: UK is no country code of ISO 3166-1; GB is"


def test_a_code_that_is_no_country_is_told_with_its_field() -> None:
    known = [{"id": "a", "name": "A", "headquarters": "DE"}, {"id": "b", "name": "B", "headquarters": "EL"}]
    assert [
        standing_of(tenant({"headquarters": code, "parties": known[:n]})).problem for code, n in (("DE", 1), ("ZZ", 2))
    ] == [
        "",
        (
            "spec.headquarters: ZZ is no country code of ISO 3166-1; "
            "spec.parties.1.headquarters: EL is no country code of ISO 3166-1; GR is"
        ),
    ]


OWNERS = {
    "parties": [
        {"id": "a", "name": "A", "headquarters": "CN"},
        {"id": "b", "name": "B", "headquarters": "CN"},
        {"id": "c", "name": "C", "headquarters": "US", "type": "State"},
        {"id": "p", "name": "P", "headquarters": "RU", "type": "NaturalPerson"},
    ],
    "ownership": [
        {"owner": "a", "share": {"exact": 25}},
        {"owner": "b", "share": {"exact": 25}},
        {"owner": "p", "share": {"exact": 50}},
    ],
}


def test_owners_of_one_country_add_up_and_a_natural_person_has_none() -> None:
    standing = standing_of(tenant(OWNERS))
    assert standing.facts[Fact.OwnerHeadquarters] == frozenset({"CN"})
    assert standing.owned_from(frozenset({"RU"})) is Ternary.UNKNOWN  # A and B have owners of their own
    assert standing.jurisdictions() == ("CN", "DE")


def test_a_standing_with_facts_too_old_is_one_object_for_each_set_of_them_and_keeps_its_facts() -> None:
    standing = standing_of(tenant({"payment": ["Cash"]}))
    other = dataclasses.replace(standing, facts={**standing.facts, Fact.Screening: frozenset({"Match"})})
    old = frozenset({Fact.Payment})
    assert standing.without(frozenset()) is standing
    assert standing.without(old) is standing.without(old)
    assert [each.without(old).facts is each.facts for each in (standing, other)] == [True, True]
    assert standing.without(old).without(old) is standing.without(old)
    assert [standing.without(old).stale, standing.without(old).digest] == [old, standing.digest]


@pytest.mark.parametrize(
    ("state", "matched", "values"),
    [
        ("Clear", [], {"Clear"}),
        ("Candidate", [], {"Candidate"}),
        ("Match", [], {"Match", "MatchItself"}),
        ("Clear", ["tenant"], {"Match", "MatchItself"}),
        ("Clear", ["p"], {"Match", "MatchOwners"}),
        ("Match", ["p"], {"Match", "MatchOwners"}),
        ("Clear", ["tenant", "p"], {"Match", "MatchItself", "MatchOwners"}),
        ("Clear", ["a"], {"Candidate"}),  # of B half may be held by A, which makes it half of the tenant
        ("Clear", ["a", "b"], {"Match", "MatchOwners"}),
        ("Clear", ["nobody"], {"Match", "MatchItself"}),
    ],
)
def test_half_or_more_by_listed_parties_or_one_who_is_no_party_is_a_match_and_less_is_to_be_reviewed(
    state: str, matched: list[str], values: set[str]
) -> None:
    found = standing_of(tenant(OWNERS, {"screening": {"state": state, "matchedParties": matched}}))
    assert found.facts[Fact.Screening] == frozenset(values)

"""A clearance that does not hold and is let stand: by two people, for the facts they saw, until an instant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from admission.api.override import KYCOverride
from admission.enforce.shown import obstacle, passing
from admission.tenants.identity import identity_digest
from tests.decide.questions import ALLOW, NOW, UNCONTROLLED, override, policy, rule, tenant, world

LAPSED: dict[str, dict[str, Any]] = {
    "KYCMissing": {"state": "Unverified"},
    "KYCPending": {"state": "Pending"},
    "NeedsReview": {"reverifyBy": "2026-11-01T00:00:00Z"},
    "KYCRejected": {"state": "Rejected"},
    "KYCSuspended": {"state": "Revoked"},
    "KYCExpired": {"expiresAt": "2026-11-01T00:00:00Z"},
    "KYCStale": {"covers": "sha256:other"},
}


@pytest.mark.parametrize("reason", LAPSED)
def test_a_reason_that_is_named_is_overridden_and_said_so(reason: str) -> None:
    lapsed = tenant(status={"kyc": LAPSED[reason]})
    assert world(lapsed).reasons() == [reason]
    assert world(lapsed, override(*sorted(LAPSED.keys() - {reason}))).reasons() == [reason]
    found = world(lapsed, override(reason)).verdict()
    assert (found.findings, found.overrides) == ((), ("bridge",))
    (check,) = (check for check in found.checks if check.name == "kyc")
    told = {"overridden": reason, "by": "bridge", "until": "2026-12-01T00:00:00+00:00"}
    assert told.items() <= check.inputs.items()


VOID = {
    "not approved": override(by=None),
    "approved by who asked": override(by="alice"),
    "approved by who asked, in other letters": override(by="ALICE"),
    "approved from tomorrow": override(at="2026-11-23T00:00:00Z"),
    "ended": override(validUntil=NOW.isoformat()),
    "of another tenant": override(tenant="other"),
    "of other facts": override(covers="sha256:" + "0" * 64),
}


@pytest.mark.parametrize("since", [{"metadata": {"creationTimestamp": "2026-11-01T00:00:00Z"}}, {}])
def test_an_override_ends_31_days_after_it_was_made_or_approved(since: dict[str, Any]) -> None:
    spec = override(by=None).spec.model_dump(by_alias=True)
    known = {"status": {"approval": {"by": "bob", "at": "2026-11-01T00:00:00Z"}}, **since}
    fits = {**known, "spec": {**spec, "validUntil": "2026-12-02T00:00:00Z"}}
    assert KYCOverride.model_validate(fits).spec.valid_until.day == 2
    with pytest.raises(ValidationError, match="validUntil is more than 31 days away"):
        KYCOverride.model_validate({**fits, "spec": {**spec, "validUntil": "2026-12-02T00:00:01Z"}})


@pytest.mark.parametrize("given", VOID.values(), ids=VOID)
def test_without_two_people_its_time_its_tenant_and_its_facts_it_overrides_nothing(given: KYCOverride) -> None:
    found = world(tenant(status={"kyc": LAPSED["KYCExpired"]}), given).verdict()
    assert ([str(each) for each in found.reasons()], found.overrides) == (["KYCExpired"], ())


def test_facts_that_change_after_it_are_not_what_was_looked_at() -> None:
    moved = tenant(status={"kyc": LAPSED["KYCStale"]}, incorporation="FR")
    assert world(moved, override("KYCStale")).reasons() == ["KYCStale"]


def test_what_holds_needs_no_override() -> None:
    assert world(override()).verdict().overrides == ()


def test_rules_are_asked_as_ever() -> None:
    listed = {"kyc": LAPSED["KYCExpired"], "screening": {"matchedParties": ["tenant"]}}
    rules = policy(ALLOW, rule("list", "Deny", ("Screening", "In", "Match")), rule("level", "Level", level=3))
    assert world(tenant(status=listed), rules, override()).reasons() == ["KYCLevelTooLow", "ListedParty"]


def test_a_level_asked_for_an_uncontrolled_chip_sees_it_too() -> None:
    rules = policy(rule("level", "Level", classes=["*"]))
    lapsed = tenant(status={"kyc": LAPSED["KYCExpired"]})
    assert world(lapsed, rules, pod=UNCONTROLLED).reasons() == ["KYCExpired"]
    found = world(lapsed, rules, override(), pod=UNCONTROLLED).verdict()
    assert (found.findings, found.overrides) == ((), ("bridge",))
    assert world(lapsed, override(), pod=UNCONTROLLED).verdict().overrides == ()


def test_a_reseller_is_overridden_and_its_customer_is_not() -> None:
    reseller = tenant("kumo", {"kyc": LAPSED["KYCExpired"]}, kind="Reseller")
    customer = tenant("tanuki", {"kyc": LAPSED["KYCExpired"]}, suppliedBy="kumo")
    labels = {"computegate.io/tenant": "kumo", "computegate.io/end-customer": "tanuki"}
    given = override("KYCExpired", tenant="kumo", covers=identity_digest(reseller.spec))
    assert world(reseller, customer, given, labels=labels).reasons() == ["EndCustomerNotCleared"]


def test_its_end_shows_and_denies_without_any_object_changing() -> None:
    given = override("KYCExpired")
    asked = world(tenant(status={"kyc": LAPSED["KYCExpired"]}), given)
    ends = given.spec.valid_until
    assert asked._replace(now=ends - timedelta(seconds=1)).reasons() == []
    assert asked._replace(now=ends).reasons() == ["KYCExpired"]
    registry = asked.registry()
    standing = registry.standings["acme"]
    assert [obstacle(standing, registry, now) for now in (NOW, ends)] == [None, "KYCExpired"]
    assert passing(standing, registry, NOW)[2] is given
    assert passing(standing, registry, ends)[2] is None


def test_one_that_cannot_be_read_overrides_nothing_and_holds_nobody_back() -> None:
    registry = world(override()).registry()
    registry.refuse(KYCOverride, "bridge", "spec.reasons: Field required")
    assert (registry.every(KYCOverride), registry.held_back_at(NOW)) == ((), "")

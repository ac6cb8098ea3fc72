"""What a tenant is shown of its quotas: devices, device-hours, holds; its own and what is left, nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from admission.api.allowance import OwnLimit
from admission.api.tenant import Tenant
from admission.decide.limits import ENDING
from admission.enforce.own import own_limits
from admission.enforce.shown import allowance_status, expiry_shown
from admission.ledger.ledger import View
from admission.ledger.state import Hold, Hours
from tests.decide.questions import ALLOW, CHIP, NOW, override, party, policy, quota, tenant, world

HOUR = 3600
CLOCK = int(NOW.timestamp())
PAID = 4 * HOUR + ENDING
"""What a pod of four hours pays for one device."""

USED = {("acme", CHIP): 2, ("other", CHIP): 1}
SPENT = {("acme", CHIP, CLOCK // HOUR - 3): 5 * HOUR - 1, ("other", CHIP, CLOCK // HOUR - 3): 7 * HOUR}
PREPAID = {("acme", CHIP): PAID, ("other", CHIP): 2 * HOUR}
GROUP, OTHERS = (world(tenant(name)).registry().group_of(name) for name in ("acme", "other"))
HOLDS = {(GROUP, CHIP): Hold(CLOCK - 5 * HOUR - 60), (OTHERS, CHIP): Hold(CLOCK - 40 * HOUR)}
EACH: dict[str, Any] = {"limits": {}, "window": "1d"}


def view(hours: Hours, **fields: Any) -> View:
    known = {"initialized": True, "observed_pods": 1, "reserved": {}, "entries": 0, "promised_hours": PREPAID}
    return View(**{**known, "used": USED, "hours": hours, **fields})


KEPT = view(Hours(spent=SPENT, holds=HOLDS))
OWN_HOURS = {"window": "1d", "used": 5, "prepaid": 5}
CASES: dict[str, tuple[dict[str, Any], View, list[dict[str, Any]], str]] = {
    "devices alone": (
        *({"limits": {"devices": 8}}, KEPT),
        *([{"quota": "home", "used": 2, "limit": 7}], "home 2/7"),
    ),
    "hours of each tenant": (
        *({**EACH, "perTenant": {"deviceHours": 100}}, KEPT),
        [{"quota": "home", "used": 2, "hours": {**OWN_HOURS, "left": 90}}],
        "home 2/- (90 device-hours left)",
    ),
    "hours of all, of which others have taken": (
        *({"limits": {"devices": 8, "deviceHours": 30}, "window": "1d"}, KEPT),
        [{"quota": "home", "used": 2, "limit": 7, "hours": {**OWN_HOURS, "left": 11}}],
        "home 2/7 (11 device-hours left)",
    ),
    "more used than a lowered limit": (
        *({**EACH, "perTenant": {"deviceHours": 1}}, KEPT),
        [{"quota": "home", "used": 2, "hours": {**OWN_HOURS, "left": 0}}],
        "home 2/- (0 device-hours left)",
    ),
    "hours of a ledger that is not counted yet": (
        *({**EACH, "perTenant": {"deviceHours": 100}}, view(Hours(), initialized=False)),
        *([], ""),
    ),
    "hours whose archive is not summed yet": (
        *({**EACH, "perTenant": {"deviceHours": 100}}, view(Hours(archived=1))),
        *([], ""),
    ),
    "a hold that goes on": (
        *({"limits": {"longestHold": "1d"}}, KEPT),
        *([{"quota": "home", "used": 2, "holdLeft": "18h"}], "home 2/-"),
    ),
    "the shorter of two holds": (
        *({"limits": {"longestHold": "1d"}, "perTenant": {"longestHold": "6h"}}, KEPT),
        *([{"quota": "home", "used": 2, "holdLeft": "0h"}], "home 2/-"),
    ),
    "a hold that nothing has begun": (
        *({"limits": {"longestHold": "1d"}}, view(Hours(spent=SPENT))),
        *([{"quota": "home", "used": 2, "holdLeft": "24h"}], "home 2/-"),
    ),
    "a hold of a class that does not count": (
        *({"limits": {"longestHold": "1d"}, "classes": ["t4"]}, KEPT),
        *([{"quota": "home", "used": 0, "holdLeft": "24h"}], "home 0/-"),
    ),
    "another jurisdiction's quota": (
        *({"jurisdictions": ["FR"], "limits": {"devices": 8}}, KEPT),
        *([], ""),
    ),
}


@pytest.mark.parametrize(("spec", "kept", "expected", "printed"), CASES.values(), ids=CASES)
def test_a_tenant_sees_its_own_use_and_what_is_left(
    spec: dict[str, Any], kept: View, expected: list[dict[str, Any]], printed: str
) -> None:
    given = world(tenant(), tenant("other"), quota(**spec))
    registry = given.registry()
    shown = own_limits(registry.requester_of("acme"), lambda _: kept, registry, NOW)
    standing = registry.standings["acme"]
    status = allowance_status(standing, None, expires_at=None, use={}, limits=shown, denial=None, contact="")

    assert shown == [OwnLimit.model_validate(each) for each in expected]
    assert status.summary == printed


NEXT_YEAR, LAST_MONTH = "2027-03-01T00:00:00+00:00", "2026-10-01T00:00:00+00:00"
EXPIRIES: dict[str, tuple[dict[str, Any], tuple[Any, ...], str | None]] = {
    "that holds": ({}, (), NEXT_YEAR),
    "that must be reviewed before": ({"reverifyBy": "2026-12-20T00:00:00Z"}, (), "2026-12-20T00:00:00+00:00"),
    "that is reviewed in time": ({"reverifyBy": "2027-05-01T00:00:00Z"}, (), NEXT_YEAR),
    "that has expired": ({"expiresAt": LAST_MONTH}, (), LAST_MONTH),
    "that has expired and is overridden": (
        *({"expiresAt": LAST_MONTH}, (override("KYCExpired"),)),
        "2026-12-01T00:00:00+00:00",
    ),
    "that was revoked": ({"state": "Revoked"}, (), None),
    "that was suspended": ({"state": "Suspended"}, (), None),
    "that is under way": ({"state": "Pending"}, (), None),
    "of other facts": ({"covers": "sha256:other"}, (), None),
    "whose review is overdue": ({"reverifyBy": LAST_MONTH}, (), None),
    "that is overridden and holds": ({}, (override("KYCExpired"),), NEXT_YEAR),
}


@pytest.mark.parametrize(("kyc", "overrides", "expected"), EXPIRIES.values(), ids=EXPIRIES)
def test_a_tenant_sees_the_end_of_a_clearance(
    kyc: dict[str, Any], overrides: tuple[Any, ...], expected: str | None
) -> None:
    registry = world(tenant(status={"kyc": {"expiresAt": NEXT_YEAR, **kyc}}), *overrides).registry()
    shown = expiry_shown(registry.standings["acme"], registry, NOW)

    assert (shown.isoformat() if shown else None) == expected


def test_a_hold_is_that_of_the_ownership_group() -> None:
    owned: dict[str, Any] = {
        "parties": [party("top")],
        "ultimateParent": "top",
        "ownership": [{"owner": "top", "share": {"exact": 100}}],
    }
    registry = world(tenant(**owned), tenant("sister", **owned), quota(limits={"longestHold": "1d"})).registry()
    group = registry.group_of("acme")
    kept = view(Hours(holds={(group, CHIP): Hold(CLOCK - 10 * HOUR)}))
    both = {each: registry.requester_of(each) for each in ("acme", "sister")}
    left = {each: own_limits(who, lambda _: kept, registry, NOW)[0].hold_left for each, who in both.items()}

    assert left == {"acme": "14h", "sister": "14h"}


def test_tenants_whose_parents_share_an_identifier_are_charged_as_one_group_while_they_are_there() -> None:
    def owned(name: str, parent: str) -> Any:
        above = {"id": "top", "name": parent, "identifiers": [{"scheme": "LEI", "id": "529900EXAMPLE0000001"}]}
        return tenant(
            name, parties=[above], ultimateParent="top", ownership=[{"owner": "top", "share": {"exact": 100}}]
        )

    ages = policy(ALLOW, factAges=[{"fact": "Headquarters", "maxAge": "1d"}])
    given = world(owned("acme", "Rotkehl Holding AG"), owned("sister", "ROTKEHL Hldg."), ages, quota())
    registry = given.registry()
    (group,) = {registry.group_of(each) for each in ("acme", "sister")}
    aged = [registry.requester_of(each).at(NOW, registry.rules(NOW).ages) for each in ("acme", "sister")]
    assert ([each.group for each in aged], group != GROUP) == ([group, group], True)
    registry.drop(Tenant, "sister")
    assert registry.group_of("acme") == world(owned("acme", "Rotkehl Holding AG")).registry().group_of("acme") != group


def test_no_figure_is_a_neighbours() -> None:
    """Whatever the neighbour has used of its own limit, the tenant's figures are the same."""
    registry = world(
        tenant(), tenant("other"), quota(**EACH, perTenant={"devices": 4, "deviceHours": 100, "longestHold": "1d"})
    ).registry()
    alone = view(
        Hours(
            spent={key: each for key, each in SPENT.items() if key[0] == "acme"},
            holds={key: each for key, each in HOLDS.items() if key[0] == GROUP},
        ),
        used={("acme", CHIP): 2},
        promised_hours={("acme", CHIP): PAID},
    )
    acme = registry.requester_of("acme")
    beside, by_itself = (own_limits(acme, {"DE": kept}.get, registry, NOW) for kept in (KEPT, alone))

    assert beside == by_itself


@pytest.mark.parametrize(
    ("labels", "parties"),
    [
        ({"computegate.io/tenant": "kumo", "computegate.io/end-customer": "tanuki"}, ("SG", "CN")),
        ({"computegate.io/tenant": "kumo", "computegate.io/end-customer": "tanuki"}, ("CN", "SG")),
        ({"computegate.io/tenant": "tanuki"}, ("CN", "SG")),
    ],
    ids=["a customer elsewhere", "a reseller elsewhere", "a customer's own namespace, its reseller elsewhere"],
)
def test_the_limits_shown_are_those_of_the_jurisdiction_that_a_request_is_judged_by(
    labels: dict[str, str], parties: tuple[str, str]
) -> None:
    reseller, customer = parties
    given = world(
        tenant("kumo", kind="Reseller", headquarters=reseller),
        tenant("tanuki", suppliedBy="kumo", headquarters=customer),
        *(quota(each.lower(), each) for each in parties),
        labels=labels,
    )
    registry, verdict = given.registry(), given.verdict()
    shown = own_limits(registry.requester("lab"), lambda _: KEPT, registry, NOW)

    assert (verdict.governing, [each.quota for each in shown]) == ("CN", ["cn"])

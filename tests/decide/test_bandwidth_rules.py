"""What rules do that name a side of a line of bandwidth instead of chips."""

from __future__ import annotations

import pathlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from admission.api.accelerator import AcceleratorClass
from admission.cli.profile import profiles
from tests.decide.questions import ALLOW, grant, policy, pool, quota, rule, tenant, world
from tests.demand.cluster import pod

if TYPE_CHECKING:
    from admission.api.tenant import Tenant

PROFILE = profiles()["transfer-tests"].policy
LASTING = {"kyc": {"verifiedAt": "2020-01-01T00:00:00Z", "expiresAt": "2099-01-01T00:00:00Z", "level": 3}}
CN = tenant(headquarters="CN", incorporation="CN", status=LASTING)


PARENT = tenant(
    headquarters="SG",
    parties=[{"id": "top", "name": "Top Compute Ltd", "headquarters": "HK"}],
    ultimateParent="top",
    status=LASTING,
)
OWNED = tenant(
    headquarters="SG",
    parties=[{"id": "owner", "name": "Owner Compute Ltd", "headquarters": "MO"}],
    ownership=[{"owner": "owner", "share": {"exact": 60}}],
    independent=True,
    status=LASTING,
)
RU = tenant(headquarters="RU", incorporation="RU", status=LASTING)
ABROAD = ("presumption-of-denial", "presumption-of-denial-elsewhere")


def asking(chip: str, *objects: Any, day: str = "2026-11-21", place: str = "DE") -> Any:
    """Return the world of a pod that asks for one device of a class."""
    wanted = pod({"nvidia.com/gpu": 1}, nodeSelector={"pool": chip})
    made = world(pool(chip, chip, place), *objects, pod=wanted)
    return made._replace(now=datetime.fromisoformat(day).replace(tzinfo=UTC))


def chip(name: str, **figures: Any) -> AcceleratorClass:
    spec = {"throughput": [{"bits": 8, "teraOps": 50}], "dieAreaMm2": 400, **figures}
    return AcceleratorClass.model_validate({"metadata": {"name": name}, "spec": spec})


@pytest.mark.parametrize(
    ("party", "name", "place", "rules"),
    [
        (CN, "h200-sxm", "US", {"case-by-case"}),
        (CN, "h200-sxm", "DE", {"presumption-of-denial-elsewhere"}),
        (CN, "a30", "US", {"case-by-case"}),
        (CN, "b200", "US", {"presumption-of-denial"}),
        (CN, "b200", "DE", {"presumption-of-denial"}),
        (CN, "mi308x", "US", {"case-by-case", "presumption-of-denial", "letter-bandwidth-headquarters"}),
        (CN, "mi308x", "DE", {*ABROAD, "letter-bandwidth-headquarters"}),
        (CN, "rtx-5090-d", "DE", {"letter-bandwidth-headquarters"}),
        (CN, "h20", "DE", {"letter-bandwidth-headquarters"}),
        (CN, "rtx-4090-d", "DE", set()),
        (RU, "h200-sxm", "US", {"presumption-of-denial-other-seats"}),
        (RU, "h200-sxm", "DE", {"presumption-of-denial-other-seats", "presumption-of-denial-elsewhere"}),
        (RU, "b200", "US", {"presumption-of-denial"}),
        (RU, "rtx-4090-d", "DE", set()),
    ],
)
def test_the_profile_says_under_which_review_and_by_which_letter_an_authorization_is_needed(
    party: Tenant, name: str, place: str, rules: set[str]
) -> None:
    verdict = asking(name, party, PROFILE, place=place).verdict()
    found = {each.rule.removeprefix("transfer-tests/") for each in verdict.findings}

    assert {each for each in found if each.startswith(("case", "presumption", "letter-bandwidth"))} == rules


@pytest.mark.parametrize("place", ["US", "DE"])
@pytest.mark.parametrize("name", ["h200-sxm", "b200"])
@pytest.mark.parametrize(
    ("party", "rule_name"),
    [(PARENT, "presumption-of-denial-parent"), (OWNED, "presumption-of-denial-owner")],
    ids=["parent", "owner"],
)
def test_whose_parent_or_owner_is_there_is_under_the_presumption_wherever_the_chip_is(
    party: Tenant, rule_name: str, name: str, place: str
) -> None:
    found = {each.rule for each in asking(name, party, PROFILE, place=place).verdict().findings}

    assert f"transfer-tests/{rule_name}" in found
    assert "transfer-tests/case-by-case" not in found


def test_an_operator_can_refuse_what_is_reviewed_under_a_presumption_of_denial() -> None:
    written = (pathlib.Path(__file__).parents[2] / "docs" / "catalogue.md").read_text()
    documented = yaml.safe_load(written.partition("```yaml\n")[2].partition("```")[0])
    refusing = policy(ALLOW, *documented)

    def reasons(place: str, day: str = "2026-11-21", party: Tenant = CN) -> dict[str, list[str]]:
        names = ("h200-sxm", "b200", "mi308x", "t4")
        return {name: asking(name, party, refusing, place=place, day=day).reasons() for name in names}

    refused = ["JurisdictionNotAllowed"]
    assert reasons("US") == {"h200-sxm": [], "b200": refused, "mi308x": refused, "t4": []}
    assert reasons("DE") == {"h200-sxm": refused, "b200": refused, "mi308x": refused, "t4": []}
    assert reasons("US", "2026-01-14")["b200"] == []
    for country in ("RU", "IR", "KP", "BY"):
        there = tenant(headquarters=country, incorporation=country, status=LASTING)
        for place in ("US", "DE"):
            found = reasons(place, party=there)
            assert found == {"h200-sxm": refused, "b200": refused, "mi308x": refused, "t4": []}
    assert reasons("US", party=PARENT)["h200-sxm"] == [*refused, "OwnerUnknown"]
    assert "OwnershipNotCleared" in reasons("US", party=OWNED)["h200-sxm"]


def test_an_authorization_covers_a_side_only_where_a_chip_is_on_it_for_certain() -> None:
    asked = policy(ALLOW, rule("licensed", "Authorization"))
    licence = grant(classes=["CaseByCase"])

    verdicts = {name: asking(name, asked, licence).reasons() for name in ("h200-sxm", "b200", "mi308x")}
    missing = ["AuthorizationRequired"]
    assert verdicts == {"h200-sxm": [], "b200": missing, "mi308x": missing}


def test_a_letter_that_draws_a_line_makes_the_chips_at_it_controlled() -> None:
    letter = policy(
        ALLOW, rule("letter", "Deny", ("Headquarters", "In", "CN"), status="ByLetter", classes=["LetterBandwidth"])
    )
    names = ("h20", "rtx-5090-d", "t4", "h100-sxm", "no-such-chip")
    before, after = (
        asking("t4", letter, day=day).registry().rules(datetime.fromisoformat(day).replace(tzinfo=UTC))
        for day in ("2025-04-08", "2025-04-09")
    )

    assert [before.controlled(name) for name in names] == [False, False, False, True, True]
    assert [after.controlled(name) for name in names] == [True, True, False, True, True]


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ({"memoryBandwidthGbPerSecond": 1399, "interconnectGbPerSecond": 64}, []),
        ({"memoryBandwidthGbPerSecond": 1400, "interconnectGbPerSecond": 64}, ["AuthorizationRequired"]),
        ({"memoryBandwidthGbPerSecond": 64, "interconnectGbPerSecond": 1100}, ["AuthorizationRequired"]),
        ({"memoryBandwidthGbPerSecond": 64}, ["AuthorizationRequired"]),
        ({}, ["AuthorizationRequired"]),
    ],
)
def test_a_chip_of_an_operators_own_is_judged_by_the_figures_that_it_states(
    figures: dict[str, Any], expected: list[str]
) -> None:
    assert asking("own", CN, PROFILE, chip("own", **figures), quota("cn", "CN")).reasons() == expected

"""Which chips the transfer tests are about: those of 3A090 by their own destinations, those below by letters alone."""

from __future__ import annotations

from typing import Any

import pytest

from admission.cli.profile import profiles
from tests.decide.questions import ALLOW, policy, pool, rule, tenant, world
from tests.demand.cluster import pod

PROFILE = profiles()["transfer-tests"].policy
LOGIN = "access-from-destination"


def seated(country: str) -> Any:
    return tenant(headquarters=country, incorporation=country)


def logging_in_from(country: str) -> Any:
    return tenant(status={"access": {"countries": ["DE", country]}})


def owned_from(country: str) -> Any:
    parties = [{"id": "top", "name": "Top Compute Ltd", "headquarters": country, "othersBelow": 25}]
    return tenant(parties=parties, ultimateParent="top", ownership=[{"owner": "top", "share": {"exact": 100}}])


def asking(chip: str, party: Any, *policies: Any) -> set[str]:
    """Return the names of the rules by which one device of a class, in Germany, is not had."""
    wanted = pod({"nvidia.com/gpu": 1}, nodeSelector={"pool": chip})
    found = world(pool(chip, chip, "DE"), party, *policies, pod=wanted).verdict().findings
    return {each.rule.removeprefix("transfer-tests/") for each in found}


@pytest.mark.parametrize(
    ("chip", "party", "rules"),
    [
        ("h20", logging_in_from("SA"), set()),
        ("h20", seated("SA"), set()),
        ("h20", logging_in_from("CN"), {"letter-access", "letter-bandwidth-access"}),
        ("h20", seated("CN"), {"letter-headquarters", "letter-bandwidth-headquarters"}),
        (
            *("h20", owned_from("CN")),
            {
                *("letter-parent-headquarters", "letter-bandwidth-parent"),
                *("letter-owner-headquarters", "letter-bandwidth-owner"),
            },
        ),
        ("rtx-5090-d", logging_in_from("VN"), set()),
        ("rtx-5090-d", logging_in_from("CN"), {"letter-bandwidth-access"}),
        ("rtx-5090-d", seated("CN"), {"letter-bandwidth-headquarters"}),
        ("l40", logging_in_from("AE"), {f"{LOGIN}-b"}),
        ("l40", seated("AE"), {"destination-b"}),
        ("h100-sxm", logging_in_from("AE"), set()),
        ("h100-sxm", seated("AE"), set()),
        ("h100-sxm", logging_in_from("SA"), {f"{LOGIN}-a"}),
        ("inferentia2", logging_in_from("VN"), {f"{LOGIN}-a", f"{LOGIN}-b"}),
    ],
)
def test_each_chip_is_tested_by_the_list_of_its_own_entry_or_by_a_letter(
    chip: str, party: Any, rules: set[str]
) -> None:
    assert asking(chip, party, PROFILE) == rules


def test_a_chip_whose_entry_nobody_knows_is_under_the_headquarters_test() -> None:
    assert "headquarters" in asking("inferentia2", seated("CN"), PROFILE)


def test_a_letters_rule_that_is_switched_off_leaves_no_other_in_its_place() -> None:
    name = "letter-bandwidth-headquarters"
    stayed = rule("not-that", "Deny", replaces=f"transfer-tests/{name}", status="Stayed")
    off = policy(ALLOW, stayed, name="own")

    assert asking("rtx-5090-d", seated("CN"), PROFILE, off) == set()

"""docs/scenarios.md says of each reported route what ``computegate check`` says; ``make scenarios`` writes it anew."""

from __future__ import annotations

import functools
import os
import re

import yaml

from admission.api.tenant import Tenant
from admission.tenants.identity import identity_digest
from tests.scenarios.page import FED_BY, Page
from tests.scenarios.runs import ALL, FOLDER, ROOT, SHARED, Outcome, Run, Scenario, outcome, scenarios

PAGE = ROOT / "docs" / "scenarios.md"
BEGIN, END = "<!-- make scenarios writes from here -->\n", "<!-- to here -->"
ROUTES = [f"R{number}" for number in range(1, 17)]


@functools.cache
def told() -> tuple[tuple[str, Run, Outcome], ...]:
    """Every run with its folder and what comes of it."""
    return tuple(
        (folder, run, outcome(ALL, folder, run)) for folder, scenario in scenarios().items() for run in scenario.run
    )


def test_the_page_is_what_check_says() -> None:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page = before + BEGIN + Page().of(scenarios()) + END + after
    if os.environ.get("SCENARIOS") == "write":
        PAGE.write_text(page)
    assert PAGE.read_text() == page


def _told(scenario: Scenario, side: str) -> int:
    return sum(run.told == side for run in scenario.run)


def test_every_route_is_told_twice() -> None:
    found = scenarios().values()
    assert [each.route for each in found] == ROUTES
    thin = [each.route for each in found for side in ("declared", "concealed") if _told(each, side) < 2]
    assert thin == []
    assert [each.route for each in found if each.unseen] == ["R8", "R11", "R12"]


def test_every_file_is_run() -> None:
    files = {path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("r*/*.yaml")}
    assert {f"{folder}/{run.file}" for folder, run, _ in told()} == files


def test_what_is_concealed_and_admitted_says_what_would_catch_it_and_nothing_else_does() -> None:
    claimed = {(folder, run.file) for folder, run, _ in told() if run.catch}
    missed = {(folder, run.file) for folder, run, found in told() if run.is_concealed and found.is_admitted}
    assert claimed == missed
    assert {(folder, run.file, run.at) for folder, run, _ in told() if run.facts} == {
        (folder, run.file, run.at) for folder, run, found in told() if found.is_admitted
    }
    assert {fact for _, run, _ in told() for fact in run.facts} <= FED_BY.keys()


def test_milder_figures_of_a_built_in_chip_are_remarked() -> None:
    shown = {run.file: found.remarks for _, run, found in told() if run.remarked}
    assert shown.keys() == {"milder-figures.yaml"}
    assert [remark.endswith("that is WEAKER") for remark in shown["milder-figures.yaml"]] == [True]


def test_a_clearance_covers_what_its_tenant_declares_but_where_that_is_the_scenario() -> None:
    stale = {run.file for _, run, found in told() if "KYCStale" in found.row.reasons}
    differs = set()
    for path in FOLDER.glob("r*/*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            if document["kind"] == "Tenant" and "covers" in document["status"]["kyc"]:
                tenant = Tenant.model_validate(document)
                differs |= {path.name} if identity_digest(tenant.spec) != document["status"]["kyc"]["covers"] else set()
    assert differs == stale == {"moved-and-told.yaml"}


def test_what_time_alone_shows_is_shown_by_tests_that_exist() -> None:
    named = [each.partition("::") for scenario in scenarios().values() for each in scenario.ledger]
    assert named
    assert [name for path, _, name in named if f"def {name}(" not in (ROOT / path).read_text()] == []


def test_the_command_of_the_page_is_the_one_that_is_run() -> None:
    (command,) = re.findall(r"```\n(computegate check .*?)```", PAGE.read_text(), re.DOTALL)
    named = [ROOT / path for path in re.findall(r"-f (\S+)", command)]
    assert named == [*ALL, FOLDER / "r01-third-country" / "declared.yaml"]
    assert sorted(path.name for path in SHARED.iterdir()) == ["evidence.yaml", "pools.yaml", "quotas.yaml"]

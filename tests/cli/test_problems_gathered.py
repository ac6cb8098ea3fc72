"""``computegate check`` tells all that is wrong with files at once, by line and field, and decides nothing before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from admission.cli.gathered import MOST_TOLD
from admission.cli.main import main
from tests.decide.questions import grant, party, policy, rule, tenant

if TYPE_CHECKING:
    import pathlib

    import pytest

    from admission.api.object import Object

TENANT = """
apiVersion: computegate.io/v1alpha1
kind: Tenant
metadata: {name: NAME}
spec:
  legalName: Lagoon
  kind: Company
  headquarters: COUNTRY
"""
TWICE = TENANT.replace("NAME", "lagoon").replace("COUNTRY", "DE")
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: train, namespace: lab}
spec: {parallelism: "two", template: {spec: {containers: [{name: c}]}}}
"""


def text(obj: Object) -> str:
    return yaml.safe_dump({**obj.model_dump(mode="json", by_alias=True), "metadata": {"name": obj.name}})


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err.splitlines()


def test_all_bad_documents_are_told_by_line_and_field_and_nothing_is_judged(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = TENANT.replace("COUNTRY", "XX, incorporation: ZZ".replace(", ", "\n  "))
    misspelt = TENANT.replace("COUNTRY", "DE\n  payments: [Card]")
    (tmp_path / "a.yaml").write_text("---".join((nowhere.replace("NAME", "a"), misspelt.replace("NAME", "b"))))
    (tmp_path / "b.yaml").write_text("kind: [\n")
    (tmp_path / "c.yaml").write_text(f"{TWICE}---{TWICE}")

    assert main(["check", "-f", str(tmp_path)]) == 2
    first, second, *others = told(capsys)
    assert first.startswith(f"computegate check: {tmp_path}/b.yaml: ")
    assert f"{tmp_path}/c.yaml[1] line 12 Tenant lagoon: stands already in" in second
    expected = ["spec.incorporation: ZZ is", "spec.headquarters: XX is", "spec.payments: "]
    assert sorted(next(said for said in expected if said in other) for other in others) == sorted(expected)
    assert all("(line " in other for other in others)


def test_workloads_that_cannot_be_read_are_told_together(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(f"{JOB}---{JOB.replace('parallelism', 'completions')}")
    assert main(["check", "-f", str(tmp_path)]) == 2
    assert [line.partition(" Job: ")[0] for line in told(capsys)] == [
        f"computegate check: {tmp_path}/a.yaml[{place}]" for place in (0, 1)
    ]


def test_of_very_many_problems_so_many_are_told_and_how_many_more_there_are(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = (TENANT.replace("NAME", f"t{number}").replace("COUNTRY", "XX") for number in range(MOST_TOLD + 7))
    (tmp_path / "a.yaml").write_text("---".join(bad))
    assert main(["check", "-f", str(tmp_path)]) == 2
    lines = told(capsys)
    assert (len(lines), lines[-1]) == (MOST_TOLD + 1, "computegate check: and 7 more")


def test_who_says_that_it_is_independent_beside_a_significant_owner_is_remarked_upon(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    firm, person = {**party("firm", "CN"), "type": "Entity"}, {"id": "anna", "name": "Anna", "type": "NaturalPerson"}
    shares = {"firm": 49.9, "anna": 30.0}

    def remarks(threshold: float | None = None, **changed: float) -> list[str]:
        owns = [{"owner": one, "share": {"exact": share}} for one, share in {**shares, **changed}.items()]
        made = tenant(parties=[firm, person], ownership=owns, othersBelow=20)
        rules = policy(rule("allow", "Allow"), beneficialOwnerThreshold=threshold)
        (tmp_path / "a.yaml").write_text(f"{text(made)}---\n{text(rules)}")
        main(["check", "-f", str(tmp_path), "--at", "2026-11-22"])
        return [line for line in capsys.readouterr().err.splitlines() if "independent" in line]

    (line,) = remarks()
    assert "Tenant acme: spec.independent: firm may hold 49.9 percent, and independent: true says" in line
    assert remarks(firm=24.9) == []
    assert len(remarks(firm=24.9, threshold=10)) == 1


def test_a_licence_that_was_entered_twice_is_remarked_upon_while_both_count(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def remarks(**second: str) -> list[str]:
        grants = grant("a"), grant("b", **second)
        (tmp_path / "a.yaml").write_text("---\n".join(map(text, (tenant(), *grants))))
        main(["check", "-f", str(tmp_path), "--at", "2026-11-22"])
        return [line for line in capsys.readouterr().err.splitlines() if "spec.number" in line]

    (line,) = remarks()
    assert line.endswith(
        "Authorization b: spec.number: D-1 is the number of a too; both count, 8 devices with those before"
    )
    assert remarks(number="D-2") == []
    assert remarks(validUntil="2026-06-01T00:00:00Z") == [], "it has ended"
    assert remarks(validFrom="2027-01-01T00:00:00Z", validUntil="2028-01-01T00:00:00Z") == [], "one after the other"

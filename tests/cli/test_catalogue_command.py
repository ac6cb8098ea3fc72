"""``computegate catalogue`` and ``computegate profile`` as a shell sees them."""

from __future__ import annotations

import json
import pathlib

import pytest
import yaml

from admission.cli.main import main

PROFILES = ["access-as-regulated", "ai-diffusion-2025", "operator-template", "transfer-tests"]
CHART = pathlib.Path(__file__).parents[2] / "charts/computegate/files/profiles"


def test_the_catalogue_lists_each_chip_with_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalogue", "-o", "json", "--at", "2026-11-21"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}

    keys = {"name", "aliases", "vendor", "tpp", "die_mm2", "pd", "bandwidth_gb_s", "entry", "certainty", "source"}
    assert all(keys <= row.keys() for row in listed.values())
    assert {row["entry"] for row in listed.values()} == {"none", "a.1", "a.2", "b.1", "b.2", "unknown"}
    assert {key: listed["l4"][key] for key in ("tpp", "die_mm2", "pd", "entry", "certainty", "aliases")} == {
        "tpp": 1940,
        "die_mm2": 294.5,
        "pd": 6.59,
        "entry": "a.2",
        "certainty": "H",
        "aliases": ["L4"],
    }


@pytest.mark.parametrize(("at", "entry"), [("2023-11-16", "none"), ("2023-11-17T00:00:00+00:00", "a.1")])
def test_the_table_is_of_the_day(at: str, entry: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalogue", "--at", at]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("a800 ")]

    assert line.split()[1:4] == [entry, "4992", "826"]


def test_the_table_names_what_drivers_call_a_chip(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalogue"]) == 0
    assert main(["catalogue", "-o", "json"]) == 0
    head, _, rest = capsys.readouterr().out.partition("\n[")
    names = {row["name"]: ", ".join(row["aliases"]) or "-" for row in json.loads(f"[{rest}")}
    lines = head.splitlines()
    begin, end = (lines[0].index(column) for column in ("aliases", "source"))

    assert {line.split()[0]: line[begin:end].strip() for line in lines[1:]} == names


def test_an_operators_chip_is_listed_by_its_own_figures(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chip = {
        "apiVersion": "computegate.io/v1alpha1",
        "kind": "AcceleratorClass",
        "metadata": {"name": "acme-1"},
        "spec": {"throughput": [{"bits": 8, "teraOps": 300}], "dieAreaMm2": 500, "source": "Acme data sheet"},
    }
    (tmp_path / "chip.yaml").write_text(yaml.safe_dump(chip))
    assert main(["catalogue", "-f", str(tmp_path), "-o", "json"]) == 0
    (found,) = [row for row in json.loads(capsys.readouterr().out) if row["name"] == "acme-1"]

    assert (found["tpp"], found["pd"], found["entry"], found["source"]) == (2400, 4.8, "b.1", "Acme data sheet")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["catalogue", "--at", "soon"], "--at 'soon' is no instant"),
        (["catalogue", "--at", "2026-01-01T00:00:00"], "has no time zone"),
        (["catalogue", "-f", "/no/such/file"], "No such file"),
        (["profile", "list", "--at", "soon"], "--at 'soon' is no instant"),
        (["profile", "show", "none"], f"no 'none'; there are {', '.join(PROFILES)}"),
    ],
)
def test_bad_input_gets_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_profiles_are_listed_with_what_of_them_is_applied(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "list", "--at", "2026-11-21", "-o", "json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}

    assert list(rows) == PROFILES
    assert rows["access-as-regulated"]["unconfirmed"] == ["affiliates"]
    assert rows["access-as-regulated"]["not_applied"] == {
        "affiliates-2025": "OutsideItsDates",
        "iaas-customer-identification": "Proposed",
        "remote-access": "Proposed",
    }
    assert rows["ai-diffusion-2025"]["not_applied"] == {"worldwide": "NotEnforced", "tier-3": "NotEnforced"}
    assert rows["transfer-tests"]["not_applied"] == {}
    assert {row["as_of"] for row in rows.values()} == {"2026-11-21"}
    assert {name for name, row in rows.items() if row["mode"] != "enforce"} == {
        "ai-diffusion-2025",
        "operator-template",
    }


def test_the_list_says_for_people_what_nobody_has_confirmed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "list", "--at", "2026-11-09"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]

    assert "not applied: affiliates (OutsideItsDates)" in lines
    assert "unconfirmed: affiliates" in lines
    (template,) = (line for line in lines if line.startswith("operator-template "))
    assert "8 of 8 rules applied in mode observe, which denies nothing" in template


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_printed_as_the_chart_installs_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "show", name]) == 0
    printed = capsys.readouterr().out

    assert printed == (CHART / f"{name}.yaml").read_text()
    assert yaml.safe_load(printed)["metadata"]["name"] == name


@pytest.mark.parametrize("name", PROFILES)
def test_every_rule_of_a_profile_says_what_it_rests_on(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "show", name]) == 0
    for rule in yaml.safe_load(capsys.readouterr().out)["spec"]["rules"]:
        basis = rule["basis"]
        assert basis["title"], rule["name"]
        assert basis["type"] == "ProviderPolicy" or (basis["citation"] and basis["asOf"]), rule["name"]

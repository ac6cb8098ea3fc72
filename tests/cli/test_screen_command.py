"""``computegate screen`` over files: what it says, what it refuses, and that it changes nothing."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from admission.cli.main import main
from tests.screening.lists import QUELLGRUND, SHIP, TOLMAVIR, csv_text, json_text, write

if TYPE_CHECKING:
    import pathlib


def _tenant(name: str, legal_name: str, screening: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    fields = {"legalName": legal_name, "kind": "Company", **spec}
    status = {"screening": screening} if screening else {}
    known = {"apiVersion": "computegate.io/v1alpha1", "kind": "Tenant", "metadata": {"name": name}}
    return {**known, "spec": fields, "status": status}


def _screen(folder: pathlib.Path, *options: str, text: str = csv_text(TOLMAVIR, QUELLGRUND)) -> int:
    path = write(folder, text)
    os.utime(path, (1_763_942_400, 1_763_942_400))  # 2025-11-24
    return main(["screen", "--list", str(path), "--tenants", str(folder / "tenants.yaml"), *options])


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with three tenants: one whose name is alike, one of a listed number, and one of neither."""
    tenants = [
        _tenant("alike", "Tolmavir Vytchislenia LLC"),
        _tenant("numbered", "Another Name", identifiers=[{"scheme": "INN", "id": "7700000001"}]),
        _tenant("neither", "Cloudmere Robotics Inc", parties=[{"id": "above", "name": "Tidewick Genomics Ltd"}]),
    ]
    (tmp_path / "tenants.yaml").write_text(yaml.safe_dump_all(tenants))
    return tmp_path


def test_a_dry_run_says_who_would_change_and_how(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "tenants.yaml").read_bytes()
    assert _screen(folder, "--dry-run") == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "list of 2025-11-24T00:00:00+00:00, 2 entries; 3 tenants, 0 as before"
    assert "alike: never screened -> Candidate" in told
    assert "numbered: never screened -> Match" in told
    assert "neither: never screened -> Clear" in told
    assert told[2].startswith("  new    tenant ~ OOO Tolmavir Vychisleniya (Entity List")
    assert told[-1] == "nothing was written; --write writes it"
    assert (folder / "tenants.yaml").read_bytes() == before


def test_what_is_as_before_is_not_listed(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    _screen(folder, "-o", "json")
    found = {each["tenant"]: each for each in json.loads(capsys.readouterr().out)["tenants"]}
    names = {"alike": "Tolmavir Vytchislenia LLC", "neither": "Cloudmere Robotics Inc"}
    tenants = [_tenant(name, legal_name, found[name]["screening"]) for name, legal_name in names.items()]
    tenants[1]["spec"]["parties"] = [{"id": "above", "name": "Tidewick Genomics Ltd"}]
    (folder / "tenants.yaml").write_text(yaml.safe_dump_all(tenants))
    assert _screen(folder, text=csv_text(QUELLGRUND, {**TOLMAVIR, "id": "e9"})) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].endswith("2 tenants, 1 as before")
    assert told[1] == "alike: Candidate -> Candidate"
    assert [line.split()[0] for line in told[2:4]] == ["new", "gone"]


def test_one_tenant_is_screened_alone(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _screen(folder, "--only", "neither") == 0
    assert [line for line in capsys.readouterr().out.splitlines() if "->" in line] == [
        "neither: never screened -> Clear"
    ]


def test_names_are_told_in_their_own_script_without_control_characters(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = {**TOLMAVIR, "name": "北京昆隆科技有限公司\u202e\x1b[31m"}
    assert _screen(folder, text=csv_text(listed)) == 1
    assert "~ 北京昆隆科技有限公司??[31m (Entity List" in capsys.readouterr().out


def test_nobody_on_the_list_is_zero(folder: pathlib.Path) -> None:
    assert _screen(folder, text=csv_text({**QUELLGRUND, "ids": [{"type": "HRB", "number": "998877"}]})) == 0


LAST = {"state": "Clear", "listsAsOf": "2025-11-24T00:00:00Z", "listEntries": 3, "listNames": 3, "listNumbers": 1}
RENAMED = {**TOLMAVIR, "alt_names": (), "ids": ()}
THREE = [{**QUELLGRUND, "id": name} for name in ("a", "b")]
REFUSED: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "a broken list": ([], {"text": csv_text(TOLMAVIR)[:-40]}, "the list is refused as a whole"),
    "another format": ([], {"text": json_text(TOLMAVIR)}, "line 1: column _id is missing"),
    "a date of tomorrow": (["--as-of", "2999-01-01T00:00:00Z"], {}, "is in the future"),
    "a date without a zone": (["--as-of", "2025-11-24T00:00:00"], {}, "has no time zone"),
    "no date": (["--as-of", "yesterday"], {}, "is no instant"),
    "an older list, by its day": (["--as-of", "2025-11-23"], {}, "the last one was of 2025-11-24"),
    "an older list": (["--as-of", "2025-11-23T23:59:59Z"], {}, "the last one was of 2025-11-24"),
    "a much shorter list": ([], {}, "the list has 2 entries, the last one had 3: cut short?"),
    "no number in any entry": ([], {"text": csv_text(RENAMED, *THREE)}, "no entry of the list has a number in ids"),
    "aliases in another column": (
        [],
        {"text": csv_text({**RENAMED, "ids": TOLMAVIR["ids"]}, {**SHIP, "id": "s"}, {**SHIP, "id": "t"})},
        "the list has 1 names, the last one had 3: cut short?",
    ),
    "nobody": (["--accept"], {"text": csv_text(SHIP)}, "no entry that anybody can be; the list is refused"),
    "tenants that are none": (
        ["--only", "acme", "--only", "nether", "--only", "alik"],
        {},
        "--only alik, nether: no such Tenant",
    ),
    "files to write to": (["--write"], {}, "files are only read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_with_the_reason(
    case: str, folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, fields, words = REFUSED[case]
    (folder / "tenants.yaml").write_text(yaml.safe_dump(_tenant("acme", "Cloudmere Robotics Inc", LAST)))
    assert _screen(folder, *options, **fields) == 2
    said = capsys.readouterr()
    assert (said.out, words in said.err) == ("", True), said.err


HIT = {"party": "tenant", "covers": f"sha256:{'0' * 64}", "seenAt": "2025-11-24T00:00:00Z"}


@pytest.mark.parametrize(
    ("hit", "matched", "refused"),
    [
        ({"entry": "gone", "by": "Identifier"}, ["tenant"], True),
        ({"entry": TOLMAVIR["id"], "by": "Identifier"}, ["tenant"], False),
        ({"entry": "gone", "by": "Identifier"}, [], False),
        ({"entry": "gone", "by": "Name"}, ["tenant"], False),
    ],
    ids=["a match", "a match that stays", "a match that was dismissed", "a candidate"],
)
def test_a_list_without_the_entry_of_a_match_is_taken_when_the_operator_says_so(
    hit: dict[str, str], matched: list[str], refused: bool, folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"state": "Match", "matchedParties": matched, "hits": [{**HIT, **hit}]}
    (folder / "tenants.yaml").write_text(yaml.safe_dump(_tenant("acme", "Cloudmere Robotics Inc", known)))
    _screen(folder)
    words = "the list has entry gone no more, which tenant of tenant acme is: delisted, or cut short? --accept it"
    assert (words in capsys.readouterr().err) == refused
    assert _screen(folder, "--accept") == (hit["entry"] != "gone")


@pytest.mark.parametrize("options", [["--accept"], ["--accept", "--as-of", "2025-11-01T00:00:00Z"]])
def test_an_older_or_shorter_list_is_taken_when_the_operator_says_so(folder: pathlib.Path, options: list[str]) -> None:
    (folder / "tenants.yaml").write_text(yaml.safe_dump(_tenant("acme", "Cloudmere Robotics Inc", LAST)))
    assert _screen(folder, *options) == 0


def test_what_a_list_says_is_printed_without_control_characters(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _screen(folder, text=csv_text({**TOLMAVIR, "source": "a\x1b[31mlist"})) == 1
    assert "\x1b" not in capsys.readouterr().out

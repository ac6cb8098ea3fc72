"""What the documentation says is what the program does."""

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from admission.cli.main import program
from admission.ledger.usage.interval import How
from admission.ledger.usage.line import GapLine, HeldOf, HolderOf, UsageLine
from admission.review.reasons import PublicCode
from admission.server.record import Record
from tools.chart_docs import alerts
from tools.metrics_docs import declared

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("charts/**/*.md")])
TODAY = [page for page in PAGES if page.name != "CHANGELOG.md"]
"""Those that say what is so now."""

_BLOCK = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_LEFT_OUT = re.compile(r"\.\.\.|…|\[")
"""In a command: what its reader fills in, or may leave out."""


def masked(text: str) -> str:
    """References differ from run to run, and with them where a line is broken."""
    return " ".join(re.sub(r"[0-9a-f]{10}", "REFERENCE", text).split())


def test_the_readme_shows_what_the_demo_prints() -> None:
    shown = re.search(r"```\n( 1\. .*?|1\. .*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    command = [sys.executable, "-m", "examples.demo"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert shown is not None
    assert masked(shown[1]) in masked(printed)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def headings(page: Path) -> set[str]:
    """Return the anchors of a page."""
    text = _BLOCK.sub("", page.read_text())
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    shown = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles]
    named = re.findall(r'<a id="([^"]+)">', text)
    return {re.sub(r"[^\w -]", "", title).strip().replace(" ", "-") for title in shown} | set(named)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_heading_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]*)#([^)]+)\)", page.read_text())
    targets = [((page.parent / target).resolve() if target else page, anchor) for target, anchor in links]
    assert [(str(to), anchor) for to, anchor in targets if to.suffix == ".md" and anchor not in headings(to)] == []


@pytest.mark.parametrize("page", TODAY, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_alert_and_metric_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    metrics = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bcomputegate_[a-z_]+[a-z]\b", text)}
    assert metrics - set(declared()) == set()
    assert set(re.findall(r"\bComputegate[A-Z]\w+", text)) - {alert["alert"] for alert in alerts()} == set()


def commands(page: Path) -> tuple[list[str], list[str]]:
    """Return the commands of our program that a page shows as lines of their own, and those within its sentences."""
    text = page.read_text().replace("\\\n", " ")
    whole = re.findall(r"^(?: {4,}|)(?:[a-z][^\n`]*\| )?(computegate [a-z][^\n|]*)", text, re.MULTILINE)
    return whole, re.findall(r"`(computegate [a-z][^`]*)`", text)


def reader_of(words: list[str]) -> tuple[argparse.ArgumentParser, list[str]]:
    """Return what reads the flags of a command, and the words after its name."""
    parser = program()
    while words and (known := [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]):
        assert words[0] in known[0].choices, words[0]
        parser, words = known[0].choices[words[0]], words[1:]
    return parser, words


@pytest.mark.parametrize("page", TODAY, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_ours_that_a_page_shows_exists_with_its_flags(page: Path) -> None:
    whole, within = commands(page)
    for command in [*whole, *within]:
        alone = re.split(r"[|;>]", command.replace("\\|", "|"))[0]
        parser, words = reader_of(shlex.split(alone, comments=True)[1:])
        flags = {word.strip("[]") for word in words if re.match(r"\[?--?[a-z]", word)}
        assert flags - set(parser._option_string_actions) == set(), command
        if command in whole and not _LEFT_OUT.search(command):
            parser.parse_args(words)


def test_every_field_of_the_decision_record_is_documented() -> None:
    page = (ROOT / "docs" / "decision-record.md").read_text()
    fields = {field.encode_name for field in msgspec.structs.fields(Record)}
    assert {field for field in fields if f"`{field}" not in page} == set()


@pytest.mark.parametrize("level", [UsageLine, HolderOf, HeldOf, GapLine, How])
def test_every_field_and_word_of_the_usage_record_is_documented(level: Any) -> None:
    page = (ROOT / "docs" / "usage-record.md").read_text()
    words = set(level) if level is How else {field.encode_name for field in msgspec.structs.fields(level)}
    assert {word for word in words if f"`{word}`" not in page} == set()


def test_every_public_code_is_explained_to_tenants() -> None:
    page = (ROOT / "docs" / "denials.md").read_text()
    assert [code for code in PublicCode if f"| `{code}` |" not in page] == []


def test_every_metric_is_documented_and_every_documented_one_exists() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    documented = set(re.findall(r"`(computegate_[a-z_]+)`", page))
    sources = "".join(path.read_text() for path in (ROOT / "admission").rglob("*.py"))
    named = set(re.findall(r'"(computegate_[a-z_]+)"', sources))
    assert {name.removesuffix("_total") for name in documented} == named
    assert documented == set(declared())
    assert [line for line in page.splitlines() if line.startswith("| `") and line.endswith("|  |")] == []


def test_a_metric_is_read_from_where_it_is_made_with_its_type_and_labels() -> None:
    known = declared()
    assert known["computegate_ledger_conflicts_total"][1:3] == ("counter", ("scope",))
    assert known["computegate_decision_duration_seconds"][1:3] == ("histogram", ("entry",))
    assert known["computegate_http_requests_total"][1:3] == ("counter", ("entry", "outcome"))
    assert known["computegate_leader"][1:3] == ("gauge", ())

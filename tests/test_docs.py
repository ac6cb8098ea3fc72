"""What the documentation says is what the program does."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from admission.ledger.usage.interval import How
from admission.ledger.usage.line import GapLine, HeldOf, HolderOf, UsageLine
from admission.review.reasons import PublicCode
from admission.server.record import Record
from tools.metrics_docs import declared

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("charts/**/*.md")])


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

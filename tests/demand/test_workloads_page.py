"""The page on workloads says what the program does."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import msgspec

from admission.cli.demand import Row
from admission.demand.workloads.table import builtin

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "workloads.md").read_text(encoding="utf-8")


def test_every_key_of_an_answer_is_explained() -> None:
    keys = [field.encode_name for field in msgspec.structs.fields(Row)]
    assert [key for key in keys if f"`{key}`" not in PAGE] == []


def test_every_category_that_a_manifest_shows_is_explained() -> None:
    with (ROOT / "tests/demand/manifests/expected.tsv").open(encoding="utf-8", newline="") as table:
        shown = {row["expected"] for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)}
    assert {each for each in shown if f"`{each}`" not in PAGE} == set()


def test_the_example_of_an_own_table_can_be_used() -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    assert builtin().adding(example[1]).kind("example.com/v1", "Fleet") is not None

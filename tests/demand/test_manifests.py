"""The demand of one small manifest for each kind of workload, as the command answers it."""

from __future__ import annotations

import csv
import json
import pathlib
from typing import TYPE_CHECKING, Any

import pytest

from admission.cli.main import main
from admission.demand.workloads.table import builtin

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = pathlib.Path(__file__).with_name("manifests")
with (FOLDER / "expected.tsv").open(encoding="utf-8", newline="") as table:
    ROWS = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))


def _answers(capsys: pytest.CaptureFixture[str], *paths: pathlib.Path) -> Iterator[dict[str, Any]]:
    main(["demand", "-o", "json", "-f", *map(str, paths)])
    return map(json.loads, capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("file", sorted({row["file"] for row in ROWS}))
def test_every_kind_of_workload_has_the_demand_that_its_controller_would_give_it(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {str(each["doc"]): each for each in _answers(capsys, FOLDER / file)}
    rows = [row for row in ROWS if row["file"] == file]
    assert list(answers) == [row["doc"] for row in rows]
    for row in rows:
        found = answers[row["doc"]]
        ways = " ".join(sorted({each.partition(":")[0] for each in found["access"]}))
        assert (found["name"], found["expected"], ways) == (row["name"], row["expected"], row["ways"])
        for key in ("per_pod", "pods", "total", "max_total", "dra_total"):
            assert found[key] == json.loads(row[key]), (row["name"], key)


def test_what_makes_a_number_doubtful_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    notes = {each["name"]: "; ".join(each["notes"]) for each in _answers(capsys, *FOLDER.glob("*.yaml"))}
    assert "'replicas' stands twice; the last one is read" in notes["twice"]
    assert "nvidia.com/gpu: '${GPUS}' is not a quantity" in notes["placeholder"]
    assert "the claim elsewhere is not among the files" in notes["unknown-claim"]
    assert "its runtime is not among the files" in notes["runtime-elsewhere"]
    assert "found by their shape" in notes["by-shape"]
    assert "a template leaves" in notes["conditional"]
    assert "a manifest inside a string asks for nvidia.com/gpu" in notes["manifest-in-a-string"]
    assert "also asked for as the resource example.com/gpu" in notes["gpu.example.com"]
    assert "spec.gpuCount may stand for devices" in notes["private-fields"]
    assert "'gpu' is none of Kubernetes" in notes["a-name-that-is-none"]
    assert "partition=2 devices" in notes["part-of-a-node"]
    assert notes["sum-of-containers"] == ""


def test_all_code_that_the_table_names_is_shown_by_a_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    answers = list(_answers(capsys, *FOLDER.glob("*.yaml")))
    shown = [builtin().kind(each["apiVersion"], each["kind"]) for each in answers]
    assert {kind.particular for kind in shown if kind} == {kind.particular for kind in builtin().kinds.values()}


def test_one_broken_document_is_reported_and_the_rest_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demand", "-f", str(FOLDER / "others.yaml")]) == 1
    told = capsys.readouterr()
    assert told.err.startswith(f"computegate demand: {FOLDER / 'others.yaml'}[13]: while parsing a flow node")
    assert told.err.count("\n") == 1
    assert "Pod  after-a-broken-one  demand  1 x nvidia.com/gpu  1  1 x nvidia.com/gpu\n" in told.out

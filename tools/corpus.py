"""Score ``computegate demand`` over a folder of manifests whose demand is known: ``make corpus CORPUS=DIR``.

The folder holds ``INDEX.tsv``, one row for each YAML document, tab-separated without quoting, with the columns ``repo,
path, doc, kind, expected, per_pod, total, dra_total, flags, verified``; a row's file is ``<repo with + for />/<path>``.
``tools/corpus-disagreements.tsv`` names the rows where the index is held to be wrong, and why.
"""

from __future__ import annotations

import argparse
import csv
import json
import pathlib
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

ASPECTS = ("category", "per_pod", "total", "dra_total", "access")
ARGUED = pathlib.Path(__file__).with_name("corpus-disagreements.tsv")
_WAYS = {"privileged", "hostPID", "hostIPC", "nodeName", "hostPath-other"}
_PREFIXES = {"cap": "capability", "hostPath": "hostPath", "runtimeClass": "runtimeClass"}
"""Flags with a value; ``hostPath-other`` in the index, as in the answers, is a path that leads to no device."""

_DEVICE_VARIABLES = ("NVIDIA_VISIBLE", "NVIDIA_MIG", "NVIDIA_IMEX", "HABANA_VISIBLE", "ASCEND_VISIBLE", "AMD_VISIBLE")
_DEVICE_ANNOTATIONS = (
    "devices.gke.io",
    "cdi.k8s.io",
    "nvidia.cdi",
    "devices.nri",
    "cdi-devices.nri",
    "io.kubernetes.cri-o",
)


@dataclass
class Score:
    """Agreements and rows by group, and the lines to print for the rest."""

    agreed: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)
    argued: int = 0
    silent: int = 0


def main() -> int:
    """Print the score; 1 where a row that was read by eye disagrees, or less was found without a remark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--all", action="store_true", help="print rows whose disagreement is argued too")
    arguments = parser.parse_args()
    folder: pathlib.Path = arguments.folder
    with (folder / "INDEX.tsv").open(encoding="utf-8", newline="") as file:
        csv.field_size_limit(1 << 30)
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    found = _answers(folder, rows)
    argued = _argued()
    score = Score()
    for row in rows:
        _count(score, row, found.get((_file(folder, row), row["doc"])), argued, show_argued=arguments.all)
    return _report(score)


def _file(folder: pathlib.Path, row: dict[str, str]) -> str:
    return str(folder / row["repo"].replace("/", "+") / row["path"])


def _answers(folder: pathlib.Path, rows: list[dict[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Run the program over the files of each repository; return the answers by file and document."""
    batches: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        batches[row["repo"]][_file(folder, row)] = None
    program = [sys.executable, "-m", "admission.cli.main", "demand", "-o", "json", "-f"]
    found = {}
    for batch in batches.values():
        run = subprocess.run([*program, *batch], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        for line in run.stdout.splitlines():
            answer = json.loads(line)
            found[answer["file"], str(answer["doc"])] = answer
    return found


def _argued() -> set[tuple[str, str, str, str]]:
    """Return the rows and aspects whose disagreement is argued."""
    with ARGUED.open(encoding="utf-8", newline="") as file:
        return {
            (row["repo"], row["path"], row["doc"], row["aspect"])
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        }


def _count(
    score: Score,
    row: dict[str, str],
    answer: dict[str, Any] | None,
    argued: set[tuple[str, str, str, str]],
    *,
    show_argued: bool,
) -> None:
    groups = (
        "all",
        f"verified: {row['verified']}",
        f"{row['kind']} ({row['apiVersion'].rpartition('/')[0] or 'core'})",
    )
    score.rows.update(groups)
    for aspect in ASPECTS:
        expected, got = _expected(row, aspect), _got(answer, aspect)
        if expected == got or (aspect == "access" and got is not None and _same_ways(expected, got)):
            score.agreed.update((group, aspect) for group in groups)
            continue
        excused = (row["repo"], row["path"], row["doc"], aspect) in argued
        score.argued += excused
        less = not excused and _less(expected, got) and not (answer and answer["notes"])
        score.silent += less
        if not excused or show_argued:
            where = f"{row['repo']} {row['path']} [{row['doc']}] {row['kind']}"
            mark = "argued, " if excused else "LESS, UNSAID, " if less else ""
            notes = "; ".join(answer["notes"])[:200] if answer else "no answer"
            score.lines.append(
                f"{mark}{row['verified']}, {aspect}: {where}\n    expected {expected}\n    found    {got}  ({notes})"
            )


def _amounts(text: Any) -> dict[str, Any]:
    """Return amounts without zeros; whatever is implied under one name, as names for it are nobody's standard."""
    amounts = json.loads(text) if isinstance(text, str) and text else text or {}
    plain: dict[str, Any] = {}
    for name, amount in amounts.items():
        key = "implied" if name.startswith("implied:") else name
        if amount != 0:
            plain[key] = amount
    return plain


def _expected(row: dict[str, str], aspect: str) -> Any:
    if aspect == "category":
        return row["expected"]
    if aspect == "access":
        ways = {way for flag in row["flags"].split(" | ") if (way := _way(flag))}
        return sorted(ways - {"runtimeClass"} if "demand" in row["expected"] else ways)  # no way around where it asks
    return _amounts(row[aspect])


def _got(answer: dict[str, Any] | None, aspect: str) -> Any:
    if answer is None:
        return None
    if aspect == "category":
        return answer["expected"]
    if aspect == "access":
        ways = {each.partition(": ")[0] for each in answer["access"]}
        return sorted(ways - {"mount", "allDevices"})
    return _amounts(answer[aspect])


def _way(flag: str) -> str:
    """Return the way that a flag of the index stands for; empty for flags that are no way to a device."""
    name, _, value = flag.partition(":")
    if flag in _WAYS:
        return flag
    if name == "env":
        variable, _, content = value.partition("=")
        return "environment" if variable.startswith(_DEVICE_VARIABLES) and content not in {"void", "none", ""} else ""
    if name == "ann":
        return "annotation" if value.startswith(_DEVICE_ANNOTATIONS) else ""
    return _PREFIXES.get(name, "") if value else ""


def _same_ways(expected: list[str], got: list[str]) -> bool:
    """Whether each names every way of the other; a host path of either sort stands for both."""
    paths = {"hostPath", "hostPath-other"}
    sets = [set(each) | (paths if paths & set(each) else set()) for each in (expected, got)]
    return set(expected) - {"hostPath-other"} <= sets[1] and set(got) - {"hostPath-other"} <= sets[0]


def _less(expected: Any, got: Any) -> bool:
    """Whether something expected was not found, or less of it."""
    if got is None:
        return True
    if isinstance(expected, dict):
        return any(_smaller(amount, got.get(name)) for name, amount in expected.items())
    if isinstance(expected, list):
        return not set(expected) <= set(got)
    return got in {"none", "not-a-workload"}


def _smaller(expected: Any, got: Any) -> bool:
    if got is None:
        return True
    return isinstance(expected, int) and isinstance(got, int) and got < expected


def _report(score: Score) -> int:
    for line in score.lines:
        print(line)
    width = max(len(group) for group in score.rows)
    print(f"\n{'':{width}}  {'rows':>6}" + "".join(f"  {aspect:>9}" for aspect in ASPECTS))
    for group in sorted(score.rows, key=lambda name: (name != "all", not name.startswith("verified"), name)):
        rows = score.rows[group]
        cells = "".join(f"  {100 * score.agreed[group, aspect] / rows:8.2f}%" for aspect in ASPECTS)
        print(f"{group:{width}}  {rows:6}{cells}")
    print(f"\n{score.argued} disagreements argued, {len(score.lines)} not; less found without a remark: {score.silent}")
    return int(bool(score.silent) or any(line.startswith(("hand", "cross")) for line in score.lines))


if __name__ == "__main__":
    sys.exit(main())

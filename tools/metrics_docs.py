"""The table of docs/metrics.md: metrics, types and labels as declared, beside what the page says of each."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "metrics.md"
FOREIGN = "| `process_*` | | | CPU, memory and file descriptors, from the Prometheus client |"

_TYPES = {
    "Counter": "counter",
    "CounterMetricFamily": "counter",
    "Gauge": "gauge",
    "GaugeMetricFamily": "gauge",
    "Histogram": "histogram",
    "counter": "counter",
    "counters": "counter",
    "gauge": "gauge",
}
_LABELS_AT = {"Counter": 2, "Gauge": 2, "Histogram": 2, "counters": 3, "gauge": 3}
"""Where what makes a metric takes its labels; the families take them as ``labels``."""

_ROW = re.compile(r"^\| `(computegate_\w+)` \|.*\| ((?:[^|]|\\\|)*) \|$", re.MULTILINE)


class Declared(NamedTuple):
    """A metric as it is exposed."""

    name: str
    type: str
    labels: tuple[str, ...]
    text: str
    """What it says of itself, where that stands beside it."""


def declared() -> dict[str, Declared]:
    """Return every metric of ours by its name; raise ``ValueError`` where two declarations of one differ."""
    found: dict[str, Declared] = {}
    for path in sorted((ROOT / "admission").rglob("*.py")):
        for each in filter(None, map(_declared, ast.walk(ast.parse(path.read_text())))):
            known = found.setdefault(each.name, each)
            if known[:3] != each[:3]:
                raise ValueError(f"{path}: {each[:3]} is declared elsewhere as {known[:3]}")
    return found


def _declared(node: ast.AST) -> Declared | None:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in _TYPES:
        return None
    values = [_literal(argument) for argument in node.args]
    if not values or not isinstance(values[0], str) or not values[0].startswith("computegate_"):
        return None
    kind, at = _TYPES[node.func.id], _LABELS_AT.get(node.func.id, len(values))
    named = {keyword.arg: _literal(keyword.value) for keyword in node.keywords}
    labels = values[at] if at < len(values) else named.get("labels")
    name = f"{values[0]}_total" if kind == "counter" else values[0]
    return Declared(
        name, kind, tuple(map(str, labels)) if isinstance(labels, list | tuple) else (), str(values[1] or "")
    )


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def table() -> str:
    """Return the table, in the order of the page; what is new says of itself what it means, and comes last."""
    meanings = dict(_ROW.findall(PAGE.read_text()))
    metrics = declared()
    rows = [_row(metrics[name], said) for name, said in meanings.items() if name in metrics]
    rows += [_row(each, each.text) for name, each in metrics.items() if name not in meanings]
    return "\n".join(["| metric | type | labels | meaning |", "|---|---|---|---|", *rows, FOREIGN])


def _row(metric: Declared, meaning: str) -> str:
    labels = f" {', '.join(metric.labels)} " if metric.labels else " "
    return f"| `{metric.name}` | {metric.type} |{labels}| {meaning} |"

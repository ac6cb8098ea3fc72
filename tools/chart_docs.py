"""Writes what is generated of docs/chart.md, alerts.md and metrics.md: the chart's values, its alerts, and the metrics.

    python -m tools.chart_docs

Each page keeps what stands outside its marks.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tools import metrics_docs

ROOT = Path(__file__).parent.parent
CHART = ROOT / "charts" / "computegate"
BEGIN, END = "<!-- generated: make chart-docs -->", "<!-- end -->"
LONGEST_DEFAULT = 60

_COMMENT = re.compile(r" *# (?P<first>-- )?(?P<text>.*)")
_KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z0-9]+):")


class Value(NamedTuple):
    """A key of the chart: its path, its default, and what it means."""

    path: str
    default: Any
    meaning: str

    @property
    def row(self) -> str:
        """Its line in the table."""
        shown = json.dumps(self.default)
        shown = f"`{shown}`" if len(shown) <= LONGEST_DEFAULT else "see values.yaml"
        return f"| `{self.path}` | {shown} | {_cell(self.meaning)} |"


def values() -> Iterator[Value]:
    """Read the keys that have a sentence, in the order of values.yaml."""
    text = (CHART / "values.yaml").read_text()
    defaults = yaml.safe_load(text)
    path: list[str] = []
    said: list[str] = []
    for line in text.splitlines():
        if comment := _COMMENT.fullmatch(line):
            said = [comment["text"]] if comment["first"] else [*said, comment["text"]] if said else []
        elif key := _KEY.match(line):
            path = [*path[: len(key["indent"]) // 2], key["key"]]
            if said:
                yield Value(".".join(path), _at(defaults, path), " ".join(said))
            said = []
        else:
            said = []


def _at(tree: Any, path: list[str]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def alerts() -> list[dict[str, Any]]:
    """Read the alerts."""
    groups = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]
    return [alert for group in groups for alert in group["alerts"]]


def values_table() -> str:
    """Return the reference of the values."""
    rows = [each.row for each in values()]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows])


def alerts_text() -> str:
    """Return a section for each alert."""
    return "\n\n".join(map(_section, alerts()))


def _section(alert: dict[str, Any]) -> str:
    begun = "at once" if alert["for"] == "0m" else f"when it has held for {alert['for']}"
    return "\n".join(
        [
            f"### {alert['alert']}",
            f"*{alert['severity']}*: {_plain(alert['summary'])} {alert['description']}",
            "",
            f"    ({alert['of']}) {alert['fires']}",
            "",
            f"Fires {begun}. {alert['todo']}",
        ]
    )


def _plain(summary: str) -> str:
    """Return a summary without its placeholders' syntax."""
    return re.sub(r"\{\{ \$(?:labels\.)?(\w+)[^}]*\}\}", r"`\1`", summary)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


PAGES = {"chart.md": values_table, "alerts.md": alerts_text, "metrics.md": metrics_docs.table}
"""Pages of docs/, and what is generated in each."""


def renewed(name: str) -> str:
    """Return a page as it should be."""
    before, _, rest = (ROOT / "docs" / name).read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{PAGES[name]()}\n\n{END}{after}"


def defaults() -> str:
    """Return files/defaults.yaml, by which templates find what older values lack: Helm hides values.yaml from them."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    return f"# {BEGIN[5:-4]}\n{yaml.safe_dump(values, sort_keys=False, width=120)}"


if __name__ == "__main__":
    (CHART / "files" / "defaults.yaml").write_text(defaults())
    for page in PAGES:
        (ROOT / "docs" / page).write_text(renewed(page))

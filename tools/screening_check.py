"""Measures how well names are found on a list: ``python -m tools.screening_check`` prints docs/screening.md's table.

Recall is the share of a listed company's variants that are found; precision the share of hits that are the company
itself.  Both are measured twice: on held_out.tsv, on which nothing is tuned, and on companies.tsv, on which the
comparison is.
"""

from __future__ import annotations

import argparse
import functools
import pathlib
import re
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from admission.screening.entry import Entry
from admission.screening.index import Index
from admission.screening.likeness import THRESHOLD
from admission.screening.parties import Searched

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parent.parent
HELD_OUT = ROOT / "tests" / "screening" / "held_out.tsv"
TUNED = ROOT / "tests" / "screening" / "companies.tsv"
PARTS = {"Held out: nothing was tuned on these": HELD_OUT, "Tuned on": TUNED}
"""The two parts under their titles."""
PAGE = ROOT / "docs" / "screening.md"
THRESHOLDS = (75, 80, THRESHOLD, 90, 95, 100)
SAID = {
    "same": "capitals and punctuation",
    "legal": "another legal form, or none",
    "order": "words in another order",
    "spacing": "words joined or parted",
    "romanised": "another romanisation",
    "script": "another script",
    "spelling": "one or two letters wrong",
    "words": "a word more or less",
    "subsidiary": "places and words of the trade added",
    "joined": "words joined or parted, and places added",
    "translated": "translated",
}
BEYOND = frozenset({"translated"})
"""Kinds that no comparison of letters can find: what is meant by a name, not how it is written."""

_TABLE = re.compile(r"(<!-- measured -->\n).*?(?=<!-- /measured -->)", re.DOTALL)


class Variant(NamedTuple):
    """One name of a tenant: its kind, and the id of who it is, or ``-``."""

    kind: str
    entry: str
    name: str


class Score(NamedTuple):
    """What a threshold finds: (found, all) by kind, hits that were right and wrong."""

    kinds: dict[str, tuple[int, int]]
    right: int
    wrong: int
    alarmed: int
    """Other companies that were held to be a listed one."""
    others: int

    @property
    def recall(self) -> float:
        """Share of variants that were found, but for those that cannot be."""
        counted = [pair for kind, pair in self.kinds.items() if kind not in BEYOND]
        return sum(found for found, _ in counted) / sum(every for _, every in counted)

    @property
    def precision(self) -> float:
        """Share of hits that are the company itself."""
        return self.right / max(1, self.right + self.wrong)


def companies(part: pathlib.Path) -> tuple[tuple[Entry, ...], tuple[Variant, ...]]:
    """Return the listed companies of a part and the names that are searched for."""
    listed, variants = [], []
    for line in part.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            kind, entry, name = line.split("\t")
            if kind == "listed":
                listed.append(Entry(entry, "invented", "Entity", tuple(name.split("; ")), ()))
            else:
                variants.append(Variant(kind, entry, name))
    return tuple(listed), tuple(variants)


@functools.cache
def measure(part: pathlib.Path, threshold: int) -> Score:
    """Search for every variant of a part from a threshold on."""
    listed, variants = companies(part)
    index, kinds = Index(listed), defaultdict[str, list[bool]](list)
    right = wrong = alarmed = 0
    for each in variants:
        hits = {found.entry.id for found in index.search(Searched("tenant", each.name, ()), threshold)}
        right, wrong = right + len(hits & {each.entry}), wrong + len(hits - {each.entry})
        if each.entry == "-":
            alarmed += bool(hits)
        else:
            kinds[each.kind].append(each.entry in hits)
    counted = {kind: (sum(found), len(found)) for kind, found in kinds.items()}
    return Score(counted, right, wrong, alarmed, sum(each.entry == "-" for each in variants))


def missed(part: pathlib.Path, threshold: int) -> Iterator[str]:
    """Yield what is not found of a part, and what is found that is another company."""
    listed, variants = companies(part)
    names, index = {entry.id: entry.names[0] for entry in listed}, Index(listed)
    for each in variants:
        hits = {found.entry.id for found in index.search(Searched("tenant", each.name, ()), threshold)}
        if each.entry != "-" and each.entry not in hits:
            yield f"missed  {each.kind:10}  {each.name}  ({names[each.entry]})"
        yield from (f"wrong   {each.kind:10}  {each.name}  ({names[hit]})" for hit in sorted(hits - {each.entry}))


def summary() -> Iterator[str]:
    """Yield one line for each part: recall and precision at the default threshold."""
    for title, part in PARTS.items():
        score = measure(part, THRESHOLD)
        listed, variants = companies(part)
        yield (
            f"* **{title}**: recall {score.recall:.3f}, precision {score.precision:.3f} at {THRESHOLD} %, for "
            f"{len(variants) - score.others} other names of {len(listed)} companies and {score.others} names of others"
        )


def table(part: pathlib.Path) -> Iterator[str]:
    """Yield the lines of a part's table in Markdown."""
    scores = [measure(part, threshold) for threshold in THRESHOLDS]
    yield f"| variants of a listed company | of | {' | '.join(f'{each} %' for each in THRESHOLDS)} |"
    yield f"|---|---|{'---|' * len(THRESHOLDS)}"
    for kind, said in SAID.items():
        every = scores[0].kinds[kind][1]
        yield f"| {said} | {every} | {' | '.join(str(score.kinds[kind][0]) for score in scores)} |"
    yield f"| **recall**, without translations | | {' | '.join(f'{score.recall:.3f}' for score in scores)} |"
    yield f"| **precision** of all hits | | {' | '.join(f'{score.precision:.3f}' for score in scores)} |"
    others = " | ".join(str(score.alarmed) for score in scores)
    yield f"| other companies with a hit | {scores[0].others} | {others} |"


def measured() -> str:
    """Return what the page says of both parts, the held-out one first."""
    tables = ((f"### {title}", "", *table(part)) for title, part in PARTS.items())
    return "\n".join([*summary(), *("\n" + "\n".join(lines) for lines in tables)])


def main() -> int:
    """Print both tables, and what is missed of each at the default threshold; ``--write`` puts them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/screening.md")
    lines = measured()
    print(lines)
    for title, part in PARTS.items():
        print(title, *missed(part, THRESHOLD), sep="\n")
    if parser.parse_args().write:
        PAGE.write_text(_TABLE.sub(lambda found: f"{found[1]}{lines}\n", PAGE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

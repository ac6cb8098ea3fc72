"""Names by their length: one that is alike is not much longer or shorter."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rapidfuzz import fuzz, process

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class ByLength:
    """Names among which those that are alike are found without looking at all."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names: defaultdict[int, list[str]] = defaultdict(list)
        for name in names:
            self._names[len(name)].append(name)

    def alike(self, mine: str, least: int) -> Iterator[tuple[str, int]]:
        """Yield the names that are alike by ``least`` percent or more, with how much they are.

        By ``fuzz.ratio``: the share of both names' letters that they have in common, in their order.
        """
        shortest, longest = -(-len(mine) * least // (200 - least)), len(mine) * (200 - least) // least
        for length in range(shortest, longest + 1):
            names = self._names.get(length, ())
            for theirs, score, _ in process.extract_iter(mine, names, scorer=fuzz.ratio, score_cutoff=least):
                yield theirs, int(score)

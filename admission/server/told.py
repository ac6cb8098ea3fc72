"""What callers were told a short while ago: the same warning again would only be noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachetools import TTLCache

if TYPE_CHECKING:
    from collections.abc import Iterable

AGAIN_SECONDS = 3600
MOST_TOLD = 4096


class Told:
    """Remembers warnings by tenant, caller and what they are about."""

    def __init__(self) -> None:
        self._told: TTLCache[tuple[str, str, str], bool] = TTLCache(MOST_TOLD, AGAIN_SECONDS)

    def fresh(self, tenant: str, caller: str, found: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """Return the texts of ``found``, pairs of what it is about and a text, that this caller was not told."""
        new = [(about, text) for about, text in found if text and (tenant, caller, about) not in self._told]
        for about, _ in new:
            self._told[tenant, caller, about] = True
        return tuple(text for _, text in new)

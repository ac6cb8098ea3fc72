"""Exponential back-off with full jitter, so that clients cut off together do not come back together.

https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = 0.5
"""Seconds: the bound of the first pause."""

LONGEST = 10.0
"""Seconds: the bound of any pause of our own; until a watch goes on, requests for accelerators wait."""

LONGEST_ASKED = 30.0
"""Seconds: the bound of a pause that the API server asks for."""


class Backoff:
    """Pauses drawn from ``[0, bound]``; the bound doubles with each failure until something went well."""

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self.failures = 0

    def delay(self, retry_after: float | None = None) -> float:
        """Count a failure and return the pause in seconds; not shorter than what the API server asked for."""
        bound = min(LONGEST, FIRST * 2 ** min(self.failures, 16))
        self.failures += 1
        return max(self._uniform(0.0, bound), min(retry_after or 0.0, LONGEST_ASKED))

    def reset(self) -> None:
        """Forget the failures."""
        self.failures = 0

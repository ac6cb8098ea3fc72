"""Three-valued truth: what is unknown is neither yes nor no, and is never cleared."""

from __future__ import annotations

import enum


class Ternary(enum.IntEnum):
    """False, unknown, true; ``min`` is and, ``max`` is or (Kleene)."""

    FALSE = 0
    UNKNOWN = 1
    TRUE = 2

    def __invert__(self) -> Ternary:
        """Not: unknown stays unknown."""
        return Ternary(2 - self)

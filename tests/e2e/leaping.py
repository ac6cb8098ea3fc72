"""A clock on the wall that leaps, for one server process: libfaketime between it and the C library.

What is monotonic goes on as before, and so do the times of files: only the time of day leaps.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt

_LIBRARY = "vendor/libfaketime/src/libfaketime.so.1"


class LeapingClock:
    """Whoever starts with `environment` sees the time of day, moved by what was set last."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "leap"
        self.by(None)

    @property
    def environment(self) -> dict[str, str]:
        """What a process has to be started with."""
        spec = importlib.util.find_spec("libfaketime")
        assert spec is not None
        assert spec.origin is not None
        return {
            "LD_PRELOAD": str(Path(spec.origin).parent / _LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def by(self, leap: dt.timedelta | None) -> None:
        """Let it be ahead, or behind, by so much; None is right."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{leap.total_seconds() if leap else 0:+.0f}\n")
        fresh.replace(self._file)

"""Go's durations, as the API server writes them into ``?timeout=`` (time.ParseDuration in Go's library)."""

from __future__ import annotations

import functools
import re
import urllib.parse

_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(rf"\+?(?:{_PART.pattern})+")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST = 40


def seconds(text: str) -> float:
    """Return a positive Go duration such as ``10s``, ``1m30s`` or ``500ms`` in seconds, else raise ``ValueError``."""
    if len(text) > _LONGEST or not text.isprintable() or _WHOLE.fullmatch(text) is None:
        raise ValueError("timeout: write a positive duration such as 10s or 500ms")
    total = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if total <= 0:
        raise ValueError("timeout: write a positive duration such as 10s or 500ms")
    return total


@functools.lru_cache(maxsize=256)
def timeout(query: bytes) -> float | None:
    """Return the ``timeout`` of a query string in seconds, None when it has none, else raise ``ValueError``."""
    values = urllib.parse.parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=8).get("timeout")
    return seconds(values[-1]) if values else None

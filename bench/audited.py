"""What one user asked of an API server between two instants, by verb and resource, out of its audit log."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRITES = frozenset(["create", "update", "patch", "delete", "deletecollection"])
LEASES = "leases"
DRY_RUN = " (dry run)"


def requests(log: Path, user: str, since: dt.datetime, until: dt.datetime) -> Counter[tuple[str, str]]:
    """Return how often a user asked for each verb and resource; what was tried only is told apart."""
    found: dict[str, tuple[str, str]] = {}
    for line in _lines(log):
        at = dt.datetime.fromisoformat(line["requestReceivedTimestamp"])
        if line["user"]["username"] == user and since <= at < until:
            found[line["auditID"]] = (line["verb"], _resource(line))
    return Counter(found.values())


def written(asked: Counter[tuple[str, str]]) -> int:
    """Return how many of them wrote something, the lease of the leader left out."""
    return sum(
        count
        for (verb, what), count in asked.items()
        if verb in WRITES and what != LEASES and not what.endswith((DRY_RUN, "reviews"))
    )


def _lines(log: Path) -> Iterator[dict[str, Any]]:
    """All parts of a log that was rotated; a line that is being written is left out."""
    for part in sorted(log.parent.glob(f"{log.stem}*{log.suffix}")):
        text = part.read_text()
        yield from map(json.loads, text[: text.rfind("\n") + 1].splitlines())


def _resource(line: dict[str, Any]) -> str:
    about = line.get("objectRef", {})
    name = "/".join(filter(None, (about.get("resource", ""), about.get("subresource", "")))) or line["requestURI"]
    return name + (DRY_RUN if "dryRun=" in line["requestURI"] else "")

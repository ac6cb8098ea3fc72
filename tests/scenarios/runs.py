"""The scenarios of examples/scenarios, and what the real ``computegate check`` says of each."""

from __future__ import annotations

import contextlib
import io
import json
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from admission.cli.check import Row
from admission.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "scenarios"
SHARED = FOLDER / "shared"
NOW = "2026-11-26T12:00:00Z"
CONTACT = "compute-access@example.com"
PROFILES = ROOT / "admission" / "catalogue" / "profiles"
REGULATED = (PROFILES / "access-as-regulated.yaml", SHARED / "pools.yaml", SHARED / "quotas.yaml")
"""What is regulated today, and nothing else."""
ALL = (
    PROFILES / "access-as-regulated.yaml",
    PROFILES / "transfer-tests.yaml",
    ROOT / "examples" / "objects" / "policy.yaml",
    SHARED,
)
"""The same with the transfer tests, the example policy, and whose word counts for how long."""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a report stands."""

    name: str
    url: str


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One telling of a route; ``facts`` and ``catch`` only where it is admitted: what would decide, what would tell."""

    file: str
    told: str
    how: str
    at: str = NOW
    facts: tuple[str, ...] = ()
    catch: str = ""
    remarked: bool = False
    """Whether the page shows what check remarks of the file."""

    @property
    def is_concealed(self) -> bool:
        """Whether the tenant, or whoever declares, does not tell the truth or not all of it."""
        return self.told == "concealed"


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One route: how the press tells it, what cannot be seen of it, and its tellings."""

    route: str
    title: str
    reported: str
    sources: tuple[Source, ...]
    run: tuple[Run, ...]
    unseen: str = ""
    note: str = ""
    """What a reader should know of its rows."""
    ledger: tuple[str, ...] = ()
    """Tests of what only time shows."""


class Outcome(NamedTuple):
    """What check says: the first row that is denied, else the last; ``before`` so many were admitted."""

    row: Row
    before: int
    line: str
    """What the tenant reads; the reference differs from run to run and is left out."""
    remarks: tuple[str, ...] = ()
    """What check tells the operator of the objects in the file itself."""

    @property
    def is_admitted(self) -> bool:
        """Whether all that the scenario asks for is admitted."""
        return self.row.decision == "allowed"


def scenarios() -> dict[str, Scenario]:
    """Return the scenarios by the name of their folder, in the order of the routes."""
    found = {path.parent.name: tomllib.loads(path.read_text()) for path in FOLDER.glob("*/scenario.toml")}
    return {name: msgspec.convert(found[name], Scenario) for name in sorted(found)}


def outcome(files: tuple[Path, ...], folder: str, run: Run) -> Outcome:
    """Judge the file of a run beside the shared ones."""
    rows, told = _rows(*files, FOLDER / folder / run.file, at=run.at)
    denied = [number for number, row in enumerate(rows) if row.decision != "allowed"]
    number = denied[0] if denied else len(rows) - 1
    line = re.sub(r"(; ref) [0-9a-f]{10}", r"\1 REFERENCE", rows[number].message)
    remarks = re.findall(rf"/{re.escape(run.file)}\[\d+\] line \d+ (.+)", told)
    return Outcome(rows[number], number, line, tuple(remarks))


def _rows(*files: Path, at: str) -> tuple[list[Row], str]:
    """What check prints of each object, and what it says besides."""
    arguments = ["check", "-o", "json", "--at", at, "--contact", CONTACT]
    for path in files:
        arguments += ["-f", str(path)]
    out, told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(told):
        code = main(arguments)
    assert code in {0, 1}, told.getvalue()
    decoded: list[dict[str, Any]] = [json.loads(line) for line in out.getvalue().splitlines()]
    return [msgspec.convert(row, Row) for row in decoded], told.getvalue()

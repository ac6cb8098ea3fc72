"""``computegate ledger``: what a standalone server holds for whom, and the release of what is held for nobody."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import pathlib
import sys
from typing import TYPE_CHECKING

import msgspec

from admission.cli.standalone import LEDGER, STATE, STORE_SECONDS
from admission.ledger.draft import UNWATCHED
from admission.ledger.ledger import Ledger
from admission.ledger.limits import Kind
from admission.ledger.sqlite import SqliteStore
from admission.ledger.store import Fault, StoreError
from admission.review.fitting import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from admission.ledger.state import Entry

_LAST = int(dt.datetime(9999, 12, 31, tzinfo=dt.UTC).timestamp())
_KINDS = {Kind.Pod: "Pod", Kind.Claim: "ResourceClaim"}


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One object for which devices are held in a scope, by class."""

    scope: str
    kind: str
    namespace: str
    name: str
    uid: str
    party: str
    devices: dict[str, int]
    reserved_at: dt.datetime


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "ledger",
        help="list what a standalone server holds, or release what it holds for a pod that is gone",
        description="A standalone server holds a pod's devices until the review of its deletion arrives.  "
        "The server may go on running.  Exit code 0: done, 1: nothing is held for a uid, 2: the ledger cannot be used.",
    )
    parser.add_argument(
        "--objects", type=pathlib.Path, required=True, metavar="DIR", help="the folder of serve --standalone"
    )
    parser.add_argument(
        "--release",
        action="append",
        default=[],
        metavar="UID",
        help="release what is held for this object, in every scope; it must be gone for good; repeat",
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List, or release; 1 when nothing is held for a uid to release, 2 when the ledger cannot be used."""
    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)  # what fails is printed here, once
    store = SqliteStore(arguments.objects / STATE / LEDGER, initialized=True)
    try:
        rows, missing = asyncio.run(_done(store, arguments.release))
    except StoreError as error:
        print(f"computegate ledger: {error}", file=sys.stderr)
        return 2
    _print(rows, arguments.output)
    faults = list(_faults(store))
    told = [*(f"nothing is held for uid {printable(uid)}" for uid in missing), *faults]
    for line in told:
        print(f"computegate ledger: {line}", file=sys.stderr)
    return 2 if faults else int(bool(missing))


async def _done(store: SqliteStore, released: list[str]) -> tuple[list[Row], list[str]]:
    """Return what is held, or what was released, and the uids for which nothing was held."""
    try:
        await store.refresh(STORE_SECONDS)
        held = list(_rows(store))
        if not released:
            return held, []
        ledger = Ledger(store, caps=UNWATCHED)
        for uid in released:
            if not await ledger.release(uid):
                raise StoreError(store.problem or f"{uid} could not be released")
    finally:
        await store.close()
    known = {row.uid for row in held}
    return [row for row in held if row.uid in released], [uid for uid in released if uid not in known]


def _faults(store: SqliteStore) -> Iterator[str]:
    for scope in sorted(store.scopes()):
        snapshot = store.cached(scope)
        if snapshot is not None and snapshot.fault is not Fault.NONE:
            yield f"the ledger of {printable(scope)} is {snapshot.fault.value} and cannot be read"


def _rows(store: SqliteStore) -> Iterator[Row]:
    for scope in sorted(store.scopes()):
        snapshot = store.cached(scope)
        for entry in snapshot.state.inflight.values() if snapshot else ():
            yield _row(scope, entry)


def _row(scope: str, entry: Entry) -> Row:
    since = dt.datetime.fromtimestamp(min(entry.reserved_at, _LAST), dt.UTC)
    devices = dict(entry.charge.counts)
    kind = _KINDS[entry.kind]
    return Row(scope, kind, entry.namespace, entry.name, entry.uid, entry.charge.party, devices, since)


def _print(rows: Iterable[Row], output: str) -> None:
    for row in rows:
        if output == "json":
            print(msgspec.json.encode(row).decode())
            continue
        held = " + ".join(f"{count} {name}" for name, count in row.devices.items())
        columns = (f"{row.scope:8}", f"{row.kind} {row.namespace}/{row.name}", held, row.party)
        print(printable("  ".join((*columns, f"{row.reserved_at:%FT%TZ}", row.uid))))

"""``computegate explain``: everything behind a reference, out of the decision record."""

from __future__ import annotations

import contextlib
import pathlib
import sys
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from admission.cli.recordlines import lines, schema_of
from admission.review.fitting import printable
from admission.server.record import SCHEMA, Record

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_decoder = msgspec.json.Decoder(Record)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser("explain", help="print every check behind the reference of a denial")
    parser.add_argument("reference", metavar="REF")
    parser.add_argument("--from", required=True, metavar="FILE", dest="source", help="decision record; - is stdin")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the decisions with this reference; 1 when there is none, 2 when the record cannot be read."""
    try:
        with opened(arguments.source) as stream:
            found = [record for record in records(stream) if record.reference == arguments.reference]
    except OSError as error:
        print(f"computegate explain: {error}", file=sys.stderr)
        return 2
    if not found:
        print(f"no decision with reference {arguments.reference} in {arguments.source}", file=sys.stderr)
        return 1
    print("\n".join(map(printable, _told(found[-1]))))  # tenants choose paths and names, not what a terminal does
    if len(found) > 1:
        print(f"\n{len(found)} decisions have this reference, from {found[0].at} on; the latest is shown")
    return 0


@contextlib.contextmanager
def opened(source: str) -> Iterator[BinaryIO]:
    """Open a log; ``-`` is standard input."""
    if source == "-":
        yield sys.stdin.buffer
    else:
        with pathlib.Path(source).open("rb") as stream:
            yield stream


def records(stream: BinaryIO) -> Iterator[Record]:
    """Yield the records of a log; other lines of the log are passed over."""
    for line, _ in lines(stream):
        if schema_of(line) == SCHEMA:
            with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
                yield _decoder.decode(line)


def _told(record: Record) -> Iterator[str]:
    yield f"{record.decision} at {record.at} (mode {record.mode}, {record.origin}, {record.duration_ms} ms)"
    yield f"reference  {record.reference}"
    role = f" role {record.object.role}" if record.object.role else ""
    named = f"{record.object.resource} {record.object.namespace}/{record.object.name}"
    yield f"object     {named}{role} uid {record.object.uid}"
    yield f"caller     {record.caller}"
    yield f"tenant     {record.tenant or '-'} (charged as {record.party or '-'}, governed by {record.governing or '-'})"
    yield f"reasons    {', '.join(record.reasons) or '-'}"
    yield f"message    {record.message or '-'}"
    for each in record.demand:
        where = f"in {'|'.join(place or 'unknown place' for place in each.places)} on {' '.join(each.targets) or '-'}"
        yield f"demand     {each.count} x {each.resource}: {'|'.join(each.classes)} {where}"
    for field in record.access:
        yield f"access     {field}"
    for lifted in record.exempted:
        yield f"exempted   {lifted.field} by {lifted.exemption}"
    for name in record.overrides:
        yield f"override   {name} lets a clearance stand"
    for limit in record.quota:
        yield f"quota      {limit.name} {limit.unit}: {limit.before} -> {limit.after} of {limit.limit}"
    for finding in record.findings:
        rule = f" by rule {finding.rule}" if finding.rule else ""
        advisory = " (advisory)" if finding.advisory else ""
        yield f"finding    {finding.reason} [{finding.code}] {finding.party}{rule}{advisory}: {finding.detail}"
    yield f"rules      version {record.versions.rules}"
    for party, covers in record.versions.kyc.items():
        yield f"party      {party}: KYC covers {covers or '-'}, lists of {record.versions.lists.get(party) or '-'}"
    yield "checks"
    for check in record.checks:
        inputs = ", ".join(f"{key}={value}" for key, value in check.inputs.items())
        yield f"  {check.outcome:7} {check.name} {check.party}: {inputs}"

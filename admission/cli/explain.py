"""``computegate explain``: everything behind a reference, out of the record: the decision, and steps of enforcement."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from admission.cli.recordlines import lines, opened, schema_of
from admission.enforce.sweep.record import SCHEMA as STEP
from admission.enforce.sweep.record import Line
from admission.review.fitting import printable
from admission.server.record import SCHEMA, Record

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

_decoders: Mapping[str | None, msgspec.json.Decoder[Record] | msgspec.json.Decoder[Line]] = {
    SCHEMA: msgspec.json.Decoder(Record),
    STEP: msgspec.json.Decoder(Line),
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser("explain", help="print what is behind the reference of a denial, or of what is found")
    parser.add_argument("reference", metavar="REF")
    parser.add_argument("--from", required=True, metavar="FILE", dest="source", help="decision record; - is stdin")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what has this reference; 1 when there is nothing, 2 when the record cannot be read."""
    try:
        with opened(arguments.source) as stream:
            found = [each for each in entries(stream) if each.reference == arguments.reference]
    except OSError as error:
        print(f"computegate explain: {error}", file=sys.stderr)
        return 2
    if not found:
        print(f"no decision or step with reference {arguments.reference} in {arguments.source}", file=sys.stderr)
        return 1
    decisions = [each for each in found if isinstance(each, Record)]
    steps = [each for each in found if isinstance(each, Line)]
    parts: list[Iterable[str]] = [_told(decisions[-1])] if decisions else []
    if len(decisions) > 1:
        said = f"{len(decisions)} decisions have this reference, from {decisions[0].at} on; the latest is shown"
        parts.append([said])
    if steps:
        parts.append(_steps(steps))
    # Tenants choose paths and names, not what a terminal does.
    print("\n\n".join("\n".join(map(printable, part)) for part in parts))
    return 0


def records(stream: BinaryIO) -> Iterator[Record]:
    """Yield the decisions of a log; other lines of the log are passed over."""
    return (each for each in entries(stream) if isinstance(each, Record))


def entries(stream: BinaryIO) -> Iterator[Record | Line]:
    """Yield the decisions, and the steps of enforcement, of a log; other lines of the log are passed over."""
    for line, _ in lines(stream):
        decoder = _decoders.get(schema_of(line))
        if decoder is not None:
            with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
                yield decoder.decode(line)


def _steps(steps: Iterable[Line]) -> Iterator[str]:
    yield "steps about pods that run"
    for each in steps:
        deadline = f"; evicted from {each.deadline} on" if each.deadline else ""
        yield (
            f"  {each.at} {each.step}: {each.pods} pods of namespace {each.namespace or '-'} "
            f"of tenant {each.tenant or '-'}: {', '.join(each.reasons) or '-'}{deadline}"
        )


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

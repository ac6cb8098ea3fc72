"""``computegate record verify``: finds lines of a record that were removed, added, edited, reordered or duplicated."""

from __future__ import annotations

import pathlib
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from admission.cli.recordend import State, Told, head_of
from admission.cli.recordlines import lines, opened
from admission.cli.verify import Verification
from admission.review.fitting import printable
from admission.server.signing import UnusableKey, Verifier, verifier

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from admission.cli.recordrun import Fault

_ENDS = {
    State.ENDED: "ended in order",
    State.FOLLOWED: "it did not end in order, and the run after it names its last line",
    State.NOTED: "open; it has the head that was noted",
    State.OPEN: "open: it goes on, was cut or was killed, and no line here says which (--head)",
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser("record", help="verify the chain through the lines of a record")
    below = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    verifying = below.add_parser(
        "verify",
        help="find lines that were removed, added, edited, reordered or duplicated",
        description="Reads records, also of several replicas mixed; other lines of a log are passed over.  Exit code "
        "0: all lines are as they were written, 1: some are not, 2: a file or a key cannot be read, or holds none.  "
        "What was cut off the end of a run that is open is found by --head alone.",
    )
    verifying.add_argument("files", nargs="*", default=["-"], metavar="FILE", help="the oldest first; - is stdin")
    verifying.add_argument(
        "--key",
        action="append",
        default=[],
        type=pathlib.Path,
        dest="keys",
        metavar="FILE",
        help="Ed25519 key (PEM), or the key of references; repeat.  Without one signatures are not checked",
    )
    verifying.add_argument(
        "--partial", action="store_true", help="runs may have begun before the first file, as in a log that was rotated"
    )
    verifying.add_argument(
        "--sink",
        choices=("file", "stdout"),
        default="file",
        help="which sink the record was read from, the file by default: lines are missing in it with reason only where "
        "the record says that this one did not take them",
    )
    verifying.add_argument(
        "--head",
        action="append",
        default=[],
        type=head_of,
        dest="heads",
        metavar="RUN:NUMBER[:HASH]",
        help="a checkpoint that was noted elsewhere, as in the server's log or the metric computegate_record_head: the "
        "record must have it; repeat",
    )
    verifying.add_argument(
        "--ended",
        action="store_true",
        help="a run is a fault whose end neither its last line, nor the run after it, nor --head vouches for",
    )
    verifying.add_argument("-o", "--output", choices=("text", "json"), default="text")
    verifying.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what each run proves; 1 when something is wrong, 2 when there is nothing to verify."""
    try:
        found = Verification(
            map(_key, arguments.keys),
            partial=arguments.partial,
            sink=arguments.sink,
            heads=arguments.heads,
            ended=arguments.ended,
        )
        for file in arguments.files:
            with opened(file) as stream:
                for number, (line, ended) in enumerate(lines(stream), start=1):
                    found.add(line, file, number, ended=ended)
    except (OSError, UnusableKey) as error:
        print(f"computegate record verify: {error}", file=sys.stderr)
        return 2
    found.finish()
    told = _as_json(found) if arguments.output == "json" else "\n".join(_as_text(found, keyed=bool(arguments.keys)))
    print(told)
    if not found.runs and not found.faults:
        print("computegate record verify: no line of a record was read", file=sys.stderr)
        return 2
    return int(bool(found.faults or found.more))


def _key(path: pathlib.Path) -> Verifier:
    try:
        return verifier(path.read_bytes())
    except UnusableKey as error:
        raise UnusableKey(f"{path}: {error}") from None


def _as_text(found: Verification, *, keyed: bool) -> Iterator[str]:
    for name, told in found.runs.items():
        yield printable(_run(name, told))
        yield from (f"  note: {note}" for note in told.notes)
    for name, fault in found.faults:
        yield printable(_fault(name, fault))
    for place in found.torn:
        yield printable(f"note: {place} is the beginning of a line; a replica that starts cuts it off and says so")
    if found.more:
        yield f"and {found.more} lines more"
    if found.runs and not keyed:
        yield "signatures were not checked (--key): whoever can write the record can have made it anew"
    yield _sum(found)


def _sum(found: Verification) -> str:
    open_ = sum(told.state is State.OPEN for told in found.runs.values())
    if found.faults or found.more:
        return "FAULTS"
    return f"intact as far as it goes; open: {open_} of {len(found.runs)} runs" if open_ else "intact"


def _run(name: str, told: Told) -> str:
    run = told.run
    signed = f"{told.checkpoints} checkpoints verified, up to line {told.signed}" if told.checkpoints else ""
    unchecked = f"{told.unchecked} checkpoints not checked" if told.unchecked else ""
    parts = (
        f"run {name} of {told.replica or 'a replica'}: {run.lines} lines up to {run.highest}",
        f"from {told.first_at} to {told.last_at}",
        signed,
        unchecked,
        _ENDS[told.state],
    )
    return "; ".join(part for part in parts if part)


def _fault(name: str, fault: Fault) -> str:
    numbers = f"{fault.first}" if fault.first == fault.last else f"{fault.first} to {fault.last}"
    which = f"run {name} line {numbers}" if name else "a line"
    return f"{fault.kind}: {which}{f' at {fault.place}' if fault.place else ''}: {fault.detail}"


def _as_json(found: Verification) -> str:
    runs: list[dict[str, Any]] = [
        {
            "run": name,
            "replica": told.replica,
            "lines": told.run.lines,
            "last": told.run.highest,
            "firstAt": told.first_at,
            "lastAt": told.last_at,
            "checkpointsVerified": told.checkpoints,
            "checkpointsNotChecked": told.unchecked,
            "signedTo": told.signed,
            "ended": told.state is State.ENDED,
            "state": told.state,
            "notes": told.notes,
        }
        for name, told in found.runs.items()
    ]
    faults = [
        {
            "kind": fault.kind,
            "run": name,
            "first": fault.first,
            "last": fault.last,
            "at": str(fault.place) if fault.place else "",
            "detail": fault.detail,
        }
        for name, fault in found.faults
    ]
    torn = [str(place) for place in found.torn]
    return msgspec.json.encode(
        {"runs": runs, "faults": faults, "more": found.more, "torn": torn, "otherLines": found.others}
    ).decode()

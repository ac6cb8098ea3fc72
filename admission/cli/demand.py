"""``computegate demand``: what each document of some files can obtain, and the ways around asking."""

from __future__ import annotations

import pathlib
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from admission.cli.documents import Broken, Document, read_each
from admission.cli.surroundings import Surroundings
from admission.demand.request import DemandError
from admission.demand.workloads.answer import Answer, RoleDemand, answer
from admission.demand.workloads.count import CountError
from admission.demand.workloads.fields import mapped, text
from admission.demand.workloads.table import Table, TableError, with_files
from admission.review.fitting import printable

if TYPE_CHECKING:
    import argparse


class Row(msgspec.Struct, frozen=True):
    """The demand of one document; the keys are those of the JSON lines."""

    file: str
    doc: int | str | None
    kind: str
    api_version: str = msgspec.field(name="apiVersion")
    name: str
    namespace: str
    expected: str
    per_pod: dict[str, Any] = msgspec.field(default_factory=dict)
    pods: int | str | None = None
    total: dict[str, Any] = msgspec.field(default_factory=dict)
    max_pods: int | str | None = None
    max_total: dict[str, Any] | None = None
    dra_total: dict[str, Any] = msgspec.field(default_factory=dict)
    roles: list[dict[str, Any]] = msgspec.field(default_factory=list)
    access: list[str] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "demand",
        help="say what each object in manifests can obtain",
        description="One entry for each document: what one pod asks for, how many pods, and the ways around asking.  "
        "Exit code 0: all answered, 1: some documents are broken, 2: bad usage.",
    )
    parser.add_argument("-f", "--file", type=pathlib.Path, nargs="+", action="extend", required=True, dest="files")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    add_kinds(parser)
    parser.set_defaults(run=run)


def add_kinds(parser: argparse.ArgumentParser) -> None:
    """Add the option for kinds of workloads that the program does not know."""
    parser.add_argument(
        "--kinds", type=pathlib.Path, action="append", metavar="FILE", help="kinds of workloads besides the known ones"
    )


def run(arguments: argparse.Namespace) -> int:
    """Answer for every document; 0 all answered, 1 some broken, 2 bad usage."""
    try:
        table = with_files(arguments.kinds or ())
    except TableError as error:
        print(f"computegate demand: {error}", file=sys.stderr)
        return 2
    found = list(read_each(arguments.files))
    at_hand = Surroundings((each.file, each.content) for each in found if isinstance(each, Document))
    broken = 0
    if arguments.output == "table":
        print(_line("FILE", "DOC", "KIND", "NAME", "DEMAND", "PER POD", "PODS", "TOTAL"))
    for each in found:
        row, problem = row_of(each, table, at_hand)
        if problem:
            broken += 1
            print(f"computegate demand: {printable(f'{row.file}[{row.doc}]: {problem}')}", file=sys.stderr)
        _print(row, arguments.output)
    return int(broken > 0) if found else 2


def row_of(each: Document | Broken, table: Table, at_hand: Surroundings) -> tuple[Row, str]:
    """Return the line for a document, and what is wrong with it; empty where nothing is."""
    if isinstance(each, Broken):
        return Row(
            each.file, each.place, "", "", "", "", "unknown-shape", notes=[f"error: {each.problem}"]
        ), each.problem
    content, metadata = each.content, mapped(each.content, "metadata")
    about = (text(content, "kind"), text(content, "apiVersion"), _name(metadata), text(metadata, "namespace"))
    if not about[0]:
        return Row(each.file, each.place, *about, "not-a-workload", notes=["no kind: no object of Kubernetes"]), ""
    try:
        found = answer(content, table, at_hand.around(each.file, content))
    except (CountError, DemandError) as error:
        return Row(each.file, each.place, *about, "unknown-shape", notes=[f"error: {error}"]), str(error)
    return _row(each, about, found), ""


def _name(metadata: dict[str, Any]) -> str:
    return text(metadata, "name") or text(metadata, "generateName")


def _row(document: Document, about: tuple[str, str, str, str], found: Answer) -> Row:
    return Row(
        document.file,
        document.place,
        *about,
        found.expected,
        per_pod=found.per_pod,
        pods=found.pods,
        total=found.total,
        max_pods=found.max_pods,
        max_total=found.max_total,
        dra_total=found.dra_total,
        roles=[_role(each) for each in found.roles],
        access=[f"{each.way}: {each.field}" for each in found.access],
        notes=[*document.notes, *found.notes],
    )


def _role(each: RoleDemand) -> dict[str, Any]:
    ceiling = {} if each.most is None else {"max_pods": each.most}
    claims = {"claims": each.claims} if each.claims else {}
    shared = {"shared": each.shared} if each.shared else {}
    return {"role": each.name, "pods": each.pods, "per_pod": each.per_pod, **ceiling, **claims, **shared}


def _print(row: Row, output: str) -> None:
    if output == "json":
        print(msgspec.json.encode(row).decode())
        return
    pods = "" if row.pods is None else str(row.pods)
    total = {**row.total, **row.dra_total}
    print(_line(row.file, str(row.doc), row.kind, row.name, row.expected, _amounts(row.per_pod), pods, _amounts(total)))
    for remark in (*(f"access {each}" for each in row.access), *row.notes):
        print(f"    {printable(remark)}")


def _amounts(amounts: dict[str, Any]) -> str:
    return ", ".join(f"{amount} x {name}" for name, amount in amounts.items()) or "-"


def _line(*cells: str) -> str:
    return "  ".join(printable(cell) or "-" for cell in cells)

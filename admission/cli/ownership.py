"""``computegate ownership import``: what a register says of a tenant, as part of its spec, for a person to check."""

from __future__ import annotations

import datetime as dt
import pathlib
import sys
from typing import TYPE_CHECKING

import yaml

from admission.review.fitting import printable
from admission.tenants.imports.bods import read_bods
from admission.tenants.imports.fragment import Found, ImportProblem, fragment_of
from admission.tenants.imports.gleif import read_gleif

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser("ownership", help="take over what registers publish of who owns whom")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    importing = actions.add_parser(
        "import",
        help="print the parties, ownership and ultimate parent of one tenant",
        description="Prints a part of a Tenant's spec for a person to check; nothing is written anywhere.  "
        "Exit code 0: printed, 2: a file cannot be used, with the record and the field that is wrong.",
    )
    importing.add_argument(
        "--format",
        choices=("bods", "gleif"),
        required=True,
        help="bods: Beneficial Ownership Data Standard 0.4, JSON; gleif: level 2 XML, with level 1 beside it for names",
    )
    importing.add_argument(
        "--for",
        required=True,
        metavar="ID",
        dest="entity",
        help="the tenant: its LEI or other registered identifier, in bods also a record or statement id",
    )
    importing.add_argument("files", type=pathlib.Path, nargs="+", metavar="FILE")
    importing.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the fragment, and remarks beside it; 2 when a file cannot be used."""
    try:
        found = _read(arguments, dt.datetime.now(dt.UTC).date())
        fragment = fragment_of(found)
    except (ImportProblem, OSError) as error:
        print(f"computegate ownership: {printable(str(error))}", file=sys.stderr)
        return 2
    for note in found.notes:
        print(f"note: {printable(note)}", file=sys.stderr)
    print(yaml.safe_dump(fragment, sort_keys=False, allow_unicode=True, width=120), end="")
    return 0


def _read(arguments: argparse.Namespace, today: dt.date) -> Found:
    if arguments.format == "gleif":
        return read_gleif(arguments.files, arguments.entity, today)
    first, *more = arguments.files
    if more:
        raise ImportProblem(f"{more[0]}: of this format one file is read at a time")
    return read_bods(first, arguments.entity, today)

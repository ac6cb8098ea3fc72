"""The options of ``computegate screen``, which are known before anything is loaded that compares names."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from admission.screening.likeness import THRESHOLD

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "screen",
        help="search a list of restricted parties for every tenant, its owners and parents",
        description="Shows which tenants would change and how; with --write it writes their status.screening.  Exit "
        "code 0: nobody is on the list, 1: somebody is or may be, 2: it cannot be done, or not for every tenant.",
    )
    parser.add_argument(
        "--list", type=pathlib.Path, required=True, metavar="FILE", help="Consolidated Screening List, CSV or JSON"
    )
    parser.add_argument(
        "--tenants", default="cluster", metavar="PATH", help="file or folder with Tenants; default is the cluster"
    )
    parser.add_argument("--kubeconfig", type=pathlib.Path, help="the cluster; inside a pod its own")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="screen the Tenant of this name alone; repeat"
    )
    writing = parser.add_mutually_exclusive_group()
    writing.add_argument("--write", action="store_true", help="write status.screening")
    writing.add_argument("--dry-run", action="store_true", help="write nothing, which is the default")
    parser.add_argument("--as-of", metavar="INSTANT", help="date of the list (RFC 3339); default is the file's time")
    parser.add_argument(
        "--threshold", type=int, choices=range(60, 101), default=THRESHOLD, metavar="PERCENT", help="alike from here"
    )
    parser.add_argument(
        "--accept",
        action="store_true",
        help="take a list that is older or much shorter than the last, or has an entry no more that somebody is",
    )
    parser.add_argument("--every", type=float, metavar="SECONDS", help="go on, and follow the file as it changes")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    """Import what compares names only where it is needed: it is tens of megabytes."""
    from admission.cli import screen  # noqa: PLC0415

    return screen.run(arguments)

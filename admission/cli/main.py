"""``computegate``: one program for the webhook, the laptop and the operator's questions."""

from __future__ import annotations

import argparse
import sys

from admission import __version__
from admission.cli import (
    catalogue,
    check,
    debug,
    demand,
    digest,
    explain,
    kyc,
    ledger,
    ownership,
    preflight,
    profile,
    record,
    report,
    screening,
    serve,
    static,
    switch,
    tenants,
    trial,
    usage,
)

_COMMANDS = (
    serve,
    check,
    demand,
    preflight,
    trial,
    explain,
    report,
    record,
    ledger,
    usage,
    digest,
    kyc,
    tenants,
    catalogue,
    profile,
    ownership,
    screening,
    switch,
    debug,
    static,
)
"""In the order in which help lists them."""


def program() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(prog="computegate", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for each in _COMMANDS:
        each.add(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    chosen = program().parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except BrokenPipeError:
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())

"""``computegate digest``: what a KYC integration writes into ``status.kyc.covers``."""

from __future__ import annotations

import pathlib
import sys
from typing import TYPE_CHECKING

from admission.api.tenant import Tenant
from admission.cli import files
from admission.tenants.identity import identity_digest

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser("digest", help="print the digest of a Tenant's identity facts, for status.kyc.covers")
    parser.add_argument("-f", "--file", type=pathlib.Path, action="append", required=True, metavar="FILE", dest="files")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print ``name digest`` for each Tenant in the files; 2 when one cannot be read or there is none."""
    found = 0
    try:
        for document in files.read(arguments.files):
            if document.kind == "Tenant":
                tenant = files.parse(document)
                if isinstance(tenant, Tenant):
                    print(tenant.name, identity_digest(tenant.spec))
                    found += 1
    except files.FileError as error:
        print(f"computegate digest: {error}", file=sys.stderr)
        return 2
    if not found:
        print("computegate digest: no Tenant in these files", file=sys.stderr)
    return 0 if found else 2

"""``computegate digest``: what a KYC integration writes into ``status.kyc.covers``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from admission.api.tenant import Tenant
from admission.cli import files
from admission.tenants.identity import identity_digest

if TYPE_CHECKING:
    import argparse


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

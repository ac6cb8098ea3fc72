"""``computegate kyc``: feeds clearances from providers, from a file, or by a person who begins a verification."""

from __future__ import annotations

import asyncio
import pathlib
import sys
from typing import TYPE_CHECKING

import uvloop

from admission.cli import rows
from admission.cli.attesting import CannotAttest, write_all
from admission.cli.kubeconfig import add_kubeconfig
from admission.cluster.clearances import Clearances, NoTenant
from admission.cluster.client import Client, ClusterError
from admission.cluster.clock import Clock
from admission.cluster.credentials import NoCredentialsError
from admission.server import log
from admission.server.receiving import receive
from admission.server.settings import SettingsError, read_receiver_settings
from admission.server.tls import CertificateError
from admission.tenants import verification
from admission.tenants.identity import identity_digest
from admission.tenants.providers.mapping import MappingError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

_UNUSABLE = (
    SettingsError,
    MappingError,
    CertificateError,
    NoCredentialsError,
    ClusterError,
    NoTenant,
    verification.NotAllowed,
    OSError,
)
"""What an operator has to mend first; each says what it is."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser("kyc", help="feed clearances: from providers, from a file, or by hand")
    below = parser.add_subparsers(required=True, metavar="COMMAND")
    _serve(below)
    _request(below)
    _import(below)


def _serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("serve", help="take signed deliveries of KYC providers")
    parser.add_argument("--config", type=pathlib.Path, required=True, help="settings file (YAML)")
    _cluster(parser)
    parser.set_defaults(run=serve)


def _request(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "request",
        help="begin the verification of a Tenant, and print the subject to give to the provider",
        description="Sets the Tenant to Pending for its facts as they are now; a clearance that still stands is left "
        "alone until the outcome.  Also how a suspended, revoked, rejected or expired Tenant begins anew.",
    )
    parser.add_argument("tenant", metavar="NAME")
    _cluster(parser)
    parser.set_defaults(run=request)


def _import(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "import",
        help="write clearances from a CSV file: all of them, or none",
        description=f"Columns: {', '.join(rows.COLUMNS)}; tenant and state have to be there.  Every row is checked, "
        "and tried on the API server, before the first is written.  Exit code 0: written, 1: refused, 2: bad input.",
    )
    parser.add_argument("file", type=pathlib.Path, metavar="FILE", help="CSV with a header; - is stdin")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written, and write nothing")
    _cluster(parser)
    parser.set_defaults(run=import_rows)


def _cluster(parser: argparse.ArgumentParser) -> None:
    add_kubeconfig(parser)


def serve(arguments: argparse.Namespace) -> int:
    """Take deliveries until told to stop; 2 when the configuration cannot be used."""
    with log.telling() as choose:
        return _done("kyc serve", lambda: uvloop.run(_served(arguments, choose)))


async def _served(arguments: argparse.Namespace, choose: Callable[[log.Level, log.Format], None]) -> int:
    settings = read_receiver_settings(arguments.config)
    choose(settings.log.level, settings.log.format)
    log.listen(asyncio.get_running_loop())
    client, clock = await Client.connect(arguments.kubeconfig), Clock()
    client.on_date = clock.hear
    try:
        await receive(settings, Clearances(client), clock)
    finally:
        await client.close()
    return 0


def request(arguments: argparse.Namespace) -> int:
    """Begin a verification; 2 when it cannot be."""
    return _done("kyc request", lambda: asyncio.run(_requested(arguments)))


async def _requested(arguments: argparse.Namespace) -> int:
    client = await Client.connect(arguments.kubeconfig)
    try:
        clearances = Clearances(client)
        tenant = await clearances.read(arguments.tenant)
        digest = identity_digest(tenant.spec)
        kyc = verification.request(tenant.status.kyc, digest, "computegate kyc request")
        if kyc is not None:
            await clearances.write(tenant, {"kyc": kyc})
    finally:
        await client.close()
    print(f"{tenant.name}@{digest}")
    return 0


def import_rows(arguments: argparse.Namespace) -> int:
    """Write clearances from a file; 1 when a row is refused, 2 when one cannot be read."""
    return _done("kyc import", lambda: asyncio.run(_imported(arguments)))


async def _imported(arguments: argparse.Namespace) -> int:
    table = rows.read(arguments.file)
    for problem in table.problems:
        print(problem, file=sys.stderr)
    if table.problems:
        print(f"{len(table.problems)} problems; nothing was written", file=sys.stderr)
        return 2
    client = await Client.connect(arguments.kubeconfig)
    try:
        return await write_all(Clearances(client), table.rows, dry_run=arguments.dry_run)
    except CannotAttest as cannot:
        print(cannot, file=sys.stderr)
        return 1
    finally:
        await client.close()


def _done(name: str, run: Callable[[], int]) -> int:
    try:
        return run()
    except _UNUSABLE as error:
        print(f"computegate {name}: {error}", file=sys.stderr)
        return 2

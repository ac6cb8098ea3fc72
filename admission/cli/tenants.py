"""``computegate tenants``: Tenants with what was verified of them, from one cluster to another, or back into it.

A backup by manifests, and most ways to restore one, drop the status.  An export keeps it, with the digest of the facts
that it is about and the instant at which it was taken; an import writes it only where those are still the facts.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import pathlib
import sys
from typing import TYPE_CHECKING, Any

import yaml

from admission.api import API_VERSION
from admission.api.tenant import Tenant
from admission.cli import files
from admission.cli.attesting import CannotAttest, Plan, Write, age, columns, say_done
from admission.cli.kubeconfig import add_kubeconfig
from admission.cluster.clearances import Clearances, NoTenant
from admission.cluster.client import Client, ClusterError
from admission.cluster.credentials import NoCredentialsError
from admission.review import deliveries
from admission.tenants.identity import identity_digest
from admission.tenants.verification import BadDate, NotAllowed, restore

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from admission.api.clearance import KYC
    from admission.api.object import Model

FOUND_OUT = ("kyc", "screening", "access")
"""Parts of the status that others found out; the rest is computed anew in each cluster."""

DIGEST = "computegate.io/exported-digest"
EXPORTED = "computegate.io/exported-at"
_TITLES = ("TENANT", "KYC", "VERIFIED", "SCREENED", "ACCESS SEEN", "EXPORTED")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser("tenants", help="take Tenants and what was verified of them to another cluster")
    below = parser.add_subparsers(required=True, metavar="COMMAND")
    export = below.add_parser("export", help="print Tenants with kyc, screening and access of their status (YAML)")
    export.add_argument("names", nargs="*", metavar="NAME", help="which; without a name all")
    restored = below.add_parser(
        "import",
        help="write exported Tenants: all of them, or none",
        description="Refused where the Tenant of the cluster has other facts, or a clearance that is not older.  What "
        "was screened and seen is written only where the cluster has none.  Exit code 0: written, 1: refused, "
        "2: bad input.",
    )
    restored.add_argument(
        "-f", "--file", type=pathlib.Path, action="append", required=True, dest="files", metavar="FILE"
    )
    restored.add_argument("--dry-run", action="store_true", help="say what would be written, and write nothing")
    for command, run in ((export, _exported), (restored, _imported)):
        add_kubeconfig(command)
        command.set_defaults(run=_command(run))


def _command(run: Callable[[argparse.Namespace], Coroutine[Any, Any, int]]) -> Callable[[argparse.Namespace], int]:
    def done(arguments: argparse.Namespace) -> int:
        try:
            return asyncio.run(run(arguments))
        except CannotAttest as cannot:
            print(cannot, file=sys.stderr)
            return 1
        except (files.FileError, NoCredentialsError, ClusterError, OSError) as error:
            print(f"computegate tenants: {error}", file=sys.stderr)
            return 2

    return done


async def _exported(arguments: argparse.Namespace) -> int:
    client, now = await Client.connect(arguments.kubeconfig), dt.datetime.now(dt.UTC)
    try:
        stored = [each async for each in Clearances(client).every()]
    finally:
        await client.close()
    found = [each for each in stored if not arguments.names or each["metadata"]["name"] in arguments.names]
    missing = set(arguments.names) - {each["metadata"]["name"] for each in found}
    if missing:
        raise ClusterError(f"there is no Tenant {', '.join(sorted(missing))}")
    exported = [_export(each, now) for each in found]
    print(yaml.safe_dump_all(exported, sort_keys=False, allow_unicode=True), end="")
    print(columns([_TITLES, *(_shown(Tenant.model_validate(each), now) for each in exported)]), file=sys.stderr)
    return 0


def _export(stored: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    metadata, status = stored["metadata"], stored.get("status", {})
    digest = identity_digest(Tenant.model_validate(stored).spec)
    kept = {"labels": metadata["labels"]} if metadata.get("labels") else {}
    return {
        "apiVersion": API_VERSION,
        "kind": "Tenant",
        "metadata": {"name": metadata["name"], **kept, "annotations": {DIGEST: digest, EXPORTED: now.isoformat()}},
        "spec": stored["spec"],
        "status": {name: status[name] for name in FOUND_OUT if name in status},
    }


def _shown(tenant: Tenant, now: dt.datetime) -> tuple[str, ...]:
    """Return how old each of the facts is."""
    status = tenant.status
    return (
        tenant.name,
        status.kyc.state if status.kyc else "-",
        age(status.kyc.verified_at if status.kyc else None, now),
        age(status.screening.lists_as_of if status.screening else None, now),
        age(status.access.as_of if status.access else None, now),
        age(_instant(tenant.metadata.annotations.get(EXPORTED, "")), now),
    )


def _instant(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


async def _imported(arguments: argparse.Namespace) -> int:
    documents = _documents(arguments.files)
    client, plan, now = await Client.connect(arguments.kubeconfig), Plan(), dt.datetime.now(dt.UTC)
    try:
        clearances = Clearances(client)
        for document in documents:
            await _add(plan, clearances, document, now)
        await plan.carry_out(dry_run=arguments.dry_run)
    finally:
        await client.close()
    print(columns([_TITLES, *(write.shown for write in plan.writes)]))
    say_done(len(plan.writes), dry_run=arguments.dry_run)
    return 0


def _documents(paths: list[pathlib.Path]) -> list[files.Document]:
    """Return the Tenants in files; raises ``FileError`` where there is none, or one stands twice."""
    found = [each for each in files.read(paths) if each.kind == "Tenant"]
    if not found:
        raise files.FileError("no Tenant in these files")
    seen: dict[str, str] = {}
    for document in found:
        name = files.parse(document).name
        if name in seen:
            raise files.FileError(f"{document.where} Tenant: {name} stands in {seen[name]} already")
        seen[name] = document.where
    return found


async def _add(plan: Plan, clearances: Clearances, document: files.Document, now: dt.datetime) -> None:
    """Plan the write of one Tenant, or note why there cannot be one."""
    exported = files.parse(document)
    assert isinstance(exported, Tenant)
    where, digest = f"{document.where} {exported.name}", identity_digest(exported.spec)
    if exported.metadata.annotations.get(DIGEST) != digest:
        plan.problems.append(f"{where}: spec: {deliveries.export_changed(digest)}")
        return
    try:
        do = await _writing(clearances, document, exported, now)
    except (NotAllowed, BadDate, ClusterError) as error:
        plan.problems.append(f"{where}: {error}")
    else:
        plan.writes += [Write(where, _shown(exported, now), do)] if do else []


async def _writing(
    clearances: Clearances, document: files.Document, exported: Tenant, now: dt.datetime
) -> Callable[[bool], Awaitable[None]] | None:
    """Return how a Tenant is written; None where nothing of it is missing.  Raises ``NotAllowed`` and ``BadDate``."""
    kyc = exported.status.kyc
    try:
        tenant = await clearances.read(exported.name)
    except NoTenant:
        if kyc:
            restore(None, kyc, now)
        return lambda dry_run: _create(clearances, document, exported, dry_run=dry_run)
    known = identity_digest(tenant.spec)
    if known != identity_digest(exported.spec):
        raise NotAllowed(deliveries.facts_differ(known))
    parts = _missing(tenant, exported, restore(tenant.status.kyc, kyc, now) if kyc else None)
    return (lambda dry_run: clearances.write(tenant, parts, dry_run=dry_run)) if parts else None


def _missing(tenant: Tenant, exported: Tenant, kyc: KYC | None) -> dict[str, Model]:
    parts: dict[str, Model | None] = {"kyc": kyc}
    for name in FOUND_OUT[1:]:
        parts[name] = None if getattr(tenant.status, name) else getattr(exported.status, name)
    return {name: part for name, part in parts.items() if part is not None}


async def _create(clearances: Clearances, document: files.Document, exported: Tenant, *, dry_run: bool) -> None:
    bare = {key: value for key, value in document.content.items() if key != "status"}
    tenant = await clearances.create(bare, dry_run=dry_run)
    parts = _parts(exported)
    if parts and not dry_run:
        await clearances.write(tenant, parts)


def _parts(exported: Tenant) -> dict[str, Model]:
    found: Sequence[tuple[str, Model | None]] = [(name, getattr(exported.status, name)) for name in FOUND_OUT]
    return {name: part for name, part in found if part is not None}

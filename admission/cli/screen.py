"""``computegate screen``: searches a list for every tenant and its parties, shows what would change, and writes it."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import pathlib
import secrets
import sys
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.cli.files import FileError
from admission.cli.instant import instant
from admission.cli.screened import CLUSTER, Parties, from_cluster, from_files, write
from admission.cluster.client import Client, ClusterError
from admission.cluster.credentials import NoCredentialsError
from admission.review.fitting import printable
from admission.screening.csl import read_list
from admission.screening.entry import ListError, Size, size_of
from admission.screening.index import Index
from admission.screening.screen import Searchable, screen
from admission.server import log
from admission.tenants.identity import digest_of, screened_digest

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Iterable, Iterator

    from admission.api.clearance import Screening
    from admission.api.dismissal import ScreeningDismissal
    from admission.api.screening import ScreeningHit
    from admission.api.tenant import Tenant

METHOD = 3
"""Counts up with each change of how names are compared: tenants are then searched for anew."""

LEAST_KEPT = 0.8
"""Share of the last list's entries, names or numbers below which a list is taken for one that was cut short."""

_UNUSABLE = (ListError, FileError, NoCredentialsError, ClusterError, msgspec.MsgspecError)
_log = logging.getLogger(__name__)


class Changed(NamedTuple):
    """A tenant before and after."""

    tenant: Tenant
    before: Screening | None
    after: Screening

    @property
    def differs(self) -> bool:
        """Whether anything but the date of the list, and what follows from it, is another."""
        same = ("state", "hits", "more_hits", "matched_parties", "candidate_since", "covers")
        return self.before is None or any(getattr(self.before, name) != getattr(self.after, name) for name in same)


def run(arguments: argparse.Namespace) -> int:
    """Screen once, or go on for ever; 0 nobody is on the list, 1 somebody is or may be, 2 it cannot be done."""
    with log.telling():
        try:
            if arguments.tenants != CLUSTER and (arguments.write or arguments.every):
                raise ListError("--write and --every are for --tenants cluster; files are only read")
            return asyncio.run(_screened(arguments))
        except _UNUSABLE as error:
            _complain(arguments, str(error))
            return 2


def _complain(arguments: argparse.Namespace, problem: str) -> None:
    """Say what is wrong: to a person, or in the log of a program that goes on for ever."""
    if arguments.every:
        _log.error("computegate screen: %s", problem)
    else:
        print(printable(f"computegate screen: {problem}"), file=sys.stderr)


async def _screened(arguments: argparse.Namespace) -> int:
    log.listen(asyncio.get_running_loop())
    if arguments.tenants != CLUSTER:
        parties = from_files(pathlib.Path(arguments.tenants))
        _check_only(arguments.only, parties)
        return await _once(arguments, _listed(arguments, parties), parties, None)
    client = await Client.connect(arguments.kubeconfig)
    try:
        parties = await from_cluster(client)
        _check_only(arguments.only, parties)
        by = _listed(arguments, parties)
        if arguments.every:
            await _for_ever(arguments, client, by)
        return await _once(arguments, by, parties, client)
    finally:
        await client.close()


def _check_only(names: Iterable[str], parties: Parties) -> None:
    """A misspelt name must not pass for a tenant on whom nothing was found."""
    unknown = sorted(set(names) - {each.name for each in parties.tenants})
    if unknown:
        raise ListError(f"--only {', '.join(unknown)}: no such Tenant")


async def _for_ever(arguments: argparse.Namespace, client: Client, by: Searchable) -> None:
    """Screen again and again; a list that becomes bad leaves the last good one in use, which grows old visibly."""
    read, problem = _stamp(arguments.list), ""
    while True:
        try:
            parties, stamp = await from_cluster(client), _stamp(arguments.list)
            if stamp != read:
                read, problem = stamp, ""
                by = _listed(arguments, parties, by.listed)
            await _once(arguments, by, parties, client)
        except (*_UNUSABLE, OSError) as error:
            if str(error) != problem:
                problem = str(error)
                _log.warning("the last good list, of %s, stays in use: %s", by.as_of.date(), problem)
        await asyncio.sleep(arguments.every)


def _stamp(path: pathlib.Path) -> tuple[int, int]:
    known = path.stat()
    return known.st_mtime_ns, known.st_size


def _listed(arguments: argparse.Namespace, parties: Parties, before: Index | None = None) -> Searchable:
    """Read the list, which comes after another one, and date it: as told, or by the file's own time."""
    found = read_list(arguments.list)
    try:
        told = instant(arguments.as_of, "--as-of") if arguments.as_of else None
    except ValueError as error:
        raise ListError(str(error)) from None
    as_of = told or dt.datetime.fromtimestamp(int(arguments.list.stat().st_mtime), dt.UTC)
    if as_of > dt.datetime.now(dt.UTC):
        raise ListError(f"{arguments.list}: the date of the list, {as_of.isoformat()}, is in the future")
    digest = digest_of([found.digest, arguments.threshold, METHOD])
    size = size_of(found.entries)
    if not size.entries:
        raise ListError(f"{arguments.list}: no entry that anybody can be; the list is refused")
    listed = Index(found.entries, before)
    if not arguments.accept:
        _check_follows(as_of, len(found.entries), size, parties.tenants)
        _check_matches_stay(listed, parties.tenants)
    return Searchable(
        listed,
        as_of,
        digest,
        entries=len(found.entries),
        threshold=arguments.threshold,
        names=size.names,
        numbers=size.numbers,
    )


async def _once(arguments: argparse.Namespace, by: Searchable, parties: Parties, client: Client | None) -> int:
    failures: list[str] = []
    found = [each async for each in _each(arguments, by, parties, client, failures)]
    parties = parties._replace(problems=(*parties.problems, *failures))
    _tell(arguments, by, found, parties)
    return 2 if parties.problems else int(any(each.after.state != "Clear" for each in found))


def _check_follows(as_of: dt.datetime, entries: int, size: Size, tenants: Iterable[Tenant]) -> None:
    """Refuse a list without any number, older than the one that tenants were screened by, or of much less."""
    if not size.numbers:
        raise ListError("no entry of the list has a number in ids: have the fields changed? --accept it")
    last = [each.status.screening for each in tenants if each.status.screening and each.status.screening.list_entries]
    newest = max((each.lists_as_of for each in last if each.lists_as_of), default=as_of)
    last = [each for each in last if each.lists_as_of == newest]
    if as_of < newest:
        raise ListError(f"the list is of {as_of.isoformat()}, the last one was of {newest.isoformat()}; --accept it")
    for now, what, field in (
        (entries, "entries", "list_entries"),
        (size.names, "names", "list_names"),
        (size.numbers, "numbers", "list_numbers"),
    ):
        most = max((getattr(each, field) for each in last), default=0)
        if now < LEAST_KEPT * most:
            raise ListError(f"the list has {now} {what}, the last one had {most}: cut short? --accept it")


def _check_matches_stay(listed: Index, tenants: Iterable[Tenant]) -> None:
    """Refuse a list without the entry of a match that nobody dismissed: who stood in what was cut looks delisted."""
    screened = ((each.name, each.status.screening) for each in tenants if each.status.screening)
    for name, screening in screened:
        for hit in screening.hits:
            if hit.is_match and hit.party in screening.matched_parties and hit.entry not in listed:
                raise ListError(
                    f"the list has entry {hit.entry} no more, which {hit.party} of tenant {name} is: delisted, or cut "
                    "short? --accept it"
                )


async def _each(
    arguments: argparse.Namespace, by: Searchable, parties: Parties, client: Client | None, failures: list[str]
) -> AsyncIterator[Changed]:
    """Screen each tenant, and write it; one that cannot be written is told of, and the others still are."""
    about: dict[str, list[ScreeningDismissal]] = {}
    for each in parties.dismissals:
        about.setdefault(each.spec.tenant, []).append(each)
    reference = f"scr-{secrets.token_hex(5)}"

    def searched(tenant: Tenant) -> Screening:
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        return screen(tenant, by, about.get(tenant.name, ()), now, f"{reference}-{tenant.name}"[:256])

    wanted = frozenset(arguments.only)
    chosen = (each for each in parties.tenants if not wanted or each.name in wanted)
    for tenant in sorted(chosen, key=_was_searched):
        changed = Changed(tenant, tenant.status.screening, searched(tenant))
        if arguments.write and client is not None and changed.before != changed.after:
            try:
                changed = changed._replace(after=await write(client, tenant, searched))
            except ClusterError as error:
                failures.append(f"{tenant.name}: {error}")
                continue
        yield changed
        await asyncio.sleep(0)


def _was_searched(tenant: Tenant) -> bool:
    """Whether the tenant was searched for by its names of today; those that were not go before a whole new list."""
    screening = tenant.status.screening
    return screening is not None and screening.covers == screened_digest(tenant.spec)


def _tell(arguments: argparse.Namespace, by: Searchable, found: list[Changed], parties: Parties) -> None:
    differing = [each for each in found if each.differs]
    if arguments.output == "json":
        print(msgspec.json.encode(_report(arguments, by, found, parties)).decode())
    elif differing or not arguments.every:
        print("\n".join(map(_shown, _table(arguments, by, found, differing))))
    for problem in parties.problems:
        _complain(arguments, f"not screened: {problem}")


def _shown(text: str) -> str:
    """Return the text as one line with names in their own script; what the terminal cannot show is escaped."""
    plain = "".join(char if char.isprintable() else "?" for char in text)
    encoding = sys.stdout.encoding or "ascii"
    return plain.encode(encoding, "backslashreplace").decode(encoding)


def _report(arguments: argparse.Namespace, by: Searchable, found: list[Changed], parties: Parties) -> dict[str, object]:
    tenants = [
        {
            "tenant": each.tenant.name,
            "changes": each.differs,
            "before": each.before.state if each.before else None,
            "screening": each.after.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        for each in found
    ]
    listed = {"asOf": by.as_of.isoformat(), "entries": by.entries, "digest": by.digest}
    return {"list": listed, "written": bool(arguments.write), "tenants": tenants, "problems": list(parties.problems)}


def _table(
    arguments: argparse.Namespace, by: Searchable, found: list[Changed], differing: list[Changed]
) -> Iterator[str]:
    same = len(found) - len(differing)
    yield f"list of {by.as_of.isoformat()}, {by.entries} entries; {len(found)} tenants, {same} as before"
    for each in differing:
        yield f"{each.tenant.name}: {each.before.state if each.before else 'never screened'} -> {each.after.state}"
        known = {(hit.party, hit.entry): hit for hit in each.before.hits} if each.before else {}
        for hit in each.after.hits:
            word = "known" if known.pop((hit.party, hit.entry), None) else "new  "
            yield f"  {word}  {_hit(hit)}"
        yield from (f"  gone   {_hit(hit)}" for hit in known.values())
    yield "written" if arguments.write else "nothing was written; --write writes it"


def _hit(hit: ScreeningHit) -> str:
    judged = (
        f"confirmed by {hit.confirmed.by} at {hit.confirmed.at.isoformat()}"
        if hit.confirmed
        else f"by {hit.by}, {hit.score} percent"
    )
    return f"{hit.party} ~ {hit.name} ({hit.source}, entry {hit.entry}), {judged}, covers {hit.covers}"

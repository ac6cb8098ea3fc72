"""``computegate report``: before a tenant is enforced, a letter to it; what passed, and what runs, all the same."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import pathlib
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from admission.api import API_VERSION
from admission.api.tenant import Tenant
from admission.cli import foundpods
from admission.cli.cases import Case, Cases, Passed, of_judgement, of_record
from admission.cli.explain import records
from admission.cli.instant import instant
from admission.cli.kubeconfig import add_kubeconfig
from admission.cli.letter import Basis, letter
from admission.cli.recordlines import opened
from admission.cli.running import judged
from admission.cluster.client import Client, ClusterError
from admission.cluster.credentials import NoCredentialsError
from admission.cluster.lists import pages
from admission.review.fitting import printable
from admission.review.pod import Meta
from admission.review.reasons import PublicCode

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator

    Tell = Callable[[argparse.Namespace, dt.datetime, dt.datetime], Coroutine[Any, Any, int]]

_UNUSABLE = (NoCredentialsError, ClusterError, OSError, ValueError, msgspec.MsgspecError)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "report", help="tell what would be denied, by tenant, what was let through, and what is found of pods that run"
    )
    below = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    letters = below.add_parser(
        "tenants",
        help="a letter for each tenant: what would be denied once it is enforced, and what to change",
        description="Exit code 0: nothing would be denied, 1: something would, 2: bad input.",
    )
    letters.add_argument("-t", "--tenant", action="append", default=[], dest="tenants", help="this one only; repeat")
    letters.add_argument("--directory", type=pathlib.Path, help="write TENANT.txt there instead of printing")
    letters.add_argument("--contact", default="", help="whom tenants write to")
    letters.set_defaults(run=run_tenants)
    passed = below.add_parser(
        "admitted",
        help="the operator's account of what passed between two instants although something stood in its way",
        description="With --cluster also the pods created in that time of which the records do not know.  Exit code "
        "0: nothing passed, 1: something did, 2: bad input.",
    )
    passed.add_argument(
        "-n", "--namespace", action="append", default=[], dest="namespaces", help="this one only; repeat"
    )
    passed.set_defaults(run=run_admitted)
    for each in (letters, passed):
        _sources(each)
    foundpods.add(below)


def _sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        action="append",
        default=[],
        metavar="FILE",
        dest="records",
        help="decision record; - is stdin; repeat",
    )
    parser.add_argument("--cluster", action="store_true", help="judge the pods that run, too")
    add_kubeconfig(parser)
    parser.add_argument(
        "--place", default="", metavar="COUNTRY", help="country of nodes that no AcceleratorPool declares"
    )
    parser.add_argument("--since", metavar="INSTANT", help="from this instant, or date, on (RFC 3339)")
    parser.add_argument("--until", metavar="INSTANT", help="before this instant, or date")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")


def run_tenants(arguments: argparse.Namespace) -> int:
    """Write the letters; 0 none was needed, 1 some, 2 nothing can be read."""
    return _done("tenants", arguments, _letters)


def run_admitted(arguments: argparse.Namespace) -> int:
    """Print the account; 0 nothing passed, 1 something did, 2 nothing can be read."""
    return _done("admitted", arguments, _account)


def _done(name: str, arguments: argparse.Namespace, tell: Tell) -> int:
    try:
        if not arguments.records and not arguments.cluster:
            raise ValueError("give --from FILE, --cluster, or both")
        since, until = _within(arguments)
        return asyncio.run(tell(arguments, since, until))
    except _UNUSABLE as error:
        print(printable(f"computegate report {name}: {error}"), file=sys.stderr)
        return 2


def _within(arguments: argparse.Namespace) -> tuple[dt.datetime, dt.datetime]:
    since = instant(arguments.since, "--since") if arguments.since else dt.datetime.min.replace(tzinfo=dt.UTC)
    until = instant(arguments.until, "--until")
    if since >= until:
        raise ValueError(f"--since {since.isoformat()} is not before --until {until.isoformat()}")
    return since, until


class _Named(msgspec.Struct):
    metadata: Meta


_named = msgspec.json.Decoder(_Named)


@dataclass(slots=True)
class _Seen:
    """What was looked at."""

    records: int = 0
    pods: int = 0
    first: str = ""
    """When the first line of the records, within what was asked for, was written; and the last one: "" for none."""
    last: str = ""
    objects: set[str] = field(default_factory=set)
    """Uids that records know, where pods are judged besides."""
    tenants: set[str] = field(default_factory=set)

    def told(self) -> str:
        """Say how much that was, and of which time."""
        span = f", of {self.first} to {self.last}" if self.first else ""
        return f"{self.records} decision records read{span}, {self.pods} running pods judged"

    def note(self, at: dt.datetime) -> None:
        """Take note of a line of the record within what was asked for."""
        text = at.astimezone(dt.UTC).isoformat(timespec="milliseconds")
        self.first, self.last = min(self.first or text, text), max(self.last, text)


def _of_files(arguments: argparse.Namespace, since: dt.datetime, until: dt.datetime, seen: _Seen) -> Iterator[Passed]:
    """Yield what passed by the records, and note what they know."""
    for source in arguments.records:
        before = seen.records
        with opened(source) as stream:
            for record in records(stream):
                seen.records += 1
                seen.tenants.add(record.tenant)
                if arguments.cluster:
                    seen.objects.add(record.object.uid)
                at = _instant(record.at)
                if at is None or not since <= at < until:
                    continue
                seen.note(at)
                if (found := of_record(record)) is not None:
                    yield found
        if seen.records == before:
            raise ValueError(f"{source}: no decision record in it")


def _instant(text: str) -> dt.datetime | None:
    """Return when a line says that it was written; None for a line that does not."""
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None


async def _of_cluster(
    arguments: argparse.Namespace, since: dt.datetime | None, seen: _Seen
) -> AsyncIterator[tuple[dt.datetime, Passed]]:
    client = await Client.connect(arguments.kubeconfig)
    try:
        async for page in pages(client, f"/apis/{API_VERSION}/{Tenant.crd.plural}"):
            seen.tenants.update(_named.decode(each).metadata.name for each in page)
        async for each in judged(client, default_country=arguments.place, seen=seen.objects, since=since):
            seen.pods += 1
            found = of_judgement(each.judgement, each.namespace, each.name, each.created)
            if found is not None:
                yield each.created, found
    finally:
        await client.close()


# -- letters -----------------------------------------------------------------------------------------


async def _letters(arguments: argparse.Namespace, since: dt.datetime, until: dt.datetime) -> int:
    cases, seen = Cases(), _Seen()
    for each in _of_files(arguments, since, until, seen):
        _put(cases, each, arguments.tenants)
    if arguments.cluster:
        async for _, each in _of_cluster(arguments, None, seen):
            _put(cases, each, arguments.tenants)
    if strangers := sorted(set(arguments.tenants) - seen.tenants):
        raise ValueError(f"no such tenant: {', '.join(strangers)}; {seen.told()}")
    found = list(cases)
    if not found:
        print(f"computegate report tenants: nothing would be denied; {seen.told()}", file=sys.stderr)
    if arguments.output == "json":
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
        return int(bool(found))
    for tenant, of_tenant in itertools.groupby(found, lambda case: case.tenant):
        if tenant:
            _deliver(tenant, list(of_tenant), seen, arguments)
        else:
            names = ", ".join(dict.fromkeys(case.namespace for case in of_tenant))
            print(printable(f"computegate report: no tenant to write to, for namespaces {names}"), file=sys.stderr)
    return int(bool(found))


def _put(cases: Cases, passed: Passed, tenants: Iterable[str]) -> None:
    """Take in what a tenant can do something about: neither what time mends, nor what two people let pass."""
    if passed.by or passed.codes == (str(PublicCode.TryAgain),) or (tenants and passed.tenant not in tenants):
        return
    cases.add(passed._replace(reasons=()))


def _deliver(tenant: str, cases: list[Case], seen: _Seen, arguments: argparse.Namespace) -> None:
    judged_at = dt.datetime.now(dt.UTC).isoformat() if arguments.cluster else ""
    text = "\n".join(letter(tenant, cases, arguments.contact, Basis(seen.first, seen.last, judged_at)))
    if arguments.directory is None:
        print(f"{text}\n\n")
        return
    arguments.directory.mkdir(parents=True, exist_ok=True)
    path = arguments.directory / f"{tenant}.txt"  # a Tenant's name is a DNS name: no path but this one
    path.write_text(f"{text}\n")
    print(path)


# -- the account -------------------------------------------------------------------------------------


async def _account(arguments: argparse.Namespace, since: dt.datetime, until: dt.datetime) -> int:
    cases, seen = Cases(), _Seen()
    for each in _of_files(arguments, since, until, seen):
        if not arguments.namespaces or each.namespace in arguments.namespaces:
            cases.add(each)
    unseen = Cases()
    if arguments.cluster:
        async for created, each in _of_cluster(arguments, since, seen):
            if created < until and (not arguments.namespaces or each.namespace in arguments.namespaces):
                unseen.add(each)
    recorded, found = list(cases), list(unseen)
    if arguments.output == "json":
        print(msgspec.json.format(msgspec.json.encode({"recorded": recorded, "unseen": found})).decode())
    else:
        print("\n".join(map(printable, _accounted(recorded, found))))
    return int(bool(recorded or found))


def _accounted(recorded: list[Case], unseen: list[Case]) -> Iterator[str]:
    yield f"recorded: {sum(case.requests for case in recorded)} requests passed that something stood in the way of"
    for case in recorded:
        yield from _row(case)
    yield f"in the cluster, and in no record: {sum(case.requests for case in unseen)} pods would be denied now"
    for case in unseen:
        yield from _row(case)


def _row(case: Case) -> Iterator[str]:
    why = f"by {', '.join(case.by)}" if case.by else ", ".join(case.reasons)
    reference = f"  ref {case.reference}" if case.reference else ""
    yield (
        f"  {case.tenant or '-'}  {case.namespace}  requests: {case.requests}  devices: {case.devices}  "
        f"{case.first} to {case.last}{reference}  such as {case.such_as}"
    )
    yield f"      {why}"

"""``computegate check``: the webhook's verdicts and lines, without a server."""

from __future__ import annotations

import asyncio
import pathlib
import secrets
import sys
import uuid
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.api.policy import Mode
from admission.catalogue.catalogue import Catalogue
from admission.catalogue.countries import COUNTRIES, OFTEN_MEANT
from admission.cli import files
from admission.cli.basis import Found, applied_of, found_of, lines_of
from admission.cli.claims import FileLookup
from admission.cli.demand import add_kinds
from admission.cli.embedded import embedded_ledger
from admission.cli.gathered import gather, refuse
from admission.cli.instant import instant
from admission.cli.surroundings import Surroundings
from admission.decide.registry import Registry
from admission.decide.remarked import all_remarks
from admission.demand.request import DemandError
from admission.demand.workloads.count import CountError
from admission.demand.workloads.fields import at, mapped
from admission.demand.workloads.pods import ONLY, made_claims, pod_of, roles_of
from admission.demand.workloads.table import with_files
from admission.enforce.sweep.endings import Endings
from admission.enforce.sweep.steps import EVERYTHING
from admission.review.claim import ResourceClaim
from admission.review.pod import Pod
from admission.server.case import Ask
from admission.server.claims import claims_of
from admission.server.judge import Judge

if TYPE_CHECKING:
    import argparse
    import datetime as dt
    from collections.abc import Iterable

    from admission.cli.files import Document
    from admission.decide.dangling import Dangling
    from admission.decide.remarks import Remark
    from admission.demand.workloads.expand import Role
    from admission.demand.workloads.table import Table

MOST_PODS = 10_000
"""Pods of one workload that are judged one by one; what is beyond is not."""

_COUNTS = (
    ("spec", "replicas"),
    ("spec", "parallelism"),
    ("spec", "completions"),
    ("spec", "jobTemplate", "spec", "parallelism"),
    ("spec", "jobTemplate", "spec", "completions"),
)
"""Counts of Kubernetes' own kinds, which the API server refuses as text."""


class Row(msgspec.Struct, frozen=True):
    """The verdict on one role of an object: ``admitted`` of ``pods`` pods would be created."""

    file: str
    doc: int
    kind: str
    namespace: str
    name: str
    tenant: str
    decision: str
    pods: int
    admitted: int
    reasons: tuple[str, ...] = ()
    message: str = ""
    role: str = ""
    findings: tuple[Found, ...] = ()
    rules: tuple[str, ...] = ()
    """The rules that apply, or may, as ``policy/rule Effect``."""


class _Subject(NamedTuple):
    """So many pods of one role, or one claim, and what each of them asks."""

    role: str
    pods: int
    ask: Ask


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "check",
        help="judge manifests without a server",
        description="Objects of computegate, Namespaces and Nodes among the files decide; pods and workloads are "
        "judged.  Exit code 0: all admitted, 1: some denied, 2: bad input.",
    )
    parser.add_argument("-f", "--file", type=pathlib.Path, action="append", required=True, metavar="FILE", dest="files")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("-n", "--namespace", default="default", help="namespace of manifests that name none")
    parser.add_argument("--at", metavar="INSTANT", help="judge as of this instant (RFC 3339); default is now")
    parser.add_argument("--contact", default="", help="printed at the end of denials")
    parser.add_argument(
        "--place",
        metavar="COUNTRY",
        help="country of nodes and pools that declare none (ISO 3166-1, such as DE); default is unknown",
    )
    add_kinds(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Judge the files; 0 all admitted, 1 some denied, 2 bad input."""
    try:
        now = instant(arguments.at)
        rows = asyncio.run(_judged(arguments, now))
    except ValueError as error:
        for line in str(error).splitlines():
            print(f"computegate check: {line}", file=sys.stderr)
        return 2
    _print(rows, arguments.output)
    if not rows:
        print("computegate check: no pod and no workload in these files", file=sys.stderr)
        return 2
    return int(any(row.decision != "allowed" for row in rows))


async def _judged(arguments: argparse.Namespace, now: dt.datetime) -> list[Row]:
    table = with_files(arguments.kinds or ())
    registry = Registry(Catalogue.builtin(), default_mode=Mode.Enforce, default_country=_place(arguments.place))
    documents, waiting = gather(registry, arguments.files, arguments.namespace)
    if registry.held_back_at(now):
        raise files.FileError("; ".join(_refused(each, documents) for each in registry.dangling(now)))
    for remark in all_remarks(registry, now):
        print(f"computegate check: {_placed(remark, documents)}", file=sys.stderr)
    ledger = embedded_ledger()
    key, endings = secrets.token_bytes(32), Endings(registry, EVERYTHING)
    judge = Judge(registry, ledger, reference_key=key, contact=arguments.contact, endings=endings)
    around = Surroundings((document.file, document.content) for document in waiting)
    lookup = FileLookup(arguments.namespace)
    for document in waiting:
        lookup.put(document.content)
    rows: list[Row] = []
    problems: list[str] = []
    for document in waiting:
        try:
            subjects = await _subjects(document, table, around, lookup, arguments.namespace)
        except (CountError, DemandError) as error:
            problems.append(f"{document.where} {document.kind}: {error}")
            continue
        if not subjects:
            print(f"{document.where} {document.kind}: not judged, it makes no pods that can be seen", file=sys.stderr)
        rows += [await _row(judge, document, subject, now) for subject in subjects if not problems]
    refuse(problems)
    return rows


def _refused(dangling: Dangling, documents: Iterable[Document]) -> str:
    """Say what means nothing, with the file, the line and the field in which it stands."""
    named = [each for each in documents if each.kind == dangling.kind and _name(each) == dangling.name]
    where = f"{named[-1].where} line {named[-1].line(dangling.field)}, " if named else ""
    return f"{dangling.sentence} ({where}{'.'.join(map(str, dangling.field))})"


def _placed(remark: Remark, documents: Iterable[Document]) -> str:
    """Say a remark with the line and the field that it is about."""
    named = [each for each in documents if each.kind == remark.kind and _name(each) == remark.name]
    where = f"{named[-1].where} line {named[-1].line(remark.field)} " if named else ""
    return f"{where}{remark.kind} {remark.name}: {'.'.join(map(str, remark.field))}: {remark.sentence}"


def _name(document: Document) -> str:
    return str(mapped(document.content, "metadata").get("name", ""))


def _place(country: str | None) -> str:
    if country is None or country in COUNTRIES:
        return country or ""
    meant = OFTEN_MEANT.get(country, "DE for Germany")
    raise ValueError(f"--place {country[:40]!r} is no country of ISO 3166-1; write its two letters, such as {meant}")


def _roles(document: Document, table: Table, around: Surroundings) -> tuple[Role, ...]:
    """Return the roles of the workload; raises ``CountError`` for what the API server would refuse."""
    content, kind = document.content, table.kind(document.content.get("apiVersion"), document.kind)
    for path in _COUNTS:
        value = at(content, *path)
        if isinstance(value, str):
            raise CountError(f"{'.'.join(path)}: {value[:40]!r} is no count of pods")
    roles = roles_of(content, table, around.around(document.file, content))
    rules = [rule for rule in kind.role if rule.each == "." and not rule.when] if kind else []
    needed = [(rule.pod or rule.spec).partition(" | ")[0] for rule in rules if rule.pod or rule.spec]
    if not roles and needed:
        raise CountError(f"{needed[0]} is missing")
    return roles


async def _subjects(
    document: Document, table: Table, around: Surroundings, lookup: FileLookup, default: str
) -> tuple[_Subject, ...]:
    """Return what is judged of a document: the pods of each role, or the claim that it is."""
    metadata = mapped(document.content, "metadata")
    namespace, name = str(metadata.get("namespace") or default), str(metadata.get("name", ""))
    if document.kind == "ResourceClaim":
        claim = _claim(document)
        return (_Subject("claim", 1, Ask("", namespace, name, Pod(), claim=claim)),)
    found = []
    for role in _roles(document, table, around):
        pod = pod_of(role)
        claims = {**await claims_of(pod, namespace, lookup), **made_claims(role)}
        found.append(
            _Subject(
                role.name, role.pods if isinstance(role.pods, int) else 1, Ask("", namespace, name, pod, claims=claims)
            )
        )
    return tuple(found)


def _claim(document: Document) -> ResourceClaim:
    try:
        return msgspec.convert(document.content, ResourceClaim)
    except msgspec.ValidationError as error:
        raise DemandError(str(error)) from None


async def _row(judge: Judge, document: Document, subject: _Subject, now: dt.datetime) -> Row:
    """Judge the pods one by one until one is denied; each that is admitted is counted."""
    pods, admitted = subject.pods, 0
    while True:
        ask = msgspec.structs.replace(subject.ask, uid=str(uuid.uuid4()), dry_run=pods == 0)
        judgement = await judge.judge(ask, now, asyncio.get_running_loop().time() + 10)
        admitted += not judgement.findings
        if judgement.findings or admitted >= min(pods, MOST_PODS):
            break
    return Row(
        file=document.file,
        doc=document.place,
        kind=document.kind,
        namespace=subject.ask.namespace,
        name=subject.ask.name,
        tenant=judgement.tenant,
        decision=judgement.decision,
        pods=pods,
        admitted=min(admitted, pods),
        reasons=tuple(dict.fromkeys(str(each.reason) for each in judgement.findings or judgement.advisory)),
        message=judgement.message,
        role=subject.role,
        findings=found_of(judgement, judge.registry.rules(now)),
        rules=applied_of(judgement),
    )


def _print(rows: Iterable[Row], output: str) -> None:
    if output == "json":
        for row in rows:
            print(msgspec.json.encode(row).decode())
        return
    for row in rows:
        name = f"{row.kind} {row.namespace}/{row.name}"
        if row.role not in ONLY:
            name += f" {row.role}"
        print(f"{row.decision:10} {row.admitted}/{row.pods} pods  {name} (tenant {row.tenant or '-'})")
        if row.message:
            print(f"           {row.message}")
        for line in lines_of(row.findings):
            print(f"           {line}")

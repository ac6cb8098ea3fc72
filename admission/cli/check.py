"""``computegate check``: the webhook's verdicts and lines, without a server."""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
import sys
import uuid
from typing import TYPE_CHECKING

import msgspec

from admission.api.policy import Mode
from admission.catalogue.catalogue import Catalogue
from admission.cli import files
from admission.cli.embedded import embedded_ledger
from admission.decide.registry import Registry
from admission.demand.templates import Template, TemplateError, template_of
from admission.server.judge import Ask, Judge

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from admission.cli.files import Document

MOST_PODS = 10_000
"""Pods of one workload that are judged one by one; what is beyond is not."""


class Row(msgspec.Struct, frozen=True):
    """The verdict on one object: ``admitted`` of ``pods`` pods would be created."""

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


def run(arguments: argparse.Namespace) -> int:
    """Judge the files; 0 all admitted, 1 some denied, 2 bad input."""
    try:
        now = dt.datetime.fromisoformat(arguments.at) if arguments.at else dt.datetime.now(dt.UTC)
        if now.tzinfo is None:
            raise ValueError(f"--at {arguments.at} has no time zone; write for example 2026-11-10T00:00:00Z")  # noqa: TRY301
        rows = asyncio.run(_judged(arguments, now))
    except ValueError as error:
        print(f"computegate check: {error}", file=sys.stderr)
        return 2
    _print(rows, arguments.output)
    if not rows:
        print("computegate check: no pod and no workload of Kubernetes in these files", file=sys.stderr)
        return 2
    return int(any(row.decision != "allowed" for row in rows))


async def _judged(arguments: argparse.Namespace, now: dt.datetime) -> list[Row]:
    registry = Registry(Catalogue.builtin(), default_mode=Mode.Enforce)
    waiting = [document for document in files.read(arguments.files) if not files.take(registry, document)]
    ledger = embedded_ledger()
    judge = Judge(registry, ledger, reference_key=secrets.token_bytes(32), contact=arguments.contact)
    rows = []
    for document in waiting:
        try:
            template = template_of(document.content)
        except TemplateError as error:
            raise files.FileError(f"{document.where} {document.kind}: {error}") from None
        if template is None:
            print(f"{document.where} {document.kind}: not judged, no workload of Kubernetes itself", file=sys.stderr)
        else:
            rows.append(await _row(judge, document, template, arguments.namespace, now))
    return rows


async def _row(judge: Judge, document: Document, template: Template, default: str, now: dt.datetime) -> Row:
    """Judge the workload's pods one by one until one is denied; each that is admitted is counted."""
    metadata = document.content.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    namespace, name = str(metadata.get("namespace") or default), str(metadata.get("name", ""))
    pods, admitted = template.pods if template.pods is not None else 1, 0
    while True:
        ask = Ask(str(uuid.uuid4()), namespace, name, template.pod, dry_run=pods == 0)
        judgement = await judge.judge(ask, now, asyncio.get_running_loop().time() + 10)
        admitted += not judgement.findings
        if judgement.findings or admitted >= min(pods, MOST_PODS):
            break
    return Row(
        file=document.file,
        doc=document.place,
        kind=document.kind,
        namespace=namespace,
        name=name,
        tenant=judgement.tenant,
        decision=judgement.decision,
        pods=pods,
        admitted=min(admitted, pods),
        reasons=tuple(dict.fromkeys(str(each.reason) for each in judgement.findings)),
        message=judgement.message,
    )


def _print(rows: Iterable[Row], output: str) -> None:
    if output == "json":
        for row in rows:
            print(msgspec.json.encode(row).decode())
        return
    for row in rows:
        name = f"{row.kind} {row.namespace}/{row.name}"
        print(f"{row.decision:10} {row.admitted}/{row.pods} pods  {name} (tenant {row.tenant or '-'})")
        if row.message:
            print(f"           {row.message}")

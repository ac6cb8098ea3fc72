"""``computegate preflight``: what would break in a cluster if every namespace were enforced, before one is."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from typing import TYPE_CHECKING

import msgspec

from admission.cli.features import Features, features_of
from admission.cli.kubeconfig import add_kubeconfig
from admission.cli.standing import Standing, standing_of
from admission.cli.survey import Survey, survey
from admission.cluster.client import Client, ClusterError
from admission.cluster.credentials import NoCredentialsError
from admission.review.fitting import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

SHOWN = 40
"""Lines of one section of the table; JSON has all."""


class Report(msgspec.Struct, frozen=True):
    """Everything that was found, with the keys of the JSON output."""

    breaks: bool
    features: Features
    gate: Standing
    survey: Survey


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "preflight",
        help="say what would break in a cluster if it were enforced",
        description="Reads pods, nodes and namespaces with the rights of the kubeconfig, asks the gate by dry "
        "run, and changes nothing. "
        "Exit code 0: nothing would break, 1: something would, 2: the cluster cannot be asked.",
    )
    add_kubeconfig(parser)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument(
        "-n",
        "--namespace",
        action="append",
        default=[],
        dest="namespaces",
        help="look at the pods of this one only; repeat",
    )
    parser.add_argument(
        "--exempt",
        action="append",
        default=[],
        metavar="NAMESPACE",
        help="count it as excluded besides the installed ones",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask the cluster; 0 nothing would break, 1 something would, 2 it cannot be asked."""
    try:
        report = asyncio.run(_asked(arguments))
    except (NoCredentialsError, ClusterError, msgspec.MsgspecError) as error:
        print(printable(f"computegate preflight: {error}"), file=sys.stderr)
        return 2
    if arguments.output == "json":
        print(msgspec.json.encode(report).decode())
    else:
        print("\n".join(map(printable, _told(report))))
    return int(report.breaks)


async def _asked(arguments: argparse.Namespace) -> Report:
    client = await Client.connect(arguments.kubeconfig)
    try:
        features = await features_of(client)
        gate = await standing_of(client, features.webhook, dt.datetime.now(dt.UTC))
        exempt = frozenset({"kube-system", *features.exempt_namespaces, *arguments.exempt})
        found = await survey(client, exempt, frozenset(arguments.namespaces))
    finally:
        await client.close()
    breaks = found.breaks or gate.breaks or bool(features.problems) or not features.supported
    return Report(breaks, features, gate, found)


def _told(report: Report) -> Iterator[str]:
    yield from _features(report.features)
    yield f"gate                      {report.gate}"
    found = report.survey
    more = [f"and {found.more} pods of controllers that were not counted one by one"] if found.more else []
    yield from _section(
        "denied, these reach devices without asking; exempt them, or remove what is named", [*_denied(found), *more]
    )
    yield from _section(
        "denied, these namespaces hold accelerators and belong to no Tenant",
        [f"{each.namespace}  pods: {each.pods}" for each in found.unowned],
    )
    yield from _section(
        "denied, nobody can name the accelerators of these nodes; declare an AcceleratorPool",
        [each.name for each in found.nodes if not each.accelerator_class],
    )
    yield from _section(
        "nodes that no AcceleratorPool declares; their place is the default one",
        [f"{each.name}  {each.accelerator_class}" for each in found.nodes if each.accelerator_class],
    )
    yield from _section("what is installed does not do its work", report.features.problems)
    yield from _section("objects that cannot be read", found.problems)
    yield ""
    yield f"{found.pods} pods outside exempt namespaces: {'something' if report.breaks else 'nothing'} would break"


def _denied(found: Survey) -> Iterator[str]:
    for each in found.denied:
        yield f"{each.namespace}  {each.kind}/{each.name}  pods: {each.pods}  {', '.join(each.ways)}"
        yield f"    {'; '.join(each.fields)}"


def _features(found: Features) -> Iterator[str]:
    advice = "" if found.supported else ": 1.35 or later is needed"
    yield f"kubernetes                {found.version}{advice}"
    yield f"webhook                   {found.webhook or 'not installed'}"
    yield f"guards                    {', '.join(found.guards) or 'none'}"
    yield f"mutatingadmissionpolicies {found.mutating_policies or 'not served'}"
    yield f"device runtime classes    {', '.join(found.runtime_classes) or 'none'}"
    yield f"exempt namespaces         {', '.join(found.exempt_namespaces) or 'kube-system'}"


def _section(title: str, rows: Sequence[str]) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield title
    yield from (f"  {row}" for row in rows[:SHOWN])
    if len(rows) > SHOWN:
        yield f"  and {len(rows) - SHOWN} more; -o json has all"

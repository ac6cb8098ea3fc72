"""``computegate debug``: what support needs to see, and where a replica spends its time."""

from __future__ import annotations

import asyncio
import http.client
import pathlib
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from admission.cli.bundle import Bundle
from admission.cli.kubeconfig import add_kubeconfig
from admission.cluster.client import Client, ClusterError
from admission.cluster.credentials import NoCredentialsError
from admission.review.fitting import printable
from admission.server.profile import HOST, LONGEST_SECONDS, PATH

if TYPE_CHECKING:
    import argparse

_UNUSABLE = (NoCredentialsError, ClusterError, OSError, ValueError, http.client.HTTPException, msgspec.MsgspecError)
_MARGIN_SECONDS = 10


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser("debug", help="gather what support needs, without names; profile a replica")
    below = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    bundle = below.add_parser(
        "bundle",
        help="write an archive of versions, settings, states, counts, logs and metrics with all names replaced",
        description="Changes nothing and reads no Secret. Names of tenants, owners, people and callers are "
        "replaced: the same name is the same word in each bundle of a cluster. Exit code 0: all of it, 1: some is "
        "missing, 2: none.",
    )
    bundle.add_argument("-o", "--output", type=pathlib.Path, required=True, metavar="FILE", help="archive (.tar.gz)")
    bundle.add_argument("-n", "--namespace", default="computegate-system", help="namespace of the release")
    bundle.add_argument("--log", action="append", default=[], type=pathlib.Path, metavar="FILE", dest="logs")
    bundle.add_argument("--metrics", action="append", default=[], metavar="URL", help="exposition of a replica; repeat")
    add_kubeconfig(bundle)
    bundle.set_defaults(run=run_bundle)
    profile = below.add_parser("profile", help="print the folded stacks of the replica on this host (debugPort)")
    profile.add_argument("--port", type=int, required=True, help="the replica's debugPort")
    profile.add_argument("--seconds", type=int, default=10, help=f"1 to {LONGEST_SECONDS}")
    profile.set_defaults(run=run_profile)


def run_bundle(arguments: argparse.Namespace) -> int:
    """Write the archive; 0 all of it, 1 some is missing, 2 none."""
    try:
        problems = asyncio.run(_bundled(arguments))
    except _UNUSABLE as error:
        print(printable(f"computegate debug bundle: {error}"), file=sys.stderr)
        return 2
    for problem in problems:
        print(printable(f"computegate debug bundle: not in it: {problem}"), file=sys.stderr)
    print(arguments.output)
    return int(bool(problems))


async def _bundled(arguments: argparse.Namespace) -> list[str]:
    client = await Client.connect(arguments.kubeconfig)
    try:
        bundle = await Bundle.of(client, arguments.namespace)
        await bundle.gather(arguments.logs, arguments.metrics)
    finally:
        await client.close()
    bundle.write(arguments.output)
    return bundle.problems


def run_profile(arguments: argparse.Namespace) -> int:
    """Print the profile; 0, or 2 where nobody answers with one."""
    connection = http.client.HTTPConnection(HOST, arguments.port, timeout=arguments.seconds + _MARGIN_SECONDS)
    try:
        connection.request("GET", f"{PATH}?seconds={arguments.seconds}")
        answer = connection.getresponse()
        text = answer.read().decode().strip()
        if answer.status != HTTPStatus.OK:
            raise ValueError(text)
    except _UNUSABLE as error:
        print(printable(f"computegate debug profile: {error}"), file=sys.stderr)
        return 2
    finally:
        connection.close()
    print(text)
    return 0

"""``computegate trial``: asks the API server, by dry run, for pods that it must refuse and pods that it must admit."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from admission.cli.kubeconfig import add_kubeconfig
from admission.cluster.client import Client
from admission.cluster.credentials import NoCredentialsError
from admission.enforce.canary.pods import probe
from admission.enforce.canary.reading import REFUSED_BY
from admission.enforce.canary.watch import ask
from admission.review.fitting import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_PAUSE = 1.0  # seconds


class Step(NamedTuple):
    """A pod, and whether it must be admitted."""

    about: str
    namespace: str
    pod: dict[str, object]
    admitted: bool

    def is_met(self, answer: str) -> bool:
        """Whether this is what must be answered: "" where the pod was admitted."""
        if self.admitted:
            return not answer
        return REFUSED_BY in answer and "[TryAgain]" not in answer


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "trial",
        help="try, by dry run, that a cluster refuses what it must and admits what it must",
        description="Asks the API server for pods, by dry run: nothing is created. Exit code 0: each was answered as "
        "it must be, 1: one was not, 2: there is no cluster to ask.",
    )
    parser.add_argument("--namespace", required=True, help="an enforced namespace that belongs to no tenant")
    parser.add_argument("--cleared", default="", metavar="NAMESPACE", help="an enforced one of a cleared tenant")
    parser.add_argument("--resource", default="nvidia.com/gpu", help="what the pods ask for (default: %(default)s)")
    parser.add_argument(
        "--node-label", action="append", default=[], metavar="KEY=VALUE", help="selector of the cleared pod; repeat"
    )
    parser.add_argument(
        "--seconds", type=float, default=60, help="how long to wait for the right answers (default: 60)"
    )
    add_kubeconfig(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Take each step; print what was answered."""
    try:
        return asyncio.run(_tried(arguments))
    except NoCredentialsError as error:
        print(printable(f"computegate trial: {error}"), file=sys.stderr)
        return 2


async def _tried(arguments: argparse.Namespace) -> int:
    client = await Client.connect(arguments.kubeconfig)
    until = time.monotonic() + arguments.seconds
    code = 0
    try:
        for step in _steps(arguments):
            answer = await _settled(client, step, until)
            met = step.is_met(answer)
            print(printable(f"{'ok    ' if met else 'FAILED'} {step.about}: {answer or 'admitted'}"))
            code = code or int(not met)
    finally:
        await client.close()
    return code


def _steps(arguments: argparse.Namespace) -> Iterator[Step]:
    """Of nobody's pods one that asks for a device, and one that asks for none of them, which is judged and let pass."""
    resource = arguments.resource
    yield Step("a device for nobody must be refused", arguments.namespace, _pod(resource, 1), admitted=False)
    yield Step("no device for nobody must be admitted", arguments.namespace, _pod(resource, 0), admitted=True)
    if arguments.cleared:
        labels = dict(label.partition("=")[::2] for label in arguments.node_label)
        about = "a device for a cleared tenant must be admitted"
        yield Step(about, arguments.cleared, _pod(resource, 1, nodeSelector=labels), admitted=True)


def _pod(resource: str, count: int, **spec: object) -> dict[str, object]:
    return probe("trial", {resource: str(count)}, spec)


async def _settled(client: Client, step: Step, until: float) -> str:
    """Ask until the answer is right: a namespace that was just made has no account, and is not heard of, at once."""
    while True:
        answer = (await ask(client, step.namespace, step.pod)).message
        if step.is_met(answer) or time.monotonic() >= until:
            return answer
        await asyncio.sleep(_PAUSE)

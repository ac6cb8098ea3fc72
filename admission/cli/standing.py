"""Whether the gate stands in a cluster, by asking: the canaries of the leader, asked for by somebody else, by dry run.

Without the installation's key a denial is known by the name of our entry alone: that another server answers in its name
is found by the leader's canary, not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from admission.cluster.client import ApiError
from admission.enforce.canary.pods import CANARIES
from admission.enforce.canary.reading import GOOD, REFUSED_BY, Mark, Outcome, read
from admission.enforce.canary.watch import ask
from admission.review.reference import Keys

if TYPE_CHECKING:
    import datetime as dt

    from admission.cluster.client import Client
    from admission.enforce.canary.pods import Canary
    from admission.enforce.canary.reading import Answer

_FORBIDDEN = "cannot create resource"
_OPEN = frozenset({Outcome.Admitted, Outcome.Foreign, Outcome.Guarded, Outcome.Obstructed})


class Standing(msgspec.Struct, frozen=True):
    """What the canaries were answered, by name; empty, with why, where they could not be asked for."""

    canaries: dict[str, str] = {}
    unasked: str = ""

    @property
    def breaks(self) -> bool:
        """Whether what must be denied passes, or was denied by others, or what must pass does not."""
        return any(outcome in _OPEN for outcome in self.canaries.values())

    def __str__(self) -> str:
        """Say it in a line."""
        if self.unasked:
            return f"not asked: {self.unasked}"
        good = all(outcome in GOOD for outcome in self.canaries.values())
        how = "does not stand" if self.breaks else "stands" if good else "closed, or not known"
        return f"{how}: {', '.join(f'{name} {outcome}' for name, outcome in self.canaries.items())}"


async def standing_of(client: Client, release: str, now: dt.datetime) -> Standing:
    """Ask for each canary once; ``release`` is the name of the webhook configuration.  Raises ``ClusterError``."""
    if not release:
        return Standing(unasked="not installed")
    namespace = f"{release}-canary"
    try:
        await client.get(f"/api/v1/namespaces/{namespace}")
    except ApiError as error:
        return Standing(unasked=f"namespace {namespace}: {error.message or error}")
    found = {}
    for canary in CANARIES:
        answer = await ask(client, namespace, canary.pod)
        if _FORBIDDEN in answer.message:
            return Standing(unasked=answer.message)
        found[canary.name] = str(_read(canary, answer, Mark(Keys(b""), namespace, ()), now))
    return Standing(found)


def _read(canary: Canary, answer: Answer, mark: Mark, now: dt.datetime) -> Outcome:
    outcome = read(canary, answer, mark, now)
    is_ours = outcome is Outcome.Foreign and answer.message.startswith(REFUSED_BY)
    return Outcome.Denied if is_ours else outcome

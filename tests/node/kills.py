"""Whether what was lost when replicas were killed was lost to them: by the connections that it was asked over.

The API server asks a webhook by HTTP/1.1, so that each request under way has a connection of its own.  Every lost one
must have had one to an address of the killed: the one whose port the error names, or else one that was open, or being
opened, while it was under way; and no two of them the same.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from tools.node.answers import INTERNAL

if TYPE_CHECKING:
    from tools.node.answers import Answer
    from tools.node.flows import Flow

_CUT = re.compile(r"EOF|connection reset|connection refused|broken pipe|server closed|context deadline")
"""How a request ends that was on its way to a replica that was killed."""
_PORT = re.compile(r"(?:read|write) tcp [\d.]+:(\d+)->")
_NOTICED_SECONDS = 1.0
"""On a busy machine: until the API server notices that a connection was closed, or we are told that one was opened."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill of replicas: when, and when the node led to none of them any more (monotonic seconds)."""

    at: float
    led_away: float
    service: str
    """The address of the Service that led to them."""
    addresses: frozenset[str]
    """Theirs."""
    back: float = inf
    """When the same addresses were those of processes started anew."""

    def concerns(self, flow: Flow) -> bool:
        """Say whether a connection led to the killed: open when they were killed, or begun since."""
        return flow.replica in self.addresses and flow.opened < self.back and flow.cut >= self.at


def judge(kill: Kill, lost: list[Answer], flows: list[Flow]) -> str:
    """Check that each of the lost was refused, and was asked of the killed; return how they ended, and when."""
    assert [answer for answer in lost if answer.status != INTERNAL or not _CUT.search(answer.message)] == []
    assert [answer for answer in lost if answer.ended < kill.at] == [], "it was over before the kill"
    to_killed = [
        flow for flow in flows if flow.replica in kill.addresses and flow.opened < kill.back and flow.cut >= kill.at
    ]
    pairing = Pairing(lost, to_killed)
    assert [answer for answer in lost if not pairing.found(answer)] == [], f"{len(to_killed)} led to the killed"
    if not lost:
        return f"nothing was lost; the API server had {len(to_killed)} connections to what was killed"
    ends = Counter(found[0] for answer in lost if (found := _CUT.search(answer.message)))
    said = ", ".join(f"{number} {end}" for end, number in ends.most_common())
    last = max(answer.ended for answer in lost) - kill.at
    carried = f"each on a connection of its own, of {len(to_killed)} to what was killed"
    return f"{len(lost)} lost ({said}), {carried}; the last {last:.1f} s after it"


@dataclass(slots=True)
class Pairing:
    """Finds for each of the lost a connection that no other has, by augmenting paths."""

    lost: list[Answer]
    flows: list[Flow]
    _taken: dict[Flow, Answer] = field(default_factory=dict)

    def found(self, answer: Answer, tried: set[Flow] | None = None) -> bool:
        """Give an answer a connection, and those that had it another one; say whether there was one."""
        tried = set() if tried is None else tried
        for flow in self.flows:
            if flow in tried or not could_carry(flow, answer):
                continue
            tried.add(flow)
            if flow not in self._taken or self.found(self._taken[flow], tried):
                self._taken[flow] = answer
                return True
        return False


def could_carry(flow: Flow, answer: Answer) -> bool:
    """Say whether a request was on its way over a connection when that ended, or was waiting for it to come to be."""
    if (named := _PORT.search(answer.message)) and int(named[1]) != flow.port:
        return False
    return flow.opened <= answer.ended + _NOTICED_SECONDS and answer.begun <= flow.cut + _NOTICED_SECONDS

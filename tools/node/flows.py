"""What became of the connections to a Service: the kernel's connection tracking tells of each, and to which pod it led.

    with Flows(directory) as flows:
        ...
        flows.to(service)

The kernel tells of a connection only where somebody listened when it was opened.  That one is forgotten is not asked
for: the kernel forgets thousands at once, more than it has room to tell of, and loses other events then.
"""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Self

from tools.node.enter import SERVICES
from tools.process import Process

BUFFER = 64 << 20
"""Bytes of events that the kernel keeps while nobody reads them."""

_EVENT = re.compile(
    r"\[(?P<at>[\d.]+)\]\s+\[(?P<event>\w+)\] tcp\s+6 (?:\d+ )?(?:(?P<state>\w+) )?"
    r"src=\S+ dst=(?P<service>\S+) sport=(?P<port>\d+) dport=\d+ .*?src=(?P<replica>\S+) "
)
_OPENING = {"SYN_SENT", "SYN_RECV", "ESTABLISHED"}


@dataclass(frozen=True, slots=True)
class Flow:
    """A connection from the client's `port` to the address of a pod; times in monotonic seconds."""

    port: int
    replica: str
    opened: float
    """When it was begun, whether or not the pod answered."""
    cut: float = inf
    """When either side began to close it; never known of one that was refused."""


class Flows:
    """Listens from entering the context to leaving it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __enter__(self) -> Self:
        flags = ["conntrack", "--event", "--proto=tcp", f"--orig-dst={SERVICES}", "--output=timestamp"]
        flags += ["--event-mask=NEW,UPDATES", f"--buffer-size={BUFFER}"]
        self._process = Process.start("connections", Path("/usr/bin/env"), flags, self._directory)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def to(self, service: str) -> list[Flow]:
        """Return the connections so far to the address of a Service, in the order in which they were opened.

        Raises ``RuntimeError`` where the kernel could not tell of all: nothing can be said of those then.
        """
        self._process.check()
        told = self._process.log.read_text()
        if "ENOBUFS" in told:
            raise RuntimeError("the kernel lost events of connections: the machine was too busy to hear them")
        return parsed(told.splitlines(), service, time.time() - time.monotonic())


def parsed(lines: Iterable[str], service: str, epoch: float) -> list[Flow]:
    """Return the connections that conntrack told of; its clock has `epoch` when the monotonic one begins."""
    flows: list[Flow] = []
    last: dict[str, int] = {}
    for line in lines:
        told = _EVENT.match(line)
        if told is None or told["service"] != service:
            continue
        at, port = float(told["at"]) - epoch, told["port"]
        if told["event"] == "NEW":
            last[port] = len(flows)
            flows.append(Flow(int(port), told["replica"], at))
        elif port in last and _is_over(told) and flows[last[port]].cut == inf:
            flows[last[port]] = replace(flows[last[port]], cut=at)
    return flows


def _is_over(told: re.Match[str]) -> bool:
    return told["state"] not in _OPENING

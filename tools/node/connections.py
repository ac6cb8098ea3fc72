"""Which replica the connections to a Service lead to, as connection tracking has it."""

import re
import subprocess
from dataclasses import dataclass

_FLOW = re.compile(
    r"^tcp\s+6 \d+ (?P<state>\w+) src=\S+ dst=(?P<service>\S+) sport=(?P<port>\d+) dport=\d+ .*?src=(?P<replica>\S+) "
)


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection from the client's `port`, and the address of the pod that it was led to."""

    port: int
    replica: str
    state: str


def connections(service: str) -> list[Connection]:
    """Return the connections to the address of a Service, from this network namespace."""
    command = ["conntrack", "--dump", "--proto=tcp", f"--orig-dst={service}"]
    return parsed(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def parsed(listed: str) -> list[Connection]:
    """Return the connections that conntrack printed."""
    found = map(_FLOW.match, listed.splitlines())
    return [Connection(int(each["port"]), each["replica"], each["state"]) for each in found if each]


def open_replicas(service: str) -> set[str]:
    """Return the addresses of the pods to which connections are open."""
    return {each.replica for each in connections(service) if each.state == "ESTABLISHED"}

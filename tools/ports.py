"""Ports on loopback for servers that are started a moment later."""

import contextlib
import random
import socket

_TAKEN_FROM = range(10_000, 32_000)
"""Below what Linux gives to outgoing connections (`net.ipv4.ip_local_port_range`, from 32,768): none takes one of them
between here and the server's start."""


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now, each once."""
    with contextlib.ExitStack() as held:
        found = list[int]()
        while len(found) < count:
            port = random.choice(_TAKEN_FROM)  # noqa: S311  chance, no secret
            with contextlib.suppress(OSError):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
        return found


def free_port() -> int:
    """Return a port that nobody listens on now."""
    return free_ports(1)[0]

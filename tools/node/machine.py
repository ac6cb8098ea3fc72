"""A second machine for a node, on a cable to the namespaces of tools.node.enter, which can die without a word.

    with Machine() as machine, Node(plane, place=machine.place) as node:
        machine.die()

It has a network, mounts and processes of its own.  The first machine routes to it and to its pods, and does not notice
when it falls silent, as if routers stood between: packets to it are lost, and nobody says so.
"""

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Self

from tools.node import cgroups, enter
from tools.node.node import Place

NAME = "second"
_GATEWAY, _ADDRESS, _PODS = "10.123.1.1", "10.123.1.2", "10.244.1.0/24"
_LINK_ADDRESS = "02:00:00:00:00:02"
_CABLE = (
    f"ip link add {NAME} type veth peer name uplink address {_LINK_ADDRESS} netns {NAME}",
    f"ip address add {_GATEWAY}/30 dev {NAME}",
    f"ip link set {NAME} up",
    f"ip neighbour add {_ADDRESS} lladdr {_LINK_ADDRESS} dev {NAME} nud permanent",  # else its silence is found in 3 s
    f"ip route add {_PODS} via {_ADDRESS}",
    f"ip -n {NAME} link set lo up",
    f"ip -n {NAME} address add {_ADDRESS}/30 dev uplink",
    f"ip -n {NAME} link set uplink up",
    f"ip -n {NAME} route add default via {_GATEWAY}",
)
_NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


class Machine:
    """Runs from entering the context until it is left, or dies."""

    def __init__(self) -> None:
        self._undone = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undone:
            undone.enter_context(cgroups.made(f"{enter.scratch().name}/{NAME}"))
            _run(f"ip netns add {NAME}")
            undone.callback(_run, f"ip netns delete {NAME}")
            for command in _CABLE:
                _run(command)
            self._process = _started()
            undone.callback(self._end)
            self._undone = undone.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undone.close()

    @property
    def place(self) -> Place:
        """What a node is told to run there."""
        of = f"/proc/{self._process.pid}"
        entering = ("nsenter", f"--target={self._process.pid}", "--net", "--mount", f"--pid={of}/ns/pid_for_children")
        return Place(NAME, _ADDRESS, _PODS, NAME, Path(of, "root"), entering)

    def die(self) -> None:
        """Lose the power: nothing is sent any more, no connection is closed, and then all its processes end."""
        _run(f"ip -n {NAME} link set uplink down")
        self._end()

    def _end(self) -> None:
        self._process.kill()
        self._process.communicate()


def _started() -> subprocess.Popen[bytes]:
    """Start process 1, which ends when its input does, and wait until it has its mounts."""
    again = [sys.executable, "-m", "tools.node.machine"]
    process = subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{NAME}", "unshare", *_NAMESPACES, *again],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(b"ready?\n")
    process.stdin.flush()
    process.stdout.readline()
    return process


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True)


if __name__ == "__main__":
    folder = enter.scratch() / NAME
    sys.exit(enter.first(folder, ["cat"]))

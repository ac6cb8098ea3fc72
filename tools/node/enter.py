"""Run a command in network, mount, pid, ipc and uts namespaces of its own, made for a node to run in.

    python -m tools.node.enter .venv/bin/pytest tests/node

Inside, 10.123.0.1 is the node's address, Services have theirs in 10.0.0.0/24, and nothing leads out of the namespace or
into it.  What kubelet and containerd write to fixed places goes to a scratch folder.  When the command ends, all that
it left running ends with it, and the host is as it was: its settings, its cgroups, its folders.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.node import cgroups, requirements

ADDRESS = "10.123.0.1"
"""The node's address."""
SERVICES = "10.0.0.0/24"
"""Where Services have theirs: what tools.controlplane tells the API server."""
SCRATCH = "COMPUTEGATE_NODE_SCRATCH"
"""Environment variable that says, inside, where files may be written; its last part names the cgroup too."""

_PRIVATE = ("var/lib/kubelet", "var/lib/cni", "var/log/pods", "var/log/containers")
_SETTINGS = ("kernel/keys/root_maxbytes", "kernel/keys/root_maxkeys", "kernel/panic", "kernel/panic_on_oops")
_MEMORY_SETTINGS = ("vm/overcommit_memory", "vm/panic_on_oom")
_NAMESPACES = ("--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc")


def scratch() -> Path:
    """Return the folder to write to; RuntimeError outside of `enter`."""
    if not (path := os.environ.get(SCRATCH)):
        raise RuntimeError("a node runs only in namespaces of its own: start this by python -m tools.node.enter")
    return Path(path)


@contextlib.contextmanager
def _settings_kept() -> Iterator[None]:
    """Give back what the kubelet changes for the whole machine."""
    paths = [Path("/proc/sys") / name for name in (*_SETTINGS, *_MEMORY_SETTINGS)]
    before = {path: path.read_text() for path in paths}
    try:
        yield
    finally:
        for path, text in before.items():
            if path.read_text() != text:
                path.write_text(text)


@contextlib.contextmanager
def _mount_points() -> Iterator[None]:
    """Make the folders onto which private ones are mounted, and remove those that were not there."""
    made = [path for path in (Path("/") / name for name in _PRIVATE) if not path.exists()]
    for path in made:
        path.mkdir(parents=True)
    try:
        yield
    finally:
        for path in made:
            path.rmdir()


def outside(command: Sequence[str]) -> int:
    """Run the command inside and return its status."""
    requirements.demand()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a terminated run gives everything back too
    folder = Path(tempfile.mkdtemp(prefix="computegate-node-"))
    again = ["unshare", *_NAMESPACES, sys.executable, "-m", "tools.node.enter", "--inside", *command]
    with contextlib.ExitStack() as undone:
        undone.callback(shutil.rmtree, folder, ignore_errors=True)
        undone.enter_context(_settings_kept())
        undone.enter_context(_mount_points())
        undone.enter_context(cgroups.made(folder.name))
        child = subprocess.Popen(again, env={**os.environ, SCRATCH: str(folder)})
        undone.callback(child.wait)
        undone.callback(child.kill)
        status = child.wait()
    return status  # noqa: RET504  (an ExitStack may swallow what is raised in it, says its type)


def inside(command: Sequence[str]) -> int:
    """As process 1 of the namespaces: make the network and the mounts, run the command, and reap what it orphans."""
    _network()
    return first(scratch(), command)


def first(folder: Path, command: Sequence[str]) -> int:
    """As process 1: make the mounts onto a folder, let packets pass, run the command, and reap what it orphans."""
    _mounts(folder)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    child = subprocess.Popen(command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command hears Ctrl-C itself, and ends in order
    while True:
        ended, status = os.wait()
        if ended == child.pid:
            return os.waitstatus_to_exitcode(status)


def _mounts(folder: Path) -> None:
    _run("mount", "--make-rshared", "/")
    for name in _PRIVATE:
        (folder / name).mkdir(parents=True)
        _run("mount", "--bind", folder / name, f"/{name}")
    _run("mount", "-t", "tmpfs", "tmpfs", "/run")  # sockets and network namespaces of pods
    Path("/run/netns").mkdir()
    Path("/run/containerd").mkdir()


def _network() -> None:
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "node0", "type", "veth", "peer", "name", "node1")  # both ends here: it leads nowhere
    _run("ip", "address", "add", f"{ADDRESS}/24", "dev", "node0")
    for end in ("node0", "node1"):
        _run("ip", "link", "set", end, "up")
    # The API server itself calls Services: kube-proxy rewrites such a packet after it was routed.
    _run("ip", "route", "add", SERVICES, "dev", "node0")


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(inside(arguments[1:]) if arguments[:1] == ["--inside"] else outside(arguments))

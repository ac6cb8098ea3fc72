"""The cgroup below which a node keeps its pods, on machines with cgroup v1 and v2."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

_MOUNT = Path("/sys/fs/cgroup")
_ENDING_SECONDS = 10.0
_INHERITED = ("cpuset.mems", "cpuset.cpus")


def hierarchies(mount: Path = _MOUNT) -> list[Path]:
    """Return the roots of the hierarchies: one with cgroup v2, one for each controller with v1."""
    if (mount / "cgroup.controllers").exists():
        return [mount]
    return [path for path in sorted(mount.iterdir()) if path.is_dir() and not path.is_symlink()]


@contextlib.contextmanager
def made(name: str) -> Iterator[None]:
    """Make the cgroup `name` in every hierarchy, and remove it with all below it."""
    groups = [root / name for root in hierarchies()]
    try:
        for group in groups:
            _make(group)
        yield
    finally:
        for group in groups:
            remove(group)


def _make(group: Path) -> None:
    group.mkdir()
    for setting in _INHERITED:  # with v1, a group of which these are empty takes no process
        if (group / setting).exists() and not (group / setting).read_text().strip():
            (group / setting).write_text((group.parent / setting).read_text())
    if (controllers := group.parent / "cgroup.controllers").exists() and group.parent == _MOUNT:
        enabled = " ".join(f"+{controller}" for controller in controllers.read_text().split())
        (group / "cgroup.subtree_control").write_text(enabled)


def remove(group: Path) -> None:
    """Remove a cgroup without processes, and those below it; what is not there is removed already."""
    if not group.is_dir():
        return
    for below in group.iterdir():
        if below.is_dir():
            remove(below)
    end = time.monotonic() + _ENDING_SECONDS
    while group.is_dir():
        try:
            group.rmdir()
        except OSError:  # busy: a process that was killed is still ending
            if time.monotonic() > end:
                raise
            time.sleep(0.1)

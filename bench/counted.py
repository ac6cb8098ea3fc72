"""A server under valgrind, whose instructions are counted between two instants; needs valgrind 3.15 or later.

Only the process's own instructions count, not the kernel's.  They hardly depend on what else the machine does.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench.contender import Contender

_TOTAL = re.compile(r"^totals: (\d+)", re.MULTILINE)
_VALGRIND = ("valgrind", "--tool=callgrind", "--trace-children=yes")
_START_SECONDS = 900.0
"""It runs tens of times slower, and some machines are busy."""


class Counted(Contender):
    """One server under valgrind, from the first request on counted; use as a context manager."""

    def __init__(self, name: str, command: str, folder: Path, path: str) -> None:
        self._counts = folder / name
        self._counts.mkdir()
        files = f"--callgrind-out-file={self._counts / 'counts.%p'}"
        valgrind = " ".join((*_VALGRIND, "--instr-atstart=no", files))
        super().__init__(name, f"{valgrind} {command}", folder, path, start_seconds=_START_SECONDS)

    def begin(self) -> None:
        """Count from now on."""
        self._control("-i", "on")
        self.counted()

    def counted(self) -> int:
        """Return the instructions since this was last asked."""
        before = set(self._counts.iterdir())
        self._control("-d", "asked")
        (dump,) = set(self._counts.iterdir()) - before
        return _total(dump)

    def _control(self, *what: str) -> None:
        subprocess.run(["callgrind_control", *what, str(self.pid)], check=True, stdout=subprocess.DEVNULL)


def yardstick(folder: Path, times: int) -> float:
    """Return the instructions of one round of the yardstick, by the difference of two runs."""
    few, many = (_yardstick(folder, rounds) for rounds in (times, 3 * times))
    return (many - few) / (2 * times)


def _yardstick(folder: Path, times: int) -> int:
    out = folder / f"yardstick.{times}"
    program = [sys.executable, "-I", "-S", str(Path(__file__).parent / "yardstick.py"), str(times)]
    command = [*_VALGRIND, f"--callgrind-out-file={out}", *program]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, env={"PYTHONHASHSEED": "0"})
    return _total(out)


def _total(dump: Path) -> int:
    found = _TOTAL.search(dump.read_text())
    assert found, dump
    return int(found[1])


def require_valgrind() -> None:
    """End the program where there is none."""
    if shutil.which("callgrind_control") is None:
        raise SystemExit("valgrind is needed to count instructions; on Debian: apt install valgrind")

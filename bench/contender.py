"""A server under measurement: started on a free port, pinned to one core, its processor time read from /proc."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Self

from tools.ports import free_port

_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 60.0
_ROOT = Path(__file__).parent.parent
SERVER_CORE, CLIENT_CORE = 0, 1


class Contender:
    """One server process; use as a context manager.

    ``command`` is text with ``{port}``, ``{certificate}`` and ``{key}`` where those belong; ``path`` is answered.
    """

    def __init__(
        self, name: str, command: str, folder: Path, path: str, *, start_seconds: float = _START_SECONDS
    ) -> None:
        self.name, self.path, self._folder, self._start_seconds = name, path, folder, start_seconds
        self.port = free_port()
        files = {"certificate": folder / "tls.crt", "key": folder / "tls.key"}
        self._command = shlex.split(command.format(port=self.port, **files))

    def __enter__(self) -> Self:
        with (self._folder / f"{self.name}.log").open("wb") as log:
            command = pinned(SERVER_CORE, self._command)
            self._process = subprocess.Popen(command, cwd=_ROOT, stdout=log, stderr=log)
        try:
            self._wait()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def processor_seconds(self) -> float:
        """Return the processor time that the process has used."""
        return processor_seconds(self.pid)

    def memory_mb(self) -> float:
        """Return the resident memory of the process."""
        return memory_mb(self.pid)

    def _wait(self) -> None:
        """Return when the server shakes hands; raise ``RuntimeError`` with its log when it does not."""
        context = ssl.create_default_context(cafile=str(self._folder / "ca.crt"))
        until = time.monotonic() + self._start_seconds
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as raw:
                context.wrap_socket(raw, server_hostname="localhost").close()
                return
            time.sleep(0.1)
        log = (self._folder / f"{self.name}.log").read_text("utf-8", "replace")
        raise RuntimeError(f"{self.name} did not start: {shlex.join(self._command)}\n{log}")

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used, in user and system mode (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def pinned(core: int, command: list[str]) -> list[str]:
    """Return the command bound to one core where the machine has two and taskset, else as it is."""
    if (os.cpu_count() or 1) <= core or core not in os.sched_getaffinity(0) or shutil.which("taskset") is None:
        return command
    return ["taskset", "--cpu-list", str(core), *command]

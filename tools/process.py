"""Programs of the control plane: built by tools/build, started, watched and ended by their process id."""

import contextlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_STOP_SECONDS = 15.0


class StartError(RuntimeError):
    """A binary could not be built, or a process ended or was not ready in time; says which, with the end of its log."""


def binaries(*names: str) -> dict[str, Path]:
    """Paths of the named programs, built first where missing (tools/build reports progress on stderr)."""
    command: list[str | Path] = [Path(__file__).parent / "build", *names]
    built = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        raise StartError(f"tools/build {' '.join(names)} failed with status {built.returncode}; its output says why")
    return dict(zip(names, map(Path, built.stdout.splitlines()), strict=True))


@dataclass(frozen=True, slots=True)
class Process:
    """A program we started, and its log."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, name: str, program: Path, flags: Sequence[str], directory: Path) -> Self:
        """Start `program` in a process group of its own, so that Ctrl-C reaches us alone and we stop it in order."""
        log = directory / f"{name}.log"
        with log.open("ab") as output:
            popen = subprocess.Popen(
                [program, *flags], stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0
            )
        return cls(name, popen, log)

    def check(self) -> None:
        """Raise StartError if it has ended."""
        if (status := self.popen.poll()) is not None:
            raise self.failure(f"ended with status {status}")

    def failure(self, what: str) -> StartError:
        """Describe what went wrong, with the end of the log."""
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        return StartError(f"{self.name} {what}; the end of {self.log}:\n{tail}")

    def stop(self) -> None:
        """End it and wait until it is gone: politely, then, or when interrupted, by force."""
        self.popen.terminate()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(_STOP_SECONDS)
        finally:
            self.popen.kill()
            self.popen.wait()

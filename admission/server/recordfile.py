"""The record in a file: appended, rotated by size, kept by number and age, and mended after a crash.

The file that is written has the configured name, ``record.jsonl``; full ones are ``record.000001.jsonl`` and so on, a
later one has a higher number.  What is done to them is told to the chain: a torn line cut off, a file that goes.  It
goes when the line that says so stands on the disk, so that a crash leaves no gap that nothing tells of; where there is
no room for that line, it goes first.

A write hands its lines to the operating system: they outlive the process.  With ``sync`` each write waits for the disk,
too, and they outlive the machine.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import time
from typing import TYPE_CHECKING

from admission.cluster.clock import machines
from admission.server import tail
from admission.server.chain import Head, Recovered, Retired, stamp

if TYPE_CHECKING:
    import datetime as dt
    import pathlib
    from collections.abc import Callable, Iterable, Iterator

LOOK_SECONDS = 10.0
"""Between two looks at what else is in the folder."""

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC

_log = logging.getLogger(__name__)


class RecordFile:
    """The sink.  It opens its file when it is first used, and again after whatever went wrong with it.

    ``sure`` says whether ``now`` can be relied on: while it cannot, age removes nothing.
    """

    name = "file"

    def __init__(
        self,
        path: pathlib.Path,
        *,
        largest: int,
        keep_files: int,
        keep_days: float | None,
        sync: bool,
        now: Callable[[], dt.datetime] = machines,
        sure: Callable[[], bool] = lambda: True,
    ) -> None:
        self._path, self._largest, self._sync = path, largest, sync
        self._now, self._sure = now, sure
        self._keep_files, self._keep_days = keep_files, keep_days
        self._number = re.compile(rf"{re.escape(path.stem)}\.(\d{{6,}}){re.escape(path.suffix)}")
        self._file, self._size, self._look_at = -1, 0, 0.0
        self._telling: list[Recovered | Retired] = []
        self._handed_out = 0  # of them, for the next write
        self._announced = set[str]()  # full files of which a line says that they go
        self._complaint = ""
        self._begun = False
        self.torn = False

    def begin(self) -> Head | None:
        """Open the file, cut a torn line off its end, and return its last line, or that of the last full file."""
        last = self._open()
        self._begun = True
        return last

    def write(self, data: bytes) -> None:
        """Append whole lines; when that fails, nothing of them stands, or ``torn`` is set."""
        coming, self._handed_out = self._handed_out, 0
        self._ready(len(data))
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._file, left) :]
            if self._sync or coming:
                os.fsync(self._file)
        except OSError as error:
            self._undo()
            if error.errno in _NO_ROOM:
                self._let_go(self._telling)
            raise
        self._size += len(data)
        stands, self._telling = self._telling[:coming], self._telling[coming:]
        self._let_go(stands)

    def told(self) -> Iterator[Recovered | Retired]:
        """Return what was cut off and what goes, until it stands in the file."""
        self._handed_out = len(self._telling)
        return iter(self._telling[:])

    def close(self) -> None:
        """Close the file, and with that let others write it."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    # -- opening ---------------------------------------------------------------------------------

    def _ready(self, coming: int) -> None:
        """Have a file that is open, ours, whole at its end, and has room."""
        if self._file < 0:
            last = self._open()
            if not self._begun:
                self._begun = True
                self._telling.append(Recovered(at=self._stamp(), file=self._path.name, bytes=0, sha256="", after=last))
        if self.torn:
            os.ftruncate(self._file, self._size)
            self.torn = False
        if time.monotonic() >= self._look_at:
            self._look()
        if self._size and self._size + coming > self._largest:
            self._rotate()

    def _open(self) -> Head | None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, _FLAGS, 0o640)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            cut = tail.cut(file)
            last = tail.last(file)
            size = os.fstat(file).st_size
        except OSError:
            os.close(file)
            raise
        self._file, self._size, self.torn = file, size, False
        if cut is not None:
            self._telling.append(Recovered(at=self._stamp(), file=self._path.name, bytes=cut.bytes, sha256=cut.sha256))
        return last or self._last_full()

    def _last_full(self) -> Head | None:
        """Return the last line of the newest full file: a crash may have come right after a rotation."""
        full = self._full()
        return _last_of(full[-1]) if full and not self._size else None

    def _undo(self) -> None:
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self.torn = True

    def _look(self) -> None:
        """See whether the file is still the one of this name, and let the oldest go."""
        self._look_at = time.monotonic() + LOOK_SECONDS
        there, ours = None, os.fstat(self._file)
        with contextlib.suppress(FileNotFoundError):
            there = self._path.stat()
        if there is None or (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            _log.warning("%s was taken away by somebody else; the record goes on in a new file", self._path)
            self.close()
            self._open()
        elif ours.st_size != self._size:
            _log.warning("%s was changed by somebody else", self._path)
            self._size = ours.st_size
        self._retire()

    # -- rotation and retention ------------------------------------------------------------------

    def _full(self) -> list[pathlib.Path]:
        """Return the full files, the oldest first."""
        found = ((self._number.fullmatch(path.name), path) for path in self._path.parent.iterdir())
        return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]

    def _rotate(self) -> None:
        os.fsync(self._file)
        full = self._full()
        match = self._number.fullmatch(full[-1].name) if full else None
        number = int(match[1]) + 1 if match else 1
        ended = self._now().timestamp()
        os.utime(self._file, (ended, ended))  # by our clock, as its age will be told
        self._path.rename(self._path.with_name(f"{self._path.stem}.{number:06d}{self._path.suffix}"))
        self.close()
        self._open()
        with _opened(self._path.parent) as folder:
            os.fsync(folder)
        self._retire()

    def _retire(self) -> None:
        """Announce full files above the number, or past the age; remove what was announced.

        What cannot be removed stays, and is said once.
        """
        full, now, complaint = self._full(), self._now().timestamp(), ""
        many = max(0, len(full) - self._keep_files)
        for place, path in enumerate(full):
            try:
                old = self._keep_days is not None and now - path.stat().st_mtime > self._keep_days * 86400
                if place >= many and not (old and self._sure()):
                    continue
                if path.name in self._announced:
                    path.unlink()
                elif not any(each.file == path.name for each in self._telling):
                    self._telling.append(Retired(at=self._stamp(), file=path.name, last=_last_of(path)))
            except OSError as error:
                complaint = f"{path.name}: {error.strerror}"
        if complaint and complaint != self._complaint:
            _log.warning("a file of the record cannot be removed: %s", complaint)
        self._complaint = complaint
        self._announced.intersection_update(path.name for path in self._full())

    def _let_go(self, told: Iterable[Recovered | Retired]) -> None:
        """Remove the files of these lines; never raises, as what was written stands."""
        names = {each.file for each in told if isinstance(each, Retired)}
        if names:
            self._announced |= names
            with contextlib.suppress(OSError):
                self._retire()

    def _stamp(self) -> str:
        return stamp(self._now())


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[int]:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield file
    finally:
        os.close(file)


def _last_of(path: pathlib.Path) -> Head | None:
    with _opened(path) as file:
        return tail.last(file)

"""Where lines of the record go: what a sink is, and standard output as one."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    import msgspec

    from admission.server.chain import Head


class Sink(Protocol):
    """Takes whole lines, in the recorder's thread alone; it may block."""

    name: str
    """As metrics have it."""

    torn: bool
    """Whether the last write failed and yet left something behind."""

    def begin(self) -> Head | None:
        """Get ready, and return the last line that stands there from before; raises ``OSError``."""

    def write(self, data: bytes) -> None:
        """Hand lines to the operating system, all or none as far as that can be; raises ``OSError``."""

    def told(self) -> Iterator[msgspec.Struct]:
        """Return what the chain has to say of this sink in the next write, until it has taken that."""

    def close(self) -> None:
        """Let go of what was opened."""


class Stream:
    """A stream that is open already, as standard output is.

    Its buffer is passed by: what is left in one after a failure would come out later, when nobody counts on it.
    """

    name = "stdout"

    def __init__(self, stream: BinaryIO) -> None:
        stream.flush()
        self._stream = stream  # closes its raw part when it goes
        self._raw = getattr(stream, "raw", stream)
        self.torn = False

    def begin(self) -> Head | None:
        """Nothing is known of what a stream took before."""
        return None

    def write(self, data: bytes) -> None:
        """Write, after the end of the line that a failure cut."""
        left = memoryview(b"\n" + data if self.torn else data)
        whole = len(left)
        try:
            while left:
                taken = self._raw.write(left)
                if taken is None:  # a pipe that does not block, and is full
                    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
                left = left[taken:]
        except OSError:
            self.torn = self.torn or len(left) < whole
            raise
        except ValueError as error:  # closed
            raise OSError(errno.EBADF, str(error)) from error
        self.torn = False

    def told(self) -> Iterator[msgspec.Struct]:
        """Nothing."""
        return iter(())

    def close(self) -> None:
        """Standard output is not ours to close."""

"""How far a run is vouched for: by signatures, and by what says that its last line is the last that was written."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from admission.cli.recordrun import Fault
from admission.server.chain import CHECKPOINT_LINES, CHECKPOINT_SECONDS, MOST_DELAY, Head

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from admission.cli.recordrun import Place, Run
    from admission.server.chain import Begin, Checkpoint, Link, Lost, Recovered, Retired

MOST_SECONDS = CHECKPOINT_SECONDS + MOST_DELAY
"""Between a checkpoint and a line that none follows."""


class State(StrEnum):
    """What says that nothing was cut off a run's end."""

    ENDED = "ended"
    """Its last line: the replica ended in good order."""
    FOLLOWED = "followed"
    """The run after it, which names its last line."""
    NOTED = "noted"
    """A head that was noted elsewhere: lines may be missing behind that one alone."""
    OPEN = "open"
    """Nothing."""


@dataclass(slots=True)
class RunEnd:
    """The end of one run."""

    signed: int = -1
    """The last line that a good signature is over."""
    last: int = -1
    """The line that says that it is the last."""
    followed: bool = False
    noted: bool = False
    _signed_at: dt.datetime | None = None
    _latest: dt.datetime | None = None
    """Instant of the youngest line since."""

    def follow(self, sequence: int, at: str) -> None:
        """Take note of a line and its instant."""
        instant = _instant(at)
        if sequence > self.signed and instant is not None and (self._latest is None or instant > self._latest):
            self._latest = instant

    def sign(self, sequence: int, checkpoint: Checkpoint) -> None:
        """Take note of a checkpoint whose signature is good."""
        if sequence <= self.signed:
            return
        self.signed, self._signed_at, self._latest = sequence, _instant(checkpoint.at), None
        if checkpoint.end:
            self.last = sequence

    def problem(self, highest: int) -> str:
        """Say why the lines up to the highest are signed by nobody, as no replica would have left them; or ""."""
        if self.signed < 0:
            return "no checkpoint of this run is signed by a key that was given"
        if highest - self.signed > CHECKPOINT_LINES:
            return f"no checkpoint follows these lines; one comes after {CHECKPOINT_LINES} at the latest"
        if self._latest is not None and self._signed_at is not None:
            seconds = (self._latest - self._signed_at).total_seconds()
            if seconds > MOST_SECONDS:
                return f"no checkpoint follows these lines, which go on for {seconds:.0f} s after the last one"
        return ""

    def state(self, highest: int) -> State:
        """Return what vouches for the end."""
        if self.last == highest:
            return State.ENDED
        if self.followed:
            return State.FOLLOWED
        return State.NOTED if self.noted else State.OPEN


@dataclass(slots=True)
class Told:
    """What is known of a run beside the order of its lines."""

    run: Run
    replica: str = ""
    first_at: str = ""
    last_at: str = ""
    end: RunEnd = field(default_factory=RunEnd)
    checkpoints: int = 0
    unchecked: int = 0
    """Checkpoints of a key that was not given."""
    statements: list[tuple[int, Lost | Recovered | Retired | Begin]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def signed(self) -> int:
        """The last line that a good signature is over."""
        return self.end.signed

    @property
    def state(self) -> State:
        """What says that nothing was cut off the run's end."""
        return self.end.state(self.run.highest)


class Heads:
    """Checkpoints that were noted elsewhere; a hash of "" was not."""

    def __init__(self, heads: Iterable[Head]) -> None:
        self.met: set[str] = set()
        """Runs that have all lines up to such a one."""
        self._wanted: dict[str, list[Head]] = {}
        self._others: dict[Head, Place] = {}
        for head in heads:
            self._wanted.setdefault(head.run, []).append(head)

    def see(self, link: Link, place: Place) -> None:
        """Compare a line that is whole."""
        for head in self._wanted.get(link.run, ()):
            if head.sequence == link.sequence and head.hash not in {"", link.hash}:
                self._others.setdefault(head, place)

    def faults(self, ends: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, Fault]]:
        """Yield what is not as it was noted, by the last line of each run and the last that is vouched for."""
        for head in (head for heads in self._wanted.values() for head in heads):
            number, (highest, signed) = head.sequence, ends.get(head.run, (-1, -1))
            if head in self._others:
                yield head.run, Fault("edited", number, number, self._others[head], "is not the head that was noted")
            elif highest < number:
                yield head.run, Fault("removed", highest + 1, number, None, "up to the head that was noted")
            elif signed < number and not head.hash:
                yield head.run, Fault("unsigned", signed + 1, number, None, "up to the head that was noted")
            else:
                self.met.add(head.run)


def head_of(text: str) -> Head:
    """Read ``RUN:NUMBER`` or ``RUN:NUMBER:HASH``, as the log and the metric have them; raises ``ValueError``."""
    run, _, rest = text.partition(":")
    number, _, digest = rest.partition(":")
    if not run or not number.isascii() or not number.isdigit():
        raise ValueError(f"{text!r} is no head: RUN:NUMBER or RUN:NUMBER:HASH")
    return Head(run, int(number), digest)


def _instant(text: str) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None

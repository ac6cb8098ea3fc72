"""What a record proves: its lines by run, what the chain says of itself, and what is wrong with either.

    line ─► whole? ─► its run: in order? ─► checkpoint? ─► signed by a key that we have?
              └► damaged: kept, until a gap shows where it belongs

Memory is bounded by what is wrong, not by what is read.
"""

from __future__ import annotations

import bisect
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from admission.cli.recordend import Heads, State, Told
from admission.cli.recordlines import schema_of
from admission.cli.recordrun import MOST_GAPS, Fault, Gap, Place, Run
from admission.server import chain
from admission.server.chain import Begin, Checkpoint, Head, Link, Lost, Recovered, Retired, link_of, signed_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from admission.server.signing import Verifier

MOST_LOOKS = 5_000_000
"""At damaged lines, for where they belong: made for it, an input could ask for any number of them."""

MOST_RUNS = 100_000

_OURS = (b'"schema":"computegate.io/', b'"chain":{"run":"')
"""In a line of a record that is no JSON any more, one of these is left, mostly."""

_AT = re.compile(rb'"at":"([^"\\]{1,40})"')
_KINDS: dict[str, type[Begin | Checkpoint | Lost | Recovered | Retired]] = {
    chain.BEGIN: Begin,
    chain.CHECKPOINT: Checkpoint,
    chain.LOST: Lost,
    chain.RECOVERED: Recovered,
    chain.RETIRED: Retired,
}
_decoders = {schema: msgspec.json.Decoder(kind) for schema, kind in _KINDS.items()}


@dataclass(slots=True)
class _Damaged:
    place: Place
    claim: Link | None
    used: bool = False


@dataclass(slots=True)
class _Excuse:
    """What the record says that a sink did not take: no more lines than it says are excused by it."""

    lost: Lost
    left: int

    def takes(self, lines: int) -> bool:
        """Say whether so many lines more are excused, and count them."""
        if lines > self.left:
            return False
        self.left -= lines
        return True


class Verification:
    """Takes lines, without their ends, and says at the end what is wrong.

    ``partial`` says that runs may begin before the input does, and runs before them may be elsewhere; ``sink`` which
    sink the input is of: what another one did not take excuses nothing here.  ``heads`` were noted elsewhere; with
    ``ended`` a run whose end nothing vouches for is a fault.
    """

    def __init__(
        self,
        keys: Iterable[Verifier] = (),
        *,
        partial: bool = False,
        sink: str = "file",
        heads: Iterable[Head] = (),
        ended: bool = False,
    ) -> None:
        self._keys = {(key.algorithm, key.key): key for key in keys}
        self._heads, self._ended = Heads(heads), ended
        self._partial, self._sink = partial, sink
        self._damaged: list[_Damaged] = []
        self._number, self._looks = 0, MOST_LOOKS
        self.runs: dict[str, Told] = {}
        self.faults: list[tuple[str, Fault]] = []
        self.others = self.more = 0
        self.torn: list[Place] = []

    def add(self, line: bytes, file: str, number: int, *, ended: bool = True) -> None:
        """Take one line; ``ended`` is False for what stands behind the last end of a line in a file."""
        self._number += 1
        place, link = Place(self._number, file, number), link_of(line)
        if link is not None and link.whole and (link.run in self.runs or len(self.runs) < MOST_RUNS):
            told = self.runs.setdefault(link.run, Told(Run(link.run)))
            told.run.add(link, place)
            self._note(told, link, line, place)
            self._heads.see(link, place)
        elif not ended and not schema_of(line):
            self.torn.append(place)
        elif link is None and not schema_of(line) and not any(mark in line for mark in _OURS):
            self.others += 1
        elif len(self._damaged) < MOST_GAPS:
            self._damaged.append(_Damaged(place, link))
        else:
            self.more += 1

    def finish(self) -> None:
        """Judge what was read; ``faults`` has it, by run and number."""
        for told in self.runs.values():
            told.run.finish()
            self.more += told.run.more
        stated = [(run, each) for run, told in self.runs.items() for each in self._believed(told)]
        retired = _retired(each for _, each in stated)
        for told in self.runs.values():
            losses = (each for run, each in stated if run == told.run.name and isinstance(each, Lost))
            lost = [_Excuse(each, each.lines) for each in losses]
            self.faults += ((told.run.name, each) for each in told.run.faults)
            for gap in told.run.gaps:
                self._missing(told, gap, lost, retired)
            self._unsigned(told)
        for run, statement in stated:
            if isinstance(statement, Begin | Recovered) and statement.after is not None:
                self._before(run, statement.after, retired)
        self._ends()
        self.faults += (("", _of_damaged(each)) for each in self._damaged if not each.used)
        self.faults.sort(key=lambda each: (each[0], each[1].first, each[1].kind))

    # -- one line --------------------------------------------------------------------------------

    def _note(self, told: Told, link: Link, line: bytes, place: Place) -> None:
        found = _AT.search(line)
        if found:
            told.last_at = found[1].decode(errors="replace")
            told.first_at = told.first_at or told.last_at
            told.end.follow(link.sequence, told.last_at)
        if not line.startswith(chain.MARK):
            return
        schema = schema_of(line)
        try:
            statement = _decoders[schema].decode(line) if schema in _decoders else None
        except (msgspec.MsgspecError, ValueError, RecursionError):
            statement = None
        if isinstance(statement, Checkpoint):
            self._check(told, link, statement, place)
        elif statement is not None and len(told.statements) < MOST_GAPS:
            told.statements.append((link.sequence, statement))
            told.replica = statement.replica if isinstance(statement, Begin) else told.replica

    def _check(self, told: Told, link: Link, checkpoint: Checkpoint, place: Place) -> None:
        key = self._keys.get((checkpoint.algorithm, checkpoint.key))
        says = (checkpoint.sequence, checkpoint.head) == (link.sequence - 1, link.prev)
        if key is None:
            told.unchecked += 1
            if checkpoint.end and not self._keys:
                told.end.last = link.sequence
        elif says and key.verify(signed_text(link.run, checkpoint), checkpoint.signature):
            told.checkpoints += 1
            told.end.sign(link.sequence, checkpoint)
            return
        if key is not None or not says:
            since, detail = told.signed + 1, "the signature is not over these lines"
            self.faults.append((link.run, Fault("unsigned", since, link.sequence, place, detail)))

    # -- the end ---------------------------------------------------------------------------------

    def _believed(self, told: Told) -> Iterator[Lost | Recovered | Retired | Begin]:
        """What the chain says of itself, as far as it is signed where there is a key."""
        return (each for number, each in told.statements if not self._keys or number <= told.signed)

    def _missing(self, told: Told, gap: Gap, lost: Iterable[_Excuse], retired: dict[str, int]) -> None:
        """Say of each line of a gap that it is damaged, was let go, was lost, or was removed."""
        run, first = told.run.name, gap.first
        if first == 0 and (self._partial or gap.last <= retired.get(run, -1)):
            told.notes.append(f"lines 0 to {gap.last} are not here")
            return
        for number, damaged in self._damage_of(run, gap):
            damaged.used = True
            self._removed(told, first, number - 1, gap, lost)
            self.faults.append((run, Fault("edited", number, number, damaged.place, "its hash is of other words")))
            first = number + 1
        self._removed(told, first, gap.last, gap, lost)

    def _removed(self, told: Told, first: int, last: int, gap: Gap, lost: Iterable[_Excuse]) -> None:
        if first > last:
            return
        about = [each for each in lost if each.lost.first <= first and last <= each.lost.last]
        if any(each.takes(last - first + 1) for each in about if each.lost.sink == self._sink):
            told.notes.append(f"lines {first} to {last} were not taken here, by the record's own word")
            return
        detail = "should stand before this line"
        others = sorted({each.lost.sink for each in about} - {self._sink})
        if others:
            detail += f"; the record says of sink {others[0]} that it did not take them, not of {self._sink} (--sink)"
        self.faults.append((told.run.name, Fault("removed", first, last, gap.place, detail)))

    def _damage_of(self, run: str, gap: Gap) -> list[tuple[int, _Damaged]]:
        """Match damaged lines to numbers: by what they still say of themselves, else by where they stand."""
        found: dict[int, _Damaged] = {}
        rest: list[_Damaged] = []
        for each in self._within(gap):
            claim = each.claim
            if claim is not None and claim.run == run and gap.first <= claim.sequence <= gap.last:
                found.setdefault(claim.sequence, each)
            elif claim is None or claim.run == run or claim.run not in self.runs:
                rest.append(each)
        free = (number for number in range(gap.first, gap.last + 1) if number not in found)
        return sorted([*found.items(), *zip(free, rest, strict=False)], key=lambda each: each[0])

    def _within(self, gap: Gap) -> Iterator[_Damaged]:
        """The damaged lines between the neighbours of a gap, as far as there is time to look at them."""
        start = bisect.bisect_right(self._damaged, gap.since, key=lambda each: each.place.number)
        for each in itertools.islice(self._damaged, start, None):
            if each.place.number >= gap.until or self._looks <= 0:
                return
            self._looks -= 1
            if not each.used:
                yield each

    def _unsigned(self, told: Told) -> None:
        run = told.run
        if self._keys and (detail := told.end.problem(run.highest)):
            self.faults.append((run.name, Fault("unsigned", told.signed + 1, run.highest, None, detail)))

    def _ends(self) -> None:
        """Compare the ends of runs with what was noted of them elsewhere."""
        ends = {name: (told.run.highest, told.signed) for name, told in self.runs.items()}
        if not self._keys:
            ends = {name: (highest, highest) for name, (highest, _) in ends.items()}
        self.faults += self._heads.faults(ends)
        for name, told in self.runs.items():
            if told.end.last >= 0:
                self._added(told, told.end.last, "which ended the run in order")
            told.end.noted, last = name in self._heads.met, told.run.highest
            if self._ended and told.state is State.OPEN:
                self.faults.append((name, Fault("open", last, last, None, "nothing says that it is the last")))

    def _before(self, run: str, after: Head, retired: dict[str, int]) -> None:
        """Compare the end of another run with what this one says that it was."""
        told = self.runs.get(after.run)
        highest = told.run.highest if told else -1
        if highest < after.sequence and not self._partial and retired.get(after.run, -1) < after.sequence:
            detail = f"run {run} says that they stood before it"
            self.faults.append((after.run, Fault("removed", highest + 1, after.sequence, None, detail)))
        elif told and highest == after.sequence and told.run.highest_hash != after.hash:
            detail = f"is not the line that run {run} says stood before it"
            self.faults.append((after.run, Fault("edited", highest, highest, None, detail)))
        elif told and highest == after.sequence:
            told.end.followed = True
        elif told and self._sink == "file":  # another sink may have taken more before the run was killed
            self._added(told, after.sequence, f"the last line in the file, as run {run} says")

    def _added(self, told: Told, last: int, words: str) -> None:
        """No line stands behind the one that is said to be the last, unless a signature proves it."""
        first, highest = max(last, told.signed) + 1, told.run.highest
        if first <= highest:
            self.faults.append((told.run.name, Fault("added", first, highest, None, f"behind line {last}, {words}")))


def _retired(statements: Iterable[object]) -> dict[str, int]:
    """Return, by run, the last line that went by the rules of retention."""
    found: dict[str, int] = {}
    for each in statements:
        if isinstance(each, Retired) and each.last is not None:
            found[each.last.run] = max(found.get(each.last.run, -1), each.last.sequence)
    return found


def _of_damaged(damaged: _Damaged) -> Fault:
    claim = damaged.claim
    if claim is None:
        return Fault("unlinked", -1, -1, damaged.place, "a line of no run")
    detail = f"says that it is line {claim.sequence} of run {claim.run}, which is not missing"
    return Fault("edited", claim.sequence, claim.sequence, damaged.place, detail)

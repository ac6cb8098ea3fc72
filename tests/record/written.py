"""Records as a replica writes them, and what verifying finds in one that was changed."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from admission.cli.verify import Verification
from admission.ledger.usage.line import GapLine
from admission.server.chain import link_of
from admission.server.recorder import Recorder
from admission.server.signing import hmac_signer, verifier
from admission.server.sinks import Stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from admission.server.chain import Link
    from admission.server.signing import Signer, Verifier

KEY = b"k" * 32
SIGNER = hmac_signer(KEY)
PROVER = verifier(KEY)


def line(number: int) -> GapLine:
    return GapLine(at=f"2026-11-26T00:00:{number % 60:02}Z", first=str(number), last="x" * (number % 7))


class Held(io.BytesIO):
    """A pipe that nobody reads until ``go`` is set; ``busy`` says that somebody has begun to write."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.busy = threading.Event(), threading.Event()

    def write(self, data: Any) -> int:
        self.busy.set()
        self.go.wait(30)
        return super().write(data)


def written(lines: int, *, signer: Signer = SIGNER) -> list[bytes]:
    """Return the lines of a run that ended in good order, so many of them somebody's."""
    out = io.BytesIO()
    recorder = Recorder([Stream(out)], most=max(1, lines), replica="one")
    for number in range(lines):
        recorder(line(number))
    recorder.begin(signer)
    recorder.close()
    return out.getvalue().splitlines()


def place(of: bytes) -> Link:
    """Return the place of a line that has one."""
    found = link_of(of)
    assert found is not None
    return found


def anew(of: bytes, *, chain: dict[str, Any] | None = None, **fields: Any) -> bytes:
    """Return a line with other words, and the hash that fits them: what a careful hand would put there."""
    body = json.loads(of)
    linked = body.pop("chain") | (chain or {})
    del linked["hash"]
    begun = json.dumps({**body, **fields, "chain": linked}, separators=(",", ":"))[:-2]
    digest = hashlib.sha256(begun.encode()).hexdigest()
    return begun.encode() + b',"hash":"%b"}}' % digest.encode()


class Wrong(NamedTuple):
    """A fault without where it stands."""

    kind: str
    first: int
    last: int


def verified(lines: Iterable[bytes], keys: Sequence[Verifier] = (PROVER,), *, partial: bool = False) -> Verification:
    """Read all lines as one file."""
    found = Verification(keys, partial=partial)
    for number, each in enumerate(lines, start=1):
        found.add(each, "record", number)
    found.finish()
    return found


def wrong(lines: Iterable[bytes], keys: Sequence[Verifier] = (PROVER,), *, partial: bool = False) -> set[Wrong]:
    """Return what is wrong with lines."""
    return {Wrong(*fault[:3]) for _, fault in verified(lines, keys, partial=partial).faults}

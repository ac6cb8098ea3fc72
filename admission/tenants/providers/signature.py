"""Whether a delivery was signed by who holds the secret: HMAC over the raw bytes, compared in constant time.

Two ways are in use.  ``timestamped``: a header ``t=SECONDS,v1=HEX`` over ``SECONDS.body``, so that an old delivery
cannot be sent again; while a secret is rotated there may be several ``v1``, or several such groups.  ``body``: the hex
digest of the body alone; how old the delivery is, only the event's own instant tells.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import pydantic

from admission.review import deliveries
from admission.tenants.verification import MOST_AHEAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LONGEST_HEADER = 2048
"""Characters of a signature header that are looked at; the longest real one has four digests."""

MOST_DIGESTS = 8
_DIGITS = 12


class NotSigned(Exception):  # noqa: N818 (a verdict)
    """No signature, or none by a secret of ours."""


class Stale(Exception):  # noqa: N818 (likewise)
    """Signed, but longer ago than the window, or ahead of our clock."""


class Signature(pydantic.BaseModel):
    """How a provider signs."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    scheme: Literal["timestamped", "body"]
    header: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
    """The header's name, in any case."""
    hash: Literal["sha256", "sha512"] = "sha256"
    window_seconds: Annotated[int, pydantic.Field(gt=0, le=30 * 86_400)] = 300
    """How old a delivery may be: by the signed timestamp, or, with ``body``, by the event's own instant."""

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes], now: datetime) -> None:
        """Return if one of the secrets signed it; header names are lower case.  Raises ``NotSigned`` and ``Stale``."""
        given = headers.get(self.header.lower(), "")[:LONGEST_HEADER]
        if self.scheme == "body":
            if not self._is_signed(body, [given.strip()], secrets):
                raise NotSigned(deliveries.not_signed(self.header))
            return
        signed = [at for at, digests in _groups(given) if self._is_signed(b"%d." % at + body, digests, secrets)]
        if not signed:
            raise NotSigned(deliveries.not_signed(self.header))
        if not any(self._is_current(datetime.fromtimestamp(at, UTC), now) for at in signed):
            raise Stale(deliveries.stale(self.window_seconds))

    def check_age(self, event: datetime, now: datetime) -> None:
        """Return if the event's instant is current, where no other is signed.  Raises ``Stale``."""
        if self.scheme == "body" and not self._is_current(event, now):
            raise Stale(deliveries.stale(self.window_seconds))

    def _is_current(self, at: datetime, now: datetime) -> bool:
        return now - timedelta(seconds=self.window_seconds) <= at <= now + MOST_AHEAD

    def _is_signed(self, content: bytes, digests: Sequence[str], secrets: Sequence[bytes]) -> bool:
        expected = [hmac.new(secret, content, self.hash).hexdigest().encode() for secret in secrets]
        # Every pair is compared, so that the time says nothing of which one fitted.
        fits = [hmac.compare_digest(one, each.encode()) for one in expected for each in digests[:MOST_DIGESTS]]
        return any(fits)


def _groups(header: str) -> Iterator[tuple[int, list[str]]]:
    """Yield timestamp and digests of each group; what is not written as one is left out."""
    for group in header.replace(", ", ",").split()[:MOST_DIGESTS]:
        pairs = [part.partition("=") for part in group.split(",")]
        times = [value for key, _, value in pairs if key == "t"]
        if len(times) == 1 and times[0].isascii() and times[0].isdecimal() and len(times[0]) < _DIGITS:
            yield int(times[0]), [value for key, _, value in pairs if key == "v1"]

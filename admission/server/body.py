"""Reading a request's body within bounds: its own, and that of all bodies held together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from admission.server.answer import Gone, Receive, Refused, Scope, text

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from admission.server.config import Limits


class Bodies:
    """The bodies that are held at this moment.  Whoever has read one frees it when it is answered."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.held = 0

    async def read(self, scope: Scope, receive: Receive, *, spare: bool = False) -> bytes:
        """Return the whole body, to be given back to ``free``.  Raises ``Refused`` (413, 503) and ``Gone``.

        With ``spare`` half of the room is left to others.
        """
        self._admit(_declared(scope), spare=spare)
        chunks: list[bytes] = []
        taken = 0
        try:
            while True:
                chunk, more = _chunk(await receive())
                taken += len(chunk)
                self.held += len(chunk)
                self._admit(taken, spare=spare)
                if not more:
                    return chunk if not chunks else b"".join((*chunks, chunk))
                chunks.append(chunk)
        except BaseException:
            self.held -= taken
            raise

    def free(self, body: bytes) -> None:
        """Forget a body that ``read`` returned."""
        self.held -= len(body)

    def _admit(self, size: int, *, spare: bool) -> None:
        if size > self._limits.body_bytes:
            raise Refused(text(413, f"body larger than {self._limits.body_bytes} bytes", close=True))
        if self.held > self._limits.held_bytes // (2 if spare else 1):
            # The API server sends a POST again when, and only when, it is told when to.
            raise Refused(text(503, "too many large requests at once", (b"retry-after", b"1"), close=True))


def _chunk(message: MutableMapping[str, Any]) -> tuple[bytes, bool]:
    if message["type"] == "http.disconnect":
        raise Gone
    return message["body"], message["more_body"]


def _declared(scope: Scope) -> int:
    """Return the declared length, 0 when there is none; the parser has refused what is not a number."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
    return 0

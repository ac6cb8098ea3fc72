"""The answers of the HTTP layer, and how they go out through ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
"""ASGI's three arguments (asgi.readthedocs.io, specification 3.0)."""

_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_JSON = (b"content-type", b"application/json")
_CLOSE = (b"connection", b"close")


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body and headers; ``close`` ends the connection after it."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = (_JSON,)
    close: bool = False


def text(status: int, line: str, *headers: tuple[bytes, bytes], close: bool = False) -> Answer:
    """Return a plain-text answer; the line gets its line end here."""
    return Answer(status, f"{line}\n".encode(), (_TEXT, *headers), close)


class Refused(Exception):  # noqa: N818 - it names an answer, not a fault of ours
    """The request is not one for the review function; carries the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body.decode())
        self.answer = answer


class Gone(Exception):  # noqa: N818 - likewise
    """The client went away before its request was complete; there is nobody to answer."""


async def deliver(answer: Answer, send: Send, *, close: bool) -> None:
    """Send an answer whole."""
    length = (b"content-length", b"%d" % len(answer.body))
    ending = (_CLOSE,) if close or answer.close else ()
    headers = [*answer.headers, length, *ending]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})

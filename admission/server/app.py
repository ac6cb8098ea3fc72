"""The raw ASGI app behind the TLS port: reviews, ``/healthz`` and ``/readyz``.

    request ─► route ─► refuse? ─► body ─► room? ─► review within its budget ─► answer
                        404 405    413     busy     busy on overrun
                        415 400    503              400 malformed, 500 our fault

It knows entries and budgets, and nothing of policy: ``review`` and ``busy`` are handed in.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from admission.review.wire import BadReview
from admission.server import duration
from admission.server.answer import Answer, Gone, Receive, Refused, Scope, Send, deliver, text
from admission.server.body import Bodies

if TYPE_CHECKING:
    from admission.server.config import Counts, ServerConfig

_log = logging.getLogger(__name__)
_QUIET_SECONDS = 60.0

Review = Callable[[str, float, bytes], Awaitable[bytes]]
"""Entry, budget in seconds, body → body of the answer.  Raises ``BadReview``; honours cancellation at once."""
Busy = Callable[[str, bytes], bytes]
"""Entry, body → an AdmissionReview that says to try again, made without waiting.  Raises ``BadReview``."""
Ready = Callable[[], list[str]]
"""Why no request should come here, one reason a line; empty when all is well."""


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    most: int
    spares: bool
    """Whether it leaves room to the first entry, which denies for want of it."""


class App:
    """The ASGI app.  ``draining`` makes every answer the last on its connection and ``/readyz`` fail.

    So does ``leaving`` with the connections: whoever holds one to a replica that cannot decide would stay with it.
    """

    def __init__(
        self,
        config: ServerConfig,
        *,
        review: Review,
        busy: Busy,
        ready: Ready,
        leaving: Callable[[], bool],
        counts: Counts,
    ) -> None:
        self._config, self._review, self._busy, self._ready, self._counts = config, review, busy, ready, counts
        self._leaving = leaving
        self._entries = {
            f"/validate/{name}": _Entry(name, most, spares=place > 0)
            for place, (name, most) in enumerate(config.entries)
        }
        self._bodies = Bodies(config.limits)
        self._shown: dict[tuple[object, ...], float] = {}
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        entry = self._entries.get(scope["path"])
        answer = await self._validate(entry, scope, receive) if entry else self._other(scope)
        if answer is not None:
            await deliver(answer, send, close=self.draining or self._leaving())

    async def _validate(self, entry: _Entry, scope: Scope, receive: Receive) -> Answer | None:
        body, answer = b"", None
        try:
            until = time.monotonic() + self._budget(scope)
            body = await self._bodies.read(scope, receive, spare=entry.spares)
            outcome, answer = await self._judge(entry, until, body)
        except Refused as refused:
            outcome, answer = "refused", refused.answer
        except Gone:
            outcome = "gone"
        except BadReview as bad:
            outcome, answer = "malformed", text(400, " ".join(str(bad).split()))
        except Exception as error:  # noqa: BLE001 - whatever review raises, one request fails and the server goes on
            self._show(entry, error)
            outcome, answer = "error", text(500, "internal error; see the log of the webhook")
        finally:
            self._bodies.free(body)
        self._counts.requests[entry.name, outcome] += 1
        return answer

    async def _judge(self, entry: _Entry, until: float, body: bytes) -> tuple[str, Answer]:
        in_flight = self._counts.in_flight
        budget = until - time.monotonic()
        if budget <= 0:
            return "overrun", Answer(200, self._busy(entry.name, body))
        if in_flight[entry.name] >= entry.most:
            return "busy", Answer(200, self._busy(entry.name, body))
        in_flight[entry.name] += 1
        try:
            async with asyncio.timeout(budget) as limit:
                return "answered", Answer(200, await self._review(entry.name, budget, body))
        except TimeoutError:
            if not limit.expired():
                raise
            return "overrun", Answer(200, self._busy(entry.name, body))
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            return "overrun", Answer(200, self._busy(entry.name, body))  # work shared with a review that overran
        finally:
            in_flight[entry.name] -= 1

    def _budget(self, scope: Scope) -> float:
        """Return how many seconds a review may take; raise ``Refused`` for what is not a review at all."""
        if scope["method"] != "POST":
            raise Refused(text(405, "send a POST", (b"allow", b"POST"), close=True))
        if _content_type(scope) != b"application/json":
            raise Refused(text(415, "content-type must be application/json", close=True))
        if self._config.client_certificates and not self._known(scope["state"]["client_name"]):
            raise Refused(text(401, "a client certificate that may ask for reviews is required", close=True))
        try:
            asked = duration.timeout(scope["query_string"])
        except ValueError as error:
            raise Refused(text(400, str(error), close=True)) from error
        seconds = min(asked or self._config.default_seconds, self._config.longest_seconds)
        return max(seconds - self._config.margin_seconds, seconds / 2)

    def _known(self, client: str | None) -> bool:
        names = self._config.client_names
        return client is not None and (not names or client in names)

    def _other(self, scope: Scope) -> Answer:
        if scope["path"] not in ("/healthz", "/readyz"):
            return text(404, "no such path", close=True)
        if scope["method"] not in ("GET", "HEAD"):
            return text(405, "send a GET", (b"allow", b"GET, HEAD"), close=True)
        if scope["path"] == "/healthz":
            return text(200, "ok")
        reasons = ["draining"] if self.draining else self._ready()
        return text(503, "\n".join(reasons)) if reasons else text(200, "ok")

    def _show(self, entry: _Entry, error: Exception) -> None:
        """Log an unexpected exception with its traceback, at most once a minute from the same place."""
        trace, line = error.__traceback__, 0
        while trace is not None:
            line, trace = trace.tb_lineno, trace.tb_next
        place, now = (type(error), line), time.monotonic()
        if now - self._shown.get(place, -_QUIET_SECONDS) >= _QUIET_SECONDS:
            self._shown[place] = now
            _log.error("review on %s failed; the request was answered with HTTP 500", entry.name, exc_info=error)


def _content_type(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"content-type":
            return bytes(value).partition(b";")[0].strip().lower()
    return b""


def _is_cancelled() -> bool:
    """Whether this very task is to end, not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

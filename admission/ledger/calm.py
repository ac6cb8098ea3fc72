"""How long the API server has answered without a hitch: what a proof of absence may rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class Unanswered(Exception):  # noqa: N818 (what the question was left as)
    """A question to the API server failed, or its answer came too late to prove anything."""


class Calm:
    """Asks, and remembers when asking last went wrong.

    A create that was admitted cannot be committed later than the API server's own bound on requests (34 s)
    plus what etcd takes for a proposal it already has.  Both hold only while the control plane runs.  So a
    question that fails, or is answered after more than ``slow`` seconds, starts every wait anew, and so does
    a stretch of ``gap`` seconds without a question: nothing is known of it (this process was stopped, say).
    """

    def __init__(self, clock: Callable[[], float], *, slow: float, gap: float) -> None:
        self._clock, self._slow, self._gap = clock, slow, gap
        self._since = float("-inf")
        self._asked = float("-inf")

    async def ask(self, question: Awaitable[T], *, long: bool = False) -> T:
        """Return the answer; a ``long`` question may take its time.

        Raises:
            Unanswered: it failed, or came late.

        """
        start = self._clock()
        if start - self._asked > self._gap:
            self._since = start
        self._asked = start
        try:
            answer = await question
        except Exception as error:
            # Whatever went wrong, there is no answer, and that is all that counts here.
            self._since = self._clock()
            raise Unanswered(str(error)) from error
        if not long and self._clock() - start > self._slow:
            self._since = self._clock()
            raise Unanswered(f"answered after more than {self._slow} s")
        return answer

    def lasted(self, since: float) -> float:
        """Return for how many seconds there was calm, counted from ``since`` at the earliest."""
        return self._clock() - max(since, self._since)

    def silence(self) -> float:
        """Return the seconds since anything was asked."""
        return self._clock() - self._asked

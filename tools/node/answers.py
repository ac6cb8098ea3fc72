"""What became of requests for pods, as the client saw it: right, or wrong in which way."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

CREATED, FORBIDDEN, TOO_MANY, INTERNAL = 201, 403, 429, 500


class Fate(StrEnum):
    """What became of a request."""

    Right = "right"
    """Admitted or denied, as the policy says."""
    TryAgain = "asked to try again"
    """Refused by us with that reason: nothing is lost, and nothing wrongly admitted."""
    Lost = "lost"
    """The API server had no answer from us, and refused."""
    APIServer = "the API server's own error"
    """It did not answer, or was not ready itself."""
    Unexplained = "unexplained"
    WronglyAdmitted = "wrongly admitted"


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it began and ended (monotonic seconds), and what came back; status 0 means no answer."""

    begun: float
    ended: float
    wanted: str | None
    """Words of the denial that is right; "" where only admission is, and None where either is."""
    status: int
    message: str

    @property
    def fate(self) -> Fate:
        """Say what became of it."""
        if self.status == CREATED:
            return Fate.WronglyAdmitted if self.wanted else Fate.Right
        if self.status == TOO_MANY or "[TryAgain" in self.message:
            return Fate.TryAgain
        if "failed calling webhook" in self.message:
            return Fate.Lost
        if self.status == FORBIDDEN and "denied the request" in self.message:
            return Fate.Right if self._is_wanted else Fate.Unexplained
        if self.status == 0 or self.status >= INTERNAL or "not yet ready to handle request" in self.message:
            return Fate.APIServer
        return Fate.Unexplained

    @property
    def _is_wanted(self) -> bool:
        """Say whether a denial is one that is right."""
        return self.wanted is None or (self.wanted != "" and self.wanted in self.message)


def fates(answers: Iterable[Answer]) -> Counter[Fate]:
    """Count what became of requests."""
    return Counter(answer.fate for answer in answers)


def between(answers: Iterable[Answer], begun: float, ended: float) -> list[Answer]:
    """Return the requests that were answered in a span of time."""
    return [answer for answer in answers if begun <= answer.ended < ended]


def summary(answers: Iterable[Answer]) -> str:
    """Say it in one line: the number, then each fate that occurred."""
    counted = fates(answers)
    named = ", ".join(f"{number} {fate}" for fate, number in sorted(counted.items(), key=lambda pair: -pair[1]))
    return f"{counted.total()} requests: {named or 'none'}"


def wrongs(answers: Iterable[Answer], since: float) -> list[str]:
    """Describe those that were not right, with their seconds after `since`."""
    return [
        f"{answer.begun - since:.1f}-{answer.ended - since:.1f} s {answer.fate}: {answer.status} {answer.message}"
        for answer in answers
        if answer.fate is not Fate.Right
    ]

"""What the API server's answer to a canary tells of the gate.

In the namespace of the canary a ResourceQuota admits no pod, and the API server asks it last: what it refuses has
passed every webhook and policy.  That a refusal is ours, and of this installation, shows by its reference, which
nobody can compute without a key of the installation.
"""

from __future__ import annotations

import datetime as dt
import enum
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from admission.demand.registration.entries import ENFORCED
from admission.review.reasons import PublicCode
from admission.review.reference import references_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from admission.enforce.canary.pods import Canary
    from admission.review.reference import Keys

REFUSED_BY = f'admission webhook "{ENFORCED}" denied the request: '
"""How the API server begins when it hands on what the enforced entry said."""

_FAILED = f'failed calling webhook "{ENFORCED}"'
_OF_OURS = re.compile(r'(?:admission|calling) webhook "[a-z]+\.computegate\.io"')
_REFERENCE = re.compile(r"\bref ([0-9a-f]{10})\b")
_POLICY = re.compile(r"\bValidatingAdmissionPolicy '([^']+)'")
_APART = dt.timedelta(minutes=5)
"""As far as the clocks of two replicas may be apart when an hour begins."""


class Outcome(enum.StrEnum):
    """What an answer tells."""

    Denied = "denied"
    """By us, as it must be."""
    Passed = "passed"
    """As it must, by all that is ours."""
    Admitted = "admitted"
    """The gate is open: nobody asked us, or nobody heard us."""
    Foreign = "foreign"
    """Denied in the name of our entry, but not by this installation."""
    Guarded = "guarded"
    """Denied by our policy in the API server, as the webhook would not have been asked."""
    Obstructed = "obstructed"
    """Something of ours stands in the way of a pod that is none of our business."""
    Unanswered = "unanswered"
    """The gate is closed, and nobody answers."""
    Waiting = "waiting"
    """We answer TryAgain: the gate is closed, and nothing is decided."""
    Obscured = "obscured"
    """Something else denied it before it could show."""
    Unreachable = "unreachable"
    """The API server did not answer."""


GOOD = frozenset({Outcome.Denied, Outcome.Passed})
UNKNOWN = frozenset({Outcome.Obscured, Outcome.Unreachable})
"""Nothing is known of the gate."""


class Answer(NamedTuple):
    """What the API server said: status 0 is no answer, "" and 201 that the pod was admitted."""

    status: int
    message: str = ""


class Mark(NamedTuple):
    """By what this installation knows itself: its keys, the canary's namespace with its quota, its own policies."""

    keys: Keys
    namespace: str
    policies: Collection[str]


def read(canary: Canary, answer: Answer, mark: Mark, now: dt.datetime) -> Outcome:
    """Return what an answer that came at ``now`` tells."""
    passed = _has_passed(answer, mark)
    if canary.reasons:
        return Outcome.Admitted if passed else _refused(canary, answer, mark, now)
    if passed:
        return Outcome.Passed
    ours = _OF_OURS.search(answer.message) or _is_guarded(answer, mark)
    return Outcome.Obstructed if ours else _elsewhere(answer)


def _has_passed(answer: Answer, mark: Mark) -> bool:
    """Whether it was admitted, or refused by the quota that is asked after everything of ours."""
    is_denial = _OF_OURS.search(answer.message) is not None
    of_quota = f"quota: {mark.namespace}," in answer.message
    return bool(answer.status) and not is_denial and (not answer.message or of_quota)


def _refused(canary: Canary, answer: Answer, mark: Mark, now: dt.datetime) -> Outcome:
    if answer.message.startswith(REFUSED_BY):
        if marks(canary, mark, now) & set(_REFERENCE.findall(answer.message)):
            return Outcome.Denied
        return Outcome.Waiting if f"[{PublicCode.TryAgain}]" in answer.message else Outcome.Foreign
    if _FAILED in answer.message:
        return Outcome.Unanswered
    return Outcome.Guarded if _is_guarded(answer, mark) else _elsewhere(answer)


def marks(canary: Canary, mark: Mark, now: dt.datetime) -> set[str]:
    """Return the references that a denial of ours can have about ``now``."""
    times = (now - _APART, now, now + _APART)
    return {
        reference
        for at in times
        for reference in references_of(mark.keys, "", mark.namespace, canary.reasons, at.astimezone(dt.UTC))
    }


def _is_guarded(answer: Answer, mark: Mark) -> bool:
    found = _POLICY.search(answer.message)
    return found is not None and found[1] in mark.policies


def _elsewhere(answer: Answer) -> Outcome:
    failed = answer.status in {0, HTTPStatus.TOO_MANY_REQUESTS} or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    foreign_webhook = "webhook" in answer.message
    return Outcome.Unreachable if failed and not foreign_webhook else Outcome.Obscured

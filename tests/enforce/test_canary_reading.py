"""What an answer of the API server tells of the gate."""

from __future__ import annotations

import datetime as dt

import pytest

from admission.enforce.canary.pods import CANARIES
from admission.enforce.canary.reading import Answer, Mark, Outcome, marks, read
from admission.review.reference import Keys

NOW = dt.datetime(2026, 11, 10, 11, 59, 58, tzinfo=dt.UTC)
MARK = Mark(Keys(b"key" * 11), "computegate-canary", ("computegate-narrowed",))
OTHER = MARK._replace(keys=Keys(b"other" * 7))
CHANGING = MARK._replace(keys=Keys(b"new" * 11, MARK.keys[:1]))
DEVICE, ACCESS, PLAIN = CANARIES
OURS = 'admission webhook "enforced.computegate.io" denied the request: '
QUOTA = 'pods "c" is forbidden: exceeded quota: computegate-canary, requested: pods=1, used: pods=0, limited: pods=0'
UNCOUNTED = 'pods "c" is forbidden: status unknown for quota: computegate-canary, resources: pods'
NARROWED = (
    "pods \"c\" is forbidden: ValidatingAdmissionPolicy 'computegate-narrowed' with binding 'computegate-narrowed' "
    "denied request: no params found for policy binding with `Deny` parameterNotFoundAction"
)


def denial(mark: Mark, at: dt.datetime = NOW, *, code: str = "NotPermitted") -> Answer:
    """Return a denial of the first canary by an installation, at its time."""
    (reference,) = marks(DEVICE, mark, at.replace(minute=30))
    return Answer(403, f"{OURS}[{code}] no; ref {reference}; access@example.com")


def failed(name: str, why: str = "failed to call webhook: EOF") -> Answer:
    return Answer(500, f'Internal error occurred: failed calling webhook "{name}": {why}')


@pytest.mark.parametrize(
    ("answer", "refused", "untouched"),
    [
        (Answer(201), Outcome.Admitted, Outcome.Passed),
        (Answer(403, QUOTA), Outcome.Admitted, Outcome.Passed),
        (Answer(403, UNCOUNTED), Outcome.Admitted, Outcome.Passed),
        (Answer(403, QUOTA.replace("computegate-canary", "team")), Outcome.Obscured, Outcome.Obscured),
        (
            Answer(403, f"{OURS}exceeded quota: computegate-canary, x [LimitReached]"),
            Outcome.Foreign,
            Outcome.Obstructed,
        ),
        (denial(MARK), Outcome.Denied, Outcome.Obstructed),
        (denial(MARK, NOW + dt.timedelta(hours=1)), Outcome.Denied, Outcome.Obstructed),
        (denial(MARK, NOW + dt.timedelta(hours=2)), Outcome.Foreign, Outcome.Obstructed),
        (denial(OTHER), Outcome.Foreign, Outcome.Obstructed),
        (Answer(403, f"{OURS}no"), Outcome.Foreign, Outcome.Obstructed),
        (Answer(429, f"{OURS}[TryAgain] access data is still loading"), Outcome.Waiting, Outcome.Obstructed),
        (denial(MARK, code="TryAgain"), Outcome.Denied, Outcome.Obstructed),
        (failed("enforced.computegate.io"), Outcome.Unanswered, Outcome.Obstructed),
        (failed("enforced.computegate.io", "x509: unknown authority"), Outcome.Unanswered, Outcome.Obstructed),
        (failed("validate.kyverno.svc"), Outcome.Obscured, Outcome.Obscured),
        (
            Answer(400, 'admission webhook "other.example.com" denied the request: image'),
            Outcome.Obscured,
            Outcome.Obscured,
        ),
        (Answer(403, NARROWED), Outcome.Guarded, Outcome.Obstructed),
        (Answer(403, NARROWED.replace("computegate-", "team-")), Outcome.Obscured, Outcome.Obscured),
        (Answer(403, 'User "s" cannot create resource "pods"'), Outcome.Obscured, Outcome.Obscured),
        (Answer(404, 'namespaces "computegate-canary" not found'), Outcome.Obscured, Outcome.Obscured),
        (Answer(429, "too many requests"), Outcome.Unreachable, Outcome.Unreachable),
        (Answer(504, "request did not complete"), Outcome.Unreachable, Outcome.Unreachable),
        (Answer(0, "no complete answer in time"), Outcome.Unreachable, Outcome.Unreachable),
    ],
)
def test_an_answer_tells(answer: Answer, refused: Outcome, untouched: Outcome) -> None:
    assert (refused, untouched) == (read(DEVICE, answer, MARK, NOW), read(PLAIN, answer, MARK, NOW))


def test_a_denial_of_one_canary_is_none_of_the_other() -> None:
    assert read(ACCESS, denial(MARK), MARK, NOW) is Outcome.Foreign


@pytest.mark.parametrize("key", CHANGING.keys.accepted + CHANGING.keys[:1])
def test_while_the_key_is_changed_a_denial_with_either_is_ours(key: bytes) -> None:
    assert read(DEVICE, denial(MARK._replace(keys=Keys(key))), CHANGING, NOW) is Outcome.Denied
    assert read(DEVICE, denial(OTHER), CHANGING, NOW) is Outcome.Foreign

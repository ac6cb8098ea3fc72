"""Which step is taken about a finding, since when, and until when: tables in which time is an input."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from admission.api.enforcement import Action, Breaker, Enforcement
from admission.api.policy import Mode
from admission.enforce.sweep import bounds
from admission.enforce.sweep.found import Found, due, entries_of, known
from admission.enforce.sweep.steps import Policy, acting, evicting
from admission.review.reasons import Reason

if TYPE_CHECKING:
    from admission.api.allowance import OwnFinding

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
EXPIRED, BYPASS = Reason.KYCExpired, Reason.DeviceBypass


def enforcement(*steps: dict[str, Any], name: str = "all", status: Any = None, **spec: Any) -> Enforcement:
    known = {"mode": "Enforce", "steps": list(steps) or [{"action": "Evict"}], **spec}
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
    return Enforcement.model_validate({"metadata": metadata, "spec": known, "status": status or {}})


def refer(reason: Reason, since: datetime) -> tuple[str, ...]:
    return (f"{reason}@{since.isoformat()}",)


def second(number: float) -> datetime:
    return NOW + timedelta(seconds=number)


STEPS: dict[str, tuple[list[Enforcement], Reason, Mode, tuple[str, int]]] = {
    "no Enforcement": ([], EXPIRED, Mode.Enforce, ("Report", 0)),
    "one that only tries": ([enforcement(mode="DryRun")], EXPIRED, Mode.Enforce, ("Report", 0)),
    "a step about everything": ([enforcement()], EXPIRED, Mode.Enforce, ("Evict", 86400)),
    "a step about everything, of a reason that must be named": (
        [enforcement()], BYPASS, Mode.Enforce, ("Report", 0),
    ),
    "its code alone does not name it": (
        [enforcement({"codes": ["NotPermitted"], "action": "Evict"})], BYPASS, Mode.Enforce, ("Report", 0),
    ),
    "a step that names it": (
        [enforcement({"reasons": ["DeviceBypass"], "action": "Warn"})], BYPASS, Mode.Enforce, ("Warn", 86400),
    ),
    "a step about another code": (
        [enforcement({"codes": ["LimitReached"], "action": "Evict"})], EXPIRED, Mode.Enforce, ("Report", 0),
    ),
    "what passes by itself": ([enforcement()], Reason.NotSynced, Mode.Enforce, ("Report", 0)),
    "where nothing is denied": ([enforcement()], EXPIRED, Mode.Observe, ("Report", 0)),
    "where tenants are warned": ([enforcement()], EXPIRED, Mode.Warn, ("Warn", 0)),
    "of two objects the stricter": (
        [enforcement({"action": "Warn"}), enforcement({"action": "StopAdmitting"}, name="other")],
        EXPIRED, Mode.Enforce, ("StopAdmitting", 86400),
    ),
    "of two evictions the one that waits less": (
        [enforcement({"action": "Evict", "gracePeriod": "1d12h"}, {"action": "Evict", "gracePeriod": "90m"})],
        EXPIRED, Mode.Enforce, ("Evict", 5400),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "reason", "mode", "expected"), STEPS.values(), ids=STEPS)
def test_the_strictest_step_is_taken(
    objects: list[Enforcement], reason: Reason, mode: Mode, expected: tuple[str, int]
) -> None:
    taken = Policy(acting(objects)).of(reason, mode)
    assert (taken.action, taken.grace) == expected


@pytest.mark.parametrize("word", ["NotSynced", "TryAgain"])
def test_no_step_is_about_what_passes_by_itself(word: str) -> None:
    for field in ("codes", "reasons"):
        with pytest.raises(pydantic.ValidationError):
            enforcement({field: [word]})


def found(*reasons: Reason, pods: int = 2) -> Found:
    made = Found()
    for _ in range(pods):
        made.take(frozenset(reasons), controlled=True)
    return made


def told(policy: Policy, moments: list[float], before: list[OwnFinding] | None = None) -> list[OwnFinding]:
    """Return what an Allowance says after each of these moments at which the same was found."""
    said = before or []
    for moment in moments:
        said = entries_of(found(EXPIRED), known(said, refer), policy, Mode.Enforce, now=second(moment), refer=refer)
    return said


def steps(**step: Any) -> Policy:
    return Policy([enforcement({"action": "Evict", **step})])


def test_the_deadline_is_told_when_it_is_found_and_stays() -> None:
    (once,) = told(steps(gracePeriod="1h"), [0.7])
    assert (once.since, once.deadline, once.pods) == (second(0), second(3600), 2)
    assert told(steps(gracePeriod="1h"), [0.7, 10, 3000, 4000]) == [once]
    assert due({EXPIRED: once}, second(3599.9)) == {}
    assert due({EXPIRED: once}, second(3600)) == {EXPIRED: second(3600)}


WITH_TIME: dict[str, tuple[list[tuple[Policy, float]], datetime | None]] = {
    "a shorter grace does not bring it forward": (
        [(steps(gracePeriod="1h"), 0), (steps(gracePeriod="1m"), 5)], second(3600),
    ),
    "a longer one puts it off": ([(steps(gracePeriod="1m"), 0), (steps(gracePeriod="1h"), 5)], second(3600)),
    "who was only warned so far is told first": (
        [(Policy([enforcement({"action": "Warn"})]), 0), (steps(gracePeriod="1h"), 90_000)], second(93_600),
    ),
    "no longer evicted, and again": (
        [(steps(gracePeriod="1h"), 0), (Policy([enforcement({"action": "Warn"})]), 10), (steps(gracePeriod="1h"), 20)],
        second(3620),
    ),
    "only warned": ([(Policy([enforcement({"action": "Warn"})]), 0)], None),
    "a clock that went back": ([(steps(gracePeriod="1h"), 0), (steps(gracePeriod="1h"), -9000)], second(3600)),
}  # fmt: skip


@pytest.mark.parametrize(("history", "deadline"), WITH_TIME.values(), ids=WITH_TIME)
def test_a_deadline_is_never_brought_forward(history: list[tuple[Policy, float]], deadline: datetime | None) -> None:
    said: list[OwnFinding] = []
    for policy, moment in history:
        said = told(policy, [moment], said)
    assert [entry.deadline for entry in said] == [deadline]


def test_what_ends_is_forgotten_and_begins_anew() -> None:
    policy = steps(gracePeriod="1h")
    said = told(policy, [0])
    nothing = entries_of(Found(), known(said, refer), policy, Mode.Enforce, now=second(60), refer=refer)
    assert nothing == []
    (again,) = told(policy, [4000], nothing)
    assert again.deadline == second(7600)


def test_of_another_tenant_nothing_is_taken_over() -> None:
    (said,) = told(steps(), [0])
    assert known([said], lambda reason, since: (f"other {refer(reason, since)}",)) == {}


def test_what_was_told_by_another_key_of_references_goes_on_as_it_was_told() -> None:
    (said,) = told(steps(), [0])

    def changed(reason: Reason, since: datetime) -> tuple[str, ...]:
        return f"new {reason}", *refer(reason, since)

    before = known([said], changed)
    (after,) = entries_of(found(EXPIRED), before, steps(), Mode.Enforce, now=second(60), refer=changed)
    assert after == said


def test_what_a_tenant_reads_is_the_code() -> None:
    (said,) = told(steps(), [0])
    hidden = said.model_copy(update={"reference": ""}).model_dump_json()
    assert str(EXPIRED.code) in hidden
    assert [str(reason) for reason in Reason if f'"{reason}"' in hidden and str(reason) != str(reason.code)] == []


def test_one_step_evicts_of_what_is_found_twice_over_each_pod_once() -> None:
    both = Found()
    both.take(frozenset({EXPIRED, Reason.ListedParty}), controlled=True)
    both.take(frozenset({EXPIRED}), controlled=True)
    both.take(frozenset(), controlled=True)
    assert (both.count({EXPIRED, Reason.ListedParty}), both.by_reason()[EXPIRED], both.controlled) == (2, 2, 3)


def attempts(*moments: tuple[float, int]) -> dict[str, Any]:
    return {"attempts": [{"at": second(at).isoformat(), "pods": pods} for at, pods in moments]}


PACES: dict[str, tuple[dict[str, Any], int]] = {
    "nothing yet": ({}, 5),
    "some a moment ago": (attempts((-1, 2)), 3),
    "all within a minute": (attempts((-59, 3), (-20, 2)), 0),
    "a second counts to its end": (attempts((-60, 5)), 0),
    "a minute later": (attempts((-61, 5)), 5),
    "by a clock that was ahead": (attempts((3600, 4)), 1),
    "a breaker that waits": ({"breaker": {"token": "9-ab", "at": NOW.isoformat(), "pods": 9, "of": 10}}, 0),
    "one that is confirmed": ({"breaker": {"token": "yes", "at": NOW.isoformat(), "pods": 9, "of": 10}}, 5),
    "one of which little is left": (
        {"breaker": {"token": "yes", "at": NOW.isoformat(), "pods": 9, "of": 10, "evicted": 7}},
        2,
    ),
}


@pytest.mark.parametrize(("status", "expected"), PACES.values(), ids=PACES)
def test_no_more_is_announced_than_is_free(status: dict[str, Any], expected: int) -> None:
    given = enforcement(status=status, evictionsPerMinute=5, confirmed="yes")
    assert bounds.free(given, NOW) == expected


def broken(status: Any = None, confirmed: str = "", *, due: int, of: int) -> Breaker | None:
    given = enforcement(status=status, mostShare=20, confirmed=confirmed)
    return bounds.breaker_after(given, due, of, second(100), covers_any=True)


def test_the_breaker_opens_above_the_share_and_never_for_one_pod() -> None:
    assert broken(due=20, of=100) is None
    assert broken(due=1, of=1) is None
    opened = broken(due=21, of=100)
    assert opened is not None
    assert (opened.pods, opened.of, opened.at, opened.evicted) == (21, 100, second(100), 0)


def test_the_breaker_is_confirmed_for_what_it_counted_and_for_nothing_that_came_since() -> None:
    opened = {"token": "21-ab", "at": NOW.isoformat(), "pods": 21, "of": 100, "evicted": 3}
    before = Breaker.model_validate(opened)
    assert broken({"breaker": opened}, due=21, of=100) == before
    more = broken({"breaker": opened}, due=30, of=100)
    assert more is not None
    assert (more.pods, more.token.partition("-")[0]) == (30, "30"), "it shows what would be confirmed"
    assert broken({"breaker": opened}, "21-ab", due=30, of=100) == before, "confirmed, it goes on with what it counted"
    assert not bounds.covers(before, second(1))
    spent = broken({"breaker": {**opened, "evicted": 21}}, "21-ab", due=30, of=100)
    assert spent is not None
    assert spent.pods == 30
    assert broken({"breaker": opened}, "21-ab", due=5, of=100) is None


def test_only_what_evicts_bounds_evictions() -> None:
    several = [enforcement({"action": "Warn"}), enforcement(name="b"), enforcement(name="c", mode="DryRun")]
    assert [each.name for each in evicting(several)] == ["b"]
    assert {Action.Report, Action.Warn, Action.StopAdmitting, Action.Evict} == set(Action)

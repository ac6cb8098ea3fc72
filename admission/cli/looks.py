"""What each condition of the installation rests on, as one replica sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.cli.alarm import sentence
from admission.enforce.audit.audit import Lack
from admission.enforce.canary.reading import GOOD, UNKNOWN
from admission.enforce.installation import Finding
from admission.review import alarms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from admission.cluster.clock import Clock
    from admission.enforce.alarm.watch import Problem
    from admission.enforce.audit.audit import Found
    from admission.enforce.canary.watch import Seen
    from admission.server.tls import Certificate


def good_unless(reason: str, good: str, problem: Callable[[], str]) -> Callable[[], Finding | None]:
    """Return the look at what is good unless there is a problem."""

    def look() -> Finding:
        text = problem()
        return Finding(holds=False, reason=reason, message=text) if text else Finding(holds=True, reason=good)

    return look


def intact(problems: Collection[Problem] | None) -> Finding | None:
    """Whether what was installed is there as it was."""
    if problems is None:
        return None
    if not problems:
        return Finding(holds=True, reason="Intact")
    broken = sorted(each for each in problems if each.problem != "unseen") or sorted(problems)
    holds = None if broken[0].problem == "unseen" else False
    return Finding(holds, f"Gate{broken[0].problem.capitalize()}", "; ".join(map(sentence, broken)))


def answers(seen: Mapping[str, Seen]) -> Finding | None:
    """Whether the canaries are answered as they must be; nothing is said before the first answer."""
    if not seen:
        return None
    bad = {name: each for name, each in sorted(seen.items()) if each.outcome not in GOOD}
    if not bad:
        return Finding(holds=True, reason="AsItMust")
    name, worst = min(bad.items(), key=lambda each: each[1].outcome in UNKNOWN)
    text = alarms.canary_answered(name, worst.outcome, worst.detail)
    return Finding(None if worst.outcome in UNKNOWN else False, f"Gate{worst.outcome.capitalize()}", text)


def audited(lacks: Mapping[Lack, Found] | None) -> Finding | None:
    """Whether the server has all that it needs."""
    if lacks is None:
        return None
    if not lacks:
        return Finding(holds=True, reason="NothingLacks")
    worst = min(lacks, key=lambda lack: (lack is Lack.Unseen, list(Lack).index(lack)))
    text = "; ".join(alarms.lacking(lack, found.detail) for lack, found in lacks.items())
    return Finding(None if worst is Lack.Unseen else False, f"Lacks{worst.capitalize()}", text)


def certified(certificate: Certificate | None, shared: Mapping[str, Callable[[], str]]) -> Finding | None:
    """Whether the served certificate is the current one, believed, renewed in time; ``shared`` may hinder it."""
    if certificate is None:
        return None
    if text := certificate.failure or certificate.problem():
        return Finding(holds=False, reason="CertificateUnusable", message=text)
    if text := certificate.ending():
        return Finding(holds=False, reason="CertificateEnds", message=text)
    for reason, problem in shared.items():
        if text := problem():
            return Finding(holds=False, reason=reason, message=text)
    return Finding(holds=True, reason="Current")


def right(clock: Clock) -> Finding | None:
    """Whether the time is known, and the machine's clock is right; nothing is said before the API server was heard."""
    if text := clock.problem():
        return Finding(holds=False, reason="ClockWrong", message=text)
    if text := clock.leap():
        return Finding(holds=False, reason="ClockLeapt", message=text)
    return Finding(holds=True, reason="Agrees") if clock.ahead() else None

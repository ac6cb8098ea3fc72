"""What was found in a namespace, and what its Allowance says of it from then on: since when, and until when.  Pure.

The Allowance is the only place where this is kept, so that a new leader goes on with the same instants.  A finding is
known again by its reference, which tells the operator the reason, and nobody else.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from admission.api.allowance import OwnFinding
from admission.api.enforcement import Action
from admission.enforce.sweep.termination import told_at
from admission.review.reasons import PublicCode, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from admission.api.policy import Mode
    from admission.enforce.sweep.steps import Policy, Taken
    from admission.review.pod import Pod

    Refer = Callable[[Reason, datetime], tuple[str, ...]]
    """The references that a finding can have, the one that is made first: of its reason, and of its beginning."""

MOST_OWNERS = 1000
"""Controllers of pods that are remembered of one namespace."""

MOST_NAMES = 10
"""Pods of one namespace that are named for the same reasons."""

FOUND = tuple(reason for reason in Reason if reason.code is not PublicCode.TryAgain)
"""Reasons that a finding can have."""


@dataclass(slots=True)
class Found:
    """The pods of one namespace, as they were judged last."""

    controlled: int = 0
    """Pods with controlled accelerators, without those that were told to end."""
    pods: Counter[frozenset[Reason]] = field(default_factory=Counter)
    """Pods by the reasons that each would be denied for; those without any are left out."""
    oldest: dict[frozenset[Reason], datetime] = field(default_factory=dict)
    """When the first of them was created, by the same."""
    ending: Counter[frozenset[Reason]] = field(default_factory=Counter)
    """Those of ``pods`` that were told to end, and have not ended yet."""
    ends: dict[str, tuple[Pod, frozenset[Reason]]] = field(default_factory=dict)
    """One of these of each controller, by its uid, as far as there is room."""
    told: list[datetime] = field(default_factory=list)
    """When pods of ``ending`` were told to, as far as there is room."""
    owners: set[str] = field(default_factory=set)
    """Uids of controllers of these pods, as far as there is room."""
    such_as: dict[frozenset[Reason], list[str]] = field(default_factory=dict, compare=False)
    """Names of the first of ``pods``."""

    def take(
        self,
        reasons: frozenset[Reason],
        *,
        controlled: bool,
        created: datetime | None = None,
        ends: Pod | None = None,
    ) -> None:
        """Count a pod; ``ends`` is itself where it was told to end: it is found, and nothing more is to be done."""
        self.controlled += controlled and ends is None
        if not reasons:
            return
        self.pods[reasons] += 1
        if ends is not None:
            self.ending[reasons] += 1
            told = told_at(ends)
            if told is not None and len(self.told) < MOST_OWNERS:
                self.told.append(told)
            if len(self.ends) < MOST_OWNERS:
                owners = (each.uid for each in ends.metadata.owner_references or () if each.controller)
                self.ends |= dict.fromkeys(owners, (ends, reasons))
        elif created is not None:
            self.oldest[reasons] = min(created, self.oldest.get(reasons, created))

    def keep(self, owners: Iterable[str]) -> None:
        """Note controllers of a pod."""
        if len(self.owners) < MOST_OWNERS:
            self.owners.update(owners)

    def name(self, reasons: frozenset[Reason], pod: str) -> None:
        """Note the name of a pod that was taken."""
        if reasons and len(names := self.such_as.setdefault(reasons, [])) < MOST_NAMES:
            names.append(pod)

    def names(self, reason: Reason) -> tuple[str, ...]:
        """Return pods that have a reason, in their order by name, as far as they were noted."""
        return tuple(
            sorted(name for reasons, names in self.such_as.items() if reason in reasons for name in names)[:MOST_NAMES]
        )

    def by_reason(self) -> Counter[Reason]:
        """Return the pods by reason; a pod counts for each that it has."""
        total: Counter[Reason] = Counter()
        for reasons, count in self.pods.items():
            total.update(dict.fromkeys(reasons, count))
        return total

    def count(self, among: Iterable[Reason]) -> int:
        """Return how many pods have one of some reasons, and were not told to end."""
        wanted = frozenset(among)
        return sum((self.pods - self.ending)[reasons] for reasons in self.pods if reasons & wanted)

    def has_before(self, among: Iterable[Reason], at: datetime) -> bool:
        """Say whether a pod that has one of some reasons was created by then."""
        wanted = frozenset(among)
        return any(created <= at for reasons, created in self.oldest.items() if reasons & wanted)


def known(entries: Iterable[OwnFinding], refer: Refer) -> dict[Reason, OwnFinding]:
    """Return what an Allowance says by reason; what cannot be told apart is not ours, or of another tenant."""
    found = {}
    for entry in entries:
        reason = reason_of(entry, refer)
        if reason is not None:
            found[reason] = entry
    return found


def reason_of(entry: OwnFinding, refer: Refer) -> Reason | None:
    """Return the reason behind a finding; None where there is none."""
    of_code = (reason for reason in FOUND if str(reason.code) == entry.code)
    return next((reason for reason in of_code if entry.reference in refer(reason, entry.since)), None)


def entries_of(
    found: Found, before: Mapping[Reason, OwnFinding], policy: Policy, mode: Mode, *, now: datetime, refer: Refer
) -> list[OwnFinding]:
    """Return what the Allowance is to say; what is no longer found is left out, and would begin anew.

    Neither does it say what is only reported: the time that a tenant has begins when it is told.
    """
    counts, made = found.by_reason(), []
    over = [entry for reason, entry in before.items() if reason not in counts]
    for reason, pods in counts.items():
        taken = policy.of(reason, mode)
        if taken.action is not Action.Report:
            # A tenant is told a code: another reason behind it gives nobody time anew.
            former = min((each for each in over if each.code == reason.code), key=lambda each: each.since, default=None)
            made.append(_entry(reason, pods, before.get(reason), former, taken, now=now, refer=refer))
    return sorted(made, key=lambda entry: (entry.since, entry.reference))


def _entry(
    reason: Reason,
    pods: int,
    before: OwnFinding | None,
    former: OwnFinding | None,
    taken: Taken,
    *,
    now: datetime,
    refer: Refer,
) -> OwnFinding:
    now, told = now.replace(microsecond=0), before or former
    since = told.since if told else now
    deadline = None
    if taken.action is Action.Evict:
        grace = timedelta(seconds=taken.grace)
        # What was announced is never brought forward, and who was only warned so far is told first.
        announced = told.deadline if told and told.deadline else now + grace
        deadline = max(announced, since + grace)
    return OwnFinding(
        reference=before.reference if before else refer(reason, since)[0],
        code=str(reason.code),
        action=taken.action,
        since=since,
        deadline=deadline,
        pods=pods,
    )


def due(entries: Mapping[Reason, OwnFinding], now: datetime) -> dict[Reason, datetime]:
    """Return the reasons whose deadline has passed, with it."""
    return {reason: entry.deadline for reason, entry in entries.items() if entry.deadline and is_late(entry, now)}


def is_late(entry: OwnFinding, now: datetime) -> bool:
    """Say whether the deadline of a finding has passed."""
    return entry.action is Action.Evict and entry.deadline is not None and entry.deadline <= now

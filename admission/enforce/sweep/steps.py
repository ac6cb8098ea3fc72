"""Which step is taken about a reason: the strictest that any Enforcement names, in a namespace of some mode.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from admission.api.enforcement import Action, DoneMode
from admission.api.policy import Mode
from admission.decide.duration import delay_of
from admission.review.reasons import PublicCode, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.api.enforcement import Enforcement, Step

NAMED_ONLY = frozenset({Reason.DeviceBypass, Reason.BeforeInstall, Reason.StaticPod})
"""Reasons for which no step acts that does not name them: no denial could have kept such pods out."""

ORDER = tuple(Action)
"""From the mildest to the strictest."""

_MOST = {Mode.Observe: Action.Report, Mode.Warn: Action.Warn, Mode.Enforce: Action.Evict}
"""The strictest that is done in a namespace: where nothing is denied, nothing is stopped."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What is done, and for how many seconds what is waited for before and at an eviction."""

    action: Action = Action.Report
    grace: int = 0
    respect: int = 0

    @property
    def strictness(self) -> tuple[int, int, int]:
        """Greater is stricter: the action first, then the shorter waits."""
        return ORDER.index(self.action), -self.grace, -self.respect

    def within(self, mode: Mode) -> Taken:
        """Return what of it is done in a namespace of a mode."""
        return self.upto(_MOST[mode])

    def upto(self, most: Action) -> Taken:
        """Return what of it is done where no more than some action is."""
        return self if ORDER.index(self.action) <= ORDER.index(most) else Taken(most)


class Granted(NamedTuple):
    """What the installation was granted to do to pods, and to what makes them."""

    evict: bool = True
    suspend: bool = True

    @property
    def most(self) -> Action:
        """The strictest action that can be taken: no deadline is promised that nothing comes of."""
        return Action.Evict if self.evict else Action.StopAdmitting


EVERYTHING = Granted()


class Policy:
    """The steps of some Enforcements, as far as ``most`` at most."""

    def __init__(self, enforcements: Iterable[Enforcement], most: Action = Action.Evict) -> None:
        steps = [step for each in enforcements for step in each.spec.steps]
        self._taken = {reason: _strictest(reason, steps).upto(most) for reason in Reason}

    def of(self, reason: Reason, mode: Mode = Mode.Enforce) -> Taken:
        """Return what is done about a reason in a namespace of a mode; reporting where no step is about it."""
        return self._taken[reason].within(mode)


def _strictest(reason: Reason, steps: Iterable[Step]) -> Taken:
    if reason.code is PublicCode.TryAgain:
        return Taken()
    about = (step for step in steps if is_about(step, reason))
    taken = (Taken(each.action, delay_of(each.grace_period), delay_of(each.respect_budgets_for)) for each in about)
    return max(taken, key=lambda each: each.strictness, default=Taken())


def is_about(step: Step, reason: Reason) -> bool:
    """Say whether a step is about findings of a reason."""
    if reason in step.reasons:
        return True
    if reason in NAMED_ONLY:
        return False
    return reason.code in step.codes or not (step.codes or step.reasons)


def acting(enforcements: Iterable[Enforcement]) -> tuple[Enforcement, ...]:
    """Return those that do what they say."""
    return tuple(each for each in enforcements if each.spec.mode is DoneMode.Enforce)


def evicting(enforcements: Iterable[Enforcement]) -> tuple[Enforcement, ...]:
    """Return those whose bounds evictions are under: they act, and some step of theirs evicts."""
    return tuple(each for each in acting(enforcements) if any(step.action is Action.Evict for step in each.spec.steps))

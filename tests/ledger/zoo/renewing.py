"""Bugs in what has no end and pays by tranches."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from admission.ledger import fold, hours, renewal, state
from tests.ledger import test_tranches
from tests.ledger.paid import shorten
from tests.ledger.renewing import RenewedWorld
from tests.ledger.zoo.bug import Bug, Patch

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.ledger.limits import Tally

WORLD = RenewedWorld(0, happens=())


def _timed(seed: Callable[[Patch], None]) -> Callable[[Patch], None]:
    def both(patch: Patch) -> None:
        shorten(patch)
        seed(patch)

    return both


def renewed_whatever_fits(patch: Patch) -> None:
    patch.setattr(renewal, "_fits", lambda *_: True)


def each_renewed_by_itself(patch: Patch) -> None:
    honest = renewal._fits

    def bug(due: Any, limits: Any, tally: Tally, now: int) -> bool:
        patch.setattr(tally, "pay", lambda *_: None)
        return honest(due, limits, tally, now)

    patch.setattr(renewal, "_fits", bug)


def unpaid_is_free(patch: Patch) -> None:
    patch.setattr(state.Hours, "overrun", lambda self, now: ())  # noqa: ARG005 (the method's)


def missed_costs_what_was_paid(patch: Patch) -> None:
    patch.setattr(fold, "outlived", lambda *_: Counter())


def first_hour_alone(patch: Patch) -> None:
    honest = hours.tranches_of

    def bug(before: state.Hours, *args: Any) -> Any:
        return {key: each for key, each in honest(before, *args).items() if key not in before.tranches}

    patch.setattr(fold, "tranches_of", bug)


def what_goes_on_keeps_its_tranche() -> None:
    """Run the row of the folds' table that tells."""
    goes_on = test_tranches.Ended(test_tranches.stay("a", test_tranches.NOW))
    _fold(goes_on, 9, (test_tranches.FIRST, 0))


def what_was_missed_may_have_gone_on() -> None:
    """Run the row of the folds' table that tells."""
    _fold(test_tranches.Ended(), 9 * hours.HOUR, (0, 9 * hours.HOUR))


def _fold(census: test_tranches.Ended, later: int, after: tuple[int, int]) -> None:
    now = test_tranches.NOW + later
    test_tranches.test_a_fold_keeps_what_goes_on_and_settles_what_does_not(census, now, after)


BUGS = (
    Bug("a next hour is paid whether it fits or not", "protocol: tranches", _timed(renewed_whatever_fits), WORLD),
    Bug("hours renewed together fit one by one", "protocol: tranches", _timed(each_renewed_by_itself), WORLD),
    Bug("what goes on unpaid is free for a while", "protocol: tranches", _timed(unpaid_is_free), WORLD),
    Bug(
        "what is missed costs what it had paid",
        "protocol: tranches",
        missed_costs_what_was_paid,
        test=what_was_missed_may_have_gone_on,
    ),
    Bug(
        "a fold forgets what was renewed",
        "protocol: tranches",
        first_hour_alone,
        test=what_goes_on_keeps_its_tranche,
    ),
)

"""Bugs in whom existing objects are charged to.  The simulated world attributes by itself, so named tests tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.ledger.pods import PodCensus
from tests.ledger import test_pods
from tests.ledger.zoo.bug import Bug, Patch

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from admission.decide.limits import Account
    from admission.decide.registry import Registry


def _known() -> Registry:
    return test_pods.registry.__wrapped__()  # type: ignore[no-any-return,attr-defined]  # the function behind the fixture


def todays_label(patch: Patch) -> None:
    honest = PodCensus.charges

    def bug(self: PodCensus, scope: str, promised: Collection[str] = ()) -> Mapping[Account, int]:
        for held in tuple(self._held.all()):
            governing, party = self.charging.home(held.namespace)
            self._held.put(held._replace(governing=governing, party=party, scopes=frozenset()))
        return honest(self, scope, promised)

    patch.setattr(PodCensus, "charges", bug)


def a_label_that_changes_later_moves_nothing() -> None:
    test_pods.test_a_label_that_changes_later_moves_nothing(_known())


def a_pod_is_charged_where_its_reservation_stands() -> None:
    test_pods.test_a_pod_is_charged_where_its_reservation_stands_whichever_is_seen_first(_known(), "pod")


def reservations_forgotten(patch: Patch) -> None:
    patch.setattr(PodCensus, "learn", lambda self, scope, inflight: None)  # noqa: ARG005 (the method's)


BUGS = (
    Bug(
        "the home is that of today's label",
        "protocol: sticky attribution",
        todays_label,
        test=a_label_that_changes_later_moves_nothing,
    ),
    Bug(
        "what a reservation named is not kept",
        "protocol: sticky attribution",
        reservations_forgotten,
        test=a_pod_is_charged_where_its_reservation_stands,
    ),
)

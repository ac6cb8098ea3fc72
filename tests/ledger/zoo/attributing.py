"""Bugs in whom existing objects are charged to.  The simulated world attributes by itself, so named tests tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.ledger import hours
from admission.ledger.charging import Charging
from admission.ledger.pods import PodCensus
from tests.ledger import test_moved_charges, test_moved_hours, test_pods
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


def reservations_follow_their_tenant(patch: Patch) -> None:
    patch.setattr(Charging, "_has_moved", lambda self, held: False)  # noqa: ARG005 (the method's)


def what_another_tenant_started_counts_where_it_was_reserved() -> None:
    test_moved_charges.test_what_another_tenant_started_in_a_namespace_counts_where_it_was_reserved_and_nowhere_else(
        "rival"
    )


def holds_of_todays_label(patch: Patch) -> None:
    patch.setattr(PodCensus, "_on_account_of", lambda self, party, held: held._replace(party=party))  # noqa: ARG005 (likewise)


def a_hold_stays_its_group_s() -> None:
    test_moved_hours.test_a_hold_stays_its_group_s_when_the_namespace_is_another_s_and_another_leads(ended=False)


def what_leaves_is_unused(patch: Patch) -> None:
    patch.setattr(hours, "_unseen", lambda *_: ())


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
    Bug(
        "a reservation follows its tenant unrecorded",
        "protocol: sticky attribution",
        reservations_follow_their_tenant,
        test=what_another_tenant_started_counts_where_it_was_reserved,
    ),
    Bug(
        "a hold is of whom today's label names",
        "protocol: sticky attribution",
        holds_of_todays_label,
        test=a_hold_stays_its_group_s,
    ),
    Bug(
        "what leaves with its tenant was never used",
        "protocol: unseen ends in full",
        what_leaves_is_unused,
        test=test_moved_hours.test_a_tenant_that_moves_pays_for_what_runs_in_both_places,
    ),
)

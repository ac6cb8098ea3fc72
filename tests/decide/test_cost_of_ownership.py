"""What a large ownership graph costs: when a Tenant changes, once, and nothing when it is asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from admission.decide.decide import decide
from admission.tenants.standing import standing_of
from tests.decide.questions import ALLOW, party, policy, rule, tenant, world
from tests.effort import lines_run

if TYPE_CHECKING:
    from admission.api.tenant import Tenant

COUNTRIES = ("DE", "FR", "US", "JP", "SG", "NL", "KR", "SE")


def _chain(parties: int) -> Tenant:
    """Return a tenant below a chain of so many, each of which owns the next one and some of the one after it."""
    ids = ["tenant", *(f"p-{number}" for number in range(parties))]
    known = [party(each, COUNTRIES[number % 8]) for number, each in enumerate(ids[1:])]
    for each in known[:-1]:
        each["type"] = "Entity"
    stated: list[dict[str, Any]] = []
    for below, one, other in zip(ids, ids[1:], [*ids[2:], ids[-1]], strict=False):
        stated.append({"owner": one, "owned": below, "share": {"exact": 80 if one != other else 100}})
        if one != other:
            stated.append({"owner": other, "owned": below, "share": {"minimum": 15, "maximum": 20}})
    return tenant(parties=known, ownership=stated)


RULES = policy(
    ALLOW,
    rule("owners", "Deny", ("OwnerHeadquarters", "In", "CN")),
    rule("listed", "Deny", ("Screening", "In", "Match")),
    beneficialOwnerThreshold=25,
)


def _lines_of_a_decision(parties: int) -> int:
    question = world(_chain(parties), RULES).question()
    decide(question)
    verdict, lines = lines_run(lambda: decide(question))
    assert verdict.reasons() == ()
    return lines


def test_a_decision_costs_the_same_however_many_stand_above_the_tenant() -> None:
    """Of as many countries, among which the governing one is found."""
    assert _lines_of_a_decision(200) == _lines_of_a_decision(len(COUNTRIES))


def test_twice_the_parties_cost_four_times_at_most_when_a_tenant_changes() -> None:
    half, whole = _chain(100), _chain(200)
    few, many = (lines_run(lambda each=each: standing_of(each))[1] for each in (half, whole))  # type: ignore[misc]
    assert many < 4.5 * few

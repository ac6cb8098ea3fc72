"""The figures by which an operator hears of an old list and of hits that nobody has judged."""

from __future__ import annotations

from admission.server.screening import screening_figures
from tests.decide.questions import NOW, policy, tenant, world
from tests.screening.test_screening import ALIKE, DAY, LEI, NUMBERED, TOLMAVIR, by, dismissal, screened


def test_the_oldest_list_every_state_and_the_hits_that_wait_are_shown() -> None:
    namesake = screened(tenant("namesake", **TOLMAVIR), by(ALIKE, as_of=NOW - 2 * DAY))
    tenants = (
        screened(tenant("clear"), by(ALIKE, as_of=NOW - DAY)),
        screened(tenant("old"), by(ALIKE, as_of=NOW - 9 * DAY)),
        screened(tenant("waits", **TOLMAVIR), by(ALIKE, as_of=NOW - DAY)),
        screened(tenant("listed", **LEI), by(NUMBERED, as_of=NOW - DAY)),
        tenant("never", status={"screening": None}),
    )
    terms = policy(name="terms", screening={"maxAge": "7d"})
    registry = world(*tenants, namesake, dismissal(namesake), terms).registry()
    shown = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in screening_figures(registry, NOW)
        for sample in metric.samples
    }
    assert shown == {
        ("computegate_screening_list_date_seconds",): (NOW - 9 * DAY).timestamp(),
        ("computegate_screening_tenants", "Clear"): 2,
        ("computegate_screening_tenants", "Candidate"): 1,
        ("computegate_screening_tenants", "Match"): 1,
        ("computegate_screening_tenants", "Unknown"): 2,
        ("computegate_screening_waiting_hits",): 1,
    }

"""What the records of Tenants should say next costs by Tenants, not by pairs of them."""

from __future__ import annotations

from admission.ledger.homes import (
    ChargedNamespace,
    ChargedParty,
    ChargedStatus,
    ChargedTenant,
    Homes,
    Record,
    TenantMeta,
)
from admission.ledger.moves import Facts, wanted
from tests.effort import lines_run

PLACE = frozenset({"DE"})
FEW, TIMES = 30, 6


def _homes(names: list[str]) -> Homes:
    homes = Homes()
    for version, name in enumerate(names, 1):
        status = ChargedStatus((ChargedParty(name, ("DE",)),), (ChargedNamespace(f"of-{name}", (name,)),))
        homes.take(ChargedTenant(TenantMeta(name, str(version)), status))
    return homes


def _facts(names: list[str]) -> Facts:
    """Everybody runs something, and has asked for more."""
    return Facts(
        residents={f"of-{name}": {name} for name in names},
        waiting={(f"of-{name}", name): PLACE for name in names},
        today=lambda namespace: ("DE", namespace.removeprefix("of-")),
        account=lambda tenant: tenant,
        governs=lambda _party: "DE",
        belongs=lambda scope, _party, places: scope in places,
        follows=lambda _party, _places: True,
        lingers=lambda _namespace: False,
    )


def _effort(count: int) -> tuple[int, int]:
    """Return how many records are wanted, and the lines that ran for them."""
    names = [f"tenant-{number}" for number in range(count)]
    homes, facts = _homes(names), _facts(names)
    records, lines = lines_run(lambda: wanted(homes, facts))
    assert records == {name: Record({name: PLACE}, {f"of-{name}": frozenset({name})}) for name in names}
    return len(records), lines


def test_the_records_of_six_times_as_many_tenants_take_about_six_times_as_much_work() -> None:
    few, least = _effort(FEW)
    many, most = _effort(FEW * TIMES)

    assert (few, many) == (FEW, FEW * TIMES)
    assert most <= least * TIMES * 1.2

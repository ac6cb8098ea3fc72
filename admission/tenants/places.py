"""Codes that look like countries and are none: each field with what is wrong, for whoever writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.catalogue.countries import COUNTRIES, OFTEN_MEANT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.api.accelerator import AcceleratorPool
    from admission.api.identity import Party, TenantSpec
    from admission.api.tenant import Tenant

_Path = tuple[str | int, ...]


def unknown_countries(tenant: Tenant) -> dict[_Path, str]:
    """Return what is wrong by the field that is, as a path in the Tenant; empty where every code is a country."""
    return {path: no_country(code) for path, code in _codes(tenant) if code is not None and code not in COUNTRIES}


def unknown_place(pool: AcceleratorPool) -> dict[_Path, str]:
    """Return likewise what is wrong with the place of a pool."""
    place = pool.spec.place
    if place is None or place.country in COUNTRIES:
        return {}
    return {("spec", "place", "country"): no_country(place.country)}


def _codes(tenant: Tenant) -> Iterator[tuple[_Path, str | None]]:
    yield from _of(tenant.spec, ("spec",))
    for number, party in enumerate(tenant.spec.parties):
        yield from _of(party, ("spec", "parties", number))
    for number, code in enumerate(tenant.status.access.countries if tenant.status.access else ()):
        yield ("status", "access", "countries", number), code


def _of(who: TenantSpec | Party, path: _Path) -> Iterator[tuple[_Path, str | None]]:
    yield (*path, "headquarters"), who.headquarters
    yield (*path, "incorporation"), who.incorporation


def no_country(code: str) -> str:
    """Say of a code that it is none, and which is often meant."""
    meant = f"; {OFTEN_MEANT[code]} is" if code in OFTEN_MEANT else ""
    return f"{code} is no country code of ISO 3166-1{meant}"

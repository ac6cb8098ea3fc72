"""Codes of a Tenant that look like countries and are none: each field with what is wrong, for whoever writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.catalogue.countries import COUNTRIES, OFTEN_MEANT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.api.identity import Party, TenantSpec

_Path = tuple[str | int, ...]


def unknown_countries(spec: TenantSpec) -> dict[_Path, str]:
    """Return what is wrong by the field that is, as a path in the Tenant; empty where every code is a country."""
    return {path: _said(code) for path, code in _codes(spec) if code is not None and code not in COUNTRIES}


def _codes(spec: TenantSpec) -> Iterator[tuple[_Path, str | None]]:
    yield from _of(spec, ("spec",))
    for number, party in enumerate(spec.parties):
        yield from _of(party, ("spec", "parties", number))


def _of(who: TenantSpec | Party, path: _Path) -> Iterator[tuple[_Path, str | None]]:
    yield (*path, "headquarters"), who.headquarters
    yield (*path, "incorporation"), who.incorporation


def _said(code: str) -> str:
    meant = f"; {OFTEN_MEANT[code]} is" if code in OFTEN_MEANT else ""
    return f"{code} is no country code of ISO 3166-1{meant}"

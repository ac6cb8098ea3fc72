"""A control plane of its own with everything installed, as the guards would bind every other test."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from admission.catalogue.countries import COUNTRIES
from admission.catalogue.jurisdictions import members
from tests.e2e.objects import examples, of, pool
from tests.e2e.world import World
from tools.controlplane import ControlPlane
from tools.installation import Installation
from tools.process import binaries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMED = frozenset(["AG", "CN", "DE", "FR", "IN", "JP", "KR", "LI", "MX", "SG", "TW", "ZA"])
"""Countries that the examples' objects or a test of the shared installation name."""

VALUES = {
    "webhook.bindings": "true",
    "kyc.receiver.enabled": "true",
    "kyc.receiver.providers[0].name": "generic",
    "kyc.receiver.existingSecret": "kyc-secrets",
}
"""What is installed besides the defaults."""

_concerned = frozenset[str]().union(
    *(members(group, datetime.now(UTC)) for group in ("ear-destinations", "ear-headquarters"))
)
_countries = iter(sorted(COUNTRIES - NAMED - _concerned))
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Return the installation in enforce, with one replica and the examples' rules and pools."""
    directory = tmp_path_factory.mktemp("e2e")
    ledger: dict[str, float] = {"rebuildSeconds": 1, "expireSeconds": 44}
    plane = ControlPlane(directory / "plane", gates=("GenericWorkload", "DRAWorkloadResourceClaims"))
    server = {"gate": {"graceSeconds": 1}}
    with plane, Installation(plane, directory / "gate", ledger=ledger, values=VALUES, server=server) as gate:
        World(gate).apply(
            *examples("policy", "pools"),
            of("AccessPolicy", "one-class", {"ambiguousClass": "Deny"}),
            pool("a100-warsaw", "a100-80gb", "PL"),
            pool("mystery-vienna", "mystery", "AT", "example.com/mystery"),
        )
        yield gate


@pytest.fixture(scope="session")
def world(installed: Installation) -> World:
    """Return the shared installation."""
    return World(installed)


@pytest.fixture
def country() -> str:
    """Return a country that no other test has, and no rule concerns: so that no two share a ledger."""
    return next(_countries)


@pytest.fixture
def unique() -> str:
    """Return a name that no other test has, and no chip either."""
    return f"u{next(_numbers)}"


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Return the path of promtool."""
    return binaries("promtool")["promtool"]

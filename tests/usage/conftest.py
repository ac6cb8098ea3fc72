"""A control plane with our journals and Tenants and no controllers: binding, and how pods end, are the tests' own."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.controlplane import ControlPlane
from tools.kubectl import Kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def usage_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Return a control plane of its own, as every test begins without a journal."""
    with ControlPlane(tmp_path_factory.mktemp("usage-plane"), controllers=()) as plane:
        kubectl = Kubectl(plane)
        for kind in ("usagejournals", "tenants"):
            kubectl("apply", "-f", Path(f"charts/computegate/files/crds/{kind}.yaml"))
            kubectl("wait", "--for=condition=Established", f"crd/{kind}.computegate.io", "--timeout=30s")
        yield plane


@pytest.fixture
def team(usage_plane: ControlPlane) -> str:
    """Return a new namespace in which pods can be created."""
    name = f"team-{next(_numbers)}"
    kubectl = Kubectl(usage_plane)
    kubectl("create", "namespace", name)
    kubectl("create", "serviceaccount", "default", "-n", name)
    return name

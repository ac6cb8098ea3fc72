"""One release for all tests of this folder: each file begins by installing what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.upgrade.release import Release
from tools.controlplane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="package")
def release(tmp_path_factory: pytest.TempPathFactory, helm: Path) -> Iterator[Release]:
    directory = tmp_path_factory.mktemp("release")
    with ControlPlane(directory, controllers=["kube-controller-manager"]) as plane:
        yield Release(plane, helm)

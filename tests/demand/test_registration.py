"""The chart's registration is what the tables say."""

from __future__ import annotations

from pathlib import Path

from admission.catalogue.resources import ResourceRole, _entries, harmless, role
from admission.demand.registration.__main__ import written
from admission.demand.registration.entries import ENTRIES, registration

CHART = Path(__file__).resolve().parents[2] / "charts" / "computegate"


def test_the_chart_takes_up_what_the_tables_say() -> None:
    assert (CHART / "files" / "registration.yaml").read_text() == written(registration())


def test_no_entry_is_for_all_of_a_resource() -> None:
    assert [entry.resource for entry in ENTRIES if "*" in entry.resource] == []


def test_a_beginning_is_harmless_only_if_every_name_that_has_it_is() -> None:
    names, beginnings = harmless()
    accelerators = [name for name, found in _entries() if found.kind is not ResourceRole.HARMLESS]
    assert [name for name in accelerators if name in names or name.startswith(beginnings)] == []
    assert {role(name).kind for name in names} == {ResourceRole.HARMLESS}
    assert {role(f"{beginning}{rest}").kind for beginning in beginnings for rest in ("", "x", "gpu")} == {
        ResourceRole.HARMLESS
    }

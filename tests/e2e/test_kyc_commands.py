"""Clearances from a file, and Tenants taken to another cluster or back after a restore, on a real control plane."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.objects import tenant
from tests.e2e.receivers import computegate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.world import World

OF_THEN = "2026-11-01T00:00:00Z"


@pytest.fixture
def names(world: World, unique: str, country: str) -> tuple[str, str]:
    """Two Tenants that were never verified."""
    first, second = f"{unique}-a", f"{unique}-b"
    world.apply(tenant(first, country, kyc={}), tenant(second, country, kyc={}))
    return first, second


def stored(world: World, name: str) -> dict[str, Any]:
    return world.get("tenants.computegate.io", name)


def kyc(world: World, name: str) -> dict[str, Any]:
    return dict(stored(world, name).get("status", {}).get("kyc", {}))


def write(world: World, name: str, status: dict[str, Any]) -> None:
    patch = ("patch", "tenants.computegate.io", name, "--type=merge", "--subresource=status", "-p")
    world.kubectl(*patch, json.dumps({"status": status}))


def digest(world: World, name: str) -> str:
    return str(stored(world, name)["status"]["standing"]["identityDigest"])


def table(world: World, names: tuple[str, str], second: str = "Suspended") -> str:
    first = f"{names[0]},Verified,2,{OF_THEN},2035-01-01T00:00:00Z,{digest(world, names[0])},by-hand,file-1"
    return f"tenant,state,level,verifiedAt,expiresAt,covers,provider,reference\n{first}\n{names[1]},{second},,,,,,\n"


def test_a_file_is_tried_and_then_written(world: World, names: tuple[str, str]) -> None:
    text = table(world, names)
    tried = computegate(world, "kyc", "import", "-", "--dry-run", stdin=text)
    assert (tried.returncode, tried.stderr) == (0, "2 would be written\n")
    assert (kyc(world, names[0]), kyc(world, names[1])) == ({}, {})
    done = computegate(world, "kyc", "import", "-", stdin=text)
    assert (done.returncode, done.stderr) == (0, "2 were written\n")
    assert [line.split()[:3] for line in done.stdout.splitlines()] == [
        ["TENANT", "WAS", "BECOMES"],
        [names[0], "-", "Verified"],
        [names[1], "-", "Suspended"],
    ]
    written = kyc(world, names[0])
    assert (written["state"], written["level"], written["reference"]) == ("Verified", 2, "file-1")
    assert written["asOf"] == written["verifiedAt"] == OF_THEN
    again = computegate(world, "kyc", "import", "-", stdin=text)
    assert again.stdout.splitlines()[1].split() == [names[0], "Verified", "-", "(repeated)", "-", "-"]


REFUSED: list[tuple[str, dict[str, Any], str, int]] = [
    ("Verified", {}, "expiresAt: a clearance needs an end", 2),
    ("Pending", {"state": "Revoked"}, "3: Revoked is not lifted by a provider or an import", 1),
    ("NeedsReview", {"state": "Rejected"}, "3: Rejected does not become NeedsReview, only Pending", 1),
    ("Pending", {"state": "Pending", "asOf": "2099-01-01T00:00:00Z"}, "3: asOf: the cluster's clearance of 2099", 1),
]


@pytest.mark.parametrize("refusal", REFUSED, ids=lambda refusal: refusal[0])
def test_one_row_that_is_refused_keeps_all_others_from_being_written(
    world: World, names: tuple[str, str], refusal: tuple[str, dict[str, Any], str, int]
) -> None:
    state, known, said, code = refusal
    if known:
        write(world, names[1], {"kyc": known})
    done = computegate(world, "kyc", "import", "-", stdin=table(world, names, state))
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.endswith("1 problems; nothing was written\n")
    assert kyc(world, names[0]) == {}


def again(world: World, name: str) -> None:
    """Delete a Tenant and create it with the same facts, as most ways to restore do: its status is lost."""
    before = stored(world, name)
    world.kubectl("delete", "tenants.computegate.io", name)
    bare = {**before, "metadata": {"name": name}, "status": {}}
    world.kubectl("create", "-f", "-", stdin=json.dumps(bare))


def exported(world: World, *names: str) -> list[dict[str, Any]]:
    done = computegate(world, "tenants", "export", *names)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def imported(world: World, folder: Path, documents: list[dict[str, Any]], *flags: str) -> tuple[int, str, str]:
    file = folder / "tenants.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    done = computegate(world, "tenants", "import", "-f", str(file), *flags)
    return done.returncode, done.stdout, done.stderr


def test_a_restore_that_dropped_the_status_is_mended(world: World, names: tuple[str, str], tmp_path: Path) -> None:
    name = names[0]
    computegate(world, "kyc", "import", "-", stdin=table(world, names))
    write(world, name, {"access": {"countries": ["DE"], "asOf": OF_THEN}})
    before = stored(world, name)
    documents = exported(world, *names)
    world.kubectl("delete", "tenants.computegate.io", name)
    again(world, names[1])
    code, shown, said = imported(world, tmp_path, documents, "--dry-run")
    assert (code, said) == (0, "2 would be written\n")
    assert not stored(world, name)
    code, shown, said = imported(world, tmp_path, documents)
    assert (code, said) == (0, "2 were written\n")
    assert shown.splitlines()[1].split()[:2] == [name, "Verified"]
    assert "d ago" in shown.splitlines()[1]
    after = stored(world, name)
    assert after["spec"] == before["spec"]
    assert {part: after["status"][part] for part in ("kyc", "screening", "access")} == {
        part: before["status"][part] for part in ("kyc", "screening", "access")
    }
    assert kyc(world, names[1])["state"] == "Suspended"
    assert imported(world, tmp_path, documents)[2] == "0 were written\n"


def _other_facts(world: World, name: str, _document: dict[str, Any]) -> None:
    patch = json.dumps({"spec": {"legalName": "Renamed Compute Ltd."}})
    world.kubectl("patch", "tenants.computegate.io", name, "--type=merge", "-p", patch)


def _edited(_world: World, _name: str, document: dict[str, Any]) -> None:
    document["spec"]["legalName"] = "Renamed Compute Ltd."


def _newer(world: World, name: str, _document: dict[str, Any]) -> None:
    write(world, name, {"kyc": {"state": "NeedsReview", "asOf": "2026-11-20T00:00:00Z"}})


def _suspended(world: World, name: str, document: dict[str, Any]) -> None:
    write(world, name, {"kyc": {"state": "Suspended"}})
    document["status"]["kyc"]["asOf"] = "2026-11-21T00:00:00Z"


def _future(_world: World, _name: str, document: dict[str, Any]) -> None:
    document["status"]["kyc"]["verifiedAt"] = "2098-01-01T00:00:00Z"


CHANGES = [
    (_other_facts, "the Tenant in the cluster has other facts"),
    (_edited, "spec: its facts are not those that were exported"),
    (_newer, "the cluster's clearance of 2026-11-20T00:00:00+00:00 is not older than this one"),
    (_future, "verifiedAt: 2098-01-01T00:00:00+00:00 lies ahead"),
    (_suspended, "Suspended is not lifted by a provider or an import"),
]


@pytest.mark.parametrize(("change", "said"), CHANGES, ids=["facts", "edited", "newer", "future", "suspended"])
def test_an_export_that_no_longer_fits_is_refused_whole(
    world: World, names: tuple[str, str], tmp_path: Path, change: Any, said: str
) -> None:
    computegate(world, "kyc", "import", "-", stdin=table(world, names))
    documents = exported(world, *names)
    again(world, names[1])
    change(world, names[0], documents[0])
    code, _, refused = imported(world, tmp_path, documents)
    assert code == 1
    assert said in refused
    assert kyc(world, names[1]) == {}, "all of it, or none"


def test_what_cannot_be_exported_or_read_is_named(world: World, tmp_path: Path) -> None:
    missing = computegate(world, "tenants", "export", "nobody-here")
    assert (missing.returncode, missing.stderr) == (2, "computegate tenants: there is no Tenant nobody-here\n")
    broken = {
        "apiVersion": "computegate.io/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": "x"},
        "spec": {"kind": "A"},
    }
    code, _, said = imported(world, tmp_path, [broken])
    assert code == 2
    assert "tenants.yaml[0] Tenant: spec.legalName: Field required" in said
    other = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}
    assert imported(world, tmp_path, [other])[::2] == (2, "computegate tenants: no Tenant in these files\n")
    fine = broken | {"spec": {"legalName": "X Ltd.", "kind": "Company"}}
    assert "[1] Tenant: x stands in" in imported(world, tmp_path, [fine, fine])[2]
    gone = computegate(world, "kyc", "request", "nobody-here")
    assert (gone.returncode, gone.stderr) == (2, "computegate kyc request: there is no Tenant nobody-here\n")

"""An object stands once in files: of two it would be the last that counts, and nobody would see it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import yaml

from admission.catalogue.catalogue import Catalogue
from admission.cli.main import main
from admission.cli.standalone import FolderSource
from admission.decide.registry import Registry
from admission.server.settings import Settings
from tests.decide.questions import ALLOW, policy, rule, tenant

if TYPE_CHECKING:
    import pathlib

    from admission.api.object import Object

POD = """
apiVersion: v1
kind: Pod
metadata: {name: train, namespace: lab}
spec: {containers: [{name: c, resources: {limits: {nvidia.com/h100: "1"}}}]}
"""
NODE = "apiVersion: v1\nkind: Node\nmetadata: {name: n1, labels: {nvidia.com/gpu.product: NVIDIA-H100-80GB-HBM3}}\n"
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: lab, labels: {computegate.io/tenant: acme}}\n"
CLAIM = "apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {name: one, namespace: NS}\nspec: {}\n"
CHIP = "apiVersion: computegate.io/v1alpha1\nkind: AcceleratorClass\nmetadata: {name: ours}\nspec: {}\n"


def text(obj: Object) -> str:
    return yaml.safe_dump({**obj.model_dump(mode="json", by_alias=True), "metadata": {"name": obj.name}})


DENYING, OPEN = (policy(*rules, name="own") for rules in ((ALLOW, rule("no", "Deny")), (ALLOW,)))
TWICE = {
    "a policy, the second without its denial": (text(DENYING), text(OPEN), "AccessPolicy own"),
    "a tenant, the second of another country": (text(tenant()), text(tenant(headquarters="SG")), "Tenant acme"),
    "a node, the second of another chip": (NODE, NODE.replace("H100-80GB-HBM3", "T4"), "Node n1"),
    "a namespace, the second of another tenant": (NAMESPACE, NAMESPACE.replace("acme", "b"), "Namespace lab"),
    "a claim": (CLAIM.replace("NS", "lab"), CLAIM.replace("NS", "lab"), "ResourceClaim one"),
    "a claim in the namespace that none is named of": (
        CLAIM.replace(", namespace: NS", ""),
        CLAIM.replace("NS", "default"),
        "ResourceClaim one",
    ),
    "word for word": (CHIP, CHIP, "AcceleratorClass ours"),
}


@pytest.mark.parametrize(("first", "second", "named"), TWICE.values(), ids=TWICE)
def test_an_object_that_stands_twice_is_refused_with_the_places_of_both(
    tmp_path: pathlib.Path, first: str, second: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(POD + "---\n" + first)
    (tmp_path / "b.yaml").write_text("# a second file\n" + second)

    assert main(["check", "-f", str(tmp_path)]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    before, after = (f"{tmp_path}/{place} line {_line(tmp_path / place[:6])}" for place in ("a.yaml[1]", "b.yaml[0]"))
    assert told == f"computegate check: {after} {named}: stands already in {before}; leave one"


def _line(file: pathlib.Path) -> int:
    """Return the line of the name in the last metadata of a file."""
    lines = file.read_text().splitlines()
    begin = max(place for place, line in enumerate(lines) if line.startswith("metadata:"))
    return next(place for place, line in enumerate(lines, 1) if place > begin and "name: " in line)


def test_pods_may_stand_twice_and_so_may_names_of_other_kinds_and_namespaces(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claims = (CLAIM.replace("NS", name) for name in ("lab", "other"))
    same = text(policy(ALLOW, name="acme"))
    (tmp_path / "a.yaml").write_text("---\n".join((POD, POD, text(tenant()), same, NAMESPACE, *claims)))

    assert main(["check", "-f", str(tmp_path)]) in {0, 1}
    assert "stands already" not in capsys.readouterr().err


def test_the_catalogue_and_standalone_mode_refuse_it_too(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.yaml").write_text(f"{CHIP}---\n{CHIP}")
    assert main(["catalogue", "-f", str(tmp_path)]) == 2
    assert "AcceleratorClass ours: stands already in" in capsys.readouterr().err
    source = FolderSource(tmp_path, Registry(Catalogue.builtin()), Settings(tls={"certFile": "/nowhere/tls.crt"}))
    with caplog.at_level(logging.WARNING):
        source._reload()  # what it does whenever the folder has changed
    assert "the objects stay as they were" in caplog.text
    assert "stands already in" in caplog.text

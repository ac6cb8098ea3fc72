"""The bill of materials lists what is installed, and is the same for the same contents."""

import importlib.metadata
import json
import sysconfig
from pathlib import Path

from tools.image.sbom import document
from tools.image.system import Package, System

PACKAGES = Path(sysconfig.get_path("purelib"))
ZLIB = Package("zlib1g", "1:1.3.dfsg+really1.3.1-1", "amd64", "zlib", "1:1.3.dfsg+really1.3.1-1", "Package: zlib1g\n")
SYSTEM = System((ZLIB,), "debian", "13", "3.13.15")
MADE = 1767225600


def test_every_installed_package_stands_in_it_once_with_its_version() -> None:
    bill = json.loads(document(PACKAGES, SYSTEM, MADE))
    listed = [bill["metadata"]["component"], *bill["components"]]
    found = sorted(each["purl"] for each in listed if each["purl"].startswith("pkg:pypi/"))
    installed = importlib.metadata.distributions(path=[str(PACKAGES)])
    names = {f"pkg:pypi/{each.name.lower().replace('_', '-').replace('.', '-')}@{each.version}" for each in installed}
    assert sorted(names) == found


def test_what_a_wheel_has_in_it_of_others_stands_below_it() -> None:
    bill = json.loads(document(PACKAGES, SYSTEM, MADE))
    nested = {each["name"]: each.get("components", []) for each in bill["components"]}
    brought = {name: {part["name"] for part in parts} for name, parts in nested.items()}
    assert "openssl" in brought["cryptography"], "another one than Debian's, and what checks our certificates"
    assert "pyo3" in brought["pydantic-core"]
    references = [part["bom-ref"] for parts in nested.values() for part in parts]
    assert len(set(references)) == len(references)


def test_packages_of_the_system_and_the_interpreter_are_named_as_advisories_name_them() -> None:
    bill = json.loads(document(PACKAGES, SYSTEM, MADE))
    others = {each["name"]: each for each in bill["components"] if not each["purl"].startswith("pkg:pypi/")}
    url = "pkg:deb/debian/zlib1g@1%3A1.3.dfsg%2Breally1.3.1-1?arch=amd64&distro=debian-13&upstream=zlib"
    assert url == others["zlib1g"]["purl"]
    assert others["python"]["cpe"] == "cpe:2.3:a:python:python:3.13.15:*:*:*:*:*:*:*"
    assert bill["metadata"]["timestamp"] == "2026-01-01T00:00:00Z"


def test_the_same_contents_give_the_same_text_and_others_another_serial_number() -> None:
    again = System((ZLIB,), "debian", "13", "3.13.16")
    assert document(PACKAGES, SYSTEM, MADE) == document(PACKAGES, SYSTEM, MADE)
    assert serial(SYSTEM) != serial(again)


def serial(system: System) -> str:
    return str(json.loads(document(PACKAGES, system, MADE))["serialNumber"])

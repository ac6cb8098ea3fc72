"""The software bill of materials of the image, as CycloneDX 1.6: what is installed, read from what is there."""

import datetime as dt
import importlib.metadata
import json
import re
import uuid
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tools.image.system import Package, System

PRODUCT = "computegate"
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 9562: of names that are URLs

_KEPT = ("type", "name", "version", "purl", "cpe", "hashes", "licenses")
"""What is taken of a component of another bill: what advisories are found by, and under which terms it is."""

Component = dict[str, Any]


def document(packages: Path, system: System, made: int) -> str:
    """Return the bill of the Python packages in `packages` and of the system, made `made` seconds after 1970.

    The same contents give the same text: its serial number is computed from them.
    """
    found = sorted(map(python_component, importlib.metadata.distributions(path=[str(packages)])), key=_reference)
    product = next(each for each in found if each["name"] == PRODUCT)
    others = [each for each in found if each is not product]
    components = [*others, *interpreter(system), *(debian_component(each, system) for each in system.packages)]
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": dt.datetime.fromtimestamp(made, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {**product, "type": "container"},
        },
        "components": components,
        "dependencies": [{"ref": _reference(product), "dependsOn": sorted(map(_reference, components))}],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(bill, sort_keys=True)).urn
    return json.dumps({**bill, "serialNumber": serial}, indent=2) + "\n"


def python_component(distribution: Distribution) -> Component:
    """Return the component of an installed Python package."""
    name = re.sub(r"[-_.]+", "-", distribution.name).lower()
    found = _component(name, distribution.version, f"pkg:pypi/{name}@{distribution.version}", _licence(distribution))
    brought = _brought(distribution, _reference(found))
    return {**found, "components": brought} if brought else found


def _brought(distribution: Distribution, owner: str) -> list[Component]:
    """Return what a wheel has in it of others, by the CycloneDX bills that it brings (PEP 770), each once."""
    bills = [each for each in distribution.files or () if each.parent.name == "sboms" and each.suffix == ".json"]
    found: dict[str, Component] = {}
    for bill in map(json.loads, (each.read_text() for each in bills)):
        for each in bill.get("components", ()) if bill.get("bomFormat") == "CycloneDX" else ():
            known = {key: each[key] for key in _KEPT if key in each}
            reference = f"{owner}#{each.get('purl', each['name'])}"
            found[reference] = {"bom-ref": reference, **known}
    return [found[reference] for reference in sorted(found)]


def debian_component(package: Package, system: System) -> Component:
    """Return the component of a Debian package; advisories name its source package."""
    about = f"arch={package.architecture}&distro={system.distribution}-{system.release}&upstream={package.source}"
    url = f"pkg:deb/{system.distribution}/{package.name}@{quote(package.version, safe='')}?{about}"
    return _component(package.name, package.version, url)


def interpreter(system: System) -> list[Component]:
    """Return the component of an interpreter that no package brought."""
    if system.python is None:
        return []
    cpe = f"cpe:2.3:a:python:python:{system.python}:*:*:*:*:*:*:*"
    return [{**_component("python", system.python, f"pkg:generic/python@{system.python}"), "cpe": cpe}]


def _component(name: str, version: str, url: str, licences: list[Component] | None = None) -> Component:
    known = {"licenses": licences} if licences else {}
    return {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url, **known}


def _reference(component: Component) -> str:
    return str(component["bom-ref"])


def _licence(distribution: Distribution) -> list[Component]:
    """Return the licence as its metadata names it; an old field may hold the whole text, which names nothing."""
    said = distribution.metadata.json
    if expression := said.get("license_expression"):
        return [{"expression": expression}]
    named = str(said.get("license", ""))
    return [{"license": {"name": named}}] if named and "\n" not in named else []

"""A later version of computegate, for an upgrade and a rollback between two: `python -m tools.node.later FOLDER`.

The sources as they are, with another version number, and one optional field more in the CRD of Tenants, which is what
a later version may add.
"""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
SOURCES = ROOT / "dist" / "later" / "source"
ARCHIVE = ROOT / "dist" / "later" / "image.tar"
VERSION, FIELD = "99.0.0", "laterField"
_BUILT_FROM = ("Dockerfile", "LICENSE", "README.md", "pyproject.toml", "admission", "charts", "requirements", "tools")


def write(folder: Path) -> Path:
    """Write the later version's sources into a folder, anew, and return it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in _BUILT_FROM:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    program = folder / "admission" / "__init__.py"
    program.write_text(re.sub(r'(__version__ = )".*"', rf'\1"{VERSION}"', program.read_text()))
    about = chart(folder) / "Chart.yaml"
    about.write_text(re.sub(r"(?m)^(version|appVersion):.*$", rf"\1: {VERSION}", about.read_text()))
    path = chart(folder) / "files" / "crds" / "tenants.yaml"
    crd = yaml.safe_load(path.read_text())
    fields(crd)[FIELD] = {"type": "string", "maxLength": 63, "description": "A field of a later version."}
    path.write_text(yaml.safe_dump(crd, sort_keys=False))
    return folder


def chart(folder: Path) -> Path:
    """Return the chart among the sources in a folder."""
    return folder / "charts" / "computegate"


def fields(crd: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that a CRD has in `spec`."""
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    found: dict[str, Any] = schema["properties"]["spec"]["properties"]
    return found


if __name__ == "__main__":
    write(Path(sys.argv[1]))

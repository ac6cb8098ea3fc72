"""A later version of computegate, for an upgrade and a rollback between two: `python -m tools.node.later FOLDER`.

The sources as they are, with another version number, and with what a later version may add: an optional field of
Tenants, in the model, in the CRD and among what kubectl prints; and ledgers that are packed however small they are,
which is another format than the one in which this version writes them, and one that both read.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
SOURCES = ROOT / "dist" / "later" / "source"
ARCHIVE = ROOT / "dist" / "later" / "image.tar"
VERSION, FIELD = "99.0.0", "laterField"
LEDGER_FORMAT = 3
"""In which it writes ledgers."""
_BUILT_FROM = ("Dockerfile", "LICENSE", "README.md", "pyproject.toml", "admission", "charts", "requirements", "tools")
_CHART = Path("charts", "computegate")


class Edit(NamedTuple):
    """What is found, by a regular expression, in a file of the sources, and what takes its place there."""

    path: Path
    found: str
    put: str


EDITS = (
    Edit(Path("admission", "__init__.py"), r'(__version__ = )".*"', rf'\1"{VERSION}"'),
    Edit(_CHART / "Chart.yaml", r"(?m)^version:.*$", f"version: {VERSION}"),
    Edit(_CHART / "Chart.yaml", r"(?m)^appVersion:.*$", f"appVersion: {VERSION}"),
    Edit(
        Path("admission", "api", "identity.py"),
        r"(?m)^    attestations: ",
        r'    later_field: Annotated[str, pydantic.Field(max_length=63)] = ""\n'
        r'    """What an earlier version knows nothing of."""\n\g<0>',
    ),
    Edit(Path("admission", "tenants", "identity.py"), r"(?m)^(UNCOVERED = \{)", r'\1"later_field", '),
    Edit(
        Path("admission", "api", "tenant.py"),
        r'(?m)^( *)\("Kind", ',
        rf'\1("Later", "string", ".spec.{FIELD}", "what an earlier version does not print"),\n\g<0>',
    ),
    Edit(Path("admission", "ledger", "packing.py"), r"(?m)^MANY = \d+$", "MANY = 0"),
)


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
    for edit in EDITS:
        _edit(folder, edit)
    _write_crds(folder)
    return folder


def chart(folder: Path) -> Path:
    """Return the chart among the sources in a folder."""
    return folder / _CHART


def _edit(folder: Path, edit: Edit) -> None:
    path = folder / edit.path
    text, number = re.subn(edit.found, edit.put, path.read_text())
    if number != 1:
        raise ValueError(f"{edit.path}: {edit.found} stands there {number} times, not once")
    path.write_text(text)


def _write_crds(folder: Path) -> None:
    """Have the later version write its CRDs, as `make crds` does."""
    crds = chart(folder.resolve()) / "files" / "crds"
    environment = {**os.environ, "PYTHONPATH": str(folder.resolve()), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "admission.api.crd", str(crds)]
    subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]))

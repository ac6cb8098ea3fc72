"""The image's root is what was carried there, with the links that lead to it."""

from pathlib import Path

import pytest

from tools.image.root import Root
from tools.image.system import owners

FILES = ("usr/lib/multi/libz.so.1.3", "opt/app/pack/main.py", "opt/app/pack/__pycache__/main.pyc", "usr/bin/python3.13")
LINKS = {
    "lib": "usr/lib",
    "usr/lib/multi/libz.so.1": "libz.so.1.3",
    "usr/bin/python3": "python3.13",
    "opt/app/bin": "../../usr/bin",
    "opt/lost": "/nowhere",
}


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Return the empty root of a small system."""
    for name in FILES:
        (tmp_path / "system" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "system" / name).write_text(name)
    for name, target in LINKS.items():
        (tmp_path / "system" / name).symlink_to(target)
    return Root(tmp_path / "root", tmp_path / "system")


@pytest.mark.parametrize(
    ("path", "arrived"),
    [
        ("/lib/multi/libz.so.1", {"lib", "usr/lib/multi/libz.so.1", "usr/lib/multi/libz.so.1.3"}),
        ("/opt/app/bin/python3", {"opt/app/bin", "usr/bin/python3", "usr/bin/python3.13"}),
        ("/opt/app/pack", {"opt/app/pack/main.py"}),
        ("/opt/lost", {"opt/lost"}),
        ("/opt/never", set()),
    ],
)
def test_a_path_is_carried_with_the_links_that_lead_to_it(root: Root, path: str, arrived: set[str]) -> None:
    root.carry(Path(path))
    found = {file for file in root.directory.rglob("*") if file.is_symlink() or file.is_file()}
    assert arrived == {str(file.relative_to(root.directory)) for file in found}


def test_what_was_carried_is_the_same_wherever_it_was_reached_from(root: Root) -> None:
    root.carry(Path("/lib/multi/libz.so.1"))
    root.carry(Path("/usr/lib/multi/libz.so.1.3"))
    assert root.files == {Path("/usr/lib/multi/libz.so.1.3")}


def test_a_package_owns_files_that_it_lists_by_another_way(tmp_path: Path) -> None:
    (tmp_path / "usr" / "lib").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    listed = {"libz:amd64": tmp_path / "lib" / "libz.so", "other": tmp_path / "usr" / "lib" / "else.so"}
    for name, path in listed.items():
        (tmp_path / f"{name}.list").write_text(f"/.\n{path.parent}\n{path}\n")
    assert owners([tmp_path / "usr" / "lib" / "libz.so"], tmp_path) == {"libz:amd64"}

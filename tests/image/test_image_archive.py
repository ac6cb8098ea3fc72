"""An archive of an image is read layer by layer, and two are compared by all but their times."""

import io
import tarfile
from pathlib import Path

import pytest

from tools.image.archive import configuration, differences, entries, read
from tools.node.images import archive

Layer = dict[str, tuple[str, int]]
FILES: Layer = {"usr/bin/app": ("program", 0o755), "etc/passwd": ("root", 0o644)}


def image(folder: Path, files: Layer, time: int = 0) -> Path:
    """Write an archive whose files have this text and mode."""
    folder.mkdir()
    with tarfile.open(folder / "layer.tar", "w") as layer:
        for name, (text, mode) in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(text), mode, time
            layer.addfile(info, io.BytesIO(text.encode()))
    return archive("localhost/app:1", folder / "layer.tar", folder / "image.tar", User="65532")


@pytest.mark.parametrize(
    ("files", "time", "expected"),
    [
        (FILES, 99, []),
        ({**FILES, "etc/passwd": ("r00t", 0o644)}, 0, ["etc/passwd"]),
        ({**FILES, "usr/bin/app": ("program", 0o777)}, 0, ["usr/bin/app"]),
        ({**FILES, "etc/more": ("", 0o644)}, 0, ["etc/more"]),
    ],
    ids=["times alone", "content", "mode", "one more file"],
)
def test_two_images_differ_in_what_is_not_their_time(
    tmp_path: Path, files: Layer, time: int, expected: list[str]
) -> None:
    one, other = image(tmp_path / "one", FILES), image(tmp_path / "other", files, time)
    assert expected == differences(entries(one), entries(other))


def test_a_file_and_how_the_image_is_run_are_read(tmp_path: Path) -> None:
    made = image(tmp_path / "one", FILES)
    assert read(made, "etc/passwd") == b"root"
    assert configuration(made) == {"User": "65532"}
    with pytest.raises(KeyError, match="etc/shadow"):
        read(made, "etc/shadow")

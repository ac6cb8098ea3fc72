"""The files of an archive that the debug bundle writes."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def unpacked(path: Path) -> dict[str, str]:
    """Return the text of each file by its path within the archive's folder."""
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as archive:
        files = {each.name.partition("/")[2]: archive.extractfile(each) for each in archive.getmembers()}
        return {name: stream.read().decode() for name, stream in files.items() if stream is not None}

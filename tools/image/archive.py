"""What an image saved as an archive holds (docker-archive: `docker save`, `buildah push ... docker-archive:`)."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or link without its time: `content` is the SHA-256 of a file, or where a link leads."""

    kind: str
    mode: int
    owner: tuple[int, int]
    size: int
    content: str


def entries(archive: Path) -> dict[str, Entry]:
    """Return all that the layers hold, by path; a later layer's word counts.

    Raises OSError, tarfile.TarError or KeyError where the archive is none of an image.
    """
    return {member.name.strip("./"): _entry(layer, member) for layer in _layers(archive) for member in layer}


def read(archive: Path, path: str) -> bytes:
    """Return the contents of a file, whose path is written without a leading slash; KeyError if there is none."""
    for layer in _layers(archive):
        for member in layer:
            if member.name.strip("./") == path and (file := layer.extractfile(member)):
                return file.read()
    raise KeyError(path)


def configuration(archive: Path) -> dict[str, Any]:
    """Return how the image is run: User, Entrypoint, Env and so on."""
    with tarfile.open(archive) as outer:
        return dict(json.loads(_file(outer, _manifest(outer)["Config"]))["config"])


def differences(one: dict[str, Entry], other: dict[str, Entry]) -> list[str]:
    """Return the paths that are in one alone, or differ in anything but their time."""
    return sorted(path for path in {*one, *other} if one.get(path) != other.get(path))


def _layers(archive: Path) -> Iterator[tarfile.TarFile]:
    with tarfile.open(archive) as outer:
        for name in _manifest(outer)["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(_file(outer, name))) as layer:
                yield layer


def _manifest(outer: tarfile.TarFile) -> dict[str, Any]:
    return dict(json.loads(_file(outer, "manifest.json"))[0])


def _file(outer: tarfile.TarFile, name: str) -> bytes:
    member = outer.getmember(name)
    found = outer.extractfile(outer.getmember(member.linkname) if member.issym() else member)
    if found is None:
        raise KeyError(name)
    return found.read()


def _entry(layer: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    file = layer.extractfile(member) if member.isreg() else None
    content = hashlib.sha256(file.read()).hexdigest() if file else member.linkname
    return Entry(member.type.decode(), member.mode, (member.uid, member.gid), member.size, content)

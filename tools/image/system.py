"""What of the system is in the image: the Debian packages that own its files, and an interpreter from elsewhere."""

import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

DPKG = Path("/var/lib/dpkg/info")
_QUERY = "${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n"


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package, the source it was built from, and its entry in dpkg's status file."""

    name: str
    version: str
    architecture: str
    source: str
    source_version: str
    status: str


@dataclass(frozen=True, slots=True)
class System:
    """The packages, the distribution's id and release, and the interpreter's version if no package brought it."""

    packages: tuple[Package, ...]
    distribution: str
    release: str
    python: str | None


def owners(files: Iterable[Path], lists: Path = DPKG) -> frozenset[str]:
    """Return the packages (`name:architecture` or `name`, as dpkg keeps their lists) that own any of the files."""
    wanted = set(files)
    names = {file.name for file in wanted}
    return frozenset(each.name.removesuffix(".list") for each in lists.glob("*.list") if wanted & _owned(each, names))


def _owned(listed: Path, names: set[str]) -> set[Path]:
    # A package may still list /lib/x of what is /usr/lib/x since /lib became a link.
    named = map(Path, listed.read_text().splitlines())
    return {path.parent.resolve() / path.name for path in named if path.name in names}


def system(names: Iterable[str]) -> System:
    """Describe the packages of these names, and this system."""
    packages = tuple(sorted((_package(name) for name in names), key=lambda package: package.name))
    release = platform.freedesktop_os_release()
    from_debian = any(package.name.endswith("-minimal") and "python3" in package.name for package in packages)
    python = None if from_debian else platform.python_version()
    return System(packages, release["ID"], release.get("VERSION_ID", ""), python)


def _package(name: str) -> Package:
    name, version, architecture, source, source_version = _dpkg("--show", f"--showformat={_QUERY}", name).split()
    status = _dpkg("--status", f"{name}:{architecture}" if architecture != "all" else name)
    return Package(name, version, architecture, source, source_version, status)


def _dpkg(*arguments: str) -> str:
    command = ["dpkg-query", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout

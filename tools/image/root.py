"""Lay out the image's root: the interpreter, what it and the packages link, the packages, and an SBOM of all that.

    python3 -m tools.image.root /opt/computegate /image

The Dockerfile's builder runs it, so it needs nothing but the standard library and Debian's own programs.  Files of
Debian packages are carried one by one; what scanners read of such a package (`/var/lib/dpkg/status.d`, as in
distroless images) and its copyright come along.
"""

import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.image.sbom import document
from tools.image.system import System, owners, system

_CACHE = re.compile(r"__pycache__$")
_UNUSED = re.compile(
    r"(__pycache__|dist-packages|ensurepip|idlelib|lib2to3|pydoc_data|site-packages|sitecustomize\.py)$"
    r"|(test|tests|tkinter|turtle\.py|turtledemo|venv|EXTERNALLY-MANAGED)$|config-"
    r"|(_tkinter|_test|_ctypes_test|_xx|xx|_curses|readline|_dbm|_gdbm)\w*\."
)
"""Names in the standard library that a server has no use for; several of them would bring libraries along."""

_NEVER_IMPORTED = re.compile(r"/kubernetes/(aio/)?client/(api|models)/(?!__init__)")
"""Modules that are not compiled: a class for each kind of object of Kubernetes, of which the server uses none."""

_LINKED = re.compile(r"(/\S+) \(0x")
_PROGRAMS = ("python", "python3", "computegate")
_OPENED = ("libgcc_s.so.1",)
"""Libraries that are opened by name at run time, so that `ldd` does not show them: the C library ends threads by it."""

_ACCOUNTS = {
    "passwd": "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n",
    "group": "root:x:0:\nnonroot:x:65532:\n",
    "nsswitch.conf": "hosts: files dns\n",
}


class Root:
    """A file system in `directory`, into which paths of `source` are carried with the links that lead to them."""

    def __init__(self, directory: Path, source: Path = Path("/")) -> None:
        self.directory, self._source = directory, source
        self.files = set[Path]()
        """What was carried, as paths without links in them."""

    def carry(self, path: Path, without: re.Pattern[str] = _CACHE) -> None:
        """Carry the file, link or folder at the absolute `path`; of a folder nothing whose name matches `without`."""
        for linked in (*reversed(path.parents[:-1]), path):
            if self._from(linked).is_symlink():
                target = self._link(linked)
                self.carry(Path(os.path.normpath(linked.parent / target / path.relative_to(linked))), without)
                return
        if self._from(path).is_dir():
            for child in sorted(self._from(path).iterdir()):
                if not without.match(child.name):
                    self.carry(path / child.name, without)
        elif self._from(path).exists():
            self._copy(path)

    def write(self, path: str, text: str) -> None:
        """Write a file of its own."""
        (self.directory / path).parent.mkdir(parents=True, exist_ok=True)
        (self.directory / path).write_text(text)

    def _from(self, path: Path) -> Path:
        return self._source / path.relative_to("/")

    def _to(self, path: Path) -> Path:
        made = self.directory / path.relative_to("/")
        made.parent.mkdir(parents=True, exist_ok=True)
        return made

    def _link(self, path: Path) -> str:
        target = str(self._from(path).readlink())
        if not self._to(path).is_symlink():
            self._to(path).symlink_to(target)
        return target

    def _copy(self, path: Path) -> None:
        if path not in self.files:
            shutil.copy2(self._from(path), self._to(path))
            self.files.add(path)


def linked(files: Iterable[Path]) -> Iterator[Path]:
    """Return the libraries that the loader takes for these programs and libraries."""
    for file in files:
        found = subprocess.run(["ldd", file], capture_output=True, text=True, check=False)
        yield from map(Path, _LINKED.findall(found.stdout))


def fill(root: Root, environment: Path) -> None:
    """Carry the interpreter of the virtual `environment`, its packages, and the libraries of both."""
    for program in _PROGRAMS:
        root.carry(environment / "bin" / program)
    root.carry(environment / "pyvenv.cfg")
    root.carry(Path(sysconfig.get_path("stdlib")), _UNUSED)
    root.carry(_packages(environment))
    native = [file for file in root.files if ".so" in file.name or file.parent.name == "bin"]
    libraries = list(linked(native))
    for library in libraries:
        root.carry(library)
    for name in _OPENED:
        root.carry(next(each.parent for each in libraries if each.name == "libc.so.6") / name)
    for name in ("/etc/os-release", "/etc/ssl/openssl.cnf"):
        root.carry(Path(name))


def describe(root: Root, environment: Path) -> System:
    """Write the accounts, and what Debian says of its packages; return the packages of the system."""
    for name, text in _ACCOUNTS.items():
        root.write(f"etc/{name}", text)
    found = system(owners(root.files))
    for package in found.packages:
        root.write(f"var/lib/dpkg/status.d/{package.name}", package.status)
        root.carry(Path("/usr/share/doc") / package.name / "copyright")
    text = document(_packages(environment), found, int(os.environ.get("SOURCE_DATE_EPOCH", "0")))
    root.write("usr/share/computegate/sbom.cdx.json", text)
    return found


def finish(root: Root) -> None:
    """Compile the modules, make /tmp, and give everything one time."""
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH  # the files never change, and times do not matter
    compileall.compile_dir(
        root.directory,
        maxlevels=30,
        quiet=2,
        rx=_NEVER_IMPORTED,
        stripdir=str(root.directory),
        prependdir="/",
        invalidation_mode=unchecked,
    )
    (root.directory / "tmp").mkdir(mode=0o1777)
    (root.directory / "tmp").chmod(0o1777)
    then = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    for path in [*root.directory.rglob("*"), root.directory]:
        os.utime(path, (then, then), follow_symlinks=False)


def _packages(environment: Path) -> Path:
    return environment / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def main() -> None:
    """Lay out the root of the environment given first in the folder given second."""
    environment, root = Path(sys.argv[1]), Root(Path(sys.argv[2]))
    fill(root, environment)
    describe(root, environment)
    subprocess.run(["ldconfig", "-X", "-r", root.directory], check=True)
    shutil.rmtree(root.directory / "var/cache", ignore_errors=True)
    finish(root)


if __name__ == "__main__":
    main()

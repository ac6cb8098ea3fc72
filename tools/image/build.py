"""Build the image from the Dockerfile with what is there: docker, podman or buildah.

    python -m tools.image.build --tag computegate:dev --output dist/image          # make image
    python -m tools.image.build --check                                            # builds twice and compares

Into the output folder go `image.tar` (docker-archive) and `sbom.cdx.json`, the SBOM of what is installed.  pip.conf of
this machine, where there is one, is lent to the build as a secret, and stays out of the image.
"""

import argparse
import configparser
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.image.archive import Entry, differences, entries, read

ROOT = Path(__file__).parent.parent.parent
SBOM = "usr/share/computegate/sbom.cdx.json"
_ENGINES = ("docker", "podman", "buildah")
_PIP = Path("/etc/pip.conf")


class EngineError(RuntimeError):
    """No engine can be used, or it failed; says which and how."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One of the programs that build images; buildah needs no daemon, and here no namespaces either."""

    name: str

    @classmethod
    def found(cls) -> "Engine":
        """Return the first that answers; EngineError if none does."""
        for name in _ENGINES:
            if shutil.which(name) and subprocess.run([name, "info"], capture_output=True, check=False).returncode == 0:
                return cls(name)
        raise EngineError("no engine builds images here: start docker, or install podman or buildah")

    def build(self, tag: str, source: Path, arguments: dict[str, str], *, fresh: bool = False) -> None:
        """Build the Dockerfile of `source` as `tag`; with `fresh`, from nothing that an earlier build left."""
        command = [self.name, "build", f"--tag={tag}", f"--file={source / 'Dockerfile'}"]
        command += [f"--build-arg={name}={value}" for name, value in arguments.items()]
        if self.name == "buildah":
            command += ["--isolation=chroot", f"--layers={str(not fresh).lower()}"]
        elif fresh:
            command.append("--no-cache")
        with _secrets() as secrets:
            self.run([*command, *secrets, str(source)])

    def save(self, tag: str, archive: Path) -> None:
        """Write the image to an archive."""
        archive.unlink(missing_ok=True)
        if self.name == "buildah":
            self.run(["buildah", "push", "--quiet", tag, f"docker-archive:{archive}:{tag}"])
        else:
            self.run([self.name, "save", f"--output={archive}", tag])

    def run(self, command: Sequence[str]) -> None:
        """Run a command of the engine; its output is ours."""
        if (status := subprocess.run(command, check=False, stdout=sys.stderr).returncode) != 0:
            raise EngineError(f"{' '.join(command[:2])} failed with status {status}; its output says why")


@contextmanager
def _secrets() -> Iterator[list[str]]:
    """Return the flags that lend this machine's pip.conf and the certificate it names to the build."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read_dict({"global": {}})
    settings.read(_PIP)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as lent:
        secrets = [f"--secret=id=pip,src={lent.name}"]
        if certificate := os.environ.get("PIP_CERT") or settings["global"].get("cert"):
            secrets.append(f"--secret=id=ca,src={certificate}")
            settings["global"]["cert"] = "/run/secrets/ca.crt"
        settings.write(lent)
        lent.flush()
        yield secrets


def report(archive: Path) -> str:
    """Say how large the image is and what is in it."""
    held = entries(archive)
    components = json.loads(read(archive, SBOM))["components"]
    kinds = [each["purl"].split("/")[0].removeprefix("pkg:") for each in components]
    size = sum(entry.size for entry in held.values())
    programs = sorted(path for path, entry in held.items() if _is_program(path, entry))
    counts = f"{kinds.count('pypi') + 1} Python packages, {kinds.count('deb')} Debian packages"
    return f"{size / 1e6:.1f} MB in {len(held)} entries; {counts}; programs: {', '.join(programs)}"


def _is_program(path: str, entry: Entry) -> bool:
    return bool(entry.kind in "0\0" and entry.mode & 0o111 and Path(path).parent.name in {"bin", "sbin"})


def make(engine: Engine, options: argparse.Namespace, archive: Path, *, fresh: bool) -> None:
    """Build once, and write the archive."""
    engine.build(options.tag, options.source, {"BASE_IMAGE": options.base} if options.base else {}, fresh=fresh)
    engine.save(options.tag, archive)


def main(arguments: Sequence[str]) -> int:
    """Build the image, its archive and its SBOM."""
    parser = argparse.ArgumentParser(prog="python -m tools.image.build", description=main.__doc__)
    parser.add_argument("--base", help="another base image than the Dockerfile's")
    parser.add_argument("--source", type=Path, default=ROOT, help="where the Dockerfile and the sources are")
    parser.add_argument("--tag", default="localhost/computegate:dev")
    parser.add_argument("--output", type=Path, default=ROOT / "dist" / "image")
    parser.add_argument("--check", action="store_true", help="build a second time from nothing, and compare")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    archive, again = options.output / "image.tar", options.output / "again.tar"
    engine = Engine.found()
    make(engine, options, archive, fresh=options.check)
    (options.output / "sbom.cdx.json").write_bytes(read(archive, SBOM))
    print(f"{options.tag}: {report(archive)}")
    if not options.check:
        return 0
    make(engine, options, again, fresh=True)
    found = differences(entries(archive), entries(again))
    again.unlink()
    print(f"second build: {len(found)} of {len(entries(archive))} entries differ in more than their time", *found)
    return 1 if found else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except EngineError as error:
        sys.exit(str(error))

"""Images without a registry: from a file system's tar, as an archive that containerd, docker and buildah read.

    python -m tools.node.images base       # a Debian root with Python as base image; prints its name

The base is for machines that reach Debian's packages but no registry: it is made by mmdebstrap once and kept in the
cache beside the binaries.  Elsewhere, give the Dockerfile's default or any other base by BASE_IMAGE.
"""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tools.image.build import Engine
from tools.process import StartError, binaries

SUITE = "trixie"
BASE = f"localhost/debian-python:{SUITE}"
PAUSE = "localhost/pause:1"
_INCLUDED = "python3,python3-venv,python3-pip"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_MIRROR = re.compile(r"^(?:URIs:|deb(?:\s+\[[^\]]*\])?)\s+(\S+)", re.MULTILINE)
_SOURCES = ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")


def cache() -> Path:
    """Return the folder of images that are kept."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "computegate"
    folder = Path(os.environ.get("COMPUTEGATE_CACHE") or folder) / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def archive(name: str, layer: Path, image: Path, **config: object) -> Path:
    """Write an archive of the image `name`, whose only layer is a tar, and return its path; `config` is how it runs."""
    digest = f"sha256:{_digest(layer)}"
    described = {
        "architecture": _architecture(),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest]},
        "history": [{"comment": "one layer"}],
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(image, "w") as outer:
        outer.add(layer, "layer.tar")
        for path, text in (("config.json", json.dumps(described)), ("manifest.json", json.dumps(manifest))):
            info = tarfile.TarInfo(path)
            info.size = len(text.encode())
            outer.addfile(info, io.BytesIO(text.encode()))
    return image


def pause(folder: Path) -> Path:
    """Write an archive of the image that holds a pod's namespaces."""
    layer = folder / "pause-layer.tar"
    with tarfile.open(layer, "w") as tar:
        tar.add(binaries("pause")["pause"], "pause")
    return archive(PAUSE, layer, folder / "pause.tar", Entrypoint=["/pause"])


def base() -> str:
    """Make the base image known to the engine and return its name."""
    image = cache() / f"{SUITE}.tar"
    if not image.exists():
        layer = cache() / f"{SUITE}-layer.tar"
        print(f"making {BASE} of Debian's packages (first time only; about a minute) ...", file=sys.stderr)
        _bootstrap(layer)
        archive(BASE, layer, image.with_suffix(".new")).rename(image)
        layer.unlink()
    engine = Engine.found()
    engine.run([engine.name, *_loading(engine, image)])
    return BASE


def _loading(engine: Engine, image: Path) -> list[str]:
    if engine.name == "buildah":
        return ["pull", "--quiet", f"docker-archive:{image}"]
    return ["load", "--quiet", f"--input={image}"]


def _bootstrap(layer: Path) -> None:
    if not shutil.which("mmdebstrap"):
        raise StartError("no base image: apt-get install --no-install-recommends mmdebstrap, or give BASE_IMAGE=...")
    sources = "\n".join(Path(path).read_text() for path in _SOURCES if Path(path).exists())
    mirror = _MIRROR.search(sources)
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_INCLUDED}", f"--keyring={_KEYRING}"]
    # No name or address of this machine, nor of where its packages come from, stays in the image.
    left = "rm -rf etc/apt/sources.list* etc/apt/apt.conf.d/99mmdebstrap var/lib/apt/lists/* var/log/* etc/hostname"
    command += [f'--customize-hook=cd "$1" && {left} && : >etc/resolv.conf', SUITE, str(layer)]
    command += [f"deb [signed-by={_KEYRING}] {mirror[1]} {SUITE} main"] if mirror else []
    if (status := subprocess.run(command, check=False, stdout=sys.stderr).returncode) != 0:
        raise StartError(f"mmdebstrap failed with status {status}; its output says why")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


if __name__ == "__main__":
    print(base())

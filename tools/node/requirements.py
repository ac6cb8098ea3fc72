"""What a real node needs of this machine, and how to install what is missing (Debian's names)."""

import os
import platform
import shutil
import sys
from pathlib import Path

CNI = Path("/usr/lib/cni")
"""Where Debian puts the CNI's plugins."""

PROGRAMS = {
    "unshare": "util-linux",
    "mount": "mount",
    "ip": "iproute2",
    "nft": "nftables",
    "conntrack": "conntrack",
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
}
"""Programs that must be on the path, and the packages that have them."""


def missing() -> list[str]:
    """Return what keeps a node from running here, each as a sentence; empty where nothing does."""
    packages = {package for program, package in PROGRAMS.items() if not shutil.which(program)}
    if not (CNI / "bridge").exists():
        packages.add("containernetworking-plugins")
    found = []
    if platform.system() != "Linux":
        found.append("a node runs on Linux alone")
    if os.geteuid() != 0:
        found.append("namespaces and containers need root: run it as root")
    if packages:
        found.append(f"missing programs: apt-get install --no-install-recommends {' '.join(sorted(packages))}")
    return found


def demand() -> None:
    """End the program with what is missing, if anything is."""
    if found := missing():
        sys.exit("\n".join(["cluster tests need a real node, which cannot run here:", *found]))


if __name__ == "__main__":
    demand()

"""The option that says which cluster a command works with."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_kubeconfig(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument("--kubeconfig", type=pathlib.Path, help="the cluster; without it KUBECONFIG, in a pod its own")

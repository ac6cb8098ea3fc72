"""``python -m admission.demand.registration FILE``: write what the chart takes up."""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import yaml

from admission.demand.registration.entries import registration

HEADER = "# Written by `make registration` from admission/demand: change it there.\n"


class _Dumper(yaml.SafeDumper):
    """Keeps expressions of several lines as they are."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def written(content: dict[str, Any]) -> str:
    """Return the file's text."""
    return HEADER + yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=1 << 20)


if __name__ == "__main__":
    pathlib.Path(sys.argv[1]).write_text(written(registration()), encoding="utf-8")

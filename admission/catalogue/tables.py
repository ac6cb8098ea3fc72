"""The data files beside this module, read into values."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from admission.catalogue.chip import Certainty, Chip

if TYPE_CHECKING:
    from collections.abc import Iterator


def document(name: str) -> dict[str, Any]:
    """Return the TOML file ``name`` of this package."""
    return tomllib.loads(_text(name))


def rows(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of the tab-separated file ``name`` by column; lines that start with ``#`` are comments."""
    lines = (line for line in _text(name).splitlines() if not line.startswith("#"))
    header = next(lines).split("\t")
    for line in lines:
        yield dict(zip(header, line.split("\t"), strict=True))


def chips() -> Iterator[Chip]:
    """Yield the chips of ``chips.tsv``."""
    for row in rows("chips.tsv"):
        yield Chip(
            name=row["name"],
            display_name=row["display_name"],
            aliases=tuple(_parts(row["aliases"])),
            vendor=row["vendor"],
            throughput=tuple(_throughput(row["dense"])),
            die_mm2=_figure(row["die_mm2"]),
            bandwidth_gb_s=_figure(row["bandwidth_gb_s"]),
            data_center=row["data_center"] == "yes",
            certainty=cast("Certainty", row["certainty"]),
            source=row["source"],
            note=row["note"],
            interconnect_gb_s=_figure(row["interconnect_gb_s"]),
        )


def _text(name: str) -> str:
    return resources.files("admission.catalogue").joinpath(name).read_text(encoding="utf-8")


def _parts(text: str) -> list[str]:
    return text.split("; ") if text else []


def _throughput(text: str) -> Iterator[tuple[int, float]]:
    for part in _parts(text):
        bits, tera_ops = part.split(":")
        yield int(bits), float(tera_ops)


def _figure(text: str) -> float | None:
    return float(text) if text else None

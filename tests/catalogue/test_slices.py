"""Slices of a chip: which a product name says, and that none is taken for less than it can compute with."""

from __future__ import annotations

from fractions import Fraction

import pytest

from admission.catalogue.catalogue import Catalogue
from admission.catalogue.slices import class_of, profile_in, profile_of, shares, with_slices

CATALOGUE = Catalogue.builtin()

MULTIPROCESSORS = {
    ("a100-80gb", 108): {"1g.10gb": 14, "1g.20gb": 14, "2g.20gb": 28, "3g.40gb": 42, "4g.40gb": 56, "7g.80gb": 98},
    ("h100-sxm", 132): {"1g.10gb": 16, "1g.20gb": 26, "2g.20gb": 32, "3g.40gb": 60, "4g.40gb": 64, "7g.80gb": 132},
    ("h100-nvl", 132): {"1g.12gb": 16, "1g.24gb": 26, "2g.24gb": 32},
    ("h200-sxm", 132): {"1g.18gb": 16, "1g.35gb": 26, "2g.35gb": 32, "3g.71gb": 60, "4g.71gb": 64},
    ("b200", 148): {"1g.23gb": 18, "1g.45gb": 30, "2g.45gb": 36},
    ("rtx-pro-6000", 188): {"1g.24gb": 46},
}
"""What ``nvidia-smi mig -lgip`` prints, as posted in NVIDIA/mig-parted (#120, #166) and NVIDIA/gpu-operator (#900)."""


@pytest.mark.parametrize(("chip", "slices"), MULTIPROCESSORS.items(), ids=[name for name, _ in MULTIPROCESSORS])
def test_no_slice_has_more_multiprocessors_than_its_share(chip: tuple[str, int], slices: dict[str, int]) -> None:
    name, whole = chip
    known = {profile: Fraction(number, whole) for profile, number in slices.items()}

    assert {profile: own for profile, own in known.items() if shares()[name][profile] < own} == {}


def test_the_number_of_compute_slices_alone_would_be_too_little() -> None:
    """Why the larger of both fractions is taken: sevenths by name would undercount these two."""
    own = MULTIPROCESSORS["h100-sxm", 132]

    assert Fraction(own["1g.20gb"], 132) > Fraction(1, 7)
    assert Fraction(own["3g.40gb"], 132) > Fraction(3, 7)
    assert (shares()["h100-sxm"]["1g.20gb"], shares()["h100-sxm"]["3g.40gb"]) == (Fraction(1, 4), Fraction(1, 2))


def test_shares_are_of_chips_that_there_are_and_of_no_more_than_one() -> None:
    assert shares().keys() <= CATALOGUE.chips.keys()
    assert all(0 < share <= 1 for each in shares().values() for share in each.values())


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        ("NVIDIA-H100-80GB-HBM3-MIG-1g.10gb", "h100-sxm/1g.10gb"),
        ("NVIDIA-H100-80GB-HBM3-MIG-1g.10gb.me", "h100-sxm/1g.10gb"),
        ("NVIDIA-H100-80GB-HBM3-MIG-1g.10gb+me", "h100-sxm/1g.10gb"),
        ("NVIDIA-H100-80GB-HBM3-MIG-3g.40gb-SHARED", "h100-sxm/3g.40gb"),
        ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition-MIG-1g.24gb.me.all", "rtx-pro-6000/1g.24gb"),
        ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition-MIG-1g.24gb-me", "rtx-pro-6000/1g.24gb"),
        ("NVIDIA-H100-80GB-HBM3", ""),
        ("NVIDIA-H100-80GB-HBM3-SHARED", ""),
        ("NVIDIA-H100-80GB-HBM3-MIG-1g.5gb", ""),
        ("NVIDIA-H100-80GB-HBM3-MIG-1c.3g.40gb", ""),
        ("NVIDIA-H100-80GB-HBM3-MIG-INVALID", ""),
        ("NVIDIA-H20-MIG-1g.12gb", ""),
        ("Mystery-MIG-1g.10gb", ""),
        ("-MIG-1g.10gb", ""),
        ("", ""),
    ],
)
def test_a_slice_is_one_that_the_product_says_and_the_table_knows(product: str, expected: str) -> None:
    assert CATALOGUE.by_slice(product) == expected


def test_what_is_no_profile_has_none() -> None:
    assert [profile_of(name) for name in ("1G.10GB", "1g.10gb.me.all", "1g.10gb.x", "1g", "", "٣g.40gb")] == [
        "1g.10gb",
        "1g.10gb",
        *[""] * 4,
    ]
    assert profile_in("x" * 10_000 + "-MIG-1g.10gb") == ""


def test_slices_weigh_as_their_chip_or_their_part_of_it_rounded_up() -> None:
    whole = {"h100-sxm": CATALOGUE.tpp("h100-sxm"), "t4": 1042}
    plain, weighed = with_slices(whole), with_slices(whole, weighed=True)

    assert {name: plain[name] for name in plain if class_of(name) == "h100-sxm"} == dict.fromkeys(
        ["h100-sxm", *(f"h100-sxm/{profile}" for profile in shares()["h100-sxm"])], 15832
    )
    assert {name: weighed[name] for name in weighed} == {
        "h100-sxm": 15832,
        "h100-sxm/1g.10gb": 2262,
        "h100-sxm/1g.20gb": 3958,
        "h100-sxm/2g.20gb": 4524,
        "h100-sxm/3g.40gb": 7916,
        "h100-sxm/4g.40gb": 9047,
        "h100-sxm/7g.80gb": 15832,
        "t4": 1042,
    }

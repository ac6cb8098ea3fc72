"""Quantities against the Kubernetes Python client's own parser, and against what no parser should accept."""

from __future__ import annotations

import contextlib
import time
from decimal import ROUND_CEILING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from admission.review.quantity import LARGEST, QuantityError, count

SUFFIXES = ("", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
NUMBERS = st.from_regex(r"\+?([0-9]{1,9}(\.[0-9]{0,5})?|\.[0-9]{1,5})", fullmatch=True)
HUGE = int("f" * 5000, 16)
"""More digits than Python writes out."""


def _shown(value: object) -> str:
    return "huge" if isinstance(value, int) and abs(value) >= HUGE else repr(value)[:24]


ENDINGS = st.sampled_from(SUFFIXES) | st.integers(-12, 12).map(lambda n: f"e{n}") | st.just("E+3")


@given(NUMBERS, ENDINGS)
def test_a_quantity_is_what_the_kubernetes_client_reads_rounded_up_and_saturated(number: str, ending: str) -> None:
    expected = int(parse_quantity(number + ending).to_integral_value(ROUND_CEILING))
    assert count(number + ending) == min(expected, LARGEST)


@given(st.integers(0, 2**80))
def test_a_json_number_counts_as_its_text(number: int) -> None:
    assert count(number) == count(str(number)) == min(number, LARGEST)


@pytest.mark.parametrize(
    ("quantity", "devices"),
    [
        ("0", 0),
        ("1", 1),
        ("+8", 8),
        ("1000m", 1),
        ("1001m", 2),
        ("1n", 1),
        (".5", 1),
        ("5.", 5),
        (1.5, 2),
        (1e3, 1000),
        ("1E", 10**18),
        ("1E1", 10),
        ("10E", LARGEST),
        ("9223372036854775808", LARGEST),
        ("1e" + "9" * 100, LARGEST),
        ("1e-" + "9" * 100, 1),
        ("1000." + "0" * 60 + "1m", 2),
        (HUGE, LARGEST),
    ],
    ids=_shown,
)
def test_a_count_of_devices_is_whole(quantity: str | float, devices: int) -> None:
    assert count(quantity) == devices


@pytest.mark.parametrize(
    "quantity",
    [
        *(
            "",
            " ",
            "eight",
            "1 ",
            " 1",
            "1\n",
            "1_0",
            "0x10",
            "1,5",
            "1.2.3",
            "--1",
            "1Kii",
            "1ki",
            "1Mm",
            "1e",
            "1e1.5",
        ),
        *("NaN", "inf", "Infinity", "-1", "-1n", "-0.5Ki", -1, -0.5, float("nan"), float("inf"), True, "١", "１"),
        *("9" * 200, "1" * 1_000_000, "1e" + "9" * 1_000_000, -HUGE),
    ],
    ids=_shown,
)
def test_what_is_no_count_of_devices_is_an_error_that_says_what_to_write(quantity: str | float) -> None:
    with pytest.raises(QuantityError, match=r"whole number such as 8|starts at 0") as caught:
        count(quantity)
    assert len(str(caught.value)) < 120


@given(st.text() | st.floats() | st.integers() | st.from_regex(r"[0-9eE.+-]{1,40}[KMGTPEinumk]{0,3}", fullmatch=True))
def test_no_text_or_number_does_anything_but_count_or_err_at_once(quantity: str | float) -> None:
    begun = time.process_time()  # of others the machine may have plenty
    with contextlib.suppress(QuantityError):
        assert 0 <= count(quantity) <= LARGEST
    assert time.process_time() - begun < 1

"""What is nested too deeply for msgspec is read all the same: nothing that is read stands so deep."""

from __future__ import annotations

import msgspec
import pytest

from admission.cluster.decoding import DEEPEST, Decoder, shallow
from admission.cluster.wire import Page

STORED = 1_500_000
"""Bytes of the largest object that etcd takes by default."""


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("1", "1"),
        ('{"a":[1,{}],"b":{}}', '{"a":[1,null],"b":{}}'),
        ('{"a":[[[2]],[3]],"b":4}', '{"a":[null,null],"b":4}'),
        ('[[[{"a":[]}]]]', "[[null]]"),
        (" [ [ [ ] , 1 ] ] ", " [ [ null , 1 ] ] "),
        ('["[[[",{"]]":"}"},[["[",{}]]]', '["[[[",{"]]":"}"},[null]]'),
        (r'["\"[[[",[["\\"]],"\\"]', r'["\"[[[",[null],"\\"]'),
        ('[[["', "[["),
    ],
    ids=[
        "no array",
        "an object in an array",
        "each by itself",
        "brackets side by side",
        "spaces",
        "texts of brackets",
        "texts with escapes",
        "what was cut off",
    ],
)
def test_below_two_levels_stands_null(raw: str, expected: str) -> None:
    assert shallow(raw.encode(), 2).decode() == expected


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("most", [20_000, STORED])
def test_an_object_costs_its_neighbours_nothing_however_deep_it_is(opening: bytes, closing: bytes, most: int) -> None:
    levels = most // len(opening + closing)
    deep = b'{"spec":' + opening * levels + b"1" + closing * levels + b"}"
    raw = b'{"metadata":{},"items":[{"a":1},' + deep + b',{"b":2}]}'
    before, found, after = map(bytes, Decoder(Page).decode(raw).items or ())
    assert (before, after) == (b'{"a":1}', b'{"b":2}')
    kept = DEEPEST - 3  # the page, its items and the object
    assert found == b'{"spec":' + opening * kept + b"null" + closing * kept + b"}"


def test_what_is_no_json_is_refused_though_it_is_deep() -> None:
    with pytest.raises(msgspec.DecodeError):
        Decoder(Page).decode(b'{"metadata":{},"items":[' + b"[" * 20_000)

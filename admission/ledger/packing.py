"""What a ledger of many tenants counts, as one short string, and back.  Pure.

What a write costs the API server and etcd grows with the object, and of many tenants' accounts most are names, over and
over.  So names stand once, each table has columns instead of rows, and a column its numbers byte by byte, the highest
bytes of all of them first: what rows have in common then lies side by side, and is compressed to next to nothing.

packed:  base64 of zlib of msgpack: names, windows, tables, and the reservations as the text that they are elsewhere.
A column is the width of its numbers in bytes, and their bytes; the first two columns of a table are places in names.
"""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Annotated

import msgspec

from admission.ledger.state import Hold, Hours, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from admission.decide.limits import Account
    from admission.ledger.state import Bucket

MANY = 1000
"""Rows of all tables from which on a ledger is packed: below, whoever looks at it can read it, and it is small."""

_LARGEST = 32_000_000  # bytes of what is unpacked: no string that an API server takes holds so much
_WIDEST = 8
_LEVEL = 6

_Row = tuple[str, str, tuple[int, ...]]
_Column = tuple[int, bytes]
_Table = tuple[_Column, ...]


class _Content(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, kw_only=True):
    names: tuple[str, ...]
    used: _Table
    prepaid: _Table
    spent: _Table
    moved: _Table
    holds: _Table
    past: tuple[tuple[Annotated[int, msgspec.Meta(ge=0)], _Table], ...]
    inflight: str


_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(_Content).decode


def is_large(state: State) -> bool:
    """Say whether a state has so many rows that it is packed."""
    hours = state.hours
    accounts = len(state.used) + len(hours.prepaid) + sum(map(len, hours.past.values()))
    return accounts + len(hours.spent) + len(hours.moved) + len(hours.holds) > MANY


def pack(state: State, inflight: str) -> str:
    """Return what a state counts, and the text of its reservations; equal ones give equal strings."""
    return base64.b64encode(zlib.compress(_encode(_content(state, inflight)), _LEVEL)).decode()


def unpack(text: str) -> tuple[State, str]:
    """Return a state with what was packed and nothing else, and the text of its reservations.

    Raises:
        ValueError: it is not what ``pack`` makes, but for how it was compressed.

    """
    raw = _inflated(text)
    try:
        content = _decode(raw)
        state = _state(content)
    except (msgspec.MsgspecError, IndexError) as error:
        raise ValueError(str(error)) from error
    if _encode(_content(state, content.inflight)) != raw:
        raise ValueError("not in canonical form")
    return state, content.inflight


def _inflated(text: str) -> bytes:
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(base64.b64decode(text, validate=True), _LARGEST)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not inflater.eof or inflater.unused_data:
        raise ValueError("cut off, too large, or followed by something")
    return raw


def _content(state: State, inflight: str) -> _Content:
    hours = state.hours
    tables = {
        "used": _of_accounts(state.used),
        "prepaid": _of_accounts(hours.prepaid),
        "spent": _of_buckets(hours.spent),
        "moved": _of_buckets(hours.moved),
        "holds": [(group, key, tuple(hold)) for (group, key), hold in sorted(hours.holds.items())],
    }
    past = {window: _of_accounts(accounts) for window, accounts in sorted(hours.past.items())}
    names = sorted({name for rows in (*tables.values(), *past.values()) for row in rows for name in row[:2]})
    places = {name: place for place, name in enumerate(names)}
    return _Content(
        names=tuple(names),
        past=tuple((window, _table(rows, places)) for window, rows in past.items()),
        inflight=inflight,
        **{name: _table(rows, places) for name, rows in tables.items()},
    )


def _of_accounts(accounts: Mapping[Account, int]) -> list[_Row]:
    return [(party, key, (count,)) for (party, key), count in sorted(accounts.items()) if count]


def _of_buckets(buckets: Mapping[Bucket, int]) -> list[_Row]:
    return [(party, key, (hour, seconds)) for (party, key, hour), seconds in sorted(buckets.items()) if seconds]


def _table(rows: Sequence[_Row], places: Mapping[str, int]) -> _Table:
    return tuple(
        _column(numbers)
        for numbers in zip(*((places[party], places[key], *numbers) for party, key, numbers in rows), strict=True)
    )


def _column(numbers: Sequence[int]) -> _Column:
    width = max(1, (max(numbers).bit_length() + 7) // 8)
    content = b"".join(number.to_bytes(width) for number in numbers)
    return width, b"".join(content[place::width] for place in range(width))


def _state(content: _Content) -> State:
    names = content.names
    hours = Hours(
        prepaid=_accounts(content.prepaid, names),
        spent=_buckets(content.spent, names),
        moved=_buckets(content.moved, names),
        holds={(group, key): Hold(since, until) for group, key, (since, until) in _rows(content.holds, names, 2)},
        past={window: _accounts(table, names) for window, table in content.past},
    )
    return State(used=_accounts(content.used, names), hours=hours)


def _accounts(table: _Table, names: Sequence[str]) -> dict[Account, int]:
    return {(party, key): count for party, key, (count,) in _rows(table, names, 1)}


def _buckets(table: _Table, names: Sequence[str]) -> dict[Bucket, int]:
    return {(party, key, hour): seconds for party, key, (hour, seconds) in _rows(table, names, 2)}


def _rows(table: _Table, names: Sequence[str], numbers: int) -> Iterator[_Row]:
    if table and len(table) != 2 + numbers:
        raise ValueError(f"{len(table)} columns instead of {2 + numbers}")
    for party, key, *rest in zip(*(_numbers(*column) for column in table), strict=True):
        yield names[party], names[key], tuple(rest)


def _numbers(width: int, content: bytes) -> Iterable[int]:
    if not 0 < width <= _WIDEST or len(content) % width:
        raise ValueError(f"not numbers of {width} bytes")
    count = len(content) // width
    return (int.from_bytes(content[place::count]) for place in range(count))

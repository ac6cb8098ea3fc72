"""A scope's state as the two compact strings of QuotaLedger.status, and back.

Single strings, because what a custom resource costs the API server grows with the nodes of its value.
Decoding is strict: whatever is not exactly what ``encode`` writes is corrupt, and a corrupt ledger is
one that has not been counted.

used, prepaid:  ``party,class:count[,class:count]...`` joined by ``;``, sorted
inflight:       ``uid,namespace,name,party,class:count[+class:count]...,reserved at,owner,kind,parts,seconds,group[,r]``
                joined by ``;``; r where it pays for more as it goes on; parts are
                ``name=digest=class:count[+class:count]...`` joined by ``&``
spent, moved:   ``party,class,hour:seconds[+hour:seconds]...`` joined by ``;``, sorted
past:           ``window=`` and what stands in used, joined by ``&``, sorted
holds:          ``group,class,since,until`` joined by ``;``, sorted
tranches:       ``uid,party,since,seconds,class:count[+class:count]...`` joined by ``;``, sorted; never packed

Of a ledger with very many accounts all the others stand in ``used`` alone, packed (``ledger.packing``).
"""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import TYPE_CHECKING

import msgspec

from admission.decide.limits import Charge, Part
from admission.ledger.limits import Kind
from admission.ledger.packing import is_large, pack, unpack
from admission.ledger.state import Entry, Hold, Hours, State
from admission.ledger.tranches import Tranche

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from admission.decide.limits import Account
    from admission.ledger.state import Bucket

_PLAIN, _SPREAD, PACKED = 1, 2, 3
"""The formats without and with shards, and packed: so that versions that know of none read what they can."""

_RENEWED, FORMAT = 4, 5
"""The formats, plain and packed, of a ledger in which something has paid by tranches; the last is the newest."""

_REMEMBERED = 4096
"""Entries whose other form is remembered: each stands in many versions of its ledger, one after the other."""

_RESERVED = re.compile(r"[%,;:+=&\x00-\x1f\x7f]")
_ESCAPE = re.compile(r"%([0-9A-F]{2})")
_STRAY = re.compile(r"%(?![0-9A-F]{2})")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_ENTRY_FIELDS = 11
_PART_FIELDS = 3
_BUCKET_FIELDS = 3
_HOLD_FIELDS = 4
_TRANCHE_FIELDS = 5
_ENDLESS = "r"
"""Stands last in an entry that goes on as it pays for more."""


class LedgerCorrupt(ValueError):  # noqa: N818 (named for what the ledger is, as it reads in a log)
    """The stored strings are not a ledger; the message says which part."""


class LedgerNewer(LedgerCorrupt):
    """A newer version of this program wrote the ledger: it must be left alone, not rebuilt."""


class Record(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """QuotaLedger.status on the wire."""

    format: int = msgspec.field(default_factory=lambda: _PLAIN)  # a factory's default is always written
    epoch: int = 0
    initialized: bool = False
    observed_pods: str = ""
    observed_claims: str = ""
    observed_tenants: str = ""
    used: str = ""
    inflight: str = ""
    prepaid: str = ""
    spent: str = ""
    archived: int = 0
    past: str = ""
    moved: str = ""
    holds: str = ""
    ends_pods: str = ""
    ends_claims: str = ""
    settled_at: int = 0
    tranches: str = ""
    shards: int = 0


def encode(state: State) -> Record:
    """Return a state in its stored form; equal states give equal records."""
    if is_large(state):
        return _record(state, {"used": pack(state, _entries_text(state))}, packed=True)
    return _record(state, _texts(state))


def _record(state: State, texts: Mapping[str, str], *, packed: bool = False) -> Record:
    hours = state.hours
    return Record(
        format=_format(state, packed=packed),
        epoch=state.epoch,
        initialized=state.initialized,
        observed_pods=_version_text(state.observed_pods),
        observed_claims=_version_text(state.observed_claims),
        observed_tenants=_version_text(state.observed_tenants),
        archived=hours.archived,
        ends_pods=_version_text(hours.ends_pods),
        ends_claims=_version_text(hours.ends_claims),
        settled_at=hours.settled_at,
        tranches=";".join(_tranche_text(key, tranche) for key, tranche in sorted(hours.tranches.items())),
        shards=state.shards,
        **texts,
    )


def _format(state: State, *, packed: bool) -> int:
    """Return the oldest format that says all: a version that knows no tranches would take what they pay for nothing."""
    if state.hours.tranches or any(entry.charge.endless for entry in state.inflight.values()):
        return FORMAT if packed else _RENEWED
    return PACKED if packed else _SPREAD if state.shards else _PLAIN


def _is_packed(record: Record) -> bool:
    return record.format in {PACKED, FORMAT}


def _texts(state: State) -> dict[str, str]:
    """Return what a state counts, each in a string that can be read."""
    hours = state.hours
    return {
        "used": _used_text(state.used),
        "inflight": _entries_text(state),
        "prepaid": _used_text(hours.prepaid),
        "spent": _buckets_text(hours.spent),
        "past": "&".join(f"{window}={_used_text(past)}" for window, past in sorted(hours.past.items())),
        "moved": _buckets_text(hours.moved),
        "holds": ";".join(_hold_text(key, hold) for key, hold in sorted(hours.holds.items())),
    }


def _entries_text(state: State) -> str:
    return ";".join(map(_entry_text, state.inflight.values()))


def decode(record: Record) -> State:
    """Return the state that a record holds.

    Raises:
        LedgerNewer: the format is newer than ours.
        LedgerCorrupt: anything else that ``encode`` would not have written.

    """
    if record.format > FORMAT:
        raise LedgerNewer(f"format {record.format} is newer than {FORMAT}; update computegate")
    if record.format < 1 or min(record.epoch, record.archived, record.shards, record.settled_at) < 0:
        raise LedgerCorrupt("format, epoch, archived, shards or settledAt is out of range")
    counts, inflight = _unpacked(record.used) if _is_packed(record) else (_counts_of(record), record.inflight)
    entries = [_entry(text) for text in _parts(inflight, ";")]
    state = dataclasses.replace(
        counts,
        epoch=record.epoch,
        initialized=record.initialized,
        observed_pods=_version(record.observed_pods),
        observed_claims=_version(record.observed_claims),
        observed_tenants=_version(record.observed_tenants),
        inflight={entry.uid: entry for entry in entries},
        hours=dataclasses.replace(
            counts.hours,
            archived=record.archived,
            ends_pods=_version(record.ends_pods),
            ends_claims=_version(record.ends_claims),
            settled_at=record.settled_at,
            tranches=dict(map(_tranche, _parts(record.tranches, ";"))),
        ),
        shards=record.shards,
    )
    if len(state.inflight) != len(entries):
        raise LedgerCorrupt("a uid stands twice in inflight")
    if not _is_canonical(state, record, inflight):
        raise LedgerCorrupt("not in canonical form")
    return state


def _is_canonical(state: State, record: Record, inflight: str) -> bool:
    """Say whether a record is what its state is written as, packed or not: another version may pack at other sizes."""
    if _is_packed(record):
        return _record(state, {"used": record.used}, packed=True) == record and _entries_text(state) == inflight
    return _record(state, _texts(state)) == record


def _unpacked(text: str) -> tuple[State, str]:
    try:
        return unpack(text)
    except ValueError as error:
        raise LedgerCorrupt(f"packed: {error}") from error


def _version_text(version: int) -> str:
    return str(version) if version else ""


def _version(text: str) -> int:
    return _number(text) if text else 0


def _used_text(used: Mapping[Account, int]) -> str:
    parties: dict[str, list[tuple[str, int]]] = {}
    for (party, key), count in sorted(used.items()):
        if count:
            parties.setdefault(party, []).append((key, count))
    return ";".join(f"{_quote(party)},{_counts_text(counts, ',')}" for party, counts in parties.items())


@functools.lru_cache(_REMEMBERED)
def _entry_text(entry: Entry) -> str:
    fields = (entry.uid, entry.namespace, entry.name, entry.charge.party)
    counts = _counts_text(entry.charge.counts, "+")
    parts = "&".join(map(_part_text, entry.charge.parts))
    written, seconds, group = str(entry.reserved_at), str(entry.charge.seconds), _quote(entry.charge.group)
    rest = (_quote(entry.owner), entry.kind, parts, seconds, group, *((_ENDLESS,) if entry.charge.endless else ()))
    return ",".join((*map(_quote, fields), counts, written, *rest))


def _buckets_text(buckets: Mapping[Bucket, int]) -> str:
    rows: dict[tuple[str, str], list[str]] = {}
    for (party, key, hour), seconds in sorted(buckets.items()):
        if seconds:
            rows.setdefault((party, key), []).append(f"{hour}:{seconds}")
    return ";".join(f"{_quote(party)},{_quote(key)},{'+'.join(hours)}" for (party, key), hours in rows.items())


def _hold_text(key: tuple[str, str], hold: Hold) -> str:
    return ",".join((*map(_quote, key), str(hold.since), str(hold.until)))


def _tranche_text(key: tuple[str, str], tranche: Tranche) -> str:
    numbers = str(tranche.since), str(tranche.seconds)
    return ",".join((*map(_quote, key), *numbers, _counts_text(tranche.counts, "+")))


def _part_text(part: Part) -> str:
    return "=".join((_quote(part.name), _quote(part.digest), _counts_text(part.counts, "+")))


def _counts_text(counts: Iterable[tuple[str, int]], mark: str) -> str:
    return mark.join(f"{_quote(key)}:{count}" for key, count in counts)


def _used(text: str) -> dict[Account, int]:
    used: dict[Account, int] = {}
    for part in _parts(text, ";"):
        party, mark, counts = part.partition(",")
        if not mark:
            raise LedgerCorrupt(f"used: no counts in {part[:80]!r}")
        used |= {(_unquote(party), key): count for key, count in _counts(counts, ",")}
    return used


def _counts_of(record: Record) -> State:
    """Return a state with what a record counts, but for what is in flight."""
    hours = Hours(
        prepaid=_used(record.prepaid),
        spent=_buckets(record.spent),
        past=dict(map(_past, _parts(record.past, "&"))),
        moved=_buckets(record.moved),
        holds=dict(map(_hold, _parts(record.holds, ";"))),
    )
    return State(used=_used(record.used), hours=hours)


def _past(text: str) -> tuple[int, dict[Account, int]]:
    window, mark, accounts = text.partition("=")
    if not mark:
        raise LedgerCorrupt(f"past: no window in {text[:80]!r}")
    return _number(window), _used(accounts)


def _buckets(text: str) -> dict[Bucket, int]:
    buckets: dict[Bucket, int] = {}
    for row in _parts(text, ";"):
        fields = row.split(",")
        if len(fields) != _BUCKET_FIELDS:
            raise LedgerCorrupt(f"not hours of an account: {row[:80]!r}")
        party, key = map(_unquote, fields[:2])
        buckets |= {(party, key, _number(hour)): seconds for hour, seconds in _counts(fields[2], "+")}
    return buckets


def _hold(text: str) -> tuple[tuple[str, str], Hold]:
    fields = text.split(",")
    if len(fields) != _HOLD_FIELDS:
        raise LedgerCorrupt(f"not a hold: {text[:80]!r}")
    return (_unquote(fields[0]), _unquote(fields[1])), Hold(_number(fields[2]), _number(fields[3]))


def _tranche(text: str) -> tuple[tuple[str, str], Tranche]:
    fields = text.split(",")
    if len(fields) != _TRANCHE_FIELDS:
        raise LedgerCorrupt(f"not a tranche: {text[:80]!r}")
    key = _unquote(fields[0]), _unquote(fields[1])
    return key, Tranche(tuple(_counts(fields[4], "+")), _number(fields[2]), _number(fields[3]))


@functools.lru_cache(_REMEMBERED)
def _entry(text: str) -> Entry:
    fields = text.split(",")
    endless = fields[_ENTRY_FIELDS:] == [_ENDLESS]
    if len(fields) != _ENTRY_FIELDS + endless:
        raise LedgerCorrupt(f"inflight: {len(fields)} fields instead of {_ENTRY_FIELDS} in {text[:80]!r}")
    uid, namespace, name, party, owner, group = map(_unquote, (*fields[:4], fields[6], fields[10]))
    parts = tuple(map(_part, _parts(fields[8], "&")))
    charge = Charge(party, tuple(_counts(fields[4], "+")), parts, _number(fields[9]), group, endless)
    return Entry(uid, namespace, name, charge, _number(fields[5]), owner, _kind(fields[7]))


def _kind(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        raise LedgerCorrupt(f"inflight: no such kind {text[:80]!r}") from None


def _part(text: str) -> Part:
    fields = text.split("=")
    if len(fields) != _PART_FIELDS:
        raise LedgerCorrupt(f"inflight: not a part of a charge: {text[:80]!r}")
    return Part(_unquote(fields[0]), _unquote(fields[1]), tuple(_counts(fields[2], "+")))


def _counts(text: str, mark: str) -> list[tuple[str, int]]:
    counts = []
    for part in text.split(mark):
        key, colon, count = part.partition(":")
        if not colon or not (number := _number(count)):
            raise LedgerCorrupt(f"not a class and its count: {part[:80]!r}")
        counts.append((_unquote(key), number))
    return counts


def _parts(text: str, mark: str) -> list[str]:
    return text.split(mark) if text else []


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise LedgerCorrupt(f"not a count: {text[:80]!r}")
    return int(text)


def _quote(text: str) -> str:
    return _RESERVED.sub(lambda found: f"%{ord(found.group()):02X}", text)


def _unquote(text: str) -> str:
    if _STRAY.search(text):
        raise LedgerCorrupt(f"a stray % in {text[:80]!r}")
    return _ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), text)

"""States to strings and back, and what is not a state."""

from __future__ import annotations

import base64
import dataclasses
import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admission.api.ledger import QuotaLedgerStatus
from admission.decide.limits import Charge, Part
from admission.ledger import packing
from admission.ledger.codec import FORMAT, PACKED, LedgerCorrupt, LedgerNewer, Record, decode, encode
from admission.ledger.limits import Kind
from admission.ledger.objects import LedgerObject, Metadata, Spec
from admission.ledger.state import Entry, Hold, Hours, State
from admission.ledger.store import Fault, Snapshot
from admission.ledger.tranches import Tranche

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["a100|h100", "%2C", "a,b;c:d+e=f&g"]
)
COUNTS = st.integers(1, 10**18)
HOLDINGS = st.dictionaries(TEXT, COUNTS, min_size=1, max_size=3)
PARTS = st.builds(lambda name, digest, counts: Part(name, digest, tuple(counts.items())), TEXT, TEXT, HOLDINGS)
CHARGES = st.builds(
    lambda party, counts, parts, *over_time: Charge(party, tuple(counts.items()), tuple(parts), *over_time),
    TEXT,
    HOLDINGS,
    st.lists(PARTS, max_size=2),
    st.integers(0, 10**9),
    TEXT,
    st.booleans(),
)
ENTRIES = st.builds(Entry, TEXT, TEXT, TEXT, CHARGES, st.integers(0, 10**12), TEXT, st.sampled_from(Kind))
ACCOUNTS = st.dictionaries(st.tuples(TEXT, TEXT), COUNTS, max_size=5)
BUCKETS = st.dictionaries(st.tuples(TEXT, TEXT, st.integers(0, 10**6)), COUNTS, max_size=5)
HOURS = st.builds(
    Hours,
    prepaid=ACCOUNTS,
    spent=BUCKETS,
    archived=st.integers(0, 10**6),
    past=st.dictionaries(st.integers(1, 10**8), ACCOUNTS, max_size=2),
    moved=BUCKETS,
    holds=st.dictionaries(
        st.tuples(TEXT, TEXT), st.builds(Hold, st.integers(0, 10**12), st.integers(0, 10**12)), max_size=3
    ),
    ends_pods=st.integers(0, 2**62),
    ends_claims=st.integers(0, 2**62),
    settled_at=st.integers(0, 2**40),
    tranches=st.dictionaries(
        st.tuples(TEXT, TEXT),
        st.builds(
            Tranche,
            st.just((("a100", 1), ("h100", 8))) | st.just((("h100|h200", 1),)),
            st.integers(0, 2**40),
            st.integers(0, 2**30),
        ),
        max_size=3,
    ),
)
STATES = st.builds(
    State,
    epoch=st.integers(0, 2**31),
    initialized=st.booleans(),
    observed_pods=st.integers(0, 2**62),
    observed_claims=st.integers(0, 2**62),
    observed_tenants=st.integers(0, 2**62),
    used=ACCOUNTS,
    inflight=st.lists(ENTRIES, max_size=5, unique_by=lambda e: e.uid).map(lambda es: {e.uid: e for e in es}),
    hours=HOURS,
)


def renews(state: State) -> bool:
    """Whether an older version must leave it alone."""
    return bool(state.hours.tranches) or any(entry.charge.endless for entry in state.inflight.values())


@settings(max_examples=300)
@given(STATES)
def test_every_state_survives_its_strings(state: State) -> None:
    wire = msgspec.json.encode(encode(state))
    assert decode(msgspec.json.decode(wire, type=Record)) == state


@settings(max_examples=300)
@given(STATES)
def test_every_state_survives_being_packed(state: State) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "MANY", -1)
        wire = msgspec.json.encode(encode(state))
    record = msgspec.json.decode(wire, type=Record)
    assert (record.format, record.prepaid, record.inflight) == (FORMAT if renews(state) else PACKED, "", "")
    assert decode(record) == state


def test_a_ledger_is_packed_once_it_has_very_many_accounts_and_read_however_it_was_written() -> None:
    used = {(f"tenant-{number:04}", "h100"): 8 for number in range(packing.MANY)}
    plain = State(1, initialized=True, used=used, shards=4)
    packed = dataclasses.replace(plain, hours=Hours(prepaid={("tenant-0000", "h100"): 60}))
    assert (encode(plain).format, encode(packed).format) == (2, PACKED)
    assert len(encode(packed).used) < len(encode(plain).used) / 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "MANY", 10**6)
        by_another_version = encode(packed)
    assert by_another_version.format == 2
    assert decode(by_another_version) == packed == decode(encode(packed))


@settings(max_examples=300)
@given(st.text("up1;,:+%2C|=&", max_size=20), st.text("up1;,:+%2C|=&", max_size=20))
def test_any_string_is_a_state_or_corrupt_and_never_two_strings_one_state(used: str, inflight: str) -> None:
    record = Record(used=used, inflight=inflight)
    try:
        state = decode(record)
    except LedgerCorrupt:
        return
    assert encode(state) == record


def test_the_strings_are_compact_and_read_well() -> None:
    part = Part("gpu", "9f3c", (("h100", 8),))
    charge = Charge("acme", (("h100", 8), ("a100|h200", 1)), (part,))
    entry = Entry("0b5e", "team-a", "train-0", charge, 1790000000, "ab12.7")
    used = {("acme", "h100"): 16, ("acme", "a100"): 1, ("zeta", "h100"): 2, ("none", "h100"): 0}
    record = encode(State(3, initialized=True, observed_pods=77, used=used, inflight={"0b5e": entry}))
    assert record.used == "acme,a100:1,h100:16;zeta,h100:2"
    assert record.inflight == "0b5e,team-a,train-0,acme,a100|h200:1+h100:8,1790000000,ab12.7,p,gpu=9f3c=h100:8,0,"
    assert record.observed_pods == "77"


def test_use_over_time_reads_well_too() -> None:
    charge = Charge("acme", (("h100", 8),), (), 3600, "f00d")
    hours = Hours(
        prepaid={("acme", "h100"): 29280},
        spent={("acme", "h100", 497222): 60, ("acme", "h100", 497223): 5},
        archived=4,
        past={2592000: {("acme", "h100"): 86400}},
        holds={("f00d", "h100"): Hold(1790000000, 0)},
    )
    record = encode(State(inflight={"u": Entry("u", "ns", "n", charge, 5, "o")}, hours=hours))
    assert record.inflight == "u,ns,n,acme,h100:8,5,o,p,,3600,f00d"
    assert (record.prepaid, record.spent) == ("acme,h100:29280", "acme,h100,497222:60+497223:5")
    assert (record.past, record.holds) == ("2592000=acme,h100:86400", "f00d,h100,1790000000,0")


def test_the_record_has_the_fields_of_the_quotaledgers_status() -> None:
    ours = {field.encode_name for field in msgspec.structs.fields(Record)}
    assert ours == {field.alias for field in QuotaLedgerStatus.model_fields.values()}


GOOD, TIMES = "u,ns,n,p,h100:1,5,o,p,", ",0,"


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(Record(used="acme"), id="no counts"),
        pytest.param(Record(used="acme,"), id="empty counts"),
        pytest.param(Record(used="acme,h100"), id="no count"),
        pytest.param(Record(used="acme,h100:0"), id="zero"),
        pytest.param(Record(used="acme,h100:-1"), id="negative"),
        pytest.param(Record(used="acme,h100:01"), id="leading zero"),
        pytest.param(Record(used="acme,h100:٣"), id="digits of another script"),
        pytest.param(Record(used="acme,h100:99999999999999999999"), id="absurd"),
        pytest.param(Record(used="acme,h100:1;"), id="trailing mark"),
        pytest.param(Record(used="acme,h100:1,h100:2"), id="a class twice"),
        pytest.param(Record(used="acme,h100:1;acme,a100:1"), id="a party twice"),
        pytest.param(Record(used="b,h100:1;a,h100:1"), id="not sorted"),
        pytest.param(Record(used="a%zz,h100:1"), id="stray escape"),
        pytest.param(Record(used="a%41,h100:1"), id="needless escape"),
        pytest.param(Record(inflight=f"{GOOD}{TIMES};{GOOD}{TIMES}"), id="a uid twice"),
        pytest.param(Record(inflight=f"{GOOD},0"), id="a field less"),
        pytest.param(Record(inflight=f"{GOOD}{TIMES},x"), id="a field more"),
        pytest.param(Record(inflight=f"u,ns,n,p,,5,o,p,{TIMES}"), id="no charge"),
        pytest.param(Record(inflight=f"u,ns,n,p,h100:1,then,o,p,{TIMES}"), id="no time"),
        pytest.param(Record(inflight=f"u,ns,n,p,h100:1+a100:1,5,o,p,{TIMES}"), id="charge not sorted"),
        pytest.param(Record(inflight=GOOD[:9]), id="cut off"),
        pytest.param(Record(inflight=f"u,ns,n,p,h100:1,5,o,q,{TIMES}"), id="no such kind"),
        pytest.param(Record(inflight=f"{GOOD}gpu=h100:1{TIMES}"), id="a part without a digest"),
        pytest.param(Record(inflight=f"{GOOD}gpu=9f=h100{TIMES}"), id="a part without a count"),
        pytest.param(Record(inflight=f"{GOOD}&{TIMES}"), id="empty parts"),
        pytest.param(Record(inflight=f"{GOOD},long,"), id="no seconds"),
        pytest.param(Record(spent="acme,h100"), id="no hours"),
        pytest.param(Record(spent="acme,h100,noon:5"), id="no hour"),
        pytest.param(Record(spent="acme,h100,7:5;acme,h100,8:5"), id="an account's hours twice"),
        pytest.param(Record(past="acme,h100:5"), id="no window"),
        pytest.param(Record(past="60=;3600="), id="windows joined by the wrong mark"),
        pytest.param(Record(holds="acme,h100,5"), id="a hold without an end"),
        pytest.param(Record(archived=-1), id="archived less than never"),
        pytest.param(Record(settled_at=-1), id="settled before all time"),
        pytest.param(Record(observed_claims="x"), id="no version of claims"),
        pytest.param(Record(observed_pods="x"), id="no version"),
        pytest.param(Record(observed_pods="0"), id="version zero"),
        pytest.param(Record(epoch=-1), id="negative epoch"),
        pytest.param(Record(format=0), id="format zero"),
    ],
)
def test_a_malformed_ledger_reads_as_not_counted(record: Record) -> None:
    with pytest.raises(LedgerCorrupt):
        decode(record)
    snapshot = Snapshot.of(7, msgspec.structs.replace(record, initialized=True))
    assert (snapshot.version, snapshot.fault, snapshot.state.initialized) == (7, Fault.CORRUPT, False)


ONE, TWO = ((1, b"\x00"), (1, b"\x01")), ((1, b"\x00\x00"), (1, b"\x01\x01"))
"""Places of names, of one row and of two."""


def content(*, names: object = ("acme", "h100"), inflight: str = "", **tables: object) -> list[object]:
    """What is packed, in its order."""
    empty = {"used": (), "prepaid": (), "spent": (), "moved": (), "holds": (), "past": ()}
    return [names, *{**empty, **tables}.values(), inflight]


def packed(found: object, after: bytes = b"") -> str:
    return base64.b64encode(zlib.compress(msgspec.msgpack.encode(found)) + after).decode()


GOOD_TABLE = (*ONE, (1, b"\x05"))


def test_a_packed_ledger_is_read() -> None:
    state = decode(Record(format=PACKED, used=packed(content(used=GOOD_TABLE, past=((3600, GOOD_TABLE),)))))
    assert (state.used, state.hours.past) == ({("acme", "h100"): 5}, {3600: {("acme", "h100"): 5}})


@pytest.mark.parametrize(
    "used",
    [
        pytest.param("", id="nothing"),
        pytest.param("acme,h100:1", id="not packed"),
        pytest.param("ä" * 4, id="not ASCII"),
        pytest.param(base64.b64encode(b"acme").decode(), id="not compressed"),
        pytest.param(packed(content(used=GOOD_TABLE))[:-8], id="cut off"),
        pytest.param(packed(content(used=GOOD_TABLE), b"more"), id="something behind it"),
        pytest.param(base64.b64encode(zlib.compress(b"\xc1")).decode(), id="not msgpack"),
        pytest.param(packed([]), id="no tables"),
        pytest.param(packed([*content(), 1]), id="a table more"),
        pytest.param(packed(content(used=ONE)), id="no counts"),
        pytest.param(packed(content(used=(*GOOD_TABLE, (1, b"\x01")))), id="a column more"),
        pytest.param(packed(content(spent=GOOD_TABLE)), id="no hours"),
        pytest.param(packed(content(used=(*ONE, (1, b"\x05\x05")))), id="a column too long"),
        pytest.param(packed(content(used=(*TWO, (1, b"\x05\x05")))), id="an account twice"),
        pytest.param(packed(content(used=(*ONE, (1, b"\x00")))), id="zero"),
        pytest.param(packed(content(used=(*ONE, (2, b"\x00\x05")))), id="wider than needed"),
        pytest.param(packed(content(used=(*ONE, (0, b"")))), id="no width"),
        pytest.param(packed(content(used=(*ONE, (9, b"\x01" * 9)))), id="absurd"),
        pytest.param(packed(content(used=(*ONE, (2, b"\x01")))), id="half a number"),
        pytest.param(packed(content(names=("acme",), used=GOOD_TABLE)), id="a name that is not there"),
        pytest.param(packed(content(names=("acme", "h100", "z"), used=GOOD_TABLE)), id="a name of nothing"),
        pytest.param(packed(content(names=("h100", "acme"), used=GOOD_TABLE)), id="names not sorted"),
        pytest.param(packed(content(past=((60, GOOD_TABLE), (60, GOOD_TABLE)))), id="a window twice"),
        pytest.param(packed(content(past=((-60, GOOD_TABLE),))), id="a window in the future"),
        pytest.param(packed(content(inflight="u,ns,n")), id="not an entry"),
        pytest.param(packed(content(inflight=f"{GOOD}{TIMES};{GOOD}{TIMES}")), id="an entry twice"),
        pytest.param(packed(content(inflight=f"u,ns,%6E,p,h100:1,5,o,p,{TIMES}")), id="an entry in other words"),
    ],
)
def test_a_malformed_packed_ledger_reads_as_not_counted(used: str) -> None:
    snapshot = Snapshot.of(7, Record(format=PACKED, initialized=True, used=used))
    assert (snapshot.fault, snapshot.state.initialized) == (Fault.CORRUPT, False)


def test_a_packed_ledger_that_unpacks_to_very_much_is_not_unpacked() -> None:
    bomb = base64.b64encode(zlib.compress(bytes(64_000_000))).decode()
    assert len(bomb) < 100_000
    assert Snapshot.of(7, Record(format=PACKED, used=bomb)).fault is Fault.CORRUPT


def test_nothing_stands_beside_what_is_packed() -> None:
    record = Record(format=PACKED, used=packed(content(used=GOOD_TABLE)), prepaid="acme,h100:5")
    assert Snapshot.of(7, record).fault is Fault.CORRUPT


def test_a_newer_ledger_is_left_to_newer_programs() -> None:
    newer = Record(format=FORMAT + 1, initialized=True, used="in a way we do not know")
    with pytest.raises(LedgerNewer, match="update"):
        decode(newer)
    assert Snapshot.of(7, newer) == Snapshot(7, State(), Fault.NEWER)


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (b"null", Fault.NONE),
        (b"{}", Fault.NONE),
        (b'{"used":7}', Fault.CORRUPT),
        (b'{"initialized":"yes"}', Fault.CORRUPT),
        (b"[]", Fault.CORRUPT),
        (b'{"format":99,"initialized":true}', Fault.NEWER),
    ],
)
def test_a_status_of_the_wrong_shape_is_not_counted(status: bytes, fault: Fault) -> None:
    found = LedgerObject(metadata=Metadata("x", "5"), spec=Spec("x"), status=msgspec.Raw(status))
    assert (found.snapshot.version, found.snapshot.state.initialized, found.snapshot.fault) == (5, False, fault)

"""Deliveries as the providers document them, read by the packaged mappings; and whatever else may come."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.api.clearance import KYCState
from admission.tenants.providers.delivery import BadDelivery, Provider, read, subject_of
from admission.tenants.providers.mapping import MappingError, builtin, with_folder

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = f"sha256:{'a' * 64}"
SUBJECT = f"acme@{DIGEST}"
State = KYCState


def persona(name: str, status: str) -> dict[str, Any]:
    """As https://docs.withpersona.com/v2022-09-01/docs/webhooks shows it."""
    inquiry = {
        "type": "inquiry",
        "id": "inq_2CVZ4HyVg7qaboXz2PUHknAn",
        "attributes": {"status": status, "reference-id": SUBJECT, "created-at": "2026-11-25T22:40:56.000Z"},
    }
    attributes = {"name": name, "created-at": "2026-11-26T10:00:00.100Z", "payload": {"data": inquiry, "included": []}}
    return {"data": {"type": "event", "id": "evt_XGuYWp7WuDzNxie5z16s7sGJ", "attributes": attributes}}


def stripe(kind: str, **session: Any) -> dict[str, Any]:
    """As https://docs.stripe.com/api/events/object and .../identity/verification_sessions/object show them."""
    found = {"id": "vs_1NuN3kLkdIwHu7ixk5OvTq3b", "object": "identity.verification_session", **session}
    event = {"id": "evt_1", "object": "event", "created": 1795687200, "livemode": True, "type": kind}
    return event | {"data": {"object": {"client_reference_id": SUBJECT, "last_error": None, **found}}}


def sumsub(kind: str, **review: Any) -> dict[str, Any]:
    """As https://docs.sumsub.com/docs/user-verification-webhooks shows it."""
    return {
        "applicantId": "5cb56e8e0a975a35f333cb83",
        "inspectionId": "5cb56e8e0a975a35f333cb84",
        "correlationId": "req-a260b669-4f14-4bb5-a4c5-ac0218acb9a4",
        "externalUserId": SUBJECT,
        "levelName": "basic-kyb-level",
        "type": kind,
        "sandboxMode": False,
        "reviewStatus": "completed",
        "createdAtMs": "2026-11-26 10:00:00.321",
        **({"reviewResult": review} if review else {}),
    }


def generic(state: str, **more: Any) -> dict[str, Any]:
    return {"tenant": SUBJECT, "state": state, "at": "2026-11-26T11:00:00+01:00", "reference": "case-1", **more}


DELIVERIES: list[tuple[str, dict[str, Any], KYCState | None, str]] = [
    ("persona", persona("inquiry.created", "created"), State.Pending, "inquiry.created"),
    ("persona", persona("inquiry.completed", "completed"), None, ""),
    ("persona", persona("inquiry.approved", "approved"), State.Verified, "inquiry.approved"),
    ("persona", persona("inquiry.marked-for-review", "needs_review"), State.NeedsReview, "inquiry.marked-for-review"),
    ("persona", persona("inquiry.failed", "failed"), State.NeedsReview, "inquiry.failed"),
    ("persona", persona("inquiry.declined", "declined"), State.Rejected, "inquiry.declined"),
    ("stripe-identity", stripe("identity.verification_session.created"), State.Pending, ""),
    ("stripe-identity", stripe("identity.verification_session.verified", status="verified"), State.Verified, ""),
    (
        "stripe-identity",
        stripe("identity.verification_session.requires_input", last_error={"code": "document_expired"}),
        State.NeedsReview,
        "document_expired",
    ),
    ("stripe-identity", stripe("identity.verification_session.canceled"), None, ""),
    ("stripe-identity", stripe("identity.verification_session.verified") | {"livemode": False}, None, ""),
    ("stripe-identity", stripe("identity.verification_session.redacted"), None, ""),
    ("sumsub", sumsub("applicantPending"), State.Pending, ""),
    ("sumsub", sumsub("applicantReviewed", reviewAnswer="GREEN"), State.Verified, ""),
    ("sumsub", sumsub("applicantReviewed", reviewAnswer="RED", reviewRejectType="FINAL"), State.Rejected, "FINAL"),
    ("sumsub", sumsub("applicantReviewed", reviewAnswer="RED", reviewRejectType="RETRY"), State.NeedsReview, "RETRY"),
    ("sumsub", sumsub("applicantReviewed", reviewAnswer="YELLOW"), None, ""),
    ("sumsub", sumsub("applicantReset"), State.NeedsReview, ""),
    ("sumsub", sumsub("applicantWorkflowFailed"), State.NeedsReview, ""),
    ("sumsub", sumsub("applicantReviewed", reviewAnswer="GREEN") | {"sandboxMode": True}, None, ""),
    ("sumsub", sumsub("applicantTagsChanged"), None, ""),
    ("generic", generic("Suspended", reason="asked by the bank"), State.Suspended, "asked by the bank"),
]


@pytest.mark.parametrize(("mapping", "payload", "state", "reason"), DELIVERIES)
def test_a_documented_delivery_is_read(
    mapping: str, payload: dict[str, Any], state: KYCState | None, reason: str
) -> None:
    provider = Provider(name="ours", level=2, valid_days=10)
    verification = read(json.dumps(payload).encode(), builtin()[mapping], provider)
    if state is None:
        assert verification is None
        return
    assert verification is not None
    assert (verification.tenant, verification.covers, verification.state) == ("acme", DIGEST, state)
    assert (verification.provider, verification.level, verification.reason) == ("ours", 2, reason)
    assert verification.as_of.replace(microsecond=0) == datetime(2026, 11, 26, 10, tzinfo=UTC)
    assert verification.expires_at == verification.as_of.replace(day=6, month=12)
    assert verification.reference in json.dumps(payload)


LESS = {"level": 1, "expiresAt": "2026-11-20T00:00:00Z", "reverifyBy": "2026-11-05T00:00:00Z"}
MORE = {"level": 4, "expiresAt": "9999-01-01T00:00:00Z", "reverifyBy": "2030-01-01T00:00:00Z"}


@pytest.mark.parametrize(("said", "level", "ends", "due"), [(LESS, 1, 20, 5), (MORE, 2, 29, 8), ({}, 2, 29, 8)])
def test_a_delivery_says_less_than_its_provider_is_set_to_and_never_more(
    said: dict[str, Any], level: int, ends: int, due: int
) -> None:
    payload = generic("Verified", verifiedAt="2026-11-01T00:00:00Z", **said)
    provider = Provider(name="ours", level=2, valid_days=28, reverify_days=7)
    verification = read(json.dumps(payload).encode(), builtin()["generic"], provider)
    assert verification is not None
    dates = [datetime(2026, 11, day, tzinfo=UTC) for day in (1, ends, due)]
    assert [verification.verified_at, verification.expires_at, verification.reverify_by] == dates
    assert verification.level == level


BAD = [
    ({"tenant": "Acme"}, "tenant: write NAME or NAME@sha256:"),
    ({"tenant": "acme@sha256:12"}, "tenant: write NAME or NAME@sha256:"),
    ({"tenant": 7}, "tenant: missing, or not a text"),
    ({"at": None}, "at: missing"),
    ({"at": "2026-11-26T10:00:00"}, "at: an instant needs a zone"),
    ({"at": "soon"}, "at: not an instant"),
    ({"at": 1e300}, "at: not an instant"),
    ({"at": True}, "at: not an instant"),
    ({"at": "9999-12-31T23:59:59-14:00"}, "at: not an instant"),
    ({"at": "0001-01-01T00:00:00+14:00"}, "at: not an instant"),
    ({"expiresAt": "9999-12-31T23:59:59-14:00"}, "expiresAt: not an instant"),
    ({"reference": ""}, "reference: missing, or not a text"),
    *(({"level": wrong}, "level: write a level from 0 to 4") for wrong in (5, -1, True, "4", 2.0)),
    ({"verifiedAt": "9999-12-31T00:00:00Z"}, "verifiedAt: too far ahead"),
    ({"levels": 1}, "levels: no such field; there are at, expiresAt, level, reason, "),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at: no such field"),
    *(
        ({"state": wrong}, "state: write one of Pending, ")
        for wrong in ("revoked", "REJECTED", "Expired", "", None, 1, ["Verified"])
    ),
]


@pytest.mark.parametrize(("changed", "said"), BAD)
def test_a_bad_delivery_is_refused_by_its_field(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(BadDelivery, match=said):
        read(json.dumps(generic("Verified") | changed).encode(), builtin()["generic"], Provider(name="ours"))


@pytest.mark.parametrize("key", ["state", "expiresAt"])
def test_a_key_that_stands_twice_is_refused(key: str) -> None:
    body = json.dumps(generic("Rejected"))[:-1] + f', "{key}": "Verified", "{key}": "Verified"}}'
    with pytest.raises(BadDelivery, match=f"{key}: stands twice"):
        read(body.encode(), builtin()["generic"], Provider(name="ours"))


def of_template(name: str, template: str) -> dict[str, Any]:
    payload = persona(name, "approved")
    relationships = {"inquiry-template": {"data": {"type": "inquiry-template", "id": template}}}
    payload["data"]["attributes"]["payload"]["data"]["relationships"] = relationships
    return payload


GREEN = {"reviewAnswer": "GREEN"}
FINAL = {"reviewAnswer": "RED", "reviewRejectType": "FINAL"}
LEVELS = {"basic-kyb-level": 2, "itmpl_owners": 2, "itmpl_person": 1}
SORTS = [
    ("sumsub", sumsub("applicantReviewed", **GREEN), (State.Verified, 2)),
    ("sumsub", sumsub("applicantReviewed", **GREEN) | {"levelName": "newsletter-basic"}, None),
    ("sumsub", sumsub("applicantReviewed", **GREEN) | {"levelName": ["basic-kyb-level"]}, None),
    ("sumsub", sumsub("applicantReviewed", **FINAL) | {"levelName": "newsletter-basic"}, (State.Rejected, 0)),
    ("sumsub", sumsub("applicantPending") | {"levelName": "newsletter-basic"}, None),
    ("persona", of_template("inquiry.approved", "itmpl_person"), (State.Verified, 1)),
    ("persona", persona("inquiry.approved", "approved"), None),
]


@pytest.mark.parametrize(("mapping", "payload", "expected"), SORTS)
def test_where_levels_are_named_another_sort_of_verification_clears_nobody(
    mapping: str, payload: dict[str, Any], expected: tuple[KYCState, int] | None
) -> None:
    found = read(json.dumps(payload).encode(), builtin()[mapping], Provider(name="ours", level=4, levels=LEVELS))
    assert (found and (found.state, found.level)) == expected


@pytest.mark.parametrize("body", [b"[]", b"null", b"7", b'"Revoked"', b'[{"state": "Revoked"}]'])
@pytest.mark.parametrize("mapping", sorted(builtin()))
def test_a_body_that_is_no_object_is_refused(body: bytes, mapping: str) -> None:
    with pytest.raises(BadDelivery, match="the body is no JSON object"):
        read(body, builtin()[mapping], Provider(name="ours"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@given(
    st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries(
        {"state": st.just("Verified"), "tenant": JSON, "at": JSON, "reference": JSON, "level": JSON}
    ).map(lambda value: json.dumps(value).encode())
    | st.just(b"[" * 100_000)
)
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    for mapping in builtin().values():
        with contextlib.suppress(BadDelivery):
            read(body, mapping, Provider(name="ours"))


def test_every_packaged_mapping_but_our_own_names_the_pages_that_it_follows() -> None:
    assert set(builtin()) == {"generic", "persona", "stripe-identity", "sumsub"}
    sourced = {name: mapping.documentation for name, mapping in builtin().items() if name != "generic"}
    assert all(pages and all(page.startswith("https://") for page in pages) for pages in sourced.values())


@pytest.mark.parametrize("subject", ["", "a@", "a@sha256:" + "A" * 64, "a b", "a" * 64, "a\n", f"a@{DIGEST}\n"])
def test_what_is_no_subject_is_none(subject: str) -> None:
    assert subject_of(subject) is None


WRONG = [
    ("[", "own.toml: "),
    ("documentation = []", "own.toml: read_on: Field required"),
    ("level = 1", "level: Extra inputs are not permitted"),
    ("#" * 70_000, "own.toml: larger than 65536 bytes"),
    ("x = " + "[" * 5000, "own.toml: "),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_a_bad_mapping_is_refused_by_file_and_field(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(MappingError) as raised:
        with_folder(tmp_path)
    assert said in str(raised.value)

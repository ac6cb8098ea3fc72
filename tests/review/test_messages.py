"""Every sentence that a user reads, word for word; and what holds of all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.review import fitting, messages, wire
from admission.review.answer import MOST_CAUSES, answer, status_code
from admission.review.finding import Finding
from admission.review.fitting import denial
from admission.review.messages import Shortage
from admission.review.reasons import PublicCode, Reason
from admission.review.reference import reference_of
from admission.review.wire import Request

CONTACT = "compute-access@example.com"
END = f"; ref 7f3a9c0d12; {CONTACT}"
SHORT = Shortage("h100-de", "nvidia.com/gpu", 8, 24, 0)

LINES: list[tuple[Reason, str, str]] = [
    (
        Reason.DeviceBypass,
        messages.device_bypass([f"spec.volumes[{name}].hostPath (/dev)" for name in "abcdef"]),
        (
            "[NotPermitted] this pod can reach devices it does not ask for; remove spec.volumes[a].hostPath (/dev) "
            "and spec.volumes[b].hostPath (/dev) and spec.volumes[c].hostPath (/dev) and "
            f"spec.volumes[d].hostPath (/dev) and 2 more{END}"
        ),
    ),
    (
        Reason.ClassUnknown,
        messages.class_unknown("nvidia.com/gpu"),
        (
            "[NotPermitted] which accelerator nvidia.com/gpu gives is not known here; ask for it to be declared, or "
            f"use another resource{END}"
        ),
    ),
    (
        Reason.ClassUnknown,
        messages.malformed("spec.containers[a].resources.limits[nvidia.com/gpu]: 'x' is not a quantity"),
        (
            "[NotPermitted] this pod cannot be judged: spec.containers[a].resources.limits[nvidia.com/gpu]: 'x' is not "
            f"a quantity{END}"
        ),
    ),
    (
        Reason.HoldTooLong,
        messages.stopped("acme"),
        (
            "[LimitReached] tenant acme has running pods that would be denied now, and no new ones are admitted "
            'meanwhile; see "kubectl get allowance" -o yaml, which says what happens to these and when'
            f"{END}"
        ),
    ),
    (
        Reason.TenantUnknown,
        messages.tenant_unknown("lab"),
        f"[InfoNeeded] namespace lab belongs to no known tenant; ask for it to be bound to yours{END}",
    ),
    (
        Reason.EndCustomerMissing,
        messages.end_customer_missing("kumo", "resale"),
        (
            "[InfoNeeded] tenant kumo supplies others, and namespace resale names no end customer; ask for it to be "
            f"named{END}"
        ),
    ),
    (
        Reason.KYCLevelTooLow,
        messages.level_too_low("acme", "class h100-sxm", 3),
        (
            "[InfoNeeded] class h100-sxm needs verification level 3, which tenant acme has not reached; ask to be "
            f"verified further{END}"
        ),
    ),
    (
        Reason.KYCLevelTooLow,
        messages.level_too_low_for_so_much("acme", "class h100-sxm", 4),
        (
            "[InfoNeeded] so much of class h100-sxm at once needs verification level 4, which tenant acme has not "
            f"reached; free some; ask to be verified further{END}"
        ),
    ),
    (
        Reason.EndUseMissing,
        messages.end_use_missing("acme", "class h100-sxm"),
        (
            "[InfoNeeded] class h100-sxm needs a declared end use, and tenant acme has declared none, or Other; "
            f"ask for yours to be entered{END}"
        ),
    ),
    (
        Reason.AttestationLapsed,
        messages.attestation_lapsed("acme"),
        (
            "[InfoNeeded] what tenant acme attests of how it passes compute on has ended, or is missing; ask for its "
            f"renewal{END}"
        ),
    ),
    (
        Reason.ClassAmbiguous,
        messages.class_ambiguous("nvidia.com/gpu", ["a100-80gb", "h100-sxm"], ["chip=a100", "chip=h100"]),
        (
            "[InfoNeeded] nvidia.com/gpu of this pod may land on a100-80gb or h100-sxm; add nodeSelector chip=a100 or "
            f"chip=h100{END}"
        ),
    ),
    (
        Reason.ClassAmbiguous,
        messages.class_ambiguous("nvidia.com/gpu", ["a100-80gb", "h100-sxm"], []),
        (
            "[InfoNeeded] nvidia.com/gpu of this pod may land on a100-80gb or h100-sxm; add a nodeSelector that names "
            f"one{END}"
        ),
    ),
    (
        Reason.ClaimMissing,
        messages.claim_missing(["resource claim template gpus"]),
        (
            "[InfoNeeded] this pod refers to resource claim template gpus, which does not exist; create it before the "
            f"pod{END}"
        ),
    ),
    (
        Reason.HoldUnbounded,
        messages.hold_unbounded("jp", "7d"),
        f"[InfoNeeded] quota jp lets a pod hold its devices for 7d at most; set activeDeadlineSeconds{END}",
    ),
    (
        Reason.HoldTooLong,
        messages.hold_too_long("jp", "7d", "8d"),
        f"[LimitReached] quota jp lets a pod hold its devices for 7d at most, not 8d; lower activeDeadlineSeconds{END}",
    ),
    (
        Reason.KYCExpired,
        messages.not_cleared("acme", "class h100-sxm"),
        (
            "[NotCleared] tenant acme is not cleared for class h100-sxm; running pods are unaffected; ask "
            f"for clearance{END}"
        ),
    ),
    (
        Reason.NeedsReview,
        messages.under_review("acme", "class h100-sxm"),
        (
            "[UnderReview] the clearance of tenant acme for class h100-sxm is under review, or waits for a check of "
            f"ours; nothing is needed from you now, unless you were asked for something{END}"
        ),
    ),
    (
        Reason.OwnerUnknown,
        messages.owner_unknown("acme", "class h100-sxm"),
        (
            "[InfoNeeded] who holds tenant acme or stands above it, or where it or they are seated, is not stated in "
            f"full; ask for the rest to be entered{END}"
        ),
    ),
    (
        Reason.PaymentUnknown,
        messages.payment_unknown("acme", "class h100-sxm"),
        (f"[InfoNeeded] how tenant acme pays is not known, or not confirmed by billing; ask for it to be entered{END}"),
    ),
    (
        Reason.FactStale,
        messages.fact_stale("acme", "class h100-sxm"),
        (
            "[NotCleared] what is known of tenant acme is too old, or not confirmed by whose word counts; ask for it "
            f"to be confirmed anew{END}"
        ),
    ),
    (
        Reason.QuotaExceeded,
        messages.quota_exceeded("acme", "h100-sxm", [SHORT]),
        (
            "exceeded quota: h100-de, requested: nvidia.com/gpu=8, used: nvidia.com/gpu=24, limited: nvidia.com/gpu=24 "
            '[LimitReached: tenant acme, class h100-sxm, 0 left for you; see "kubectl get allowance"; '
            f"ref 7f3a9c0d12; {CONTACT}]"
        ),
    ),
    (
        Reason.QuotaExceeded,
        messages.quota_exceeded("acme", "h100-sxm", [SHORT, Shortage("all-de", "tpp", 126632, 0, 100000)]),
        (
            "exceeded quota: h100-de, requested: nvidia.com/gpu=8, used: nvidia.com/gpu=24, limited: nvidia.com/gpu=24"
            "; exceeded quota: all-de, requested: tpp=126632, used: tpp=0, limited: tpp=100000 "
            '[LimitReached: tenant acme, class h100-sxm, 0 left for you; see "kubectl get allowance"; '
            f"ref 7f3a9c0d12; {CONTACT}]"
        ),
    ),
    (
        Reason.QuotaExceeded,
        messages.no_quota("acme", "class h100-sxm"),
        f"[LimitReached] no quota covers class h100-sxm for tenant acme; ask for one{END}",
    ),
    (
        Reason.AuthorizationRequired,
        messages.authorization_required("acme", "class h100-sxm"),
        "[LimitReached] class h100-sxm needs an authorization that tenant acme does not have; ask for one" + END,
    ),
    (
        Reason.AuthorizationExhausted,
        messages.authorization_exhausted(["D-1"], 8, 4, 10),
        f"[LimitReached] authorization D-1 covers 10 at once: 4 in use, 8 asked; free some or ask for more{END}",
    ),
    (
        Reason.AuthorizationExhausted,
        messages.authorization_taken("acme", "class h100-sxm"),
        (
            "[LimitReached] the authorization for class h100-sxm that covers tenant acme has no room for this; free "
            f"some or ask for more{END}"
        ),
    ),
    (
        Reason.NotSynced,
        messages.not_synced(),
        f"[TryAgain] access data is still loading; retrying is safe{END}",
    ),
    (
        Reason.LedgerBusy,
        messages.ledger_busy(),
        f"[TryAgain] too many requests for accelerators at once; retrying is safe{END}",
    ),
    (
        Reason.RulesUnusable,
        messages.rules_broken(),
        "[TryAgain] an access rule here has an error that the operator must mend; retrying helps when that is done"
        + END,
    ),
    (
        Reason.Draining,
        messages.draining(),
        f"[TryAgain] this replica is shutting down; retrying is safe{END}",
    ),
]


@pytest.mark.parametrize(("reason", "sentence", "line"), LINES, ids=[str(line[0]) for line in LINES])
def test_a_denial_reads_like_this(reason: Reason, sentence: str, line: str) -> None:
    assert denial([Finding(reason, sentence)], "7f3a9c0d12", CONTACT) == line


def test_every_public_code_has_a_line_above() -> None:
    assert {reason.code for reason, _, _ in LINES} == set(PublicCode)


def test_every_reason_has_one_public_code() -> None:
    assert [reason for reason in Reason if reason.code not in PublicCode] == []
    assert len(Reason) == 37


def test_the_most_actionable_code_leads_and_a_sentence_stands_once() -> None:
    late, early = messages.not_cleared("acme", "class a"), messages.tenant_unknown("lab")
    findings = [Finding(Reason.KYCStale, late), Finding(Reason.KYCExpired, late), Finding(Reason.TenantUnknown, early)]
    assert denial(findings, "r", "") == f"[InfoNeeded] {early}; [NotCleared] {late}; ref r"


HOSTILE = st.text(max_size=3000) | st.sampled_from(["\x1b[31m", "a\nb", "\u202e", "x" * 5000, "\ud800"])


@given(st.sampled_from(Reason), st.lists(HOSTILE, min_size=1, max_size=8), HOSTILE)
def test_whatever_a_tenant_writes_a_denial_is_one_short_line_of_printable_ascii_with_its_reference(
    reason: Reason, words: list[str], contact: str
) -> None:
    sentence = messages.device_bypass(words)
    line = denial([Finding(reason, sentence), Finding(Reason.KYCMissing, words[0])], "7f3a9c0d12", contact)
    assert len(line) <= fitting.LONGEST
    assert all(" " <= char <= "~" for char in line)
    assert "ref 7f3a9c0d12" in line


def test_a_warning_of_a_denial_keeps_the_reference() -> None:
    line = denial([Finding(Reason.KYCExpired, messages.not_cleared("acme", "class h100-sxm"))], "7f3a9c0d12", CONTACT)
    assert messages.would_be_denied(line, "7f3a9c0d12") == (
        "would be denied when enforced: [NotCleared] tenant acme is not cleared for class h100-sxm; running "
        " ... (ref 7f3a9c0d12)"
    )


@pytest.mark.parametrize(
    ("roles", "enforced", "start"),
    [
        (
            [],
            True,
            "its pods would be denied: [NotCleared] tenant acme is not cleared for class h100-sxm; running pods  ...",
        ),
        (
            [],
            False,
            "its pods would be denied when enforced: [NotCleared] tenant acme is not cleared for class h100-sxm;",
        ),
        (["worker"], True, "pods of role worker would be denied: [NotCleared] tenant acme is not cleared for class h1"),
        (
            ["r" * 99, "b", "c"],
            True,
            f"pods of role {'r' * 24} and 2 more would be denied: [NotCleared] tenant acme is",
        ),
    ],
)
def test_a_warning_of_pods_to_come_names_the_role_and_keeps_the_reference(
    roles: list[str], enforced: bool, start: str
) -> None:
    line = denial([Finding(Reason.KYCExpired, messages.not_cleared("acme", "class h100-sxm"))], "7f3a9c0d12", CONTACT)
    warning = messages.pods_would_be_denied(roles, line, "7f3a9c0d12", enforced=enforced)
    assert warning.startswith(start)
    assert warning.endswith(" ... (ref 7f3a9c0d12)")


def test_a_warning_of_too_many_pods_begins_with_the_figures() -> None:
    line = denial(
        [Finding(Reason.QuotaExceeded, messages.quota_exceeded("acme", "h100-sxm", [SHORT]))], "7f3a9c0d12", ""
    )
    assert messages.workload_would_not_fit(line, "7f3a9c0d12", enforced=True) == (
        "not all pods fit: exceeded quota: h100-de, requested: nvidia.com/gpu=8, used: nvidia.com/gpu=24, li"
        " ... (ref 7f3a9c0d12)"
    )


@given(HOSTILE)
def test_a_warning_is_one_short_line_of_printable_ascii(text: str) -> None:
    warnings = (
        messages.would_be_denied(text, "7f3a9c0d12"),
        messages.nearly_used_up(text, 90),
        messages.clearance_ends(text, "2026-01-01"),
        messages.verification_due(text, "2026-01-01"),
        messages.pods_would_be_denied([text, text], text, "7f3a9c0d12", enforced=False),
        messages.workload_would_not_fit(text, "7f3a9c0d12", enforced=False),
        messages.workload_unread(text),
    )
    for warning in warnings:
        assert len(warning) <= fitting.LONGEST_WARNING
        assert all(" " <= char <= "~" for char in warning)


REQUEST = Request(uid="u", operation="CREATE", name="train-0")


@pytest.mark.parametrize(
    ("reasons", "code"),
    [
        ((Reason.KYCExpired,), 403),
        ((Reason.QuotaExceeded,), 403),
        ((Reason.NotSynced,), 429),
        ((Reason.LedgerBusy, Reason.Draining), 429),
        ((Reason.NotSynced, Reason.KYCExpired), 403),
    ],
    ids=str,
)
def test_only_time_alone_answers_429(reasons: tuple[Reason, ...], code: int) -> None:
    assert status_code([Finding(reason, "x") for reason in reasons]) == code


@pytest.mark.parametrize(("mode", "allowed"), [("observe", True), ("warn", True), ("enforce", False)])
def test_the_mode_decides_what_a_finding_does(mode: str, allowed: bool) -> None:
    finding = Finding(Reason.KYCExpired, messages.not_cleared("acme", "class a"), "secret", party="acme", rule="p/r")
    response = answer(REQUEST, [finding, finding], mode=mode, reference="r", contact=CONTACT, warnings=("soon",))
    assert response.allowed is allowed
    assert response.warnings == (("soon",) if allowed else ())
    if not allowed:
        assert response.status is not None
        assert response.status.details is not None
        assert [cause.reason for cause in response.status.details.causes] == ["NotCleared"]
        assert "secret" not in str(response)
        assert "KYCExpired" not in str(response)


@given(st.lists(HOSTILE, max_size=30))
def test_the_causes_of_a_denial_are_few_short_and_printable(words: list[str]) -> None:
    findings = [Finding(Reason.DeviceBypass, word) for word in (*map(str, range(9)), *words)]
    response = answer(REQUEST, findings, mode="enforce", reference="r", contact=CONTACT)
    assert response.status is not None
    assert response.status.details is not None
    causes = [cause.message for cause in response.status.details.causes]
    assert causes == [str(number) for number in range(MOST_CAUSES)]
    assert len(wire.encode(response)) < (MOST_CAUSES + 1) * fitting.LONGEST * 2


@given(HOSTILE)
def test_a_cause_is_cut_as_the_line_is(text: str) -> None:
    response = answer(REQUEST, [Finding(Reason.KYCStale, text)], mode="enforce", reference="r", contact=CONTACT)
    assert response.status is not None
    assert response.status.details is not None
    (cause,) = response.status.details.causes
    assert len(cause.message) <= fitting.LONGEST
    assert all(" " <= char <= "~" for char in cause.message)


NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)


def _reference(
    key: bytes = b"k" * 32, tenant: str = "acme", reasons: tuple[Reason, ...] = (Reason.KYCExpired,), minutes: float = 0
) -> str:
    return reference_of(key, tenant, "lab", reasons, NOW + timedelta(minutes=minutes))


def test_a_reference_stays_for_tenant_reasons_and_hour() -> None:
    both = (Reason.KYCExpired, Reason.QuotaExceeded)
    assert _reference() == _reference(minutes=59.9)
    assert _reference(reasons=both) == _reference(reasons=(*reversed(both), *both))


@pytest.mark.parametrize(
    "other",
    [
        _reference(key=b"x" * 32),
        _reference(key=b""),
        _reference(tenant="other"),
        _reference(tenant=""),
        _reference(reasons=(Reason.KYCStale,)),
        _reference(minutes=60),
        _reference(minutes=-0.1),
    ],
    ids=["key", "no key", "tenant", "no tenant", "reason", "next hour", "hour before"],
)
def test_a_reference_changes_with_anything_else(other: str) -> None:
    assert other != _reference()
    assert len(other) == 10

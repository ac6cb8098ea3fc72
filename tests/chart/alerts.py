"""For each alert series by which it fires, and series near them by which it does not, one sample a minute."""

from typing import NamedTuple

ON = "1x700"
GROWS = "0+60x700"
"""One more each second."""

STILL = "7x700"


class Case(NamedTuple):
    """Series and their samples, in the notation of promtool."""

    fires: dict[str, str]
    quiet: dict[str, str]


def replicas(leading: int, following: int) -> dict[str, str]:
    """Return what replicas say of leadership, `leading` of them that they lead."""
    numbers = range(leading + following)
    return {f'computegate_leader{{instance="{n}"}}': f"{int(n < leading)}x700" for n in numbers}


def flag(name: str, bad: str, good: str) -> Case:
    """Return a case of one gauge, which is bad or good."""
    return Case({name: f"{bad}x700"}, {name: f"{good}x700"})


def counter(name: str) -> Case:
    """Return a case of one counter, which grows or stands still."""
    return Case({name: GROWS}, {name: STILL})


ENDS = "computegate_certificate_expiry_timestamp_seconds"
REFUSED = "apiserver_admission_webhook_rejection_count"
OPENED = "apiserver_admission_webhook_fail_open_count"
DECISIONS = 'computegate_decisions_total{entry="enforced", mode="enforce", decision="allowed"}'
REASONS = "computegate_denial_reasons_total"
BUCKET = 'computegate_decision_duration_seconds_bucket{entry="enforced", le="'
HOURS, HOLD = "computegate_quota_device_seconds", "computegate_quota_hold_seconds"
DAY = 86400


def canary(name: str, bad: str, good: str) -> Case:
    """Return a canary that is answered badly, or well."""
    answered = {each: f'computegate_canary_outcome{{canary="{name}", outcome="{each}"}}' for each in (bad, good)}
    return Case({answered[bad]: "1x700", answered[good]: "0x700"}, {answered[bad]: "0x700", answered[good]: "1x700"})


def quota(used: int, reserved: int) -> dict[str, str]:
    """Return the devices of a quota of 20."""
    figures = {"used": used, "reserved": reserved, "limit": 20}
    return {f'computegate_quota_{figure}_devices{{quota="q"}}': f"{n}x700" for figure, n in figures.items()}


def figures(name: str, **numbers: int) -> dict[str, str]:
    """Return series of a metric by the label figure."""
    return {f'{name}{{quota="q", figure="{figure}"}}': f"{number}x700" for figure, number in numbers.items()}


def unreachable(metric: str, entry: str) -> Case:
    """Return calls of one of our webhooks that fail, beside those of others and denials."""
    ours = f'{metric}{{name="{entry}.computegate.io", error_type="calling_webhook_error"}}'
    others = {f'{metric}{{name="validate.kyverno.svc", error_type="calling_webhook_error"}}': GROWS}
    denials = {f'{REFUSED}{{name="{entry}.computegate.io", error_type="no_error"}}': GROWS}
    return Case({ours: GROWS}, {ours: STILL, **others, **denials})


def burst(metric: str, entry: str) -> dict[str, str]:
    """Return a counter of the API server that appears with its first failures, and does not grow."""
    target = '{job="apiserver", instance="a"}'
    ours = f'{metric}{{name="{entry}.computegate.io", error_type="calling_webhook_error", {target[1:]}'
    return {ours: "_x10 3x30", f"up{target}": "1x40"}


BRIEF: dict[str, dict[str, str]] = {
    "ComputegateUnreachable": burst(REFUSED, "enforced"),
    "ComputegateFailsOpen": burst(OPENED, "observed"),
    "ComputegateGateNotIntact": {"computegate_gate_intact": "1x40", "computegate_gate_breaks_total": "0x10 1x30"},
}
"""By alert, what is over when it is scraped first, after ten minutes."""

CASES: dict[str, Case] = {
    "ComputegateDown": Case({}, replicas(1, 0)),
    "ComputegateReplicasMissing": Case(replicas(1, 1), replicas(1, 2)),
    "ComputegateNotSynced": flag('computegate_watch_synced{instance="a", resource="tenants"}', "0", "1"),
    "ComputegateWatchSilent": flag('computegate_watch_silence_seconds{instance="a", resource="tenants"}', "91", "89"),
    "ComputegateNoLeader": Case(replicas(0, 3), replicas(1, 2)),
    "ComputegateUnreachable": unreachable(REFUSED, "enforced"),
    "ComputegateFailsOpen": unreachable(OPENED, "observed"),
    "ComputegateGateNotIntact": flag("computegate_gate_intact", "0", "1"),
    "ComputegateGateOpen": canary("device", "admitted", "denied"),
    "ComputegateInTheWay": canary("plain", "obstructed", "passed"),
    "ComputegateCanaryUnanswered": canary("access", "unanswered", "denied"),
    "ComputegateCanaryFails": flag('computegate_canary_last_good_timestamp_seconds{canary="device"}', "0", "99999999"),
    "ComputegateAuditFails": flag('computegate_audit_problems{problem="rights"}', "2", "0"),
    "ComputegateWeakened": counter('computegate_weakened_total{what="namespace"}'),
    "ComputegateReleaseWeakened": Case(
        {"computegate_release_weakened_timestamp_seconds": "0+60x700"},
        {"computegate_release_weakened_timestamp_seconds": f"-{DAY}x700"},
    ),
    "ComputegateCertificateEnds": flag(f'{ENDS}{{certificate="serving"}}', str(7 * DAY), str(9 * DAY)),
    "ComputegateCertificateNotCurrent": flag("computegate_certificate_current", "0", "1"),
    "ComputegateRotationFails": flag("computegate_certificate_rotation_works", "0", "1"),
    "ComputegateCertificateSecretUnreadable": flag("computegate_certificate_secret_readable", "0", "1"),
    "ComputegateHandshakesFail": counter("computegate_tls_handshakes_failed_total"),
    "ComputegateTryAgain": Case(
        {DECISIONS: GROWS, f'{REASONS}{{reason="LedgerBusy", mode="enforce"}}': "0+6x700"},
        {
            DECISIONS: GROWS,
            f'{REASONS}{{reason="LedgerBusy", mode="enforce"}}': "0+1x700",
            f'{REASONS}{{reason="QuotaExceeded", mode="enforce"}}': GROWS,
        },
    ),
    "ComputegateOverloaded": Case(
        {'computegate_http_requests_total{entry="enforced", outcome="busy"}': GROWS},
        {'computegate_http_requests_total{entry="enforced", outcome="answered"}': GROWS},
    ),
    "ComputegateErrors": Case(
        {'computegate_http_requests_total{entry="enforced", outcome="error"}': "0+1x700"},
        {'computegate_http_requests_total{entry="enforced", outcome="malformed"}': GROWS},
    ),
    "ComputegateSlow": Case(
        {f'{BUCKET}1"}}': "0+90x700", f'{BUCKET}5"}}': "0+100x700", f'{BUCKET}+Inf"}}': "0+100x700"},
        {f'{BUCKET}0.5"}}': "0+100x700", f'{BUCKET}5"}}': "0+100x700", f'{BUCKET}+Inf"}}': "0+100x700"},
    ),
    "ComputegateRecordLost": counter("computegate_records_dropped"),
    "ComputegateRecordUnwritable": flag('computegate_record_writable{instance="a", sink="file"}', "0", "1"),
    "ComputegateLedgerNotCounted": flag('computegate_ledger_initialized{scope="DE"}', "0", "1"),
    "ComputegateLedgerDrift": flag('computegate_ledger_uncounted_devices{scope="DE", party="tenant"}', "2", "0"),
    "ComputegateUnannouncedDevices": counter('computegate_ledger_missed_devices_total{scope="DE", party="tenant"}'),
    "ComputegateLedgerFailures": Case(
        {"computegate_ledger_failures_total": GROWS}, {"computegate_ledger_failures_total": "0+1x700"}
    ),
    "ComputegateLedgerConflicts": Case(
        {
            'computegate_ledger_conflicts_total{scope="DE"}': "0+120x700",
            'computegate_ledger_writes_total{scope="DE"}': GROWS,
        },
        {
            'computegate_ledger_conflicts_total{scope="DE"}': "0+30x700",
            'computegate_ledger_writes_total{scope="DE"}': GROWS,
        },
    ),
    "ComputegateUnreadableObjects": flag("computegate_unreadable_objects", "1", "0"),
    "ComputegateUsageBlocked": flag("computegate_usage_waiting_lines", "1", "0"),
    "ComputegateUsageGap": counter("computegate_usage_gaps_total"),
    "ComputegateQuotaNearlyUsed": Case(quota(18, 1), quota(18, 0)),
    "ComputegateHoursNearlyUsed": Case(
        figures(HOURS, used=900, reserved=50, limit=1000), figures(HOURS, used=900, reserved=0, limit=1000)
    ),
    "ComputegateHoldNearlyOver": Case(figures(HOLD, longest=95, limit=100), figures(HOLD, longest=90, limit=100)),
    "ComputegateEvictionsWait": flag("computegate_eviction_breaker", "1", "0"),
    "ComputegateBreakerExpected": flag("computegate_eviction_breaker_expected", "1", "0"),
    "ComputegatePodsFound": flag('computegate_found_pods{reason="KYCExpired", action="Report"}', "1", "0"),
    "ComputegateEvictionsFail": Case(
        {'computegate_evictions_total{outcome="failed"}': GROWS},
        {'computegate_evictions_total{outcome="evicted"}': GROWS},
    ),
    "ComputegatePodsLinger": flag("computegate_lingering_pods", "1", "0"),
    "ComputegateNotSwept": flag("computegate_sweep_age_seconds", "7300", "7100"),
    "ComputegateNamespacesUntold": flag("computegate_untold_namespaces", "1", "0"),
    "ComputegateSweepStale": flag("computegate_sweep_stale", "1", "0"),
    "ComputegateClockWrong": flag('computegate_clock_ahead_seconds{instance="a", clock="machine"}', "-3600", "-29"),
    "ComputegateScreeningListOld": Case(
        {"computegate_screening_list_date_seconds": f"-{5 * DAY}x700"},
        {"computegate_screening_list_date_seconds": f"-{4 * DAY}x700"},
    ),
    "ComputegateScreeningHitsWait": flag("computegate_screening_waiting_hits", "1", "0"),
    "ComputegateVerificationOverdue": Case(
        {'computegate_tenants_to_verify{state="overdue"}': ON},
        {'computegate_tenants_to_verify{state="overdue"}': "0x700", 'computegate_tenants_to_verify{state="due"}': ON},
    ),
    "ComputegateVerificationDue": Case(
        {'computegate_tenants_to_verify{state="due"}': ON},
        {'computegate_tenants_to_verify{state="due"}': "0x700", 'computegate_tenants_to_verify{state="overdue"}': ON},
    ),
    "ComputegateFactsStale": flag('computegate_tenants_stale_facts{fact="Headquarters"}', "1", "0"),
    "ComputegateExemptionEnds": flag(
        'computegate_exemption_expires_seconds{exemption="agent"}', str(3 * DAY), str(4 * DAY)
    ),
    "ComputegateOverrideEnds": flag(
        'computegate_kyc_override_expires_seconds{override="one"}', str(3 * DAY), str(4 * DAY)
    ),
    "ComputegateObjectsBroken": flag("computegate_objects_broken_seconds", "61", "0"),
    "ComputegateKindsUnreadable": flag("computegate_kinds_readable", "0", "1"),
    "ComputegateReceiverSecretUnreadable": flag('computegate_kyc_secrets_readable{provider="p"}', "0", "1"),
    "ComputegateDeliveriesRefused": Case(
        {'computegate_kyc_deliveries_total{provider="p", result="not_signed"}': GROWS},
        {'computegate_kyc_deliveries_total{provider="p", result="applied"}': GROWS},
    ),
}

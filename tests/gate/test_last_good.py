"""A broken object's last good version: it closes what the new one no longer does, and opens nothing that went."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from admission.api.accelerator import AcceleratorClass
from admission.api.policy import AccessPolicy
from admission.cli.embedded import embedded_ledger
from admission.decide.lastgood import LastGood
from admission.server.case import Ask
from admission.server.judge import Judge
from tests.decide.questions import ALLOW, H100, NOW, party, policy, quota, rule, tenant, world
from tests.demand.cluster import pod

if TYPE_CHECKING:
    from admission.api.quota import ComputeQuota
    from admission.api.tenant import Tenant
    from admission.server.judge import Judgement


HOUR = timedelta(hours=1)
DENY_DE = rule("de", "Deny", ("Headquarters", "In", "DE"))
DENY_FR = rule("fr", "Deny", ("Headquarters", "In", "FR"))
TYPO = rule("typo", "Deny", ("Headquarters", "In", "UK"))
UNUSABLE, BY_RULE, ROOM = ["RulesUnusable"], ["JurisdictionNotAllowed"], ["QuotaExceeded"]


class Changing:
    """A judge whose objects change after they were good once."""

    def __init__(self, *good: AccessPolicy | ComputeQuota | AcceleratorClass, longest: timedelta = HOUR) -> None:
        self.registry = world(tenant(), policy(ALLOW), *good).registry()
        self.unread = False
        self.last_good = LastGood(self.registry, longest, unread=lambda: self.unread)
        self.pod = H100
        self.judge = Judge(
            self.registry, embedded_ledger(), reference_key=b"k" * 32, contact="", last_good=self.last_good
        )

    def asks(self, now: datetime = NOW, uid: str = "pod") -> Judgement:
        ask = Ask(uid, "lab", uid, self.pod, enforced=True)
        return asyncio.run(self.judge.judge(ask, now, time.monotonic() + 5))

    def reasons(self, now: datetime = NOW, uid: str = "pod") -> list[str]:
        return [str(each.reason) for each in self.asks(now, uid).findings]

    def put(self, *changed: AccessPolicy | ComputeQuota | AcceleratorClass | Tenant) -> None:
        for each in changed:
            self.registry.put(each)
            self.last_good.broken(NOW)


def chip(name: str, *resources: str, **spec: Any) -> AcceleratorClass:
    return AcceleratorClass.model_validate({"metadata": {"name": name}, "spec": {"resources": resources, **spec}})


CASES: dict[str, tuple[list[AccessPolicy | ComputeQuota], list[AccessPolicy | ComputeQuota | Tenant], list[str]]] = {
    "a new policy with a typo lets on whom nothing else forbids": ([quota()], [policy(TYPO, name="new")], []),
    "a rule that the typo replaced goes on denying": (
        [quota(), policy(DENY_DE, name="own")],
        [policy(TYPO, name="own")],
        BY_RULE,
    ),
    "a rule that came with the typo denies": (
        [quota(), policy(DENY_FR, name="own")],
        [policy(DENY_DE, TYPO, name="own")],
        BY_RULE,
    ),
    "what the broken policy no longer allows is not allowed": (
        [quota(), policy(ALLOW, name="own")],
        [policy(name="access"), policy(TYPO, name="own")],
        BY_RULE,
    ),
    "a clearance that was revoked since is gone": (
        [quota()],
        [policy(TYPO, name="new"), tenant(status={"kyc": {"state": "Revoked"}})],
        ["KYCSuspended"],
    ),
    "a rule of another policy that came since denies": (
        [quota()],
        [policy(TYPO, name="new"), policy(DENY_DE, name="other")],
        BY_RULE,
    ),
    "a quota lowered since holds": ([quota()], [policy(TYPO, name="new"), quota(limits={"devices": 0})], ROOM),
    "the broken quota's own lower limit holds": (
        [quota()],
        [quota(limits={"devices": 0}, classes=["*", "h100"])],
        ROOM,
    ),
    "the broken quota's former limit holds": (
        [quota(limits={"devices": 0})],
        [quota(limits={"devices": 8}, classes=["*", "h100"])],
        ROOM,
    ),
    "a quota whose typo covers the class no more still counts": (
        [quota(classes=["h100-sxm"], limits={"devices": 0})],
        [quota(classes=["h100-smx"], limits={"devices": 0})],
        ROOM,
    ),
    "a second order of jurisdictions leaves the first": (
        [quota(), policy(name="one", jurisdictionOrder=["DE"])],
        [policy(name="two", jurisdictionOrder=["CN"])],
        [],
    ),
    "a second order by a policy whose name comes first": (
        [quota(), policy(name="two", jurisdictionOrder=["DE"])],
        [policy(name="one", jurisdictionOrder=["CN"])],
        [],
    ),
    "a rule that a second policy replaces too": (
        [quota(), policy(DENY_DE, name="basic"), policy({**DENY_FR, "replaces": "basic/de"}, name="own")],
        [policy({**DENY_FR, "replaces": "basic/de"}, name="another")],
        [],
    ),
}


@pytest.mark.parametrize(("good", "changed", "reasons"), CASES.values(), ids=CASES)
def test_both_the_last_good_and_the_new_version_must_let_a_request_in(
    good: list[AccessPolicy | ComputeQuota],
    changed: list[AccessPolicy | ComputeQuota | Tenant],
    reasons: list[str],
) -> None:
    cluster = Changing(*good)
    cluster.last_good.broken(NOW)
    cluster.put(*changed)
    assert cluster.registry.held_back_at(NOW)
    assert cluster.reasons() == reasons


def test_past_the_limit_all_that_is_controlled_waits_until_the_object_is_mended() -> None:
    cluster = Changing(quota())
    cluster.last_good.broken(NOW)
    cluster.put(policy(TYPO, name="new"))
    moments = NOW + HOUR - timedelta(seconds=1), NOW + HOUR
    assert [cluster.reasons(each) for each in moments] == [[], UNUSABLE]
    cluster.put(policy(DENY_FR, name="new"))
    assert cluster.reasons(NOW + HOUR) == []


def test_a_broken_object_written_anew_gains_no_time() -> None:
    cluster = Changing(quota())
    cluster.last_good.broken(NOW)
    cluster.put(policy(TYPO, name="new"))
    cluster.registry.put(policy(TYPO, DENY_FR, name="new"))
    assert cluster.reasons(NOW + HOUR) == UNUSABLE


@pytest.mark.parametrize("longest", [timedelta(0), HOUR], ids=["no time is given", "nothing was good"])
def test_what_was_never_good_or_is_given_no_time_waits_at_once(longest: timedelta) -> None:
    cluster = Changing(quota(), *([policy(TYPO, name="new")] if longest else []), longest=longest)
    cluster.last_good.broken(NOW)
    cluster.put(policy(TYPO, name="new"))
    judgement = cluster.asks()
    assert [str(each.reason) for each in judgement.findings] == UNUSABLE
    assert judgement.message.startswith("[TryAgain] an access rule here has an error that the operator must mend")


def test_what_was_read_in_part_is_not_taken_for_good() -> None:
    cluster = Changing(quota())
    cluster.unread = True
    assert cluster.last_good.broken(NOW) is None
    cluster.put(policy(TYPO, name="new"))
    cluster.unread = False
    assert cluster.reasons() == UNUSABLE


def test_it_is_asked_for_while_something_is_broken_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Changing(quota())
    cluster.last_good.broken(NOW)
    ask = Mock(wraps=cluster.last_good.registry)
    monkeypatch.setattr(cluster.last_good, "registry", ask)
    for each in (policy(TYPO, name="own"), policy(DENY_FR, name="own")):
        cluster.put(each)
        assert cluster.reasons() == []
        assert ask.call_count == 1


def test_an_object_that_cannot_be_read_has_no_last_good_version() -> None:
    """Nobody knows what it took away."""
    cluster = Changing(quota())
    cluster.last_good.broken(NOW)
    cluster.registry.refuse(AccessPolicy, "access", "spec.rules: of a later version")
    assert cluster.reasons() == UNUSABLE


def test_what_others_refer_to_and_was_deleted_counts_for_them_for_a_while() -> None:
    cluster = Changing(quota(), quota("extra", classes=["inhouse"]), chip("inhouse", "example.com/a"))
    cluster.last_good.broken(NOW)
    cluster.registry.drop(AcceleratorClass, "inhouse")
    broken = cluster.last_good.broken(NOW)
    assert broken is not None
    assert broken.fields == (("ComputeQuota/extra", "spec.classes[0]"),)
    assert (cluster.reasons(), cluster.reasons(NOW + HOUR)) == ([], UNUSABLE)


def test_two_verdicts_that_would_be_counted_differently_are_none() -> None:
    """One reservation stands in the ledgers of one jurisdiction."""
    cluster = Changing(quota("home", "DE", "FR"), policy(name="one", jurisdictionOrder=["DE", "FR"]))
    cluster.put(tenant(ultimateParent="p", parties=[party("p", "FR")]))
    assert cluster.reasons() == []
    cluster.put(policy(TYPO, name="one", jurisdictionOrder=["FR", "DE"]))
    assert cluster.reasons(uid="other") == UNUSABLE


def test_a_class_that_became_controlled_is_controlled_though_its_object_is_broken() -> None:
    fast = {"throughput": [{"bits": 16, "teraOps": 9000}], "dataCenter": True}
    slow = {"throughput": [{"bits": 16, "teraOps": 1}], "dataCenter": True, "memoryBandwidthGbPerSecond": 1}
    forbidding = policy(rule("none", "Deny", classes=["Controlled"]), name="forbidding")
    cluster = Changing(quota(), forbidding, chip("a", "example.com/a", **slow), chip("b", "example.com/b"))
    cluster.pod = pod({"example.com/a": 1})
    cluster.last_good.broken(NOW)
    assert cluster.reasons() == []
    cluster.put(chip("a", "example.com/a", "example.com/b", **fast))
    assert cluster.registry.held_back_at(NOW)
    assert cluster.reasons(uid="other") == BY_RULE


def test_the_record_says_that_the_last_good_version_was_asked() -> None:
    cluster = Changing(quota())
    cluster.last_good.broken(NOW)
    cluster.put(policy(TYPO, name="new"))
    check = cluster.asks().verdict.checks[-1]
    assert (check.name, check.outcome) == ("lastGood", "pass")
    assert check.inputs["broken"].startswith("AccessPolicy new: rule typo names UK, which is no country code")

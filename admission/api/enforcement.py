"""Enforcement: what is done about pods that run and would be denied now, in which steps, how fast, and how far at most."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import pydantic

from admission.api.object import CRD, Condition, Model, Object, rules
from admission.review.reasons import PublicCode, Reason

Delay = Annotated[
    str,
    pydantic.Field(pattern=r"^([0-9]{1,4}d)?([0-9]{1,4}h)?([0-9]{1,4}m)?([0-9]{1,4}s)?$", min_length=2, max_length=20),
]
"""A length of time such as ``24h``, ``90m`` or ``30s``."""

_PASSING = "'NotSynced', 'LedgerBusy', 'Draining', 'RecordUnwritten'"  # a released rule stays; ``_lasting`` knows all
_NO_PASSING = (f"!self.exists(each, each in [{_PASSING}, 'TryAgain'])", "what passes by itself is never acted on")


class Action(enum.StrEnum):
    """What is done about a finding; each includes those before it."""

    Report = "Report"
    Warn = "Warn"
    StopAdmitting = "StopAdmitting"
    Evict = "Evict"


class DoneMode(enum.StrEnum):
    """Whether an Enforcement acts."""

    DryRun = "DryRun"
    Enforce = "Enforce"


def _lasting(words: list[str]) -> list[str]:
    for word in words:
        if word == PublicCode.TryAgain or (word in set(Reason) and Reason(word).code is PublicCode.TryAgain):
            raise ValueError(f"{word} passes by itself and is never acted on")
    return words


class Step(Model):
    """What is done about findings of some codes and reasons. Of several steps about one finding the strictest holds."""

    codes: Annotated[
        list[PublicCode],
        pydantic.Field(max_length=6, json_schema_extra=rules(_NO_PASSING)),
        pydantic.AfterValidator(_lasting),
    ] = []
    """Public codes that it is about. Without codes and reasons it is about all but those of `reasons` that must be named."""
    reasons: Annotated[
        list[Reason],
        pydantic.Field(max_length=64, json_schema_extra=rules(_NO_PASSING)),
        pydantic.AfterValidator(_lasting),
    ] = []
    """Operator's reasons that it is about. DeviceBypass, BeforeInstall and StaticPod are acted on only by a step that names them here: no denial could have kept such pods out."""
    action: Action = Action.Report
    """What is done; each includes those before it. Report: metrics, and this status. Warn: an Event on the tenant's Allowance. StopAdmitting: no new controlled pods of the tenant. Evict: the pods are evicted when the grace period has ended."""
    grace_period: Delay = "24h"
    """From when the tenant is first told of a reason in a namespace, or of its eviction where that is later, to the eviction of the pods. A deadline that was shown is never brought forward."""
    respect_budgets_for: Delay = "1h"
    """How long PodDisruptionBudgets are respected, from the first eviction of a pod that one refuses, as the leader knows; a pod that one still keeps then is deleted."""


class EnforcementSpec(Model):
    """The steps, and the bounds of evictions."""

    mode: DoneMode = DoneMode.DryRun
    """DryRun tells in the status what would be done, and does nothing."""
    steps: Annotated[list[Step], pydantic.Field(min_length=1, max_length=32)]
    """What is done about which findings. What no step is about is reported."""
    evictions_per_minute: Annotated[int, pydantic.Field(ge=1, le=600)] = 10
    """Attempts to evict in any 60 seconds, in the whole cluster. Of several Enforcements the lowest holds."""
    terminate_within: Delay = "5m"
    """How long a pod may take to end once it is told to, where its own `terminationGracePeriodSeconds` is longer. A pod that was told by somebody else, and would take longer, is told anew when `respectBudgetsFor` after its deadline is over. Of several Enforcements the shortest holds."""
    most_share: Annotated[int, pydantic.Field(ge=1, le=100)] = 20
    """Percent of the pods with controlled accelerators whose deadline may have passed at once, together with those ended within an hour; beyond that, and beyond one pod, nothing is evicted until `confirmed` says so."""
    confirmed: Annotated[str, pydantic.Field(max_length=64)] = ""
    """The token of `status.breaker`: what it counted may be evicted, and nothing else."""
    confirmed_by: Annotated[str, pydantic.Field(max_length=256)] = ""
    """User name of who writes `confirmed`, as the API server knows it: it stands in the enforcement record."""
    suspend_controllers: bool = False
    """Suspend what made the evicted pods once none of its pods is left: Jobs and Kueue Workloads, and Deployments, StatefulSets and ReplicaSets by scaling to 0. Nothing resumes them. Needs `enforcement.suspend` of the chart."""


class Findings(Model):
    """What was found for one reason."""

    reason: str
    """Operator's reason."""
    action: Action
    """What is done about it, or would be."""
    pods: int
    """Pods with this finding."""
    namespaces: int
    """Namespaces with such pods."""
    deadline: pydantic.AwareDatetime | None = None
    """The first instant at which such pods are evicted, or would be; absent where they are not."""


class Attempts(Model):
    """Attempts to evict that were announced in one second."""

    at: pydantic.AwareDatetime
    """The second."""
    pods: int
    """How many."""


class Breaker(Model):
    """More pods were to be evicted than `spec.mostShare` allows."""

    token: str
    """Write it into `spec.confirmed` to have these pods evicted."""
    at: pydantic.AwareDatetime
    """When it was counted; pods created later, and findings whose deadline is later, are not covered."""
    pods: int
    """Pods whose deadline had passed: as many may be evicted once it is confirmed."""
    of: int
    """Pods with controlled accelerators."""
    ended: int = 0
    """Pods that had been ended within the hour before, which count as well."""
    share: int = 0
    """`spec.mostShare` when it opened: it closes by a confirmation, or once no more are due than this share."""
    evicted: int = 0
    """Attempts to evict since it was confirmed."""


class Counted(Model):
    """What was counted when evictions were announced last: a new leader goes on by it until it has judged all pods."""

    at: pydantic.AwareDatetime
    """When."""
    pods: int
    """Pods whose deadline had passed."""
    of: int
    """Pods with controlled accelerators."""


class EnforcementStatus(Model):
    """What was found, and what was done. Kept by computegate."""

    findings: list[Findings] = []
    """By reason, the same for each Enforcement but for what is done."""
    attempts: list[Attempts] = []
    """Of the last minute: so that a new leader goes on at the same pace."""
    attempted: int = 0
    """Attempts to evict so far."""
    ended: list[Attempts] = []
    """Pods that were ended in the last hour without a confirmation, by five minutes: they count for the breaker as if they were still due."""
    lingering: int = 0
    """Pods found that were told to end, and are there a minute after `spec.terminateWithin`: their nodes do not answer, or they are not to be told yet."""
    counted: Counted | None = None
    """Pods that were due, and all of them, when evictions were announced last."""
    breaker: Breaker | None = None
    """Absent while no more is to be evicted than allowed."""
    summary: str = ""
    """pods found/pods to be evicted, for printing."""
    conditions: list[Condition] = []
    """Acting: False with DryRun, with the reason of what keeps it from acting, or while the breaker waits; True with BreakerExpected where all that is found would open it."""


class Enforcement(Object):
    """What is done about pods that run and would be denied now. Without any Enforcement they are reported."""

    crd = CRD(
        plural="enforcements",
        short_names=("cgenforce",),
        columns=(
            ("Mode", "string", ".spec.mode", "whether it acts"),
            ("Found", "string", ".status.summary", "pods found, and of these to be evicted now"),
            ("Attempted", "integer", ".status.attempted", "attempts to evict so far"),
            ("Breaker", "string", ".status.breaker.token", "what to write into spec.confirmed; empty: nothing waits"),
        ),
    )
    kind: Literal["Enforcement"] = "Enforcement"
    spec: EnforcementSpec
    """What is done."""
    status: EnforcementStatus = EnforcementStatus()
    """What was found and done."""

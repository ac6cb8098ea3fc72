"""The decision record: one JSON line for each decision, beside the lines of the usage record.

The schema is fixed and documented in docs/decision-record.md; ``schema`` changes when a field changes its
meaning.  Fields are only added.  The record is for operators: it names rules, owners' jurisdictions and lists'
dates, and never leaves the log.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

SCHEMA = "computegate.io/decision/v1"


class _Line(msgspec.Struct, frozen=True, rename="camel"):
    """One level of the record."""


class ObjectOf(_Line, frozen=True):
    """The object that was judged; of a workload, also the role whose pods are meant, empty for all together."""

    resource: str
    namespace: str
    name: str
    uid: str
    role: str = ""


class DemandOf(_Line, frozen=True):
    """Devices of one resource: each of one of ``classes``, in one of ``places``, on one of ``targets``."""

    resource: str
    count: int
    classes: tuple[str, ...]
    places: tuple[str, ...]
    targets: tuple[str, ...]


class FindingOf(_Line, frozen=True):
    """A failed check."""

    reason: str
    code: str
    party: str
    rule: str
    detail: str
    advisory: bool


class CheckOf(_Line, frozen=True):
    """A check that was run, with its inputs."""

    name: str
    party: str
    outcome: str
    inputs: Mapping[str, str]


class QuotaOf(_Line, frozen=True):
    """One limit, before and after."""

    name: str
    unit: str
    limit: int
    before: int
    after: int


class ExemptedOf(_Line, frozen=True):
    """A field that an exemption let pass."""

    exemption: str
    field: str


class Versions(_Line, frozen=True):
    """What the decision was made from: the rule set, and for each party its KYC digest and list date."""

    rules: str
    kyc: Mapping[str, str]
    lists: Mapping[str, str]


class Record(_Line, frozen=True, kw_only=True):
    """One decision."""

    schema: str = SCHEMA
    at: str
    reference: str
    decision: str
    mode: str
    origin: str
    operation: str
    dry_run: bool
    caller: str
    tenant: str
    party: str
    governing: str
    object: ObjectOf
    demand: tuple[DemandOf, ...]
    access: tuple[str, ...]
    exempted: tuple[ExemptedOf, ...] = ()
    overrides: tuple[str, ...] = ()
    reasons: tuple[str, ...]
    message: str
    rules: tuple[str, ...]
    findings: tuple[FindingOf, ...]
    checks: tuple[CheckOf, ...]
    quota: tuple[QuotaOf, ...]
    versions: Versions
    duration_ms: float

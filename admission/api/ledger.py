"""QuotaLedger: the internal object on whose resourceVersion every reservation is decided."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from admission.api.object import CRD, Model, Object, Scope


class QuotaLedgerSpec(Model):
    """Whose charges stand here."""

    scope: Scope
    """The country or group of jurisdictions whose tenants are charged here, or one of its shards."""


class QuotaLedgerStatus(Model):
    """The counts. Written by computegate alone; entries are single strings because what a list costs the API server grows with its nodes."""

    format: Annotated[int, pydantic.Field(ge=1)] = 1
    """Version of the strings below. With 3, of a ledger with very many accounts, all but `tranches` stand packed in `used`. With 4, and packed 5, some pod without an end pays by tranches."""
    epoch: int = 0
    """Raised at each rebuild."""
    initialized: bool = False
    """False until the ledger has been counted against the cluster; until then requests for accelerators get TryAgain."""
    observed_pods: str = ""
    """resourceVersion of the pods up to which `used` is complete."""
    observed_claims: str = ""
    """resourceVersion of the resource claims up to which `used` is complete."""
    observed_tenants: str = ""
    """resourceVersion of the newest Tenant by whose record of charges `used` is attributed."""
    used: Annotated[str, pydantic.Field(max_length=1_000_000)] = ""
    """Charges of pods and claims that exist: party,class:count[,class:count];..."""
    inflight: Annotated[str, pydantic.Field(max_length=1_000_000)] = ""
    """Reservations not yet folded: uid,namespace,name,party,charge,reserved at,attempt,kind,parts,seconds,group;..."""
    prepaid: Annotated[str, pydantic.Field(max_length=1_000_000)] = ""
    """Device-seconds that what exists can use at most: party,class:count[,class:count];..."""
    spent: Annotated[str, pydantic.Field(max_length=1_000_000)] = ""
    """Device-seconds used by what has ended, by hour: party,class,hour:count[+hour:count];..."""
    archived: Annotated[int, pydantic.Field(ge=0)] = 0
    """How often some of `spent` was moved to the scope's archive, which is a QuotaLedger of its own."""
    past: Annotated[str, pydantic.Field(max_length=1_000_000)] = ""
    """The archive's sums by window in seconds: window=party,class:count;...&..."""
    moved: Annotated[str, pydantic.Field(max_length=1_000_000)] = ""
    """Of an archive: what its last write brought."""
    holds: Annotated[str, pydantic.Field(max_length=1_000_000)] = ""
    """Continuous holds: group,class,since,until;... in unix seconds; until is 0 while the hold goes on."""
    ends_pods: str = ""
    """resourceVersion of the pods up to which ends are in `spent`."""
    ends_claims: str = ""
    """resourceVersion of the resource claims up to which ends are in `spent`."""
    settled_at: Annotated[int, pydantic.Field(ge=0)] = 0
    """When `prepaid` was last summed, in unix seconds."""
    tranches: Annotated[str, pydantic.Field(max_length=1_000_000)] = ""
    """What pods without an end have paid for: uid,party,since,seconds,class:count[+class:count];... in unix seconds."""
    shards: Annotated[int, pydantic.Field(ge=0)] = 0
    """Over how many further ledgers the tenants of a quota were spread when this one was counted."""


class QuotaLedger(Object):
    """Internal: the exact count of one scope. Operators read ComputeQuota instead."""

    crd = CRD(
        plural="quotaledgers",
        short_names=("qledger",),
        columns=(
            ("Scope", "string", ".spec.scope", "whose charges stand here"),
            ("Initialized", "boolean", ".status.initialized", "whether it has been counted"),
            ("Observed", "string", ".status.observedPods", "resourceVersion of the pods counted"),
        ),
    )
    kind: Literal["QuotaLedger"] = "QuotaLedger"
    spec: QuotaLedgerSpec
    """Whose charges stand here."""
    status: QuotaLedgerStatus = QuotaLedgerStatus()
    """The counts."""

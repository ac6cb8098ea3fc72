"""UsageJournal: the internal objects in which the usage record is kept until its lines are written."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from admission.api.object import CRD, Model, Object

_Word = Annotated[str, pydantic.Field(max_length=64)]


class UsageJournalSpec(Model):
    """Intervals of use that are open, or whose lines are not written yet. Written by computegate alone."""

    format: Annotated[int, pydantic.Field(ge=1)] = 1
    """Version of the fields below."""
    since: _Word = ""
    """When the record began; stands in the object `head` alone, as the next three do."""
    at: _Word = ""
    """Instant up to which the journal is complete."""
    observed_pods: _Word = ""
    """resourceVersion of the pods up to which the journal is complete."""
    observed_claims: _Word = ""
    """resourceVersion of the resource claims up to which the journal is complete."""
    intervals: Annotated[str, pydantic.Field(max_length=200_000)] = ""
    """One JSON array a line: uid, first instant, holding, last instant, known until, how it ended, containers' end."""


class UsageJournal(Object):
    """Internal: what the usage record goes on from when the leader changes. Operators read the record instead."""

    crd = CRD(
        plural="usagejournals",
        short_names=("ujournal",),
        columns=(
            ("At", "string", ".spec.at", "instant up to which the journal is complete"),
            ("Observed", "string", ".spec.observedPods", "resourceVersion of the pods up to which it is complete"),
        ),
    )
    kind: Literal["UsageJournal"] = "UsageJournal"
    spec: UsageJournalSpec = UsageJournalSpec()
    """The intervals."""

"""ComputeGate: how one installation is, as its replicas see it, in conditions."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from admission.api.object import CRD, Condition, Model, Object

Conditions = Annotated[
    list[Condition],
    pydantic.Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
]


class ReplicaStatus(Model):
    """What one replica says for itself."""

    name: str
    """Its pod."""
    conditions: Conditions = []
    """Those of the installation, as this replica sees them; that of the canary from the leader alone."""


class ComputeGateStatus(Model):
    """What is so, and since when. Written by computegate alone, when something changes."""

    conditions: Conditions = []
    """Ready is True when each of the others is: GateIntact, GateAnswers, Audited, CertificateCurrent, ClockRight, Reading, RecordWritten, RulesUsable. What one replica says is False, is False here."""
    replicas: Annotated[
        list[ReplicaStatus],
        pydantic.Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}),
    ] = []
    """What each replica says for itself."""


class ComputeGate(Object):
    """How an installation of computegate is. Its replicas make it in their own namespace, by the name computegate."""

    crd = CRD(
        plural="computegates",
        short_names=("cgate",),
        namespaced=True,
        columns=(
            ("Ready", "string", ".status.conditions[?(@.type=='Ready')].status", "whether nothing is to be mended"),
            ("Reason", "string", ".status.conditions[?(@.type=='Ready')].reason", "what is to be mended first"),
            (
                "Intact",
                "string",
                ".status.conditions[?(@.type=='GateIntact')].status",
                "whether it is what was installed",
            ),
            (
                "Answers",
                "string",
                ".status.conditions[?(@.type=='GateAnswers')].status",
                "whether the canary is denied",
            ),
            (
                "Certificate",
                "string",
                ".status.conditions[?(@.type=='CertificateCurrent')].status",
                "whether it is current",
            ),
        ),
    )
    kind: Literal["ComputeGate"] = "ComputeGate"
    status: ComputeGateStatus = ComputeGateStatus()
    """What is so."""

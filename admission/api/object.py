"""What every object of ours shares: the base models, metadata, conditions and the words of the field."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic.alias_generators import to_camel


class Model(pydantic.BaseModel):
    """Base of every model: camelCase on the wire, immutable in memory.

    Fields that a newer version added are ignored in objects from a cluster; files are read with
    ``extra="forbid"`` so that a misspelt field is an error that names it.
    """

    model_config = pydantic.ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,  # an error's text goes to the log, and what it is about does not
    )


class ObjectMeta(Model):
    """The parts of ``metadata`` that we read."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    creation_timestamp: pydantic.AwareDatetime | None = None
    deletion_timestamp: dt.datetime | None = None


class Condition(Model):
    """One condition, in the shape of ``metav1.Condition``."""

    type: str
    """What the condition is about."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: str
    """One word for why."""
    message: str = ""
    """A sentence for a person."""
    last_transition_time: pydantic.AwareDatetime
    """When ``status`` last changed."""
    observed_generation: int | None = None
    """The generation of the spec that this was computed from."""


class CRD(pydantic.BaseModel):
    """How a kind is registered; what is not in the model itself."""

    model_config = pydantic.ConfigDict(frozen=True)

    plural: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = False
    columns: tuple[tuple[str, str, str, str], ...] = ()
    """Printer columns: name, OpenAPI type, JSON path, description."""


class Object(Model):
    """A Kubernetes object of ours."""

    crd: ClassVar[CRD]

    api_version: Literal["computegate.io/v1alpha1"] = "computegate.io/v1alpha1"
    kind: str
    metadata: ObjectMeta = ObjectMeta()

    @property
    def name(self) -> str:
        """The object's name: the key under which everything refers to it."""
        return self.metadata.name


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Return the JSON-schema extra that carries CEL validation rules: (rule, message) pairs."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}


def distinct(key: str) -> pydantic.AfterValidator:
    """Return the check that no two items of a list share a key: in a cluster, ``x-kubernetes-list-type: map`` is it."""

    def check(items: list[Any]) -> list[Any]:
        keys = [getattr(item, key) for item in items]
        for twice in (value for value in set(keys) if keys.count(value) > 1):
            raise ValueError(f"{key} {twice!r} stands twice; each is given once")
        return items

    return pydantic.AfterValidator(check)


Country = Annotated[str, pydantic.Field(pattern=r"^[A-Z]{2}$", min_length=2, max_length=2)]
"""ISO 3166-1 alpha-2, upper case."""

Jurisdiction = Annotated[str, pydantic.Field(pattern=r"^([A-Z]{2}|[a-z][a-z0-9-]{1,62})$", max_length=63)]
"""A country code, or the name of a jurisdiction group: lower case, such as ``ear-d5``."""

Scope = Annotated[
    str,
    pydantic.Field(
        pattern=r"^([A-Z]{2}|[a-z][a-z0-9-]{1,62})(\.groups|\.(tenants|resellers)\.(0|[1-9][0-9]?))?$", max_length=80
    ),
]
"""The name of a ledger: a jurisdiction, and which of its shards, where there are any."""

Name = Annotated[str, pydantic.Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$", max_length=63)]
"""The name of another object of ours."""

ClassRef = Annotated[
    str,
    pydantic.Field(
        pattern=r"^(\*|Controlled|Uncontrolled|LetterBandwidth|CaseByCase|PresumptionOfDenial|3A090\.[ab]\.[12]|[a-z0-9][a-z0-9.-]{0,62})$",
        max_length=63,
    ),
]
"""An accelerator class by name, a control entry, a side of a line of bandwidth, or ``Controlled``, ``Uncontrolled`` or ``*``."""

Text = Annotated[str, pydantic.Field(max_length=1024)]
"""Free text for people; never interpreted."""

Justification = Annotated[str, pydantic.Field(min_length=1, max_length=1024)]
"""What somebody gives as the reason, for the approver and the auditor."""

UserName = Annotated[str, pydantic.Field(min_length=1, max_length=256)]
"""A user's name, as the API server knows it."""

Digest = Annotated[str, pydantic.Field(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)]
"""Digest of facts that somebody looked at: of others it says nothing."""

"""What computegate itself computes of a tenant: where it stands, and where it is charged."""

from __future__ import annotations

from typing import Annotated

import pydantic

from admission.api.object import Model


class StandingStatus(Model):
    """Computed by computegate from spec and status: the jurisdictions that govern this tenant."""

    cleared: bool = False
    """Whether the tenant is cleared now for every controlled class that the cluster has."""
    reason: str = ""
    """The first reason when it is not."""
    governing: str = ""
    """The governing jurisdiction: the strictest of all."""
    jurisdictions: list[str] = []
    """Every jurisdiction of the tenant: headquarters, ultimate parent, owners of 50 percent or more."""
    why: str = ""
    """Which fact made the governing jurisdiction."""
    group: str = ""
    """Key of the ownership group, the same for all tenants under the same party at the top: the ultimate parent, else the owner of 50 percent or more that no other owns so, else the tenant itself. Parties are the same when their registered names are, whatever their case, spaces and punctuation."""
    identity_digest: str = ""
    """Digest of the identity facts as they are now; a clearance whose `covers` differs is stale."""
    stale_facts: list[str] = []
    """Facts that nobody attests any more, or that are older than `factAges` allow: unknown to every rule. What is charged stays where they last led."""


class ChargedTo(Model):
    """Where one account of the tenant is charged."""

    party: Annotated[str, pydantic.Field(max_length=127)]
    """The account: the tenant's name, or reseller/customer."""
    jurisdictions: Annotated[list[Annotated[str, pydantic.Field(max_length=63)]], pydantic.Field(max_length=250)]
    """Jurisdictions in whose ledgers its charges stand. More than one only while they move from one to another."""


class ChargedNamespace(Model):
    """A namespace that holds charges of the tenant."""

    name: Annotated[str, pydantic.Field(max_length=63)]
    """The namespace."""
    parties: Annotated[list[Annotated[str, pydantic.Field(max_length=127)]], pydantic.Field(max_length=16)]
    """The accounts that are charged for what it holds. More than one only while they move from one to another."""

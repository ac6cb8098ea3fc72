"""What pods that run are judged with, where a test makes a leader's upkeep by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.cli.reevaluation import Judging
from admission.cluster.lookup import ClusterLookup
from admission.review.reference import Keys
from admission.server.judge import Judge

if TYPE_CHECKING:
    from admission.cluster.client import Client
    from admission.decide.registry import Registry
    from admission.ledger.ledger import Ledger


def judging_of(client: Client, registry: Registry, ledger: Ledger) -> Judging:
    """Return a judge against these."""
    judge = Judge(registry, ledger, reference_key=b"", contact="")
    return Judging(judge, ClusterLookup(client), Keys(b""), lambda: "")

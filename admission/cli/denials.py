"""What a tenant may read of its denials: the last in its namespace's Allowance, the first of each code as an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.api import API_VERSION
from admission.api.allowance import LastDenial
from admission.api.tenant import Tenant
from admission.cluster.events import Regarding
from admission.enforce.denials import DenialNotes
from admission.review import fitting

if TYPE_CHECKING:
    import datetime as dt

    from admission.cluster.client import Client
    from admission.cluster.events import Events
    from admission.decide.registry import Registry
    from admission.server.judge import Judgement


class Denials:
    """Takes note of denials; what is kept for Allowances is written by ``run``."""

    def __init__(self, client: Client, registry: Registry, events: Events) -> None:
        self._registry, self._events = registry, events
        self._notes = DenialNotes(client)
        self.run = self._notes.run

    def note(self, namespace: str, judgement: Judgement, now: dt.datetime) -> None:
        """Take note of a denial in a namespace; one without a tenant or a reference is nobody's to read."""
        if judgement.tenant and judgement.reference:
            self._event(judgement)
            code = str(fitting.leading(judgement.findings))
            self._notes.note(
                namespace, LastDenial(code=code, reference=judgement.reference, at=now.replace(microsecond=0))
            )

    def _event(self, judgement: Judgement) -> None:
        """Tell, on the Tenant, of the first denial for each public code within an hour.

        Events of cluster-scoped objects stand in the namespace ``default``, where others than operators may read.
        """
        tenant = self._registry.get(Tenant, judgement.tenant)
        if tenant is None:
            return
        about = Regarding(API_VERSION, "Tenant", tenant.name, tenant.metadata.uid)
        note = f"a request was denied; computegate explain {judgement.reference} tells why"
        for code in dict.fromkeys(finding.reason.code for finding in judgement.findings):
            self._events.record(about, str(code), note, action="Admission", warning=True)

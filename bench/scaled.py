"""The server with its ledger in memory, of many tenants whose pods run already.

Usage: scaled.py PORT CERTIFICATE KEY TENANTS PODS

Tenants, namespaces and pods are put in by this process itself, as its watches would do it, and not read from an API
server.  It holds the pods' census too, as the replica does that leads, and its ledger has what they use.
"""

from __future__ import annotations

import copy
import functools
import json
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from admission.api.tenant import Tenant
from admission.cli import serve
from admission.cli.standalone import FolderSource
from admission.ledger.pods import PodCensus
from admission.ledger.state import State
from admission.review.pod import Pod
from admission.tenants.identity import identity_digest
from bench import bodies, inmemory, product

if TYPE_CHECKING:
    from typing import Self

_pods = msgspec.json.Decoder(Pod)


class Scaled(FolderSource):
    """A folder's objects, and many more."""

    tenants = pods = 0

    async def __aenter__(self) -> Self:
        """Read the folder, then take in the pods."""
        await super().__aenter__()
        self.census = PodCensus(self._registry, self.now)
        for number in range(self.pods):
            self.census.take(_pod(number, namespace(number % self.tenants)))
        for scope in self.ledger.scopes():
            held = State(initialized=True, used=dict(self.census.charges(scope, ())))
            if not sum(held.used.values()):
                raise SystemExit("none of the pods is counted")
            await self._store.write(scope, held, self._store.cached(scope).version, 1)  # type: ignore[union-attr]
        return self

    def _load(self) -> None:
        super()._load()
        (tenant,) = self._registry.every(Tenant)
        example = tenant.model_dump(mode="json", by_alias=True, exclude_unset=True)
        for number in range(self.tenants):
            self._registry.put(_tenant(example, f"tenant-{number:06}"))
            self._registry.put_namespace(namespace(number), {"computegate.io/tenant": f"tenant-{number:06}"})


def namespace(number: int) -> str:
    """Return a tenant's namespace; the load generator knows it, too."""
    return f"team-{number:06}"


def _tenant(example: dict[str, Any], name: str) -> Tenant:
    made = copy.deepcopy(example)
    made["metadata"]["name"] = made["spec"]["legalName"] = name
    made["status"]["kyc"]["covers"] = identity_digest(Tenant.model_validate(made).spec)
    return Tenant.model_validate(made)


@functools.cache
def _manifest() -> str:
    pod = bodies.manifest()
    pod["metadata"] |= {"uid": bodies.MARKER, "resourceVersion": "1"}
    pod["status"] = {"phase": "Running"}
    return json.dumps(pod)


def _pod(number: int, where: str) -> Pod:
    made = _manifest().replace(bodies.NAME, f"train-{number}").replace(bodies.NAMESPACE, where)
    return _pods.decode(made.replace(bodies.MARKER, f"{number:032x}").encode())


def run(port: str, certificate: str, key: str, tenants: str, pods: str) -> int:
    """Become the server."""
    Scaled.tenants, Scaled.pods = int(tenants), int(pods)
    vars(serve).update(FolderSource=Scaled)
    return inmemory.run(*product.prepared(port, certificate, key, "memory"))


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))

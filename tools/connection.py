"""One kept connection to the API server of a control plane of ours: a request takes a millisecond, kubectl fifty."""

import http.client
import json
import ssl
from typing import Any, NamedTuple, Self

from tools.controlplane import ControlPlane

_SECONDS = 60.0


class Reply(NamedTuple):
    """Status and object of a reply; a ``Status`` where the request was refused."""

    code: int
    object: dict[str, Any]

    @property
    def refusal(self) -> str:
        """What the API server says against it; "" where it was done."""
        return str(self.object.get("message", "")) if self.code >= http.HTTPStatus.BAD_REQUEST else ""


class Connection:
    """The administrator's; use it as a context manager."""

    def __init__(self, plane: ControlPlane) -> None:
        context = ssl.create_default_context(cafile=str(plane.ca))
        context.load_cert_chain(plane.kubeconfig.with_name("tls.crt"), plane.kubeconfig.with_name("tls.key"))
        address = plane.server.removeprefix("https://")
        self._connection = http.client.HTTPSConnection(address, timeout=_SECONDS, context=context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def create(self, path: str, obj: dict[str, Any], *, dry_run: bool = False) -> Reply:
        """Post an object to its collection (``/api/v1/namespaces/default/pods``)."""
        self._connection.request(
            "POST", f"{path}?dryRun=All" if dry_run else path, json.dumps(obj), {"Content-Type": "application/json"}
        )
        reply = self._connection.getresponse()
        return Reply(reply.status, json.loads(reply.read()))

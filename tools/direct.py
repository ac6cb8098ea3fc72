"""A kept connection to a control plane's API server, for those who ask it a thousand things.

kubectl starts anew for each, which takes longer than the answer.
"""

import http.client
import json
import ssl
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from tools.controlplane import ControlPlane

_SECONDS = 60.0


class Answer(NamedTuple):
    """What the API server said: the status, and the object or the Status."""

    code: int
    body: dict[str, Any]

    @property
    def message(self) -> str:
        """Why it refused."""
        return str(self.body.get("message", ""))


class Direct:
    """The API server as its administrator.  A context manager."""

    def __init__(self, plane: ControlPlane) -> None:
        user = json.loads(plane.kubeconfig.read_text())["users"][0]["user"]
        context = ssl.create_default_context(cafile=str(plane.ca))
        context.load_cert_chain(user["client-certificate"], user["client-key"])
        server = urlsplit(plane.server)
        self._connection = http.client.HTTPSConnection(server.netloc, timeout=_SECONDS, context=context)

    def __call__(self, method: str, path: str, body: Any = None, content: str = "application/json") -> Answer:
        """Send one request; `body` is sent as JSON."""
        headers = {"Content-Type": content, "Accept": "application/json"}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._connection.getresponse()
        return Answer(response.status, json.loads(response.read()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

"""Reviews sent to a replica over TLS, as the API server sends them, or as nobody should."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from tests.e2e.objects import Object
    from tools.installation import Replica


class Answer(NamedTuple):
    """Status and body of an answer."""

    status: int
    body: bytes
    last: bool = False
    """Whether it is the last one of its connection."""

    @property
    def response(self) -> Object:
        """The response of the AdmissionReview."""
        return dict(json.loads(self.body)["response"])


def review(pod: Object, **request: Any) -> Object:
    """Return the AdmissionReview of the creation of a pod, with a new uid."""
    stored = {**pod, "metadata": {"uid": str(uuid.uuid4()), **pod["metadata"]}}
    asked = {
        "uid": str(uuid.uuid4()),
        "operation": "CREATE",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": pod["metadata"]["namespace"],
        "name": pod["metadata"]["name"],
        "userInfo": {"username": "tests"},
        "object": stored,
        **request,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}


class Line:
    """One connection to a replica; a context manager."""

    def __init__(self, replica: Replica) -> None:
        context = ssl.create_default_context(cafile=replica.authority)
        self._connection = http.client.HTTPSConnection("127.0.0.1", replica.port, timeout=20, context=context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def send(self, body: bytes | Object, entry: str = "enforced", query: str = "timeout=10s") -> Answer:
        """Post a body and return the answer; a server that refuses a body need not read it to its end."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self._connection.request("POST", f"/validate/{entry}?{query}", raw, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        return Answer(answer.status, answer.read(), answer.getheader("connection") == "close")


def send(replica: Replica, body: bytes | Object, entry: str = "enforced", query: str = "timeout=10s") -> Answer:
    """Post a body on a connection of its own."""
    with Line(replica) as line:
        return line.send(body, entry, query)

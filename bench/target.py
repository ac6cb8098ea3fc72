"""Our server with a review function that only decodes the pod and allows it: the HTTP layer's own price.

Usage: target.py PORT CERTIFICATE KEY
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import uvloop
from prometheus_client import CollectorRegistry

sys.path.insert(0, str(Path(__file__).parent.parent))

from admission.review.pod import Pod
from admission.review.wire import BadReview
from admission.server.config import Counts, ServerConfig
from admission.server.serving import Handlers, Server, serve
from admission.server.tls import Certificate


class Request(msgspec.Struct):
    """What the Go contender decodes, and the rest of the fields that decide about devices."""

    uid: str
    namespace: str = ""
    operation: str = ""
    object: Pod | None = None


class Review(msgspec.Struct):
    """An AdmissionReview."""

    request: Request


class Verdict(msgspec.Struct):
    """A verdict that is always yes."""

    uid: str
    allowed: bool


class Reply(msgspec.Struct):
    """An AdmissionReview on its way back."""

    response: Verdict
    api_version: str = msgspec.field(default="admission.k8s.io/v1", name="apiVersion")
    kind: str = "AdmissionReview"


_DECODER = msgspec.json.Decoder(Review)
_ENCODER = msgspec.json.Encoder()


async def review(_entry: str, _budget: float, body: bytes) -> bytes:
    """Allow every pod."""
    return busy(_entry, body)


def busy(_entry: str, body: bytes) -> bytes:
    """Allow as well: the bench stays under every bound."""
    try:
        return _ENCODER.encode(Reply(Verdict(_DECODER.decode(body).request.uid, allowed=True)))
    except msgspec.MsgspecError as error:
        raise BadReview(str(error)) from error


def _nothing(_: Server | None = None) -> None:
    """Neither start nor drain concerns anybody here."""


async def _main(port: int, certificate: Path, key: Path) -> None:
    await serve(
        ServerConfig(port=port, metrics_port=0, drain_seconds=0),
        Handlers(review=review, busy=busy, ready=list, registry=CollectorRegistry()),
        certificate=Certificate(certificate, key),
        counts=Counts(),
        on_drain=_nothing,
        on_start=_nothing,
    )


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))

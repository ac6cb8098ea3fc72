"""AdmissionReview on the wire (admission.k8s.io/v1): decoding with bounds, encoding of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from admission.review.claim import ResourceClaim
from admission.review.pod import Binding, Pod

if TYPE_CHECKING:
    from collections.abc import Mapping

API_VERSION = "admission.k8s.io/v1"


class BadReview(ValueError):  # noqa: N818 (it is the review that is bad)
    """The body is no AdmissionReview that can be answered; the message says what to change."""


class _Wire(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """Unknown fields are skipped."""


class Kind(_Wire, frozen=True):
    """Group, version and kind of the object."""

    group: str = ""
    version: str = ""
    kind: str = ""


class Resource(_Wire, frozen=True):
    """Group, version and resource of the request."""

    group: str = ""
    version: str = ""
    resource: str = ""


class User(_Wire, frozen=True):
    """Who sent the request to the API server."""

    username: str = ""


class Request(_Wire, frozen=True):
    """``request`` of an AdmissionReview; the objects stay undecoded until their kind is known."""

    uid: str
    operation: str
    kind: Kind = Kind()
    resource: Resource = Resource()
    name: str = ""
    namespace: str = ""
    user_info: User = User()
    dry_run: bool | None = None
    object: msgspec.Raw = msgspec.Raw()
    old_object: msgspec.Raw = msgspec.Raw()


class Review(_Wire, frozen=True):
    """The envelope."""

    api_version: str
    kind: str
    request: Request


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """One cause of a denial: public codes only."""

    reason: str
    message: str
    field: str = ""


class Details(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the denial is about."""

    kind: str
    name: str = ""
    group: str = ""
    causes: tuple[Cause, ...] = ()


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """``metav1.Status`` of a denial.  Never with retryAfterSeconds: with it client-go stalls its workers."""

    code: int
    message: str
    reason: str
    details: Details | None = None
    status: str = "Failure"


class Response(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """``response`` of an AdmissionReview."""

    uid: str
    allowed: bool
    status: Status | None = None
    warnings: tuple[str, ...] = ()
    audit_annotations: dict[str, str] = {}


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str
    kind: str
    response: Response


_reviews = msgspec.json.Decoder(Review)
_pods = msgspec.json.Decoder(Pod)
_objects = msgspec.json.Decoder(dict[str, Any])
_bindings = msgspec.json.Decoder(Binding)
_claims = msgspec.json.Decoder(ResourceClaim)
_encoder = msgspec.json.Encoder()

T = TypeVar("T")


def parse_review(body: bytes) -> Request:
    """Decode an AdmissionReview; raises ``BadReview``."""
    review = _decoded(_reviews, body, "the body")
    if review.kind != "AdmissionReview" or review.api_version != API_VERSION:
        raise BadReview(
            f"expected an AdmissionReview of {API_VERSION}, not {review.kind[:40]} of {review.api_version[:40]}"
        )
    if not review.request.uid:
        raise BadReview("request.uid is empty; the answer could not be matched to the request")
    return review.request


def parse_pod(raw: msgspec.Raw) -> Pod:
    """Decode a Pod out of a review; raises ``BadReview``."""
    return _decoded(_pods, raw or b"{}", "request.object")


def parse_object(raw: msgspec.Raw) -> dict[str, Any]:
    """Decode an object of any kind out of a review; raises ``BadReview``."""
    return _decoded(_objects, bytes(raw) or b"{}", "the object")


def parse_binding(raw: msgspec.Raw) -> Binding:
    """Decode a Binding out of a review; raises ``BadReview``."""
    return _decoded(_bindings, bytes(raw) or b"{}", "request.object")


def parse_claim(raw: msgspec.Raw) -> ResourceClaim:
    """Decode a ResourceClaim out of a review; raises ``BadReview``."""
    return _decoded(_claims, raw or b"{}", "request.object")


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, what: str) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadReview(f"{what} cannot be read: {error}") from None
    except RecursionError:
        raise BadReview(f"{what} is nested too deeply") from None


def encode(response: Response) -> bytes:
    """Return the AdmissionReview that carries the response."""
    return _encoder.encode(_Answer(API_VERSION, "AdmissionReview", response))


def allowed(uid: str, warnings: tuple[str, ...] = (), annotations: Mapping[str, str] | None = None) -> Response:
    """Return the response that lets the request pass."""
    return Response(uid=uid, allowed=True, warnings=warnings, audit_annotations=dict(annotations or {}))


def denied(
    uid: str, code: int, message: str, details: Details, annotations: Mapping[str, str] | None = None
) -> Response:
    """Return the response that refuses: 403 Forbidden for policy, 429 TooManyRequests where retrying helps."""
    reason = "Forbidden" if code == FORBIDDEN else "TooManyRequests"
    return Response(
        uid=uid,
        allowed=False,
        status=Status(code=code, message=message, reason=reason, details=details),
        audit_annotations=dict(annotations or {}),
    )


FORBIDDEN = 403
TOO_MANY_REQUESTS = 429

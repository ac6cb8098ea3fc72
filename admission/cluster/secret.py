"""One Secret of a namespace: read whole, and replaced only as it was read."""

from __future__ import annotations

import base64
import binascii
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from admission.cluster.client import ApiError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from admission.cluster.client import Client


class Secret:
    """A Secret as it was read; ``data`` is decoded, and leaves out what is no base64."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self.data = {name: decoded for name, text in _dict(content, "data").items() if (decoded := _decoded(text))}

    @property
    def annotations(self) -> dict[str, str]:
        """Its annotations."""
        return {key: str(value) for key, value in _dict(self.content.get("metadata") or {}, "annotations").items()}

    def changed(self, data: Mapping[str, bytes], *, without: str) -> bytes:
        """Return it in JSON with other data and without an annotation; replacing fails where it changed meanwhile."""
        encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
        kept = {key: value for key, value in self.annotations.items() if key != without}
        metadata = {**self.content["metadata"], "annotations": kept}
        return msgspec.json.encode({**self.content, "metadata": metadata, "data": encoded})


async def fetch(client: Client, namespace: str, name: str) -> Secret | None:
    """Return a Secret, or None where there is none; raises ``ClusterError``."""
    try:
        answer = await client.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise
    try:
        return Secret(msgspec.json.decode(answer, type=dict[str, Any]))
    except msgspec.DecodeError as error:
        raise Unreachable(f"no Secret was answered: {error}") from error


def _dict(holder: dict[str, Any], key: str) -> dict[str, Any]:
    found = holder.get(key)
    return found if isinstance(found, dict) else {}


def _decoded(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        return b""

"""Claims, templates and groups out of files, for what has no cluster to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from admission.review.claim import ClaimSpec, PodGroup, ResourceClaim, ResourceClaimTemplate

if TYPE_CHECKING:
    from admission.review.pod import Pod

T = TypeVar("T")


class FileLookup:
    """Looks up among documents of files; a document that cannot be read is none."""

    def __init__(self, default: str = "default") -> None:
        self._default = default
        self._documents: dict[tuple[str, str, str], dict[str, Any]] = {}

    def put(self, content: dict[str, Any]) -> None:
        """Take in a document; only what can be referred to is kept."""
        metadata = content.get("metadata")
        kind = content.get("kind")
        if kind in {"ResourceClaim", "ResourceClaimTemplate", "PodGroup"} and isinstance(metadata, dict):
            key = (str(kind), str(metadata.get("namespace") or self._default), str(metadata.get("name", "")))
            self._documents[key] = content

    def become(self, other: FileLookup) -> None:
        """Take over everything of another, in one step."""
        self._documents = other._documents

    async def template(self, namespace: str, name: str) -> ClaimSpec | None:
        """Return what the claims of a ResourceClaimTemplate ask for."""
        found = self._find("ResourceClaimTemplate", namespace, name, ResourceClaimTemplate)
        return found.spec.spec if found else None

    async def claim(self, namespace: str, name: str) -> ResourceClaim | None:
        """Return a ResourceClaim."""
        return self._find("ResourceClaim", namespace, name, ResourceClaim)

    async def group(self, namespace: str, name: str) -> PodGroup | None:
        """Return a group of pods."""
        return self._find("PodGroup", namespace, name, PodGroup)

    async def pod(self, _namespace: str, _name: str) -> Pod | None:
        """Nothing: without a cluster nobody makes claims for pods."""
        return None

    def _find(self, kind: str, namespace: str, name: str, struct: type[T]) -> T | None:
        content = self._documents.get((kind, namespace, name))
        try:
            return msgspec.convert(content, struct) if content is not None else None
        except msgspec.ValidationError:
            return None

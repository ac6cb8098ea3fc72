"""The documents that are given together: what one of them refers to, another may be."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

from admission.demand.workloads.fields import mapped, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.demand.workloads.fields import Others


class Surroundings:
    """Documents by kind and name: of the same file first, then of its folder, then of the same namespace anywhere."""

    def __init__(self, documents: Iterable[tuple[str, dict[str, Any]]]) -> None:
        self._found: dict[tuple[str, str, str], dict[str, Any] | None] = {}
        for file, content in documents:
            self._put(file, content, text(content, "kind"), text(mapped(content, "metadata"), "name"))
            if text(content, "kind") == "ComputeDomain":  # its controller makes the claims' template
                template = mapped(content, "spec", "channel", "resourceClaimTemplate")
                self._put(file, content, "ResourceClaimTemplate", text(template, "name"))

    def _put(self, file: str, content: dict[str, Any], kind: str, name: str) -> None:
        self._found.setdefault((file, kind, name), content)
        self._found.setdefault((_folder(file), kind, name), content)
        namespace = text(mapped(content, "metadata"), "namespace")
        if namespace:
            key = (f"namespace {namespace}", kind, name)
            known = self._found.setdefault(key, content)
            if known != content:
                self._found[key] = None  # two of one name: not of one cluster, and either may be meant

    def around(self, file: str, content: dict[str, Any]) -> Others:
        """Return how the objects that a document refers to are found."""
        namespace = text(mapped(content, "metadata"), "namespace")
        places = (file, _folder(file), f"namespace {namespace}")

        def find(kind: str, name: str) -> dict[str, Any] | None:
            found = (self._found.get((place, kind, name)) for place in places)
            return next((each for each in found if each is not None), None)

        return find


def _folder(file: str) -> str:
    return str(pathlib.PurePath(file).parent)

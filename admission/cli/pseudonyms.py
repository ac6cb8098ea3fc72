"""Names that stand for names: the same one for the same name in the same cluster, and telling nothing without it.

The key is the uid of the namespace kube-system, which users of the cluster can read and nobody outside it
knows: it is in no bundle, so that the names of customers cannot be tried out against the pseudonyms.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any

from admission.catalogue.catalogue import Catalogue
from admission.catalogue.countries import COUNTRIES

_LETTERS = 10
_WORD = re.compile(r"[A-Z][A-Za-z]{0,63}")
_SHARD = re.compile(r"\.[a-z]+\.[0-9]{1,2}")
_OWN_ACCOUNTS = "system:serviceaccount:kube-system:"


class Pseudonyms:
    """Makes pseudonyms of one cluster."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._chips = Catalogue.builtin().chips

    def of(self, kind: str, name: Any) -> str:
        """Return what stands for the name of an object, a person or an account; nothing for nothing."""
        if not name:
            return ""
        digest = hmac.new(self._key, f"{kind}\0{name}".encode(errors="replace"), hashlib.sha256).hexdigest()
        return f"{kind}-{digest[:_LETTERS]}"

    def scope(self, name: str) -> str:
        """Return the name of a ledger: a country, with or without its shard, is nobody's name."""
        country, shard = name[:2], name[2:]
        known = country in COUNTRIES and (not shard or _SHARD.fullmatch(shard))
        return name if known else self.of("scope", name)

    def chip(self, name: str) -> str:
        """Return the name of a class of accelerators: one of the catalogue's own as it is."""
        return name if name in self._chips else self.of("acceleratorclass", name)

    def user(self, name: str) -> str:
        """Return an account: one of Kubernetes' own as it is."""
        kubernetes = name.startswith("system:") and not name.startswith(("system:serviceaccount:", "system:node:"))
        return name if kubernetes or name.startswith(_OWN_ACCOUNTS) else self.of("user", name)

    def namespace(self, name: str) -> str:
        """Return a namespace: one of Kubernetes' own as it is."""
        return name if name.startswith("kube-") else self.of("namespace", name)


def word(value: Any) -> str:
    """Return a word of an enum, such as the reason of a condition; nothing for what is none."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""

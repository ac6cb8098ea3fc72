"""Whether a tenant can be of the kind that it declares: what is a company by its name or its formation is no person.

By their kind nobody stands above an Individual or a Government, and nobody holds shares of one.  That is much to take
from one word, so it is not taken from who has a legal form, or, as an Individual, was formed somewhere.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
import unicodedata
from typing import TYPE_CHECKING

from admission.api.identity import TenantKind

if TYPE_CHECKING:
    from admission.api.identity import TenantSpec

_SHORTEST = 3
"""Letters of a legal form that is no usual part of a person's name."""
_UNSPACED = "\u3000"
"""From here on scripts leave no space before a legal form."""
_WORDS = re.compile(r"\w+")
_MARKS = re.compile(r"[.'’]")


def kind_belied(spec: TenantSpec) -> str:
    """Return the field that belies that a tenant is a person or a government, and what to do; "" for none."""
    if spec.kind is TenantKind.Individual and spec.incorporation is not None:
        return "spec.incorporation: an Individual is formed nowhere; declare the kind of the company, or leave it out"
    if spec.kind not in {TenantKind.Individual, TenantKind.Government}:
        return ""
    form = legal_form(spec.legal_name)
    said = f"spec.legalName: {form} is a legal form, and the kind is {spec.kind}; declare the kind of the company"
    return said if form else ""


@functools.lru_cache(maxsize=4096)
def legal_form(name: str) -> str:
    """Return the legal form with which a name begins or ends; "" for none, and for one of two letters."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    spaced, unspaced = _forms()
    written = next((form for form in unspaced if form in plain), "")
    words = _WORDS.findall(_MARKS.sub("", plain))
    ends = (" ".join(words[-count:]) for count in range(len(words) - 1, 0, -1))
    begins = (" ".join(words[:count]) for count in range(len(words) - 1, 0, -1))
    found = (form for form in (*ends, *begins) if form in spaced and len(form) >= _SHORTEST)
    return written or next(found, "")


@functools.cache
def _forms() -> tuple[frozenset[str], tuple[str, ...]]:
    text = importlib.resources.files(__package__).joinpath("legal_forms.tsv").read_text(encoding="utf-8")
    every = [line.partition("\t")[0] for line in text.splitlines() if line and not line.startswith("#")]
    plain = [unicodedata.normalize("NFKC", each).casefold() for each in every]
    unspaced = tuple(form for form in plain if min(form) >= _UNSPACED)
    return frozenset(plain) - frozenset(unspaced), unspaced

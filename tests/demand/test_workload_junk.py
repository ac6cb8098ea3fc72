"""Any value in any field of any kind: an answer or a refusal that names the field, never a crash."""

from __future__ import annotations

import contextlib
import copy
import pathlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from admission.cli.documents import Document, read_each
from admission.cli.surroundings import Surroundings
from admission.demand.request import DemandError
from admission.demand.workloads.answer import answer
from admission.demand.workloads.count import CountError
from admission.demand.workloads.shape import LONGEST_PLACE, roles_by_shape
from admission.demand.workloads.table import builtin

MANIFESTS = pathlib.Path(__file__).with_name("manifests")
DOCUMENTS = [each for each in read_each([MANIFESTS]) if isinstance(each, Document) and "kind" in each.content]
AROUND = Surroundings((each.file, each.content) for each in DOCUMENTS)
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, 0, -1, 1.5, True, "", "x", "${N}", "3", "9" * 40),
        *([], {}, [None], [1], [[]], {"a": 1}, {1: 2}, {"containers": [{}]}, {"limits": {"amd.com/gpu": []}}),
    ]
)


def _fields(value: Any) -> list[tuple[Any, Any]]:
    """Every place of an object as its holder and key, the kind and version left out."""
    keys: Any = range(len(value)) if isinstance(value, list) else ()
    if isinstance(value, dict):
        keys = value.keys() - {"kind", "apiVersion"}
    return [place for key in sorted(keys, key=str) for place in ((value, key), *_fields(value[key]))]


def test_a_role_found_by_its_shape_is_named_shortly_however_long_the_keys_are() -> None:
    (role,) = roles_by_shape({"k" * 5000: [{"l" * 5000: {"containers": [{}]}}]}, resources_too=False)
    assert role.name == "k" * (LONGEST_PLACE - 1)


@given(st.sampled_from(DOCUMENTS), st.data())
def test_junk_in_any_field_is_answered_or_refused(document: Document, data: st.DataObject) -> None:
    content = copy.deepcopy(document.content)
    for _ in range(data.draw(st.integers(1, 3))):
        places = _fields(content)
        if places:
            holder, key = data.draw(st.sampled_from(places))
            holder[key] = copy.deepcopy(data.draw(JUNK))
    with contextlib.suppress(CountError, DemandError):
        assert answer(content, builtin(), AROUND.around(document.file, content)).expected

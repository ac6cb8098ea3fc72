"""What it costs to find room for shares that are held through others."""

from collections.abc import Mapping
from typing import Any

from admission.tenants.holdings import WHOLE, Bounds, Pool
from admission.tenants.room import Room

LENGTH = 30
"""Of a chain in which each party may own any share of the next."""


class Read(dict[str, tuple[Pool, ...]]):
    """A graph that counts whose holders were asked for."""

    asked = 0

    def get(self, key: str, default: Any = None, /) -> Any:
        self.asked += 1
        return super().get(key, default)


def _chain() -> tuple[Mapping[str, tuple[Pool, ...]], Pool]:
    below = Pool({f"p{at}": Bounds(0, WHOLE) for at in range(LENGTH)}, {}, {}, {})
    return {f"p{at}": (Pool({f"p{at + 1}": Bounds(0, WHOLE)}, {}, {}, {}),) for at in range(LENGTH)}, below


def test_however_many_hold_through_others_a_graph_is_walked_once() -> None:
    chain, below = _chain()
    graph = Read(chain)
    room = Room(graph, "?")
    assert room.has(f"p{LENGTH}", 1, below)
    once = graph.asked
    assert once <= LENGTH * (LENGTH + 1)
    assert [room.has(f"p{at}", 1, below) for at in range(LENGTH)] == [False] + [True] * (LENGTH - 1)
    assert graph.asked == once

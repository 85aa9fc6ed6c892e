"""The builder protocol for loop nests: registers, memory, loops.

In: nothing. Out: the protocol that lowering uses and code generation implements, and the properties
of a machine that lowering may use. An index is a Python integer if it is known at compile time,
else a register.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from glassnet.graph.scalar import ScalarBuilder

Index = Any


def equals(index: Index, number: int) -> bool:
    """Whether an index is known at compile time and equals `number`."""
    return isinstance(index, int) and index == number


@dataclass(frozen=True)
class Machine:
    """Tile sizes and caches of a machine: they affect the time, never a bit.

    A tile of a contraction is `rows` by `vectors` registers of `lanes` numbers. `panel_bytes` is
    the part of the second-level cache that packed panels may fill. Without `masks`, masked stores
    are so slow that the code first tests whether the mask is full.
    """

    name: str
    rows: int
    vectors: int
    panel_bytes: int = 1 << 19
    masks: bool = True

    @staticmethod
    def lanes(dtype: str) -> int:
        """Return the number of lanes of the abstract 64-byte vector; narrower machines split it."""
        return 8 if dtype in ("float64", "int64") else 16


class Use(NamedTuple):
    """The use for which code is compiled: `parallel`, many threads; `tall`, sums over many rows;
    `sparse`, input rows that are mostly 0."""

    parallel: bool = False
    tall: bool = False
    sparse: bool = False


PLAIN = Use()


class Builder(ScalarBuilder, Protocol):
    """Writes one function."""

    args: Sequence[Any]
    dims: dict[str, Any]

    def index(self, value: Index) -> Any: ...
    def splat(self, value: Any, lanes: int) -> Any: ...
    def iota(self, lanes: int) -> Any: ...
    def lane_mask(self, count: Index, lanes: int) -> Any: ...
    def ones(self, a: Any) -> Any: ...
    def compress(self, a: Any, mask: Any) -> Any: ...
    def extract(self, a: Any, lane: int) -> Any: ...
    def insert(self, a: Any, value: Any, lane: int) -> Any: ...
    def shuffle(self, a: Any, b: Any, lanes: Sequence[int]) -> Any: ...
    def offset(self, pointer: Any, index: Index, dtype: str) -> Any: ...
    def load(
        self, pointer: Any, index: Index, dtype: str, lanes: int = 1, mask: Any = None
    ) -> Any: ...
    def prefetch(self, pointer: Any, index: Index, dtype: str) -> None: ...
    def gather(self, pointer: Any, indices: Any, dtype: str, mask: Any = None) -> Any: ...
    def scatter(self, value: Any, pointer: Any, indices: Any, mask: Any = None) -> None: ...
    def store(self, value: Any, pointer: Any, index: Index, mask: Any = None) -> None: ...
    def loop(
        self,
        start: Index,
        stop: Index,
        step: Index,
        carried: Sequence[Any],
        body: Callable[..., Sequence[Any] | None],
    ) -> list[Any]:
        """Write `for i in range(start, stop, step): carried = body(i, *carried)`."""
        ...

    def when(self, condition: Any, body: Callable[[], None]) -> None: ...
    def trailing_zeros(self, a: Any) -> Any: ...
    def minimum(self, a: Index, b: Index) -> Index: ...
    def call(self, name: str, *args: Any) -> None: ...
    def once(self, name: str, dtypes: Sequence[str], write: Callable[[Any], None]) -> str:
        """Return the name of a helper function of the module; write it on first use."""
        ...

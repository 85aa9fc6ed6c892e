"""What a loop nest is written with: numbers in registers, memory, loops.

In: nothing. Out: the protocol that lowering speaks and code generation implements, and the facts
about a machine that lowering may use. An index is a Python integer where it is known when the
code is written, else a register.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from glassnet.graph.scalar import ScalarBuilder

Index = Any


def equals(index: Index, number: int) -> bool:
    """Whether an index is known to be a number when the code is written."""
    return isinstance(index, int) and index == number


@dataclass(frozen=True)
class Machine:
    """Tile sizes and caches: they change the time, never a bit.

    A tile of a contraction is `rows` by `vectors` registers of `lanes` numbers; `panel_bytes` is
    the part of the second-level cache that packed panels may fill. Without `masks`, stores under a
    mask take so long that code looks first whether the mask is full.
    """

    name: str
    rows: int
    vectors: int
    panel_bytes: int = 1 << 19
    masks: bool = True

    @staticmethod
    def lanes(dtype: str) -> int:
        """Numbers in the abstract vector of 64 bytes; narrower machines split it."""
        return 8 if dtype in ("float64", "int64") else 16


class Use(NamedTuple):
    """What code is for: many threads, sums over many rows, tables full of zeros."""

    parallel: bool = False
    tall: bool = False
    sparse: bool = False


PLAIN = Use()


class Builder(ScalarBuilder, Protocol):
    """One function being written."""

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
        """for i in range(start, stop, step): carried = body(i, *carried)."""
        ...

    def when(self, condition: Any, body: Callable[[], None]) -> None: ...
    def trailing_zeros(self, a: Any) -> Any: ...
    def minimum(self, a: Index, b: Index) -> Index: ...
    def call(self, name: str, *args: Any) -> None: ...
    def once(self, name: str, dtypes: Sequence[str], write: Callable[[Any], None]) -> str:
        """The name of a helper function of the module, written on first use."""
        ...

"""Sums over the rows of a batch, tile by tile: leaves, and blocks of leaves, added as a tree.

In: a contraction over rows, and the code for one tile of one leaf. Out: loops. Few rows are summed
leaf by leaf, one tile of the result after the other. With many rows, every tile would read all of
them from main memory again: that code works in blocks of `BLOCK` rows, which stay in the cache
while all tiles use them. A long sum that is a single chain continues in the next block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from glassnet.fuse.kernels import BYTES
from glassnet.graph.layout import SizeProduct, count
from glassnet.graph.types import Dim, Size
from glassnet.lower import counter
from glassnet.lower.blocking import BlockRun, Problem
from glassnet.lower.context import Context
from glassnet.lower.counter import LEAF, Counter, trailing_ones
from glassnet.lower.protocol import Index

Chain = Callable[[Any, Index, Index], None]
MANY = 1 << 20  # length from which a single chain is computed in blocks


def block_of_k(ctx: Context, p: Problem) -> Size:
    """Return how much of k is processed at a time: all of it, or a block of many rows."""
    many = isinstance(p.k, Dim) or p.k > (counter.BLOCK if p.rows else MANY)
    small = p.rows or (isinstance(p.m, int) and isinstance(p.n, int))
    plain = len(ctx.kernel.shape) == 2 and not ctx.kernel.prologue
    return counter.BLOCK if ctx.use.tall and many and small and plain else p.k


def leaves(ctx: Context, p: Problem, tiles: Any, size: int, k: Index, chain: Chain) -> None:
    """Add leaves of 64 on a stack of tiles, as in `reduce.tree`; the result is the first tile."""
    b = ctx.b

    def slot(level: Index) -> Any:
        return b.offset(tiles, level * size, p.dtype)

    def join(level: Index) -> None:
        def add(i: Index) -> None:
            below = b.load(slot(level - 1), i, p.dtype, p.lanes)
            b.store(below + b.load(slot(level), i, p.dtype, p.lanes), slot(level - 1), i)

        b.loop(0, size, p.lanes, (), add)

    def leaf(number: Index, depth: Index) -> list[Any]:
        low = number * LEAF
        chain(slot(depth), low, b.minimum(low + LEAF, k))
        some = trailing_ones(ctx, number)
        b.loop(0, some, 1, (), lambda i: join(depth - i))
        return [depth - some + 1]

    count = (b.index(k) + (LEAF - 1)) // LEAF
    depth = b.loop(0, count, 1, [b.index(0)], leaf)[0]
    b.when(b.index(count).eq(0), lambda: chain(tiles, 0, 0))
    b.loop(1, depth, 1, (), lambda i: join(depth - i))


class _StoredTiles:
    """The partial sums of a contraction's tiles, for sums computed block by block."""

    counter: Counter
    kept: Any

    def __init__(
        self, ctx: Context, p: Problem, runs: tuple[list[BlockRun], list[BlockRun]]
    ) -> None:
        self.p, self.b = p, ctx.b
        rows, columns = (sum(run.count * run.size for run in side) for side in runs)
        self.columns = columns * p.lanes
        self.size = rows * self.columns

    def own(self, rows: BlockRun, row: Index, column: Index) -> Any:
        """Return the address of a tile's partial sums."""
        at = row * self.columns + column * rows.size
        return self.b.offset(self.kept, at, self.p.dtype)

    def each(self, rows: BlockRun, run: BlockRun, body: Callable[[Index], None]) -> None:
        """Write a loop over every vector of a tile."""
        self.b.loop(0, rows.size * run.size * self.p.lanes, self.p.lanes, (), body)

    def copy(self, rows: BlockRun, run: BlockRun, source: Any, target: Any) -> None:
        b, dtype, lanes = self.b, self.p.dtype, self.p.lanes
        self.each(rows, run, lambda i: b.store(b.load(source, i, dtype, lanes), target, i))


class Chains(_StoredTiles):
    """Sums that are single chains: a tile continues from its partial sums in the next block."""

    def __init__(
        self, ctx: Context, p: Problem, runs: tuple[list[BlockRun], list[BlockRun]]
    ) -> None:
        super().__init__(ctx, p, runs)
        self.kept = ctx.reserve(SizeProduct(BYTES[p.dtype]) * self.size)
        self.counter = Counter(ctx, SizeProduct(1) * p.k, ())

    def begin(self, tile: Any, rows: BlockRun, row: Index, run: BlockRun, column: Index) -> None:
        """Load a tile's partial sums of the blocks before, or +0."""
        target, b = self.own(rows, row, column), self.b
        zero = b.splat(b.const(0.0, self.p.dtype), self.p.lanes)
        first = self.counter.number.eq(0)
        b.when(first, lambda: self.each(rows, run, lambda i: b.store(zero, tile, i)))
        b.when(self.counter.number > 0, lambda: self.copy(rows, run, target, tile))

    def join(
        self,
        tile: Any,
        rows: BlockRun,
        row: Index,
        run: BlockRun,
        column: Index,
        done: Callable[[], None],
    ) -> None:
        """Store a tile's partial sums; run `done` after the last block."""
        target, last = self.own(rows, row, column), self.counter.count - 1
        self.b.when(self.counter.number < last, lambda: self.copy(rows, run, tile, target))
        self.b.when(self.counter.number.eq(last), done)


class Blocks(_StoredTiles):
    """Sums that are trees of leaves: a tile has the sum of one block, added to the others later."""

    def __init__(
        self, ctx: Context, p: Problem, runs: tuple[list[BlockRun], list[BlockRun]]
    ) -> None:
        super().__init__(ctx, p, runs)
        margins = max(run.size for run in runs[0]), max(run.size for run in runs[1]) * p.lanes
        sizes = [(p.m, p.n), (p.m, margins[1]), (margins[0], p.n), margins]
        level = tuple(count(size) * BYTES[p.dtype] for size in sizes)
        self.counter = Counter(ctx, SizeProduct(1) * p.k, level)
        self.kept = self.counter.stack

    def join(
        self,
        tile: Any,
        rows: BlockRun,
        row: Index,
        run: BlockRun,
        column: Index,
        done: Callable[[], None],
    ) -> None:
        """Add a tile's sum of this block to those before; run `done` after the last block."""
        b, dtype, lanes, target = self.b, self.p.dtype, self.p.lanes, self.own(rows, row, column)

        def move(level: Index, add: bool) -> None:
            slot = b.offset(target, level * self.size, dtype)
            if not add:
                self.copy(rows, run, tile, slot)
                return

            def piece(i: Index) -> None:
                above = b.load(tile, i, dtype, lanes)
                b.store(b.load(slot, i, dtype, lanes) + above, tile, i)

            self.each(rows, run, piece)

        self.counter.join(move, done)

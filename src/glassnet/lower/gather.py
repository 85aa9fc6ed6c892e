"""Gathers the rows of a batch inside the first product that reads them.

In: a contraction whose first argument is gathered. Out: loops that copy rows into their buffer, and
the addresses of the next rows: the tile prefetches these while it multiplies, a few numbers in
every step of its chains.
"""

from __future__ import annotations

from typing import Any

from glassnet.graph.layout import SizeProduct, row_major
from glassnet.lower.blocking import BlockRun, Problem
from glassnet.lower.context import Context, Point
from glassnet.lower.loop import vectors
from glassnet.lower.protocol import Index


class Gather:
    def __init__(self, ctx: Context, p: Problem, rows: list[BlockRun], known: bool) -> None:
        """`rows` are the runs of tiles. If the number of columns is `known` at compile time, panels
        are few enough for the tile to prefetch with each of them."""
        self.ctx, self.p, self.b = ctx, p, ctx.b
        (self.place,) = ctx.kernel.prologue
        self.buffer = dict(ctx.kernel.stores)[self.place]
        self.height = max(run.size for run in rows)
        whole = self.height & (self.height - 1) == 0
        asks = known and whole and not p.swapped
        self.starts = ctx.reserve(SizeProduct(8 * self.height)) if asks else None

    def fetch(self, row: Index, count: Index, m: Index, k: Index) -> None:
        """Gather rows row to row + count of m, of k numbers each."""
        ctx, b = self.ctx, self.b
        type = ctx.fused.graph.nodes[self.place].type
        layout = row_major(type.shape)

        def piece(point: Point) -> None:
            known: dict[int, Any] = {}
            ctx.compute([self.place], point, known)
            ctx.store(known[self.place], self.buffer, layout, point)

        def one(i: Index) -> None:
            ctx.choose_rows((row + i,), [self.place], ahead=self.starts is None)
            vectors(ctx, 0, k, 1, (row + i, 0), piece, self.p.lanes)

        def note(i: Index) -> None:
            later = b.minimum(row + count + i, b.index(m) - 1)
            b.store(ctx.row_start(self.place, later), self.starts, i)

        b.loop(0, count, 1, (), one)
        if self.starts is not None:
            b.loop(0, self.height, 1, (), note)

    def aside(self) -> tuple[Any, ...]:
        """Return the arguments with which a tile prefetches the next rows: the matrix and the
        positions of the rows; () where it does not prefetch."""
        return () if self.starts is None else (self.ctx.table(self.place), self.starts)

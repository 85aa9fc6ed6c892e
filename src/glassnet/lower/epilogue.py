"""The epilogue of a contraction: the kernel's elementwise body, applied to a finished tile.

In: a tile in scratch memory, row by row in whole vectors. Out: loops that compute the body and
store its results. Rows that would leave most of their last vector empty, such as those of the last
layer's weights, are first packed together and processed as one long row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glassnet.fuse.kernels import BYTES, Access
from glassnet.graph.layout import ZERO, SizeProduct, count, row_major
from glassnet.lower.blocking import BlockRun, Problem
from glassnet.lower.context import Context, Point
from glassnet.lower.protocol import Index

FAR = 1 << 17  # bytes; the old values of a larger result are not in the nearest cache


class Epilogue:
    def __init__(
        self,
        ctx: Context,
        p: Problem,
        batch: tuple[Index, ...],
        tiles: Any,
        runs: tuple[Sequence[BlockRun], Sequence[BlockRun]],
    ) -> None:
        self.ctx, self.p, self.batch, self.tiles, self.b = ctx, p, batch, tiles, ctx.b
        self.root, self.lanes, self.layout = (
            ctx.kernel.root or 0,
            p.lanes,
            row_major(ctx.kernel.shape),
        )
        self.in_line = self._in_line(*runs)
        self.far = self._far()
        size = SizeProduct(max(run.size for run in runs[1]) * p.lanes * BYTES[p.dtype])
        self.room = ctx.reserve(size * p.m) if self.in_line and p.swapped else tiles

    def _read(self) -> set[int]:
        """Return the nodes that the body reads."""
        kernel, nodes = self.ctx.kernel, self.ctx.fused.graph.nodes
        return {s for place in kernel.body for s in nodes[place].inputs} - set(kernel.nodes)

    def _in_line(self, rows: Sequence[BlockRun], columns: Sequence[BlockRun]) -> bool:
        """Whether rows of a tile are contiguous in everything that the body reads, and their width
        is not a whole number of vectors."""
        across, width = (rows, self.p.m) if self.p.swapped else (columns, self.p.n)
        whole = len(across) == 1 and across[0].count == 1
        if not isinstance(width, int) or width == 1 or not width % self.lanes or not whole:
            return False
        fused = self.ctx.fused
        read = self._read() - fused.scalar.keys()
        layouts = [fused.access[s].layout for s in read if s in fused.access]
        return len(layouts) == len(read) and all(
            layout == self.layout or set(layout.strides) == {ZERO} for layout in layouts
        )

    def _far(self) -> list[tuple[Access, str]]:
        """Return the arguments of the body that are worth prefetching, with their dtypes."""
        size = count((self.p.m, self.p.n)) * BYTES[self.p.dtype]
        if self.p.swapped or size.dims or size.factor < FAR:
            return []
        fused = self.ctx.fused
        found = {fused.access[s]: s for s in sorted(self._read()) if s in fused.access}
        nodes = fused.graph.nodes
        return [(a, nodes[s].type.dtype) for a, s in found.items() if a.layout == self.layout]

    def prefetch(self, first: Index, last: Index, row: Index, run: BlockRun, column: Index) -> None:
        """Prefetch what the body will read, for some rows of a tile."""

        def one_row(m: Index) -> None:
            for access, dtype in self.far:
                for v in range(run.size):
                    at = (*self.batch, row + m, column + v * self.lanes)
                    start, _ = self.ctx.address(access.layout, Point(at))
                    self.b.prefetch(self.ctx.pointer(access.base), start, dtype)

        self.b.loop(first, last, 1, (), one_row)

    def write(self, run: BlockRun, row: Index, height: Index, column: Index, valid: Index) -> None:
        if self.in_line:
            self._one_line(run, row, height, column, valid)
            return

        def one_row(m: Index) -> None:
            for v in range(run.size):
                left = valid - v * self.lanes
                mask = self.b.lane_mask(left, self.lanes) if run.partial else None
                at = (row + m, column + v * self.lanes)
                if self.p.swapped:
                    at, axis = at[::-1], len(self.batch)
                else:
                    axis = len(self.batch) + 1
                place = m * (run.size * self.lanes) + v * self.lanes
                self._finish(
                    Point((*self.batch, *at), axis, self.lanes, mask), self._load(self.tiles, place)
                )

        self.b.loop(0, height, 1, (), one_row)

    def _one_line(
        self, run: BlockRun, row: Index, height: Index, column: Index, valid: Index
    ) -> None:
        """Pack the rows of a tile together and apply the body to them as one row."""
        b, n = self.b, self.p.m if self.p.swapped else self.p.n
        space = run.size * self.lanes

        def move(m: Index) -> None:
            for v in range(0, space, self.lanes):
                part = self._load(self.tiles, m * space + v)
                if self.p.swapped:
                    b.scatter(part, self.room, (b.iota(self.lanes) + v) * n + m)
                else:
                    b.store(part, self.room, m * n + v)

        first, rows = (column, b.minimum(valid, space)) if self.p.swapped else (row, height)
        end = rows * n

        def piece(i: Index) -> None:
            at = (*self.batch, first, i)
            point = Point(at, len(at) - 1, self.lanes, b.lane_mask(end - i, self.lanes))
            self._finish(point, self._load(self.room, i))

        b.loop(0, height, 1, (), move)
        b.loop(0, end, self.lanes, (), piece)

    def _load(self, space: Any, place: Index) -> Any:
        return self.b.load(space, place, self.p.dtype, self.lanes)

    def _finish(self, point: Point, value: Any) -> None:
        self.ctx.finish(point, {self.root: value}, self.layout)

"""Contractions: tiles of the result in registers, with panels of the arguments packed for them.

In: a kernel of kind contract, out[m, n] = Σ_k a[m, k] b[k, n]. Out: loops. Every element of the
result is one chain of fused multiply-adds in ascending k (with `rows`: one chain for each leaf of
64 values of k, and the leaves are added as an aligned binary tree). Vectors run over n, never over
k. A finished tile is in scratch memory, where the epilogue, the kernel's elementwise body, reads
it. A result with few columns is computed transposed, so that vectors run over its rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from glassnet.fuse.kernels import BYTES
from glassnet.graph.layout import Layout, SizeProduct
from glassnet.lower.blocking import BlockRun, Problem, column_runs, problem, row_runs
from glassnet.lower.context import ROUND, Context, Point
from glassnet.lower.counter import LEAF
from glassnet.lower.epilogue import Epilogue
from glassnet.lower.gather import Gather
from glassnet.lower.lanes import each
from glassnet.lower.microkernel import TileVariant, tile
from glassnet.lower.outer import lower_outer
from glassnet.lower.packing import choose
from glassnet.lower.panels import SPARE, pack_panel, pack_strip
from glassnet.lower.protocol import Index, equals
from glassnet.lower.skip_zeros import Zeros, has_zeros
from glassnet.lower.sum_blocks import Blocks, Chains, block_of_k, leaves

LEVELS = 32
NEAR = 1 << 15  # bytes; a panel up to this size stays in the first-level cache


def lower_contract(ctx: Context) -> None:
    p = problem(ctx)
    if 0 in (p.m, p.n):
        return
    batch = ctx.kernel.shape[:-2]
    if p.k == 1 and not ctx.kernel.prologue:
        lower_outer(ctx, p.dtype)
        return
    if not batch:
        _Contraction(ctx, p, ()).write()
        return
    serial = replace(ctx, threads=1) if not isinstance(ctx.threads, int) else ctx
    each(ctx, batch, lambda point: _Contraction(serial, p, point.coordinates).write())


class _Contraction:
    def __init__(self, ctx: Context, p: Problem, batch: tuple[Index, ...]) -> None:
        self.ctx, self.p, self.batch, self.b = ctx, p, batch, ctx.b
        self.m, self.n, self.k = ctx.size(p.m), ctx.size(p.n), ctx.size(p.k)
        self.am, self.ak = (ctx.product(stride) for stride in p.a.strides[-2:])
        self.bk, self.bn = (ctx.product(stride) for stride in p.b.strides[-2:])
        self.pa, self.pb = self._base(p.a, p.places[0]), self._base(p.b, p.places[1])
        self.lanes = p.lanes
        self.row_runs = row_runs(self.m, ctx.machine.rows)
        self.column_runs = column_runs(self.n, self.lanes, ctx.machine.vectors)
        self.width = max(run.size for run in self.column_runs)
        self.height = max(run.size for run in self.row_runs)
        self.at_once = block_of_k(ctx, p)
        chosen = choose(ctx, p, self.row_runs, self.column_runs)
        self.pack_a, self.pack_b, self.by_rows, self.apart, self.split_columns = chosen
        self._reserve()
        self.zeros = None
        if has_zeros(ctx, p) and (p.rows or self.at_once == p.k):
            leaf = LEAF if self._in_leaves() else self.at_once
            by_rows = self.by_rows
            self.zeros = Zeros(ctx, p, self.at_once, leaf, self.group, self.row_runs, by_rows)
        known = isinstance(self.n, int)
        self.gather = Gather(ctx, p, self.row_runs, known) if ctx.kernel.prologue else None
        runs = self.row_runs, self.column_runs
        self.epilogue = Epilogue(ctx, p, batch, self.tiles, runs)
        self.blocks = (Blocks if p.rows else Chains)(ctx, p, runs) if self.at_once != p.k else None
        self.share: Index = self.height

    def _base(self, layout: Layout, place: int) -> Any:
        at = (*self.batch, 0, 0) if self.batch else (0, 0)
        start, _ = self.ctx.address(layout, Point(at))
        pointer = self.ctx.pointer(self.ctx.fused.access[place].base)
        return self.b.offset(pointer, start, self.p.dtype)

    @property
    def _shared(self) -> bool:
        """Whether threads share this product."""
        return not isinstance(self.ctx.threads, int)

    def _reserve(self) -> None:
        ctx, size = self.ctx, BYTES[self.p.dtype]
        tile_bytes = self.height * self.width * self.lanes * size
        self.tiles = ctx.reserve(SizeProduct(tile_bytes * (LEVELS if self._in_leaves() else 1)))
        k = SizeProduct(1) * self.at_once
        panel = k * (self.width * self.lanes * size)
        self.group = 4
        if isinstance(self.at_once, int):
            self.group = max(1, ctx.machine.panel_bytes // max(panel.factor, 1))
        panels = sum(r.count for r in self.column_runs) if isinstance(self.n, int) else 0
        self.pack_all = self.pack_a and isinstance(self.m, int) and panels > self.group
        self.far = isinstance(self.at_once, int) and panel.factor > NEAR
        self.panels = ctx.reserve(panel * self.group) if self.pack_b else None
        ctx.reserve(SizeProduct(SPARE * self.width * self.lanes * size))
        strip = k * (self.height * size)
        if self.pack_all:
            strip = k * (sum(run.size * run.count for run in self.row_runs) * size)
        self.strip = ctx.reserve(strip) if self.pack_a else None

    # -- loops ---------------------------------------------------------------------------------

    def write(self) -> None:
        if not self.blocks:
            self._write()
            return
        a, b = self.pa, self.pb

        def block(low: Index, length: Index) -> None:
            self.pa = self.b.offset(a, low * self.ak, self.p.dtype)
            self.pb = self.b.offset(b, low * self.bk, self.p.dtype)
            self.k = length
            self._write()

        self.blocks.counter.loop(block)

    def _write(self) -> None:
        if self.epilogue.far and self._in_leaves():
            count = (self.b.index(self.k) + (LEAF - 1)) // LEAF
            self.share = (count + (self.height - 1)) // self.b.select(count < 1, 1, count)
        if self.pack_all:
            self._first_share_only(partial(self.b.loop, 0, self.k, LEAF, (), self._pack_strips))
        if self.zeros and not self.by_rows:
            self._first_share_only(
                partial(self.zeros.mark_columns, self.pa, self.ak, self.m, self.k, self._own_tiles)
            )
        if self.gather and self.p.swapped:
            self.gather.fetch(0, self.n, self.n, self.k)
        for run in self.column_runs:
            low, high = self.ctx.split(run.count) if self.split_columns else (0, run.count)

            def group(first: Index, run: BlockRun = run, high: Index = high) -> None:
                self._group(run, first, self.b.minimum(first + self.group, high))

            self.b.loop(low, high, self.group, (), group)

    def _group(self, run: BlockRun, low: Index, high: Index) -> None:
        """Multiply every tile of rows by the panels low to high of a run."""
        if self.zeros:
            self.b.loop(low, high, 1, (), partial(self._check_b_finite, self.zeros, run, low))
        if self.pack_b:
            self.b.loop(low, high, 1, (), lambda j: self._pack_panel(run, j - low, j))
        for rows in self.row_runs:
            first, last = self._own_tiles(rows)
            self.b.loop(
                first, last, 1, (), lambda i, rows=rows: self._row_tile(rows, i, run, low, high)
            )

    def _own_tiles(self, rows: BlockRun) -> tuple[Index, Index]:
        """Return the tiles of a run that this thread computes: all if threads split the columns."""
        return (0, rows.count) if self.split_columns else self.ctx.split(rows.count)

    def _row_tile(self, rows: BlockRun, i: Index, run: BlockRun, low: Index, high: Index) -> None:
        row = rows.start + i * rows.size
        height: Index = rows.size
        if rows.partial:
            height = self.b.minimum(height, self.m - row)
        if self.gather and not self.p.swapped and run is self.column_runs[0]:
            fetch = partial(self.gather.fetch, row, height, self.m, self.k)
            self.b.when(self.b.index(low).eq(0), fetch)
        if self.pack_a and not self.pack_all:
            self._pack_strip(rows, row, height, self.strip, 0, self.k)
        if self.zeros:
            self.zeros.note(*self._rows_of(rows, row), rows, i, height, self.k)

        def panel(j: Index) -> None:
            self._tile(rows, row, height, run, j - low, j)

        self.b.loop(low, high, 1, (), panel)

    def _check_b_finite(self, zeros: Zeros, run: BlockRun, low: Index, j: Index) -> None:
        column, valid = self._column(run, j)
        start = self.b.offset(self.pb, column, self.p.dtype)
        zeros.check_panel(start, self.bk, run, j - low, valid, self.k)

    def _first_share_only(self, body: Callable[[], Any]) -> None:
        """Write code that runs only in a thread's first share, if it computes several shares of the
        columns."""
        if self.blocks or not (self.split_columns and self._shared):
            body()
        else:
            self.b.when(self.ctx.part_argument(ROUND).eq(0), body)

    def _pack_strips(self, low: Index) -> None:
        """Pack rows low to low + LEAF of k of every strip; adjacent strips share cache lines."""
        length = self.b.minimum(self.k - low, LEAF)
        for rows in self.row_runs:
            first, last = self._own_tiles(rows)

            def one(i: Index, rows: BlockRun = rows) -> None:
                row = rows.start + i * rows.size
                self._pack_strip(rows, row, rows.size, self._strip_at(row), low, length)

            self.b.loop(first, last, 1, (), one)

    def _strip_at(self, row: Index) -> Any:
        return (
            self.b.offset(self.strip, row * self.k, self.p.dtype) if self.pack_all else self.strip
        )

    def _pack_strip(
        self, rows: BlockRun, row: Index, height: Index, strip: Any, low: Index, length: Index
    ) -> None:
        pack = pack_strip(self.b, self.p.dtype, rows.size, equals(self.am, 1))
        source = self.b.offset(self.pa, row * self.am + low * self.ak, self.p.dtype)
        target = self.b.offset(strip, low * rows.size, self.p.dtype)
        self.b.call(pack, source, self.am, self.ak, target, length, height)

    def _column(self, run: BlockRun, j: Index) -> tuple[Index, Index]:
        """Return the first column of panel j, and the number of valid columns from there."""
        column = run.start + j * (run.size * self.lanes)
        return column, (self.n - column if run.partial else run.size * self.lanes)

    def _panel(self, run: BlockRun, slot: Index) -> Any:
        stride = self.k * (self.width * self.lanes)
        return self.b.offset(self.panels, slot * stride, self.p.dtype)

    def _pack_panel(self, run: BlockRun, slot: Index, j: Index) -> None:
        column, valid = self._column(run, j)
        source = self.b.offset(self.pb, column * self.bn, self.p.dtype)
        steps, target = (self.bk, self.bn), self._panel(run, slot)
        pack_panel(self.b, self.p.dtype, run.size, source, steps, target, self.k, valid)

    def _rows_of(self, rows: BlockRun, row: Index) -> tuple[Any, Index]:
        """Return the address of a tile's part of a, and the stride between its rows or columns."""
        if self.pack_a:
            return self._strip_at(row), rows.size
        a = self.b.offset(self.pa, row * self.am, self.p.dtype)
        return a, self.am if self.by_rows else self.ak

    # -- one tile ------------------------------------------------------------------------------

    def _tile(
        self, rows: BlockRun, row: Index, height: Index, run: BlockRun, slot: Index, j: Index
    ) -> None:
        column, valid = self._column(run, j)
        aside = self.gather.aside() if self.gather and run is self.column_runs[0] else ()
        how = self._variant(run, bool(aside))
        name = tile(self.b, self.p.dtype, rows.size, run.size, how)
        a, a_step = self._rows_of(rows, row)
        if self.pack_b:
            b, b_step = self._panel(run, slot), run.size * self.lanes
        else:
            b, b_step = self.b.offset(self.pb, column, self.p.dtype), self.bk
        unit_a = 1 if how.by_rows else a_step

        def chain(target: Any, low: Index, high: Index) -> None:
            start_a = self.b.offset(a, low * unit_a, self.p.dtype)
            start_b = self.b.offset(b, low * b_step, self.p.dtype)
            last = self.b.index(height) - 1
            self._prefetch(rows, row, run, column, low)
            arguments = start_a, a_step, last, start_b, b_step, valid, target, high - low
            listed = self.zeros.listed(low, slot) if self.zeros else ()
            self.b.call(name, *arguments, *aside, *listed)

        size = rows.size * run.size * self.lanes
        if self._in_leaves():
            leaves(self.ctx, self.p, self.tiles, size, self.k, chain)
        else:
            if isinstance(self.blocks, Chains):
                self.blocks.begin(self.tiles, rows, row, run, column)
            chain(self.tiles, 0, self.k)

        done = partial(self.epilogue.write, run, row, height, column, valid)
        if self.blocks:
            self.blocks.join(self.tiles, rows, row, run, column, done)
        else:
            done()

    def _variant(self, run: BlockRun, aside: bool) -> TileVariant:
        by_rows, masked = self.by_rows and not self.pack_a, run.partial and not self.pack_b
        goes_on, listed = isinstance(self.blocks, Chains), self.zeros is not None
        return TileVariant(by_rows, masked, self.far, self.apart, aside, goes_on, listed)

    def _prefetch(
        self, rows: BlockRun, row: Index, run: BlockRun, column: Index, low: Index
    ) -> None:
        """Prefetch what the epilogue reads while the tile is computed: some rows with every leaf,
        since more prefetches than the cache has fill buffers for would stall the loads."""
        if self.blocks or not self.epilogue.far:
            return
        first, last = 0, rows.size
        if self._in_leaves():
            first = self.b.minimum(low // LEAF * self.share, rows.size)
            last = self.b.minimum(first + self.share, rows.size)
        self.epilogue.prefetch(first, last, row, run, column)

    def _in_leaves(self) -> bool:
        return self.p.rows and not (isinstance(self.k, int) and self.k <= LEAF)

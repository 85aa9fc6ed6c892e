"""Skips products with 0 in sums of products without changing any bit.

In: the rows of a tile. Out: for each of its chains, the list of k at which the rows are not all 0;
the tile multiplies only these.

If b is finite, adding a product with 0 changes a sum only where it turns −0 into +0. +0 stays +0
whichever zero is added, and the first nonzero product gives the same sum with +0 as with −0. So a
shortened chain that does not end in −0 (which takes an underflow) has the same bits as the full
chain. Where it does end in −0, or b is not finite, the tile computes the full chain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from glassnet.graph.layout import SizeProduct
from glassnet.graph.types import Size
from glassnet.lower.blocking import BlockRun, Problem
from glassnet.lower.context import Context
from glassnet.lower.microkernel import APART, BITS, elementwise_maximum, join_pairs
from glassnet.lower.protocol import Builder, Index, Machine, equals

Own = Callable[[BlockRun], tuple[Index, Index]]
LANES = 16  # marks that are tested together
APART_BYTES = 64  # padding between the marks of tiles: an odd number of cache lines if k is a 2ⁿ
BEHIND = LANES + 8  # entries that are written or prefetched beyond the end of a list
LARGEST = {"float32": 0x7F7FFFFF, "float64": 0x7FEFFFFFFFFFFFFF}


def has_zeros(ctx: Context, p: Problem) -> bool:
    """Whether the contraction skips zeros: its code is for sparse rows, and a is gathered."""
    base, nodes = ctx.fused.access[p.places[0]].base, ctx.fused.graph.nodes
    gathered = base < len(nodes) and nodes[base].op.code == "gather"
    plain = len(ctx.kernel.shape) == 2 and not p.swapped
    one_by_one = equals(ctx.product(p.b.strides[-1]), 1)
    return ctx.use.sparse and gathered and plain and one_by_one


class Zeros:
    """Finds where the rows of tiles are not 0: marks, and lists made of them, tile by tile."""

    def __init__(
        self,
        ctx: Context,
        p: Problem,
        k: Size,
        leaf: Size,
        group: int,
        rows: Sequence[BlockRun],
        by_rows: bool,
    ) -> None:
        """`leaf` is the length of a chain, `group` the number of panels of b in a group, `rows` the
        runs of tiles."""
        self.b, self.dtype, self.leaf, self.rows = ctx.b, p.dtype, ctx.size(leaf), rows
        self.by_rows = by_rows
        self.places = ctx.reserve(SizeProduct(4) * k)
        ctx.reserve(SizeProduct(4 * BEHIND))
        self.counts = ctx.reserve(SizeProduct(8) * k)
        self.finite = ctx.reserve(SizeProduct(8 * group))
        tiles = 1 if self.by_rows else p.m
        self.marks = ctx.reserve(SizeProduct(1) * k * tiles)
        ctx.reserve(SizeProduct(APART_BYTES) * tiles)

    def check_panel(
        self, b: Any, step: Index, run: BlockRun, slot: Index, valid: Index, k: Index
    ) -> None:
        """Compute whether a panel of b is finite."""
        name, out = _finite(self.b, self.dtype, run.size), self.b.offset(self.finite, slot, "int64")
        self.b.call(name, b, step, valid, k, out)

    def mark_columns(self, a: Any, step: Index, m: Index, k: Index, own: Own) -> None:
        """Mark where columns of a are not 0; `own` gives the tiles of the current thread."""
        for run in self.rows:
            mark = _mark_columns(self.b, self.dtype, run.size, run.partial)
            start = self.b.offset(a, run.start, self.dtype)
            self.b.call(mark, start, step, *own(run), m - run.start, k, self._marks(run, k))

    def note(self, a: Any, step: Index, run: BlockRun, i: Index, height: Index, k: Index) -> None:
        """List where the rows of tile i of a run are not 0."""
        marks = self.marks
        if self.by_rows:
            mark = _mark_rows(self.b, self.dtype, run.size)
            self.b.call(mark, a, step, self.b.index(height) - 1, k, marks)
        else:
            marks = self.b.offset(self._marks(run, k), (k + APART_BYTES) * i, "bool")
        self.b.call(_list(self.b), marks, k, self.leaf, self.places, self.counts)

    def listed(self, low: Index, slot: Index) -> tuple[Any, Any]:
        """Return the list of the chain that begins at `low` and its length; −1: the full chain."""
        b = self.b
        count = b.load(self.counts, b.index(low) // self.leaf, "int64")
        finite = b.load(self.finite, slot, "int64").ne(0)
        return b.offset(self.places, low, "int32"), b.select(finite, count, -1)

    def _marks(self, run: BlockRun, k: Index) -> Any:
        """Return the address of the marks of a run's tiles."""
        before = sum(other.count for other in self.rows[: self.rows.index(run)])
        return self.b.offset(self.marks, (k + APART_BYTES) * before, "bool")


def _finite(b: Builder, dtype: str, vectors: int) -> str:
    """Return the name of the function (b, step, valid, k, out), which writes whether a panel of b
    is finite."""

    def write(f: Any) -> None:
        start, step, valid, k, out = f.args
        lanes, bits = Machine.lanes(dtype), BITS[dtype]
        masks = [f.lane_mask(valid - v * lanes, lanes) for v in range(vectors)]

        def row(i: Index, *most: Any) -> list[Any]:
            line = f.offset(start, i * step, dtype)
            parts = [f.load(line, v * lanes, dtype, lanes, masks[v]) for v in range(vectors)]
            sizes = [f.bitcast(f.abs(part), bits) for part in parts]
            return [elementwise_maximum(f, x, y) for x, y in zip(sizes, most, strict=True)]

        first = [f.const(0, bits, lanes)] * vectors
        most = join_pairs(f.loop(0, k, 1, first, row), partial(elementwise_maximum, f))
        f.store(f.convert(f.ones(most > LARGEST[dtype]).eq(0), "int64"), out, 0)

    return b.once(f"finite_{dtype}_{vectors}", ("ptr", "int64", "int64", "int64", "ptr"), write)


def _mark_rows(b: Builder, dtype: str, rows: int) -> str:
    """Return the name of the function (a, step, last, k, marks), which marks the k at which rows
    are not all 0; row m begins at a + min(m, last)·step."""

    def write(f: Any) -> None:
        a, step, last, k, marks = f.args
        lanes = Machine.lanes(dtype)
        starts = [f.offset(a, f.minimum(m, last) * step, dtype) for m in range(rows)]

        def part(i: Index) -> None:
            mask = f.lane_mask(k - i, lanes)
            bits = [f.bitcast(f.load(s, i, dtype, lanes, mask), BITS[dtype]) for s in starts]
            f.store(join_pairs(bits, lambda x, y: x | y).ne(0), marks, i, mask)

        f.loop(0, k, lanes, (), part)

    return b.once(f"mark_rows_{dtype}_{rows}", ("ptr", "int64", "int64", "int64", "ptr"), write)


def _mark_columns(b: Builder, dtype: str, rows: int, cut: bool) -> str:
    """Return the name of the function (a, step, first, last, m, k, marks), which marks tiles first
    to last; the last one may be shorter if `cut`. Column k begins at a + k·step."""

    def write(f: Any) -> None:
        a, step, first, last, m, k, marks = f.args
        lanes = 1 << (rows - 1).bit_length()

        def column(i: Index) -> None:
            start = f.offset(a, i * step, dtype)
            f.prefetch(start, step * APART, dtype)

            def tile(number: Index) -> None:
                row = number * rows
                mask = f.lane_mask(f.minimum(m - row, rows) if cut else rows, lanes)
                x = f.bitcast(f.load(start, row, dtype, lanes, mask), BITS[dtype])
                f.store(f.ones(x.ne(0)).ne(0), marks, (k + APART_BYTES) * number + i)

            f.loop(first, last, 1, (), tile)

        f.loop(0, k, 1, (), column)

    dtypes = ("ptr", *["int64"] * 5, "ptr")
    return b.once(f"mark_columns_{dtype}_{rows}{'c' if cut else ''}", dtypes, write)


def _list(b: Builder) -> str:
    """Return the name of the function (marks, k, leaf, places, counts), which makes a list for each
    leaf of marks."""

    def write(f: Any) -> None:
        marks, k, leaf, places, counts = f.args

        def chain(number: Index) -> None:
            low = number * leaf
            length = f.minimum(leaf, k - low)
            marked, found = f.offset(marks, low, "bool"), f.offset(places, low, "int32")

            def block(i: Index, count: Any) -> list[Any]:
                mask = f.load(marked, i, "bool", LANES, f.lane_mask(length - i, LANES))
                numbers = f.convert(f.iota(LANES) + i, "int32")
                f.store(f.compress(numbers, mask), found, count)
                return [count + f.ones(mask)]

            f.store(f.loop(0, length, LANES, [f.index(0)], block)[0], counts, number)

        f.loop(0, (k + (leaf - 1)) // leaf, 1, (), chain)

    return b.once("list_places", ("ptr", "int64", "int64", "ptr", "ptr"), write)

"""Divides a contraction into tiles.

In: a kernel of kind contract and a machine. Out: the problem, transposed where that is faster, and
its rows and columns as runs of equal tiles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from glassnet.graph.layout import Layout, transpose_layout
from glassnet.graph.types import Size
from glassnet.lower.context import Context
from glassnet.lower.protocol import Index

OPEN = 2  # vectors of a panel if the number of columns is not known: few lanes are wasted


@dataclass(frozen=True)
class BlockRun:
    """`count` tiles of `size` rows or vectors, beginning at `start`; the last one may be shorter if
    `partial`."""

    start: Index
    size: int
    count: Index
    partial: bool = False


@dataclass(frozen=True)
class Problem:
    """One contraction, out[m, n] = Σ_k a[m, k] b[k, n]; `swapped` if operands were exchanged and
    transposed."""

    m: Size
    n: Size
    k: Size
    a: Layout
    b: Layout
    places: tuple[int, int]
    dtype: str
    rows: bool
    swapped: bool

    @property
    def lanes(self) -> int:
        return 8 if self.dtype == "float64" else 16


def problem(ctx: Context) -> Problem:
    node = ctx.fused.graph.nodes[ctx.kernel.root or 0]
    places = (node.inputs[0], node.inputs[1])
    a, b = (ctx.fused.access[place].layout for place in places)
    m, n, k = a.shape[-2], b.shape[-1], a.shape[-1]
    rows = bool(node.attr("rows", False))
    narrow = isinstance(n, int) and n <= ctx.machine.lanes(node.type.dtype) // 4
    swapped = narrow and m != 1  # vectors over few columns would be mostly empty: use the rows
    if swapped:
        rank = len(a.shape)
        axes = (*range(rank - 2), rank - 1, rank - 2)
        a, b, m, n, places = (
            transpose_layout(b, axes),
            transpose_layout(a, axes),
            n,
            m,
            (places[1], places[0]),
        )
    return Problem(m, n, k, a, b, places, node.type.dtype, rows, swapped)


def row_runs(m: Index, full: int) -> list[BlockRun]:
    """Divide the rows into tiles: evenly if their number is known, else full tiles and a shorter
    last one."""
    if isinstance(m, int):
        return even_runs(m, full)
    return [BlockRun(0, full, (m + (full - 1)) // full, partial=True)]


def column_runs(n: Index, lanes: int, most: int) -> list[BlockRun]:
    """Divide the columns into panels of at most `most` vectors; sizes are in vectors, starts in
    columns."""
    if not isinstance(n, int):
        most = min(most, OPEN)
        width = lanes * most
        return [BlockRun(0, most, (n + (width - 1)) // width, partial=True)]
    runs = [BlockRun(r.start * lanes, r.size, r.count) for r in even_runs(-(-n // lanes), most)]
    if n % lanes == 0:
        return runs
    last = runs.pop()
    if last.count > 1:
        runs.append(replace(last, count=last.count - 1))
    start = last.start + (last.count - 1) * last.size * lanes
    return [*runs, BlockRun(start, last.size, 1, partial=True)]


def even_runs(size: int, most: int) -> list[BlockRun]:
    """Divide `size` into the fewest parts of at most `most`, whose sizes differ by at most 1."""
    parts = -(-size // most) or 1
    small, extra = divmod(size, parts)
    runs = [BlockRun(0, small, parts - extra), BlockRun((parts - extra) * small, small + 1, extra)]
    return [run for run in runs if run.count and run.size]

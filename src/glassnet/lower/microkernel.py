"""The microkernel of a contraction: one tile of the result in registers.

In: addresses of a tile's rows of a and columns of b. Out: the tile in memory. Each element is one
chain of fused multiply-adds in ascending k that begins with +0 or continues from memory. There is
one helper function for each tile size, shared by all contractions of a module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from glassnet.lower.protocol import Builder, Index, Machine

AHEAD, APART = 8, 12  # prefetch distances in rows of b, and in columns of a
BITS = {"float32": "int32", "float64": "int64"}
NEGATIVE = {"float32": -(1 << 31), "float64": -(1 << 63)}  # the bits of −0, the least integer
ARGUMENTS = ("ptr", "int64", "int64", "ptr", "int64", "int64", "ptr", "int64")
ASIDE = ("ptr", "ptr")
LIST = ("ptr", "int64")


class TileVariant(NamedTuple):
    """The variant of a microkernel: how a tile reads its arguments.

    by_rows: row m of a begins at a + min(m, last)·a_step and is contiguous in k; otherwise element
    (m, k) of a is at a + k·a_step + m. masked: columns of b from `valid` on are not read. far: rows
    of b are prefetched. apart: columns of a are prefetched, since the hardware does not prefetch
    them where they are far from each other. aside: `rows` rows of a matrix, of k numbers each, are
    prefetched (arguments …, table, starts), a few numbers in every step of the chain, since more
    prefetches than the cache has fill buffers for would stall the multiply-adds. goes_on: chains
    continue from what is in memory. listed: a chain uses only the k in a list (arguments …, places,
    count), or all if the count is negative.
    """

    by_rows: bool
    masked: bool
    far: bool
    apart: bool
    aside: bool
    goes_on: bool = False
    listed: bool = False

    def __str__(self) -> str:
        letters = zip("rmfpagz", self, strict=True)
        return "".join(letter for letter, given in letters if given)


def tile(b: Builder, dtype: str, rows: int, vectors: int, how: TileVariant) -> str:
    """Return the name of the function (a, a_step, last, b, b_step, valid, out, k); row k of b
    begins at b + k·b_step."""

    def write(f: Any) -> None:
        _write(f, dtype, rows, vectors, how)

    name = f"tile_{dtype}_{rows}x{vectors}{how}"
    more = (ASIDE if how.aside else ()) + (LIST if how.listed else ())
    return b.once(name, ARGUMENTS + more, write)


def _write(f: Any, dtype: str, rows: int, vectors: int, how: TileVariant) -> None:
    a, a_step, last, b, b_step, valid, out, k, *more = f.args
    places, count = more[-2:] if how.listed else (None, k)
    lanes = Machine.lanes(dtype)
    masks = [f.lane_mask(valid - v * lanes, lanes) if how.masked else None for v in range(vectors)]
    starts = [
        f.offset(a, f.minimum(m, last) * a_step, dtype) for m in range(rows if how.by_rows else 0)
    ]
    first = [f.splat(f.const(0.0, dtype), lanes)] * (rows * vectors)
    if how.goes_on:
        first = [f.load(out, number * lanes, dtype, lanes) for number in range(rows * vectors)]

    def step(turn: Index, *carried: Any) -> list[Any]:
        i, at, *totals = carried if how.listed else (turn, turn * b_step, *carried)
        row = f.offset(b, at, dtype)
        panel = [f.load(row, v * lanes, dtype, lanes, masks[v]) for v in range(vectors)]
        for v in range(vectors if how.far else 0):
            f.prefetch(row, b_step * AHEAD + v * lanes, dtype)
        if how.aside:
            _prefetch_row(f, dtype, rows, more[:2], turn, 2 if how.listed else 1)
        column = None if how.by_rows else f.offset(a, i * a_step, dtype)
        if how.apart:
            f.prefetch(column, a_step * APART, dtype)
        result = _place(f, places, turn + 1, b_step) if how.listed else []
        for m in range(rows):
            one = f.load(starts[m], i, dtype) if how.by_rows else f.load(column, m, dtype)
            wide = f.splat(one, lanes)
            for v in range(vectors):
                result.append(f.fma(wide, panel[v], totals[m * vectors + v]))
        return result

    begin = _place(f, places, 0, b_step) if how.listed else []
    totals = f.loop(0, count, 1, begin + first, step)[len(begin) :]
    for number, total in enumerate(totals):
        f.store(total, out, number * lanes)
    if how.listed:
        again = _ends_in_negative_zero(f, totals) | (count < 0)
        whole = tile(f, dtype, rows, vectors, how._replace(listed=False))
        f.when(again, lambda: f.call(whole, a, a_step, last, b, b_step, valid, out, k, *more[:-2]))


def _place(f: Any, places: Any, turn: Index, b_step: Index) -> list[Any]:
    """Load the next k and its position in b, one iteration ahead, so that nothing waits for it."""
    at = f.convert(f.load(places, turn, "int32"), "int64")
    return [at, at * b_step]


def _prefetch_row(
    f: Any, dtype: str, rows: int, aside: Sequence[Any], turn: Index, numbers: int
) -> None:
    """Prefetch one number of one of the rows; rows take turns, and each time the position in the
    row is `numbers` further per step."""
    table, starts = aside
    which = turn & (rows - 1)
    start = f.load(starts, which, "int64")
    f.prefetch(table, start + (turn - which) * numbers, dtype)


def _ends_in_negative_zero(f: Any, totals: Sequence[Any]) -> Any:
    """Whether one of the chains ends in −0."""
    dtype = totals[0].dtype
    found = [f.bitcast(total, BITS[dtype]).eq(NEGATIVE[dtype]) for total in totals]
    return f.ones(join_pairs(found, lambda x, y: x | y)).ne(0)


def join_pairs(parts: Sequence[Any], join: Callable[[Any, Any], Any]) -> Any:
    """Join the parts pairwise, so that dependency chains stay short."""
    now = list(parts)
    while len(now) > 1:
        pairs = zip(now[::2], now[1::2], strict=False)
        now = [join(x, y) for x, y in pairs] + now[len(now) // 2 * 2 :]
    return now[0]


def elementwise_maximum(f: Any, x: Any, y: Any) -> Any:
    """Return the larger of x and y in every lane."""
    return f.select(x > y, x, y)

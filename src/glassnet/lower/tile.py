"""The inner kernel of a contraction: one tile of the result in registers.

In: addresses of a tile's rows of a and columns of b. Out: the tile in memory, each element one
chain of fused multiply-adds in ascending k, from +0 or going on. A helper function each size,
shared by all contractions of a module.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from glassnet.lower.builder import Builder, Index, Machine

AHEAD, APART = 8, 12  # rows
ARGUMENTS = ("ptr", "int64", "int64", "ptr", "int64", "int64", "ptr", "int64")
ASIDE = ("ptr", "ptr")


class How(NamedTuple):
    """How a tile reads its arguments.

    by_rows: row m of a begins at a + min(m, last)·a_step and is contiguous in k; otherwise element
    (m, k) of a is at a + k·a_step + m. With `masked`, columns of b from `valid` on are not read.
    With `far`, rows of b are asked for ahead, with `apart` those of a, which no cache guesses where
    they lie far from each other; with `aside`, k numbers each of `rows` rows of a table, (…, table,
    starts): a few in every step of the chain, since more at a time than the cache has places to
    wait for would hold up the multiply-adds. With `goes_on`, chains begin with what is in memory.
    """

    by_rows: bool
    masked: bool
    far: bool
    apart: bool
    aside: bool
    goes_on: bool = False

    def __str__(self) -> str:
        letters = zip("rmfpag", self, strict=True)
        return "".join(letter for letter, given in letters if given)


def tile(b: Builder, dtype: str, rows: int, vectors: int, how: How) -> str:
    """Name of the function (a, a_step, last, b, b_step, valid, out, k); row k of b begins at
    b + k·b_step."""

    def write(f: Any) -> None:
        _write(f, dtype, rows, vectors, how)

    name = f"tile_{dtype}_{rows}x{vectors}{how}"
    return b.once(name, ARGUMENTS + (ASIDE if how.aside else ()), write)


def _write(f: Any, dtype: str, rows: int, vectors: int, how: How) -> None:
    a, a_step, last, b, b_step, valid, out, k, *aside = f.args
    lanes = Machine.lanes(dtype)
    masks = [f.lane_mask(valid - v * lanes, lanes) if how.masked else None for v in range(vectors)]
    starts = [
        f.offset(a, f.minimum(m, last) * a_step, dtype) for m in range(rows if how.by_rows else 0)
    ]
    first = [f.splat(f.const(0.0, dtype), lanes)] * (rows * vectors)
    if how.goes_on:
        first = [f.load(out, number * lanes, dtype, lanes) for number in range(rows * vectors)]

    def step(i: Index, *totals: Any) -> list[Any]:
        row = f.offset(b, i * b_step, dtype)
        panel = [f.load(row, v * lanes, dtype, lanes, masks[v]) for v in range(vectors)]
        for v in range(vectors if how.far else 0):
            f.prefetch(row, b_step * AHEAD + v * lanes, dtype)
        if how.aside:
            table, asked = aside
            which = i & (rows - 1)
            start = f.load(asked, which, "int64")
            f.prefetch(table, start + (i - which), dtype)
        column = None if how.by_rows else f.offset(a, i * a_step, dtype)
        if how.apart:
            f.prefetch(column, a_step * APART, dtype)
        result: list[Any] = []
        for m in range(rows):
            one = f.load(starts[m], i, dtype) if how.by_rows else f.load(column, m, dtype)
            wide = f.splat(one, lanes)
            for v in range(vectors):
                result.append(f.fma(wide, panel[v], totals[m * vectors + v]))
        return result

    totals = f.loop(0, k, 1, first, step)
    for number, total in enumerate(totals):
        f.store(total, out, number * lanes)

"""Packing: copies parts of the arguments into panels, in the order in which tiles read them.

In: a part of an argument, by address and strides. Out: helper functions that copy it: a panel of b
as k rows of `vectors` vectors, a strip of a as k groups of `rows` numbers. Elements outside the
argument are not read, and their place in the panel is not used. Panels are written in whole blocks,
so they need room for `SPARE` more rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glassnet.lower.protocol import Builder, Index, Machine, equals

ARGUMENTS = ("ptr", "int64", "int64", "ptr", "int64", "int64")
SPARE = 16


def pack_panel(
    b: Any,
    dtype: str,
    vectors: int,
    source: Any,
    steps: tuple[Index, Index],
    target: Any,
    k: Index,
    valid: Index,
) -> None:
    """Pack a panel of b; `steps` are the strides of its rows and of its columns."""
    k_step, n_step = steps
    if equals(n_step, 1) or not equals(k_step, 1):
        pack = pack_rows if equals(n_step, 1) else pack_strided
        b.call(pack(b, dtype, vectors), source, k_step, n_step, target, k, valid)
        return
    lanes = Machine.lanes(dtype)
    name, width = pack_transposed(b, dtype), vectors * lanes

    def vector(v: Index) -> None:
        start, end = b.offset(source, v * n_step, dtype), b.offset(target, v, dtype)
        b.call(name, start, width, n_step, end, k, valid - v)

    b.loop(0, b.minimum(valid, width), lanes, (), vector)


def pack_rows(b: Builder, dtype: str, vectors: int) -> str:
    """Return the name of the function (source, k_step, _, target, k, valid) for contiguous rows."""

    def write(f: Any) -> None:
        source, k_step, _, target, k, valid = f.args
        lanes = Machine.lanes(dtype)
        masks = [f.lane_mask(valid - v * lanes, lanes) for v in range(vectors)]

        def row(i: Index) -> None:
            start = f.offset(source, i * k_step, dtype)
            for v in range(vectors):
                part = f.load(start, v * lanes, dtype, lanes, masks[v])
                f.store(part, target, i * (vectors * lanes) + v * lanes)

        f.loop(0, k, 1, (), row)

    return b.once(f"pack_rows_{dtype}_{vectors}", ARGUMENTS, write)


def pack_strided(b: Builder, dtype: str, vectors: int) -> str:
    """Return the name of the function (source, k_step, n_step, target, k, valid), any strides."""

    def write(f: Any) -> None:
        source, k_step, n_step, target, k, valid = f.args
        width = vectors * Machine.lanes(dtype)

        def row(i: Index) -> None:
            start = f.offset(source, i * k_step, dtype)

            def element(n: Index) -> None:
                f.store(f.load(start, n * n_step, dtype), target, i * width + n)

            f.loop(0, f.minimum(valid, width), 1, (), element)

        f.loop(0, k, 1, (), row)

    return b.once(f"pack_strided_{dtype}_{vectors}", ARGUMENTS, write)


def pack_transposed(b: Builder, dtype: str) -> str:
    """Return the name of the function (source, width, n_step, target, k, valid), which packs one
    vector of columns that are contiguous in k into a panel of `width` columns.

    Square blocks are transposed in registers; columns from `valid` on repeat the last one.
    """

    def write(f: Any) -> None:
        source, width, n_step, target, k, valid = f.args
        lanes = Machine.lanes(dtype)
        columns = [f.minimum(n, valid - 1) * n_step for n in range(lanes)]
        starts = [f.offset(source, column, dtype) for column in columns]

        def block(row: Index) -> None:
            mask = f.lane_mask(k - row, lanes)
            parts = [f.load(start, row, dtype, lanes, mask) for start in starts]
            first = f.offset(target, row * width, dtype)
            for i, part in enumerate(transpose(f, parts)):
                f.store(part, first, width * i)

        f.loop(0, k, lanes, (), block)

    return b.once(f"pack_transposed_{dtype}", ARGUMENTS, write)


def transpose(b: Any, rows: Sequence[Any]) -> list[Any]:
    """Transpose a square matrix in registers by exchanging blocks of sizes 1, 2, 4, …"""
    lanes = len(rows)
    now = list(rows)
    step = 1
    while step < lanes:
        upper = [i if not i & step else lanes + i - step for i in range(lanes)]
        lower = [i + step if not i & step else lanes + i for i in range(lanes)]
        for i in range(lanes):
            if not i & step:
                x, y = now[i], now[i + step]
                now[i], now[i + step] = b.shuffle(x, y, upper), b.shuffle(x, y, lower)
        step *= 2
    return now


def pack_strip(b: Builder, dtype: str, rows: int, contiguous: bool) -> str:
    """Return the name of the function (source, m_step, k_step, target, k, valid), which packs a
    strip of a; with `contiguous`, m_step is 1."""

    def write(f: Any) -> None:
        source, m_step, k_step, target, k, valid = f.args
        lanes = 1 << (rows - 1).bit_length()
        count = f.minimum(valid, rows)
        mask = f.lane_mask(count, lanes) if lanes > 1 else None
        whole = f.lane_mask(rows, lanes)

        def group(i: Index) -> None:
            start = f.offset(source, i * k_step, dtype)
            if contiguous:
                f.store(f.load(start, 0, dtype, lanes, mask), target, i * rows, whole)
                return

            def element(m: Index) -> None:
                f.store(f.load(start, m * m_step, dtype), target, i * rows + m)

            f.loop(0, count, 1, (), element)

        f.loop(0, k, 1, (), group)

    kind = "contiguous" if contiguous else "scattered"
    return b.once(f"pack_strip_{kind}_{dtype}_{rows}", ARGUMENTS, write)

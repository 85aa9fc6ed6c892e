"""Packing: the panels that tiles read, in the order in which they read them.

In: a part of an argument, by address and strides. Out: helper functions that copy it: a panel of
b as k rows of `vectors` vectors, a strip of a as k groups of `rows` numbers. Elements outside the
argument are not read; what stands in their place is not used.
"""

from __future__ import annotations

from typing import Any

from glassnet.lower.builder import Builder, Index, Machine

ARGUMENTS = ("ptr", "int64", "int64", "ptr", "int64", "int64")


def pack_rows(b: Builder, dtype: str, vectors: int) -> str:
    """Name of the function (source, k_step, _, target, k, valid): rows contiguous."""

    def write(f: Any) -> None:
        source, k_step, _, target, k, valid = f.args
        lanes = Machine.lanes(dtype)
        masks = [f.lane_mask(valid - v * lanes, lanes) for v in range(vectors)]

        def row(i: Index) -> None:
            for v in range(vectors):
                part = f.load(
                    f.offset(source, i * k_step, dtype), v * lanes, dtype, lanes, masks[v]
                )
                f.store(part, target, i * (vectors * lanes) + v * lanes)

        f.loop(0, k, 1, (), row)

    return b.once(f"pack_rows_{dtype}_{vectors}", ARGUMENTS, write)


def pack_transposed(b: Builder, dtype: str, vectors: int) -> str:
    """Name of the function (source, k_step, n_step, target, k, valid), any strides."""

    def write(f: Any) -> None:
        source, k_step, n_step, target, k, valid = f.args
        width = vectors * Machine.lanes(dtype)

        def column(n: Index) -> None:
            start = f.offset(source, n * n_step, dtype)

            def row(i: Index) -> None:
                f.store(f.load(start, i * k_step, dtype), target, i * width + n)

            f.loop(0, k, 1, (), row)

        f.loop(0, f.minimum(valid, width), 1, (), column)

    return b.once(f"pack_transposed_{dtype}_{vectors}", ARGUMENTS, write)


def pack_columns(b: Builder, dtype: str, rows: int) -> str:
    """Name of the function (source, m_step, k_step, target, k, valid): a strip of a."""

    def write(f: Any) -> None:
        source, m_step, k_step, target, k, valid = f.args

        def column(i: Index) -> None:
            start = f.offset(source, i * k_step, dtype)

            def element(m: Index) -> None:
                f.store(f.load(start, m * m_step, dtype), target, i * rows + m)

            f.loop(0, f.minimum(valid, rows), 1, (), element)

        f.loop(0, k, 1, (), column)

    return b.once(f"pack_columns_{dtype}_{rows}", ARGUMENTS, write)

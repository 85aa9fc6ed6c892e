"""Chooses what a contraction packs, what it reads in place, and how threads split it.

In: sizes, strides and tiles. Out: choices, which affect the time, never a bit.

Panels of b are packed when its rows are not contiguous, or when at least `REUSE` tiles read them
and the rows are far apart (`NEAR_B`). Rows of a that are contiguous in k are read in place; others
are packed tile by tile, unless they are close together (`NEAR_A`, or `FEW_A` where few panels read
them). Threads split the columns where there are few tiles of rows, or many panels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from glassnet.fuse.kernels import BYTES
from glassnet.lower.blocking import BlockRun, Problem
from glassnet.lower.context import Context
from glassnet.lower.protocol import Index, equals

REUSE = 3
NEAR_A, NEAR_B = 512, 1024  # bytes between rows
FEW_A = 4000  # the same where few panels read a; from 4096 on rows map to the same cache sets


class Choice(NamedTuple):
    """The choices. by_rows: rows of a are contiguous. apart: its columns are, but so far from each
    other that the hardware does not prefetch them. split_columns: threads split the columns."""

    pack_a: bool
    pack_b: bool
    by_rows: bool
    apart: bool
    split_columns: bool


def choose(
    ctx: Context, p: Problem, rows: Sequence[BlockRun], columns: Sequence[BlockRun]
) -> Choice:
    am, ak, bk, bn = (ctx.product(s) for s in (*p.a.strides[-2:], *p.b.strides[-2:]))
    known = isinstance(p.m, int)
    tiles = sum(run.count if isinstance(run.count, int) else 8 for run in rows)
    panels = sum(run.count if isinstance(run.count, int) else 4 for run in columns)

    def near(stride: Index, limit: int) -> bool:
        """Whether the stride is so small that reading in place is as fast as packing."""
        return isinstance(stride, int) and stride * BYTES[p.dtype] <= limit

    pack_b = not equals(bn, 1) or (tiles >= REUSE and not near(bk, NEAR_B))
    by_rows = equals(ak, 1)
    in_place = equals(am, 1) and known and near(ak, NEAR_A if panels > REUSE else FEW_A)
    pack_a = not by_rows and not in_place
    apart = not by_rows and known and (pack_a or not near(ak, NEAR_A))
    few = isinstance(p.n, int) and (tiles < 8 or panels >= 16)
    gathers = bool(ctx.kernel.prologue) and not isinstance(ctx.threads, int)
    return Choice(pack_a, pack_b, by_rows, apart, (tiles == 1 or few) and not gathers)

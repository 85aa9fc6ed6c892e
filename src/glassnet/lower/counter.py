"""Long computations in parts: sums over many rows in blocks, and stages that must run in order.

In: code for one block of rows, or for one stage of a kernel. Out: loops over the part of it that a
call asks for. A block is an aligned part of the tree of leaves. The sums of blocks are added like
in a binary counter: level l of a stack holds the sum of 2ˡ blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from glassnet.graph.layout import SizeProduct
from glassnet.graph.types import Size
from glassnet.lower.context import PART, PARTS, Context
from glassnet.lower.protocol import Index
from glassnet.lower.workspace import Stack

LEAF = 64
LEVELS = 48  # of a stack of partial results: enough for 2^54 rows
BLOCK = 1024  # rows: the number of leaves is a power of two


def trailing_ones(ctx: Context, number: Index) -> Index:
    """Return the number of trailing one bits."""
    return ctx.b.trailing_zeros(~ctx.b.index(number))


def in_turn(ctx: Context, stages: Sequence[tuple[Size, Callable[[Context], None]]]) -> None:
    """Write stages, pairs of (rows, code), that one thread runs one after the other.

    In code for many rows every stage runs in blocks of rows, at least one, and a call runs those of
    its part. The last stage has the most rows."""
    if not ctx.use.tall:
        for _, stage in stages:
            stage(replace(ctx, threads=1))
        return
    b = ctx.b
    counts: list[Any] = [(b.index(ctx.size(rows)) + BLOCK) // BLOCK for rows, _ in stages]
    part, parts = ctx.part_argument(PART), ctx.part_argument(PARTS)
    ctx.reserve_stack(Stack(BLOCK, SizeProduct(1) * stages[-1][0], ()))
    low: Any
    high: Any
    low, high = replace(ctx, thread=part, threads=parts).split(sum(counts[1:], counts[0]))
    for count, (_, stage) in zip(counts, stages, strict=True):

        def block(i: Index, count: Index = count, do: Callable[[Context], None] = stage) -> None:
            do(replace(ctx, thread=i, threads=count))

        b.loop(b.select(low < 0, 0, low), b.minimum(high, count), 1, (), block)
        low, high = low - count, high - count


class Counter:
    """The blocks of a sum over `rows`, and the stack of its partial sums so far; `level` is the
    size in bytes of one level of the stack."""

    def __init__(self, ctx: Context, rows: SizeProduct, level: tuple[SizeProduct, ...]) -> None:
        self.ctx, self.b = ctx, ctx.b
        self.rows = self.b.index(ctx.product(rows))
        self.count = self.b.select(self.rows > 0, (self.rows + (BLOCK - 1)) // BLOCK, 1)
        self.number = self.ones = self.b.index(0)
        self.stack = ctx.reserve_stack(Stack(BLOCK, rows, level))

    def loop(self, body: Callable[[Index, Index], None]) -> None:
        """Call `body(first row, number of rows)` for every block of this part."""
        part, parts = self.ctx.part_argument(PART), self.ctx.part_argument(PARTS)
        low, high = replace(self.ctx, thread=part, threads=parts).split(self.count)

        def block(number: Index) -> None:
            self.number, self.ones = number, trailing_ones(self.ctx, number)
            start = number * BLOCK
            body(start, self.b.minimum(self.rows - start, BLOCK))

        self.b.loop(low, high, 1, (), block)

    def join(self, move: Callable[[Index, bool], None], done: Callable[[], None]) -> None:
        """Add the sum of this block to those of the blocks before; run `done` after the last block.
        `move(level, True)` adds a level of the stack to the sum, `move(level, False)` stores the
        sum in that level.

        As after leaf i of a tree, there is one addition for every trailing one bit of the block's
        number; after the last block one for every one bit, since those are the levels in use."""
        b = self.b

        def one(level: Index) -> None:
            b.when(((self.number >> level) & 1).eq(1), lambda: move(level, True))

        last = self.number.eq(self.count - 1)
        b.loop(0, b.select(last, LEVELS, self.ones), 1, (), one)
        b.when(self.number < self.count - 1, lambda: move(self.ones, False))
        b.when(last, done)

"""Long work in parts: sums over many rows in blocks, and work that must be done in turn.

In: code for one block of rows, or for one stage of a kernel. Out: loops over the part of it that
is passed to a call. A block is an aligned part of the tree of leaves. The sums of blocks join a
binary counter: level l of a stack holds the sum of 2ˡ blocks.
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
BLOCK = 1024  # rows: a power of two of leaves


def trailing_ones(ctx: Context, number: Index) -> Index:
    """How many of the lowest bits are ones."""
    return ctx.b.trailing_zeros(~ctx.b.index(number))


def in_turn(ctx: Context, stages: Sequence[tuple[Size, Callable[[Context], None]]]) -> None:
    """Stages of so many rows each that one thread does one after the other: in code for many rows
    block by block, at least one, of which a part takes some. Most rows has the last stage."""
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
    """The blocks of a sum over `rows`, and what the numbers of a result have of it so far: `level`
    are the bytes of one level of the stack."""

    def __init__(self, ctx: Context, rows: SizeProduct, level: tuple[SizeProduct, ...]) -> None:
        self.ctx, self.b = ctx, ctx.b
        self.rows = self.b.index(ctx.product(rows))
        self.count = self.b.select(self.rows > 0, (self.rows + (BLOCK - 1)) // BLOCK, 1)
        self.number = self.ones = self.b.index(0)
        self.stack = ctx.reserve_stack(Stack(BLOCK, rows, level))

    def loop(self, body: Callable[[Index, Index], None]) -> None:
        """For every block of this part: its first row, and how many there are."""
        part, parts = self.ctx.part_argument(PART), self.ctx.part_argument(PARTS)
        low, high = replace(self.ctx, thread=part, threads=parts).split(self.count)

        def block(number: Index) -> None:
            self.number, self.ones = number, trailing_ones(self.ctx, number)
            start = number * BLOCK
            body(start, self.b.minimum(self.rows - start, BLOCK))

        self.b.loop(low, high, 1, (), block)

    def join(self, move: Callable[[Index, bool], None], done: Callable[[], None]) -> None:
        """Add what there is of this block to what there is of those before; `done` after the last.
        `move(level, True)` adds a level to it, `move(level, False)` keeps it there.

        As after leaf i of a tree, there is one join for every trailing one bit of the block's
        number; after the last block one for every one bit, since those are the levels in use."""
        b = self.b

        def one(level: Index) -> None:
            b.when(((self.number >> level) & 1).eq(1), lambda: move(level, True))

        last = self.number.eq(self.count - 1)
        b.loop(0, b.select(last, LEVELS, self.ones), 1, (), one)
        b.when(self.number < self.count - 1, lambda: move(self.ones, False))
        b.when(last, done)

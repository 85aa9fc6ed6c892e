"""Reductions in 64 virtual lanes.

In: a reduction that is not one over rows. Out: loops. Lane j accumulates the elements j, j + 64, …
in order; then lanes are added in a halving tree: lane j + 32 to lane j, then lane j + 16, …
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from glassnet.fuse.kernels import BYTES
from glassnet.graph.layout import SizeProduct, row_major
from glassnet.graph.types import Size
from glassnet.lower import counter
from glassnet.lower.argument import Argument
from glassnet.lower.context import PART, PARTS, Context, Point
from glassnet.lower.protocol import Index
from glassnet.lower.workspace import Stack

LANES = 64


def lower_lanes(ctx: Context) -> None:
    """Lower a reduction, one output after the other; a single output of many rows in parts."""
    argument = Argument(ctx)
    layout = row_major(ctx.kernel.shape)

    def output(point: Point) -> None:
        sums = _Lanes(ctx, argument, point.coordinates)

        def done(totals: list[Any]) -> None:
            known = {ctx.kernel.root or 0: fold(ctx, totals, argument)}
            ctx.finish(point, known, layout)

        if ctx.use.tall and all(size == 1 for size in ctx.kernel.shape):
            sums.in_parts(done)
        else:
            done(sums.rest(sums.rounds(0, sums.count, sums.start())))

    each(ctx, ctx.kernel.shape, output)


def each(ctx: Context, shape: Sequence[Size], body: Callable[[Point], None]) -> None:
    """Write loops over the elements of a shape, one by one."""
    if all(size == 1 for size in shape):
        ctx.on_first_thread(lambda: body(Point((0,) * len(shape))))
        return

    def level(axis: int, at: tuple[Index, ...], shared: bool) -> None:
        if axis == len(shape):
            body(Point(at))
        elif shape[axis] == 1:
            level(axis + 1, (*at, 0), shared)
        else:
            size = ctx.size(shape[axis])
            low, high = (0, size) if shared else ctx.split(size)
            ctx.b.loop(low, high, 1, (), lambda i: level(axis + 1, (*at, i), True))

    level(0, (), False)


class _Lanes:
    """The 64 lanes of one output in registers: rounds of 64 elements, and the remainder."""

    def __init__(self, ctx: Context, argument: Argument, out: tuple[Index, ...]) -> None:
        self.ctx, self.b, self.argument, self.out = ctx, ctx.b, argument, out
        self.width = ctx.machine.lanes(argument.dtype)
        self.length = argument.length()
        self.left = self.length % LANES
        self.count = self.length // LANES

    def start(self) -> list[Any]:
        return [self.argument.start(self.width)] * (LANES // self.width)

    def rounds(self, low: Index, high: Index, totals: Sequence[Any]) -> list[Any]:
        return self.b.loop(low * LANES, high * LANES, LANES, totals, lambda i, *t: self._add(t, i))

    def rest(self, totals: Sequence[Any]) -> list[Any]:
        """Add the elements after the last whole round."""
        base, left = self.count * LANES, self.left
        if isinstance(left, int):
            return self._add(totals, base, left) if left else list(totals)
        once = self.b.minimum(left, 1)
        return self.b.loop(0, once, 1, totals, lambda _, *t: self._add(t, base, left))

    def in_parts(self, done: Callable[[list[Any]], None]) -> None:
        """Add the rounds of this part to the stored totals of the parts before; run `done` after
        the last part."""
        ctx, b, width, dtype = self.ctx, self.b, self.width, self.argument.dtype
        stored_totals = ctx.reserve(SizeProduct(LANES * BYTES[dtype]))
        ctx.reserve_stack(Stack(counter.BLOCK, self.argument.count, ()))
        places = range(0, LANES, width)
        part, parts = ctx.part_argument(PART), ctx.part_argument(PARTS)

        def store(totals: Sequence[Any]) -> None:
            for place, total in zip(places, totals, strict=True):
                b.store(total, stored_totals, place)

        def load() -> list[Any]:
            return [b.load(stored_totals, place, dtype, width) for place in places]

        low, high = replace(ctx, thread=part, threads=parts).split(self.count)
        b.when(part.eq(0), lambda: store(self.start()))
        store(self.rounds(low, high, load()))
        b.when(part.eq(parts - 1), lambda: done(self.rest(load())))

    def _add(self, totals: Sequence[Any], base: Index, left: Index | None = None) -> list[Any]:
        b, width = self.b, self.width
        result: list[Any] = []
        for i, total in enumerate(totals):
            if isinstance(left, int) and left <= i * width:
                result.append(total)
                continue
            mask = None if left is None else b.lane_mask(left - i * width, width)
            point = Point((), self.argument.axis, width, mask)
            element = self.argument.at(self.out, base + i * width, point)
            joined = self.argument.reduction.combine(b, total, element)
            result.append(joined if mask is None else b.select(mask, joined, total))
        return result


def fold(ctx: Context, totals: list[Any], argument: Argument) -> Any:
    """Add 64 lanes in a halving tree; lanes that hold the start value change nothing."""
    b, combine = ctx.b, argument.reduction.combine
    used = argument.length()
    while len(totals) > 1:
        half = len(totals) // 2
        low = totals[:half]
        skip = isinstance(used, int) and used <= half * totals[0].lanes
        totals = (
            low if skip else [combine(b, x, y) for x, y in zip(low, totals[half:], strict=True)]
        )
    value = totals[0]
    while value.lanes > 1:
        half = value.lanes // 2
        low = b.shuffle(value, value, range(half)) if half > 1 else b.extract(value, 0)
        if not isinstance(used, int) or used > half:
            high = range(half, 2 * half)
            other = b.shuffle(value, value, high) if half > 1 else b.extract(value, 1)
            low = combine(b, low, other)
        value = low
    return value


def halving_tree(b: Any, reduction: Any, items: Sequence[Any]) -> Any:
    """Add at most 64 lanes in a halving tree; missing lanes change nothing."""
    half = 1 << max(len(items) - 1, 0).bit_length() >> 1
    if half == 0:
        return items[0]
    low, high = list(items[:half]), items[half:]
    for i, item in enumerate(high):
        low[i] = reduction.combine(b, low[i], item)
    return halving_tree(b, reduction, low)

"""Reductions, in the two orders of summation that determine the result's bits.

In: a kernel of kind reduce. Out: loops. With `rows`: leaves of 64 rows, each summed in row order,
are added as an aligned binary tree; vectors run over the columns. Otherwise: 64 virtual lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from glassnet.fuse.kernels import BYTES
from glassnet.graph.layout import SizeProduct, count, row_major
from glassnet.lower import counter
from glassnet.lower.argument import Argument
from glassnet.lower.context import Context, Point
from glassnet.lower.counter import LEAF, LEVELS, Counter, trailing_ones
from glassnet.lower.lanes import lower_lanes
from glassnet.lower.loop import nest
from glassnet.lower.protocol import Index

ABREAST = 4  # vectors of columns summed at once, which hides the latency of additions


def lower_reduce(ctx: Context) -> None:
    node = ctx.fused.graph.nodes[ctx.kernel.root or 0]
    if node.attr("rows", False):
        _RowSums(ctx).write()
    else:
        lower_lanes(ctx)


class _RowSums:
    """Reduces axis 0, with vectors over the last axis of the result; many rows in blocks."""

    def __init__(self, ctx: Context) -> None:
        self.ctx, self.b, self.argument = ctx, ctx.b, Argument(ctx)
        self.layout = row_major(ctx.kernel.shape)
        self.stack = ctx.reserve(SizeProduct(64 * LEVELS * ABREAST))
        rows, self.counter = self.argument.count, None
        if ctx.use.tall and (rows.dims or rows.factor > counter.BLOCK):
            behind = 64 * ABREAST  # the last vector of a result is stored whole
            level = count(ctx.kernel.shape) * BYTES[self.argument.dtype], SizeProduct(behind)
            self.partial = ctx.reserve(SizeProduct(behind))
            self.counter = Counter(ctx, rows, level)

    def write(self) -> None:
        nest(self.ctx, self.ctx.kernel.shape, None, self._point, self.argument.dtype, most=ABREAST)

    def _point(self, point: Point) -> None:
        if self.counter is None:
            self._finish(point, self._sum(point, 0, self.argument.length()))
        else:
            self.counter.loop(lambda first, length: self._block(point, first, length))

    def _finish(self, point: Point, total: Any) -> None:
        self.ctx.finish(point, {self.ctx.kernel.root or 0: total}, self.layout)

    def _sum(self, point: Point, first: Index, length: Index) -> Any:
        """Return the sum of some rows."""
        ctx, argument = self.ctx, self.argument
        axis = argument.kept[point.axis] if point.axis >= 0 else -1
        at = Point((), axis, point.lanes, point.mask)
        start = argument.start(point.lanes)

        def leaf(low: Index, high: Index) -> Any:
            def step(row: Index, total: Any) -> list[Any]:
                element = argument.at(point.coordinates, row, at)
                wide = (
                    element if element.lanes == point.lanes else ctx.b.splat(element, point.lanes)
                )
                return [argument.reduction.combine(ctx.b, total, wide)]

            return ctx.b.loop(first + low, first + high, 1, [start], step)[0]

        return tree(ctx, length, leaf, self.stack, argument, point.lanes)

    def _block(self, point: Point, first: Index, length: Index) -> None:
        """Compute the sum of a block and add it to those of the blocks before."""
        assert self.counter is not None
        b, dtype, lanes = self.b, self.argument.dtype, point.lanes
        column, _ = self.ctx.address(self.layout, point)
        size = self.ctx.product(count(self.ctx.kernel.shape)) + 64 * ABREAST // BYTES[dtype]
        levels = b.offset(self.counter.stack, column, dtype)
        b.store(self._sum(point, first, length), self.partial, 0)

        def total() -> Any:
            return b.load(self.partial, 0, dtype, lanes)

        def move(level: Index, add: bool) -> None:
            slot = b.offset(levels, level * size, dtype)
            if add:
                below = b.load(slot, 0, dtype, lanes)
                b.store(self.argument.reduction.combine(b, below, total()), self.partial, 0)
            else:
                b.store(total(), slot, 0)

        self.counter.join(move, lambda: self._finish(point, total()))


def tree(
    ctx: Context,
    length: Index,
    leaf: Callable[[Index, Index], Any],
    stack: Any,
    argument: Argument,
    lanes: int,
) -> Any:
    """Return the sum of leaves, added like the carries of a binary counter: after leaf i, one
    addition for every trailing one bit of i; at the end the partial sums on the stack are added
    from the last to the first. That is the aligned binary tree without the missing leaves."""
    if isinstance(length, int) and length <= LEAF:
        return leaf(0, length)
    b, combine = ctx.b, argument.reduction.combine

    def push(level: Index, value: Any) -> None:
        b.store(value, stack, level * lanes)

    def pop(level: Index) -> Any:
        return b.load(stack, level * lanes, argument.dtype, lanes)

    def block(number: Index, depth: Index) -> list[Any]:
        low = number * LEAF
        value = leaf(low, b.minimum(low + LEAF, length))

        def join(i: Index, top: Any) -> list[Any]:
            return [combine(b, pop(depth - 1 - i), top)]

        some = trailing_ones(ctx, number)
        value = b.loop(0, some, 1, [value], join)[0]
        push(depth - some, value)
        return [depth - some + 1]

    return _joined(ctx, length, block, push, pop, argument, lanes)


def _joined(
    ctx: Context,
    length: Index,
    block: Callable[[Index, Index], list[Any]],
    push: Callable[[Index, Any], None],
    pop: Callable[[Index], Any],
    argument: Argument,
    lanes: int,
) -> Any:
    """Run over all leaves, then add the partial sums on the stack; the start value if none."""
    b, combine = ctx.b, argument.reduction.combine
    leaves = (b.index(length) + (LEAF - 1)) // LEAF
    depth = b.loop(0, leaves, 1, [b.index(0)], block)[0]
    last = b.select(depth > 0, depth - 1, 0)
    empty = argument.start(lanes)
    push(depth, empty)

    def rest(i: Index, top: Any) -> list[Any]:
        return [combine(b, pop(last - 1 - i), top)]

    return b.loop(0, last, 1, [pop(last)], rest)[0]

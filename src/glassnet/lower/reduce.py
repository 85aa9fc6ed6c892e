"""Reductions along one axis, in the two orders that the arithmetic fixes.

In: a kernel of kind reduce. Out: loops. `rows`: leaves of 64 rows, each one chain in row order,
added as an aligned binary tree; vectors run over the columns. Otherwise: 64 virtual lanes, lane j
taking the elements j, j + 64, … in order, then a halving tree: lane j joins lane j + 32, then
j + 16, …
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from glassnet.graph.layout import Product, count, row_major
from glassnet.graph.types import Size
from glassnet.lower.builder import Index
from glassnet.lower.context import Context, Point
from glassnet.lower.loop import GRAIN, adjacent, nest

LEAF = 64
LANES = 64
ABREAST = 4  # vectors of columns: an addition takes longer than it takes to begin the next one
LEVELS = 48  # of the stack of partial results: enough for 2^54 rows


def lower_reduce(ctx: Context) -> None:
    node = ctx.fused.graph.nodes[ctx.kernel.root or 0]
    if node.attr("rows", False):
        _rows(ctx)
    else:
        _lanes(ctx)


class _Argument:
    """The reduced value at a point: the prologue computed there, or a load. Several reduced axes
    count as one, the last running fastest."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        node = ctx.fused.graph.nodes[ctx.kernel.root or 0]
        self.place, self.node, self.reduction = node.inputs[0], node, node.op.code
        source = ctx.fused.graph.nodes[self.place]
        self.dtype, self.shape = source.type.dtype, source.type.shape
        axes: tuple[int, ...] = node.attr("axes")
        self.kept = [axis for axis in range(len(self.shape)) if axis not in axes]
        self.wide = [axis for axis in axes if self.shape[axis] != 1]
        self.axis = self.wide[-1] if self.wide else axes[-1]

    def length(self) -> Index:
        return self.ctx.product(count([self.shape[axis] for axis in self.wide]))

    def at(self, out: tuple[Index, ...], index: Index, point: Point) -> Any:
        """Element `index` along the reduced axes for output coordinates `out`."""
        coordinates: list[Index] = [0] * len(self.shape)
        for axis, coordinate in zip(self.kept, out, strict=True):
            coordinates[axis] = coordinate
        if len(self.wide) > 1 and not self._one_stride():
            return self._gathered(coordinates, index, point)
        coordinates[self.axis] = index
        here = Point(tuple(coordinates), point.axis, point.lanes, point.mask)
        known: dict[int, Any] = {}
        self.ctx.compute(self.ctx.kernel.prologue, here, known)
        return self.ctx.value(self.place, here, known)

    def _one_stride(self) -> bool:
        """Whether one index runs through all reduced axes of the stored value."""
        layout = self.ctx.fused.access[self.place].layout
        pairs = zip(self.wide, self.wide[1:], strict=False)
        return all(adjacent(layout, outer, inner) for outer, inner in pairs)

    def _gathered(self, coordinates: list[Index], index: Index, point: Point) -> Any:
        """Lanes index, index + 1, … of the reduced axes, each at its own address."""
        ctx, b = self.ctx, self.ctx.b
        access = ctx.fused.access[self.place]
        place, _ = ctx.address(access.layout, Point(tuple(coordinates)))
        rest: Any = b.iota(point.lanes) + index if point.lanes > 1 else b.index(index)
        for axis in reversed(self.wide):
            size = ctx.size(self.shape[axis])
            place = (rest % size) * ctx.product(access.layout.strides[axis]) + place
            rest = rest // size
        if point.lanes == 1:
            return b.load(ctx.pointer(access.base), place, self.dtype)
        return b.gather(ctx.pointer(access.base), place, self.dtype, point.mask)


def _rows(ctx: Context) -> None:
    """Over axis 0: vectors over the last axis of the result."""
    argument = _Argument(ctx)
    layout = row_major(ctx.kernel.shape)
    stack = ctx.reserve(Product(64 * LEVELS * ABREAST))

    def body(point: Point) -> None:
        axis = argument.kept[point.axis] if point.axis >= 0 else -1
        at = Point((), axis, point.lanes, point.mask)
        start = _start(ctx, argument, point.lanes)

        def leaf(low: Index, high: Index) -> Any:
            def step(row: Index, total: Any) -> list[Any]:
                element = argument.at(point.coordinates, row, at)
                return [argument.reduction.combine(ctx.b, total, _wide(ctx, element, point))]

            return ctx.b.loop(low, high, 1, [start], step)[0]

        total = tree(ctx, argument.length(), leaf, stack, argument, point.lanes)
        known = {ctx.kernel.root or 0: total}
        ctx.finish(point, known, layout)

    # of many rows even one vector of columns is much: parts of a long step may be as narrow
    grain, most = (GRAIN, ABREAST) if ctx.part is None else (1, 1)
    nest(ctx, ctx.kernel.shape, None, body, argument.dtype, grain, most=most)


def _wide(ctx: Context, element: Any, point: Point) -> Any:
    return element if element.lanes == point.lanes else ctx.b.splat(element, point.lanes)


def _start(ctx: Context, argument: _Argument, lanes: int) -> Any:
    first = ctx.b.const(argument.reduction.init(argument.dtype), argument.dtype)
    return ctx.b.splat(first, lanes) if lanes > 1 else first


def tree(
    ctx: Context,
    length: Index,
    leaf: Callable[[Index, Index], Any],
    stack: Any,
    argument: _Argument,
    lanes: int,
) -> Any:
    """Leaves joined like the carries of a binary counter: after leaf i, one join for every
    trailing one bit of i; at the end the partial results left on the stack are joined from the
    last to the first. That is the aligned binary tree with missing leaves skipped."""
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
    argument: _Argument,
    lanes: int,
) -> Any:
    """Run over all leaves, then join what they left on the stack; the start value if none."""
    b, combine = ctx.b, argument.reduction.combine
    leaves = (b.index(length) + (LEAF - 1)) // LEAF
    depth = b.loop(0, leaves, 1, [b.index(0)], block)[0]
    last = b.select(depth > 0, depth - 1, 0)
    empty = _start(ctx, argument, lanes)
    push(depth, empty)

    def rest(i: Index, top: Any) -> list[Any]:
        return [combine(b, pop(last - 1 - i), top)]

    return b.loop(0, last, 1, [pop(last)], rest)[0]


def trailing_ones(ctx: Context, number: Index) -> Index:
    """How many of the lowest bits are ones."""
    return ctx.b.trailing_zeros(~ctx.b.index(number))


def _lanes(ctx: Context) -> None:
    """64 lanes along the reduced axis, one output after the other."""
    argument = _Argument(ctx)
    layout = row_major(ctx.kernel.shape)
    width = ctx.machine.lanes(argument.dtype)

    def output(point: Point) -> None:
        total = fold(ctx, lane_totals(ctx, argument, point.coordinates, width), argument)
        known = {ctx.kernel.root or 0: total}
        ctx.finish(point, known, layout)

    each(ctx, ctx.kernel.shape, output)


def each(ctx: Context, shape: Sequence[Size], body: Callable[[Point], None]) -> None:
    """Loops over the elements of a shape, one by one."""
    if all(size == 1 for size in shape):
        ctx.alone(lambda: body(Point((0,) * len(shape))))
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


def lane_totals(ctx: Context, argument: _Argument, out: tuple[Index, ...], width: int) -> list[Any]:
    """The 64 lanes, as registers of `width`."""
    b, combine = ctx.b, argument.reduction.combine
    length = argument.length()
    start = [_start(ctx, argument, width)] * (LANES // width)

    def add(totals: Sequence[Any], base: Index, left: Index | None) -> list[Any]:
        result: list[Any] = []
        for i, total in enumerate(totals):
            if isinstance(left, int) and left <= i * width:
                result.append(total)
                continue
            mask = None if left is None else b.lane_mask(left - i * width, width)
            point = Point((), argument.axis, width, mask)
            element = argument.at(out, base + i * width, point)
            joined = combine(b, total, element)
            result.append(joined if mask is None else b.select(mask, joined, total))
        return result

    rest = length % LANES
    whole = length - rest
    totals = b.loop(0, whole, LANES, start, lambda i, *t: add(t, i, None))
    if isinstance(rest, int):
        return add(totals, whole, rest) if rest else totals
    once = b.minimum(rest, 1)
    return b.loop(0, once, 1, totals, lambda _, *t: add(t, whole, rest))


def fold(ctx: Context, totals: list[Any], argument: _Argument) -> Any:
    """The halving tree over 64 lanes; lanes that hold the start value change nothing."""
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


def halved(b: Any, reduction: Any, items: Sequence[Any]) -> Any:
    """At most 64 lanes joined by a halving tree; lanes that hold no element change nothing."""
    half = 1 << max(len(items) - 1, 0).bit_length() >> 1
    if half == 0:
        return items[0]
    low, high = list(items[:half]), items[half:]
    for i, item in enumerate(high):
        low[i] = reduction.combine(b, low[i], item)
    return halved(b, reduction, low)

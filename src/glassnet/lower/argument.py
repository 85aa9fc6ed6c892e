"""The argument of a reduction at a point, computed there or loaded.

In: a kernel of kind reduce. Out: the elements along the reduced axes, addressed by one index.
"""

from __future__ import annotations

from typing import Any

from glassnet.graph.layout import SizeProduct, count
from glassnet.lower.context import Context, Point
from glassnet.lower.loop import adjacent
from glassnet.lower.protocol import Index


class Argument:
    """The value to be reduced at a point: the result of the prologue there, or a load. Several
    reduced axes count as one axis, with the last one fastest."""

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

    @property
    def count(self) -> SizeProduct:
        return count([self.shape[axis] for axis in self.wide])

    def length(self) -> Index:
        return self.ctx.product(self.count)

    def start(self, lanes: int) -> Any:
        """Return the start value of the accumulator."""
        b = self.ctx.b
        first = b.const(self.reduction.init(self.dtype), self.dtype)
        return b.splat(first, lanes) if lanes > 1 else first

    def at(self, out: tuple[Index, ...], index: Index, point: Point) -> Any:
        """Return element `index` along the reduced axes, for the output coordinates `out`."""
        coordinates: list[Index] = [0] * len(self.shape)
        for axis, coordinate in zip(self.kept, out, strict=True):
            coordinates[axis] = coordinate
        if len(self.wide) > 1 and not self._one_stride():
            return self._gathered(coordinates, index, point)
        coordinates[self.axis] = index
        here = Point(tuple(coordinates), point.axis, point.lanes, point.mask)
        computed: dict[int, Any] = {}
        self.ctx.compute(self.ctx.kernel.prologue, here, computed)
        return self.ctx.value(self.place, here, computed)

    def _one_stride(self) -> bool:
        """Whether one stride covers all reduced axes of the stored value."""
        layout = self.ctx.fused.access[self.place].layout
        pairs = zip(self.wide, self.wide[1:], strict=False)
        return all(adjacent(layout, outer, inner) for outer, inner in pairs)

    def _gathered(self, coordinates: list[Index], index: Index, point: Point) -> Any:
        """Gather the elements index, index + 1, … along the reduced axes, one for each lane."""
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

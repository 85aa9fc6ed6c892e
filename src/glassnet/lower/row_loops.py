"""Kernels over whole rows: vectors run over rows, and each column has its own registers.

In: a kernel of kind rows: elementwise operations on matrices of few columns, and reductions along
their rows, in the order of 64 lanes and a halving tree. Out: one loop.
"""

from __future__ import annotations

from typing import Any

from glassnet.graph.layout import row_major
from glassnet.lower.context import Context, Point
from glassnet.lower.lanes import halving_tree
from glassnet.lower.loop import vector_dtype
from glassnet.lower.protocol import Index


def lower_rows(ctx: Context) -> None:
    lanes = ctx.machine.lanes(vector_dtype(ctx))
    low, high = ctx.split(ctx.size(ctx.kernel.shape[0]), lanes)

    def some(row: Index) -> None:  # always masked: a second, unmasked body takes long to compile
        point = Point((row,), 0, lanes, ctx.b.lane_mask(high - row, lanes))
        _RowRegisters(ctx, point).write()

    ctx.b.loop(low, high, lanes, (), some)


class _RowRegisters:
    """The code for one vector of rows: for every node the registers of its columns."""

    def __init__(self, ctx: Context, point: Point) -> None:
        self.ctx, self.row, self.nodes = ctx, point, ctx.fused.graph.nodes
        self.known: dict[int, list[Any]] = {}

    def write(self) -> None:
        for place in self.ctx.kernel.body:
            reduces = self.nodes[place].op.kind == "reduce"
            self.known[place] = self._reduced(place) if reduces else self._elementwise(place)
        for place, buffer in self.ctx.kernel.stores:
            layout = row_major(self.nodes[place].type.shape)
            for column, value in enumerate(self.known[place]):
                self.ctx.store(value, buffer, layout, self._at(place, column))

    def _at(self, place: int, column: int) -> Point:
        """Return the point of a node's element in one column."""
        rank = self.nodes[place].type.rank
        at = (*self.row.coordinates, column)[:rank]
        return Point(at, 0, self.row.lanes, self.row.mask)

    def _columns(self, place: int) -> int:
        shape = self.nodes[place].type.shape
        assert len(shape) < 2 or isinstance(shape[1], int)
        return shape[1] if len(shape) == 2 and isinstance(shape[1], int) else 1

    def _elementwise(self, place: int) -> list[Any]:
        node = self.nodes[place]
        result: list[Any] = []
        for column in range(self._columns(place)):
            local = {s: self._element(s, column) for s in node.inputs if self._is_local(s)}
            self.ctx.compute([place], self._at(place, column), local)
            result.append(local[place])
        return result

    def _is_local(self, source: int) -> bool:
        found = self.ctx.fused.access.get(source)
        return found is not None and found.base in self.known

    def _element(self, source: int, column: int) -> Any:
        """Return the register of a node computed here, or of a view of one."""
        columns = self.known[self.ctx.fused.access[source].base]
        return columns[column if len(columns) > 1 else 0]

    def _reduced(self, place: int) -> list[Any]:
        node = self.nodes[place]
        source, reduction = node.inputs[0], node.op.code
        items = [
            self._element(source, column)
            if self._is_local(source)
            else self.ctx.value(source, self._at(source, column), {})
            for column in range(self._columns(source))
        ]
        dtype = node.type.dtype
        start = self.ctx.b.const(reduction.init(dtype), dtype)
        lanes = self.row.lanes
        first = self.ctx.b.splat(start, lanes) if lanes > 1 else start
        return [
            halving_tree(self.ctx.b, reduction, [self._joined(reduction, first, x) for x in items])
        ]

    def _joined(self, reduction: Any, first: Any, item: Any) -> Any:
        wide = item if item.lanes == first.lanes else self.ctx.b.splat(item, first.lanes)
        return reduction.combine(self.ctx.b, first, wide)

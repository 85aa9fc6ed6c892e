"""The context of lowering one kernel: sizes, addresses, and the values of nodes at a point.

In: a fused graph, a kernel, and the builder of its function. Out: registers. A point is a position
in the iteration space: one index per axis, and the axis along which the vector runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from glassnet.fuse.kernels import Access, Kernel, KernelGraph
from glassnet.graph.layout import Layout, SizeProduct
from glassnet.graph.types import Size
from glassnet.lower.protocol import PLAIN, Builder, Index, Machine, Use, equals
from glassnet.lower.workspace import Stack

AHEAD = 8  # prefetch distance in rows
PART, PARTS, ROUND = range(3)  # positions of a call's arguments behind the run-time sizes


@dataclass(frozen=True)
class Point:
    """The indices of the first lane, the axis of the vector, its number of lanes, and the mask of
    those inside the shape."""

    coordinates: tuple[Index, ...]
    axis: int = -1
    lanes: int = 1
    mask: Any = None


@dataclass
class Context:
    """The state of lowering a kernel. `sizes` is the address of the run-time sizes, which are
    followed by the arguments PART, PARTS and ROUND of a call."""

    fused: KernelGraph
    kernel: Kernel
    b: Builder
    machine: Machine
    pointers: dict[int, Any]
    scratch: Any
    thread: Any = 0
    threads: Any = 1
    sizes: Any = None
    use: Use = PLAIN
    scratch_bytes: list[SizeProduct] = field(default_factory=list[SizeProduct])
    stack: Stack | None = None
    rows: dict[int, tuple[Any, Any]] = field(default_factory=dict[int, tuple[Any, Any]])

    # -- sizes ---------------------------------------------------------------------------------

    def size(self, size: Size) -> Index:
        return size if isinstance(size, int) else self.b.dims[size.name]

    def product(self, product: SizeProduct) -> Index:
        number: Index = product.factor
        for dim in product.dims:
            number = self.b.dims[dim.name] * number
        return number

    def part_argument(self, what: int) -> Any:
        """Load an argument of the call: which part of a blocked sum to compute (PART), of how many
        (PARTS), or how many shares the thread has done before (ROUND)."""
        return self.b.load(self.sizes, len(self.fused.graph.dims) + what, "int64")

    def split(self, count: Index, grain: int = 1) -> tuple[Index, Index]:
        """Return this thread's part of range(count), divided at multiples of the grain."""
        if isinstance(self.threads, int):
            return 0, count
        b = self.b
        blocks = (b.index(count) + (grain - 1)) // grain
        low = (blocks * self.thread) // self.threads * grain
        high = (blocks * (self.thread + 1)) // self.threads * grain
        return low, b.minimum(high, count)

    def on_first_thread(self, body: Any) -> None:
        """Write code that only the first thread runs."""
        if isinstance(self.threads, int):
            body()
        else:
            self.b.when(self.thread.eq(0), body)

    def reserve(self, size: SizeProduct) -> Any:
        """Reserve `size` bytes of this thread's scratch memory; return their address."""
        start = self._free()
        self.scratch_bytes.append(SizeProduct(-(-size.factor // 64) * 64, size.dims))
        return start

    def reserve_stack(self, stack: Stack) -> Any:
        """Reserve a stack behind all other scratch memory; return its address."""
        self.stack = stack
        return self._free()

    def _free(self) -> Any:
        start: Index = 0
        for earlier in self.scratch_bytes:
            start = start + self.product(earlier)
        return self.b.offset(self.scratch, start, "bool")

    # -- memory --------------------------------------------------------------------------------

    def pointer(self, buffer: int) -> Any:
        return self.pointers[self.fused.alias.get(buffer, buffer)]

    def address(self, layout: Layout, point: Point) -> tuple[Index, Index]:
        """Return the element number of the first lane, and the stride between lanes."""
        start: Index = 0
        for part in layout.offset:
            start = start + self.product(part)
        step: Index = 0
        for axis, (at, stride) in enumerate(zip(point.coordinates, layout.strides, strict=True)):
            if layout.shape[axis] != 1:
                start = start + at * self.product(stride)
                step = self.product(stride) if axis == point.axis else step
        return start, step

    def load(self, access: Access, dtype: str, point: Point) -> Any:
        start, step = self.address(access.layout, point)
        pointer = self.pointer(access.base)
        if point.lanes == 1 or equals(step, 0):
            return self.b.load(pointer, start, dtype)
        if equals(step, 1):
            return self.b.load(pointer, start, dtype, point.lanes, point.mask)
        return self.b.gather(pointer, self.b.iota(point.lanes) * step + start, dtype, point.mask)

    def store(self, value: Any, buffer: int, layout: Layout, point: Point) -> None:
        start, step = self.address(layout, point)
        if value.lanes != point.lanes:
            value = self.b.splat(value, point.lanes)
        if point.lanes == 1 or equals(step, 1):
            self.b.store(value, self.pointer(buffer), start, point.mask)
        else:
            indices = self.b.iota(point.lanes) * step + start
            self.b.scatter(value, self.pointer(buffer), indices, point.mask)

    # -- values --------------------------------------------------------------------------------

    def value(self, place: int, point: Point, known: dict[int, Any]) -> Any:
        """Return the value of a node: one in `known`, a constant, a load, or computed from the
        coordinates."""
        if place in known:
            return known[place]
        fused = self.fused
        node = fused.graph.nodes[place]
        if place in fused.scalar:
            found = self.constant(fused.scalar[place])
        elif place in fused.access:
            found = self.load(fused.access[place], node.type.dtype, point)
        else:
            at = [self._lane_index(axis, point) for axis in range(node.type.rank)]
            found = node.op.code(self.b, at, node.type.dtype, **node.kwargs)
        known[place] = found
        return found

    def constant(self, place: int) -> Any:
        """Return the value of a scalar source."""
        node = self.fused.graph.nodes[place]
        return node.op.code(self.b, [], node.type.dtype, **node.kwargs)

    def _lane_index(self, axis: int, point: Point) -> Any:
        at = self.b.index(point.coordinates[axis])
        return self.b.iota(point.lanes) + at if axis == point.axis else at

    def compute(self, places: Sequence[int], point: Point, known: dict[int, Any]) -> None:
        """Compute nodes of this kernel in order and add their values to `known`."""
        for place in places:
            node = self.fused.graph.nodes[place]
            if node.op.kind == "index":
                known[place] = self._gathered(place, point)
                continue
            inputs = [self.value(source, point, known) for source in node.inputs]
            known[place] = node.op.code(self.b, *inputs, **node.kwargs)

    def table(self, place: int) -> Any:
        """Return the address of the matrix from which a node gathers rows."""
        source, _ = self.fused.graph.nodes[place].inputs
        access = self.fused.access[source]
        start, _ = self.address(access.layout, Point((0,) * len(access.layout.shape)))
        dtype = self.fused.graph.nodes[source].type.dtype
        return self.b.offset(self.pointer(access.base), start, dtype)

    def row_start(self, place: int, at: Index) -> Any:
        """Return the position, in elements of that matrix, of the row gathered for row `at` of the
        result."""
        source, _ = self.fused.graph.nodes[place].inputs
        stride = self.product(self.fused.access[source].layout.strides[0])
        return self._row(place, Point((at,))) * stride

    def choose_rows(self, at: tuple[Index, ...], places: Sequence[int], ahead: bool = True) -> None:
        """Compute the gathered row numbers once for all vectors of a row of the result; with
        `ahead`, also those of the row to prefetch."""
        last = self.b.index(self.size(self.kernel.shape[0])) - 1
        for place in places:
            if self.fused.graph.nodes[place].op.kind == "index":
                row, later = self._row(place, Point(at[:1])), None
                if ahead:
                    later = self._row(place, Point((self.b.minimum(at[0] + AHEAD, last),)))
                self.rows[place] = row, later

    def _row(self, place: int, point: Point) -> Any:
        """Return the row number at a point, clamped to the valid range."""
        source, rows = self.fused.graph.nodes[place].inputs
        row = self.b.convert(self.value(rows, point, {}), "int64")
        last = self.b.index(self.size(self.fused.access[source].layout.shape[0])) - 1
        return self.b.select(row < 0, 0, self.b.select(row > last, last, row))

    def _gathered(self, place: int, point: Point) -> Any:
        """Return the elements of row index[i] of the first argument."""
        source, _ = self.fused.graph.nodes[place].inputs
        access, dtype = self.fused.access[source], self.fused.graph.nodes[source].type.dtype
        rest = point.coordinates[1:]
        if point.axis == 0:
            row = self._row(place, Point(point.coordinates[:1], 0, point.lanes, point.mask))
            row = self.b.splat(row, point.lanes) if row.lanes != point.lanes else row
            start, _ = self.address(access.layout, replace(point, coordinates=(0, *rest), axis=-1))
            indices = row * self.product(access.layout.strides[0]) + start
            return self.b.gather(self.pointer(access.base), indices, dtype, point.mask)
        if place not in self.rows:
            row = self._row(place, Point(point.coordinates[:1]))
            return self.load(access, dtype, replace(point, coordinates=(row, *rest)))
        # gathered rows are anywhere in memory: prefetch those of later iterations
        row, ahead = self.rows[place]
        if ahead is not None:
            later, _ = self.address(access.layout, replace(point, coordinates=(ahead, *rest)))
            self.b.prefetch(self.pointer(access.base), later, dtype)
        return self.load(access, dtype, replace(point, coordinates=(row, *rest)))

    def finish(self, point: Point, known: dict[int, Any], layout: Layout) -> None:
        """Compute the body at a point and store its results."""
        self.compute(self.kernel.body, point, known)
        for place, buffer in self.kernel.stores:
            if place not in self.kernel.prologue:
                self.store(known[place], buffer, layout, point)

"""Elementwise kernels and copies: one loop nest over the elements of the result.

In: a kernel of kind loop. Out: loops. Axes that are contiguous in all arguments are merged, the
last one is vectorised, the first one is split among threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from glassnet.graph.layout import Layout, count, row_major
from glassnet.graph.types import Shape
from glassnet.lower.context import Context, Point
from glassnet.lower.protocol import Index

GRAIN = 16  # vectors; a multiple of whole cache lines for each thread


def lower_loop(ctx: Context) -> None:
    kernel = ctx.kernel
    layout = row_major(kernel.shape)

    def body(point: Point) -> None:
        known: dict[int, Any] = {}
        if not kernel.body:
            place, _ = kernel.stores[0]
            known[place] = copied_element(ctx, place, point)
        ctx.finish(point, known, layout)

    gathers = any(ctx.fused.graph.nodes[place].op.kind == "index" for place in kernel.body)
    before = partial(ctx.choose_rows, places=kernel.body) if gathers else None
    nest(ctx, kernel.shape, layouts_read(ctx), body, vector_dtype(ctx), before=before)


def copied_element(ctx: Context, place: int, point: Point) -> Any:
    """Return the element that a kernel without a body stores: a copy, a constant, or one computed
    from the coordinates."""
    copy = ctx.kernel.copy
    node = ctx.fused.graph.nodes[place]
    if copy is not None:
        return ctx.load(copy, node.type.dtype, point)
    number = ctx.kernel.number if ctx.kernel.number is not None else ctx.fused.scalar.get(place)
    if number is not None:
        return ctx.constant(number)
    at = [ctx.b.index(c) for c in point.coordinates]
    if point.axis >= 0:
        at[point.axis] = ctx.b.iota(point.lanes) + at[point.axis]
    return node.op.code(ctx.b, at, node.type.dtype, **node.kwargs)


def vector_dtype(ctx: Context) -> str:
    """Return the widest dtype in the kernel, which determines the number of lanes of a vector."""
    nodes = ctx.fused.graph.nodes
    places = [p for p, _ in ctx.kernel.stores] + ctx.kernel.body
    wide = any(nodes[place].type.dtype in ("float64", "int64") for place in places)
    return "float64" if wide else "float32"


def layouts_read(ctx: Context) -> list[Layout] | None:
    """Return the layouts of everything read element by element; None where the code needs the
    coordinates."""
    nodes, fused, kernel = ctx.fused.graph.nodes, ctx.fused, ctx.kernel
    found: list[Layout] = []
    if kernel.copy is not None:
        found.append(kernel.copy.layout)
    elif not kernel.body and kernel.number is None and kernel.stores[0][0] not in fused.scalar:
        return None
    local = set(kernel.nodes)
    for place in kernel.body:
        if nodes[place].op.kind == "index":
            return None
        for source in nodes[place].inputs:
            if source in fused.access and source not in local:
                found.append(fused.access[source].layout)
            elif source not in local and source not in fused.scalar:
                return None
    return found


def merge_axes(shape: Shape, layouts: Sequence[Layout] | None) -> list[list[int]]:
    """Return groups of axes that one index can cover in all layouts, without axes of size 1."""
    groups: list[list[int]] = []
    for axis in (axis for axis, size in enumerate(shape) if size != 1):
        if (
            groups
            and layouts is not None
            and all(adjacent(layout, groups[-1][-1], axis) for layout in layouts)
        ):
            groups[-1].append(axis)
        else:
            groups.append([axis])
    return groups


def adjacent(layout: Layout, outer: int, inner: int) -> bool:
    return layout.strides[outer] == layout.strides[inner] * layout.shape[inner]


def nest(
    ctx: Context,
    shape: Shape,
    layouts: Sequence[Layout] | None,
    body: Callable[[Point], None],
    dtype: str,
    grain: int = GRAIN,
    before: Callable[[tuple[Index, ...]], None] | None = None,
    most: int = 1,
) -> None:
    """Write loops over a shape.

    `body` is written once for whole vectors and once for the remainder; `before` computes what is
    the same for all vectors along the last axis. A thread gets a multiple of `grain` vectors. Up to
    `most` vectors form one point, where the last axis has as many."""
    groups = merge_axes(shape, layouts)
    lanes = ctx.machine.lanes(dtype)
    last = shape[groups[-1][-1]] if groups else 1
    lanes *= max(1, min(most, -(-last // lanes))) if isinstance(last, int) else 1
    sizes = [count([shape[axis] for axis in group]) for group in groups]
    if not groups:
        ctx.on_first_thread(lambda: body(Point((0,) * len(shape))))
        return

    def level(depth: int, at: tuple[Index, ...]) -> None:
        size = ctx.product(sizes[depth])
        least = grain * ctx.machine.lanes(dtype) if len(groups) == 1 else 1
        low, high = ctx.split(size, least) if depth == 0 else (0, size)
        axis = groups[depth][-1]
        if depth + 1 < len(groups):
            ctx.b.loop(low, high, 1, (), lambda i: level(depth + 1, _with(at, axis, i)))
        else:
            if before is not None and depth:
                before(at)
            vectors(ctx, low, high, axis, at, body, lanes)

    level(0, (0,) * len(shape))


def vectors(
    ctx: Context,
    low: Index,
    high: Index,
    axis: int,
    at: tuple[Index, ...],
    body: Callable[[Point], None],
    lanes: int,
) -> None:
    """Write a loop over range(low, high) in whole vectors, and the remainder with a mask."""
    b = ctx.b
    rest = (high - low) % lanes
    whole = high - rest

    def full(i: Index) -> None:
        body(Point(_with(at, axis, i), axis, lanes))

    def part() -> None:
        body(Point(_with(at, axis, whole), axis, lanes, b.lane_mask(rest, lanes)))

    b.loop(low, whole, lanes, (), full)
    if isinstance(rest, int):
        if rest:
            part()
    else:
        b.when(rest > 0, part)


def _with(at: tuple[Index, ...], axis: int, index: Index) -> tuple[Index, ...]:
    return (*at[:axis], index, *at[axis + 1 :])

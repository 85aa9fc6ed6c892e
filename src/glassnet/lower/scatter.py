"""Writes at computed places: scatter-add, concatenation, padding.

In: kernels of kind scatter and place. Out: loops on the first thread, as parts may overlap.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from glassnet.fuse import Access
from glassnet.graph.layout import row_major
from glassnet.lower.builder import Index
from glassnet.lower.context import Context, Point
from glassnet.lower.loop import nest


def lower_place(ctx: Context) -> None:
    """Every argument is copied to its part of the result; the rest is 0."""
    place = ctx.kernel.root or 0
    node = ctx.fused.graph.nodes[place]
    whole = row_major(node.type.shape)
    shapes = [ctx.fused.graph.nodes[source].type.shape for source in node.inputs]
    parts = node.op.code.write(whole, shapes, **node.kwargs)
    here = replace(ctx, threads=1)

    def write() -> None:
        _fill(here, place)
        for source, part in zip(node.inputs, parts, strict=True):
            access = ctx.fused.access[source]

            def copy(point: Point, access: Access = access, part: Any = part) -> None:
                here.store(here.load(access, node.type.dtype, point), place, part, point)

            nest(here, part.shape, [access.layout, part], copy, node.type.dtype)

    ctx.alone(write)


def _fill(ctx: Context, place: int) -> None:
    node = ctx.fused.graph.nodes[place]
    layout = row_major(node.type.shape)
    zero = ctx.b.const(0, node.type.dtype)
    nest(
        ctx,
        node.type.shape,
        [layout],
        lambda point: ctx.store(zero, place, layout, point),
        node.type.dtype,
    )


def lower_scatter(ctx: Context) -> None:
    """out[index[i], …] += x[i, …] in ascending i; an index out of range adds nothing."""
    place = ctx.kernel.root or 0
    node = ctx.fused.graph.nodes[place]
    rows, source = node.inputs
    access, layout = ctx.fused.access[source], row_major(node.type.shape)
    count = ctx.size(access.layout.shape[0])
    here = replace(ctx, threads=1)

    def row(i: Index) -> None:
        target = ctx.b.convert(here.value(rows, Point((i,)), {}), "int64")

        def add(point: Point) -> None:
            rest = point.coordinates[1:]
            old = here.load(Access(place, layout), node.type.dtype, _at(point, target, rest))
            new = here.load(access, node.type.dtype, _at(point, i, rest))
            here.store(old + new, place, layout, _at(point, target, rest))

        inside = (target >= 0) & (target < ctx.size(layout.shape[0]))
        one_row = (1, *layout.shape[1:])
        ctx.b.when(inside, lambda: nest(here, one_row, None, add, node.type.dtype))

    def write() -> None:
        _fill(here, place)
        ctx.b.loop(0, count, 1, (), row)

    ctx.alone(write)


def _at(point: Point, row: Index, rest: tuple[Index, ...]) -> Point:
    return Point((row, *rest), point.axis, point.lanes, point.mask)

"""Kernels that write to computed positions: scatter-add, concatenation, padding.

In: kernels of kind scatter and place. Out: loops on the first thread, since parts may overlap.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from glassnet.fuse.kernels import Access
from glassnet.graph.layout import Layout, row_major
from glassnet.lower.context import Context, Point
from glassnet.lower.counter import in_turn
from glassnet.lower.loop import nest
from glassnet.lower.protocol import Index


def lower_place(ctx: Context) -> None:
    """Fill the result with 0 and copy every argument to its part of it."""
    place = ctx.kernel.root or 0
    node = ctx.fused.graph.nodes[place]
    dtype, whole = node.type.dtype, row_major(node.type.shape)
    shapes = [ctx.fused.graph.nodes[source].type.shape for source in node.inputs]
    targets = node.op.code.write(whole, shapes, **node.kwargs)

    def write(here: Context, access: Access, target: Layout) -> None:
        def copy(point: Point) -> None:
            here.store(here.load(access, dtype, point), place, target, point)

        nest(here, target.shape, [access.layout, target], copy, dtype)

    accesses = [ctx.fused.access[source] for source in node.inputs]
    pairs = zip(accesses, targets, strict=True)
    rows = (*node.type.shape, 1)[0]
    copies = [(rows, partial(write, access=access, target=target)) for access, target in pairs]
    ctx.on_first_thread(lambda: in_turn(ctx, [(rows, partial(_fill, place=place)), *copies]))


def _fill(ctx: Context, place: int) -> None:
    type = ctx.fused.graph.nodes[place].type
    layout, zero = row_major(type.shape), ctx.b.const(0, type.dtype)

    def store(point: Point) -> None:
        ctx.store(zero, place, layout, point)

    nest(ctx, type.shape, [layout], store, type.dtype)


def lower_scatter(ctx: Context) -> None:
    """Lower out[index[i], …] += x[i, …], in ascending i; an index out of range adds nothing."""
    place = ctx.kernel.root or 0
    node = ctx.fused.graph.nodes[place]
    rows, source = node.inputs
    access, layout = ctx.fused.access[source], row_major(node.type.shape)
    count = access.layout.shape[0]

    def row(i: Index) -> None:
        target = ctx.b.convert(ctx.value(rows, Point((i,)), {}), "int64")

        def add(point: Point) -> None:
            rest = point.coordinates[1:]
            old = ctx.load(Access(place, layout), node.type.dtype, _at(point, target, rest))
            new = ctx.load(access, node.type.dtype, _at(point, i, rest))
            ctx.store(old + new, place, layout, _at(point, target, rest))

        inside = (target >= 0) & (target < ctx.size(layout.shape[0]))
        one_row = (1, *layout.shape[1:])
        ctx.b.when(
            inside, lambda: nest(replace(ctx, threads=1), one_row, None, add, node.type.dtype)
        )

    def add_rows(here: Context) -> None:
        low, high = here.split(ctx.size(count))
        ctx.b.loop(low, high, 1, (), row)

    ctx.on_first_thread(
        lambda: in_turn(ctx, [(layout.shape[0], partial(_fill, place=place)), (count, add_rows)])
    )


def _at(point: Point, row: Index, rest: tuple[Index, ...]) -> Point:
    return Point((row, *rest), point.axis, point.lanes, point.mask)

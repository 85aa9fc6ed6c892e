"""Contractions of length one (outer products): every element is the product of two numbers.

In: a kernel of kind contract. Out: loops like those of an elementwise kernel.
"""

from __future__ import annotations

from dataclasses import replace

from glassnet.graph.layout import row_major
from glassnet.lower.context import Context, Point
from glassnet.lower.loop import nest


def lower_outer(ctx: Context, dtype: str) -> None:
    fused, root = ctx.fused, ctx.kernel.root or 0
    left, right = (fused.access[place] for place in fused.graph.nodes[root].inputs)
    layout = row_major(ctx.kernel.shape)

    def body(point: Point) -> None:
        *outer, m, n = point.coordinates
        a = ctx.load(left, dtype, replace(point, coordinates=(*outer, m, 0)))
        b = ctx.load(right, dtype, replace(point, coordinates=(*outer, 0, n)))
        a, b = (x if x.lanes == point.lanes else ctx.b.splat(x, point.lanes) for x in (a, b))
        ctx.finish(point, {root: ctx.b.fma(a, b, 0.0)}, layout)

    nest(ctx, ctx.kernel.shape, None, body, dtype)

"""Matrix products.

In: floats. Out: one record: batched matrix product, each output element one chain of fused
multiply-adds in ascending k, or, with `rows`, chains over leaves of 64 and a tree over the leaves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.errors import ShapeError
from glassnet.graph.build import broadcast_shape
from glassnet.graph.layout import count
from glassnet.graph.op import Op, define
from glassnet.graph.types import FLOATS, Type
from glassnet.ops.type_rules import shape_of, want_dtype
from glassnet.ops.view import broadcast, expand, reshape, squeeze, transpose

__all__ = ["matmul"]


def _infer_matmul(*types: Type, rows: bool = False) -> Type:
    a, b = types
    want_dtype("matmul", a, FLOATS)
    fits = a.rank == b.rank >= 2 and a.shape[:-2] == b.shape[:-2]
    if not fits or a.dtype != b.dtype or a.shape[-1] != b.shape[-2]:
        raise ShapeError(
            f"matmul: {a} times {b}; wanted [..., m, k] times [..., k, n] of one dtype with equal "
            "leading sizes (ops.matmul also takes vectors and broadcasts leading axes)"
        )
    return a.with_shape((*a.shape[:-1], b.shape[-1]))


def _flipped(x: Any) -> Any:
    """The last two axes exchanged."""
    rank = len(x.shape)
    return transpose(x, (*range(rank - 2), rank - 1, rank - 2))


def _vjp_matmul(g: Any, ans: Any, a: Any, b: Any, rows: bool = False) -> tuple[Any, Any]:
    # aᵀ g contracts over the rows of a, which are the rows of the batch unless b's rows were
    by_a = matmul_op(g, _flipped(b), rows=False)
    return by_a, matmul_op(_flipped(a), g, rows=not rows)


class MatrixProduct(Op):
    """`a @ b`: the op itself for matrices that fit as they are, else the composition. That no rows
    are contracted is written in one way, so that equal products are equal nodes."""

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        if not attrs.get("rows", True):
            attrs = {name: item for name, item in attrs.items() if name != "rows"}
        left, right = (shape_of(arg) for arg in args)
        plain = len(left) == len(right) >= 2 and left[:-2] == right[:-2]
        return super().__call__(*args, **attrs) if plain else matmul(*args, **attrs)


matmul_op = define(
    MatrixProduct(
        "matmul",
        "contract",
        "y[i, j] = Σₖ a[i, k] · b[k, j]",
        2,
        infer=_infer_matmul,
        numpy=lambda a, b, rows=False: np.matmul(a, b),
        vjp=_vjp_matmul,
        symbol="@",
        examples=(
            (((3, 4), (4, 2)), {}),
            (((2, 70), (70, 3)), {"rows": True}),
            (((2, 3, 4), (2, 4, 5)), {}),
            (((3, 0), (0, 2)), {}),
        ),
    )
)


def matmul(a: Any, b: Any, rows: bool = False) -> Any:
    """The matrix product by NumPy's rule: vectors count as one row (a) or one column (b), leading
    axes broadcast. `rows` says that the contraction runs over the rows of a batch."""
    ranks = len(shape_of(a)), len(shape_of(b))
    if 0 in ranks:
        raise ShapeError(
            "matmul: an argument is a single number; wanted vectors or matrices (use *)"
        )
    left = expand(a, 0) if ranks[0] == 1 else a
    right = expand(b, 1) if ranks[1] == 1 else b
    y = _batched(left, right, rows)
    y = squeeze(y, -2) if ranks[0] == 1 else y
    return squeeze(y, -1) if ranks[1] == 1 else y


def _one_size(a: Any) -> bool:
    """Whether all axes but the last can be one: their product is a size that can be written."""
    total = count(shape_of(a)[:-1])
    return not total.dims or (len(total.dims) == 1 and total.factor == 1)


def _batched(a: Any, b: Any, rows: bool) -> Any:
    m, k = shape_of(a)[-2:]
    if len(shape_of(b)) == 2 < len(shape_of(a)) and not rows and k != 0 and _one_size(a):
        flat = matmul_op(reshape(a, (-1, k)), b, rows=rows)
        return reshape(flat, (*shape_of(a)[:-1], shape_of(b)[-1]))
    lead = broadcast_shape("matmul", [shape_of(a)[:-2], shape_of(b)[:-2]])
    a = a if shape_of(a)[:-2] == lead else broadcast(a, (*lead, m, k))
    b = b if shape_of(b)[:-2] == lead else broadcast(b, (*lead, *shape_of(b)[-2:]))
    return matmul_op(a, b, rows=rows)

"""Matrix products.

In: floats. Out: one record, the batched matrix product. Each output element is one chain of fused
multiply-adds in ascending k; with `rows=True`, one chain for every 64 values of k, and the partial
sums are added pairwise in a tree.
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
    """Return x with its last two axes exchanged."""
    rank = len(x.shape)
    return transpose(x, (*range(rank - 2), rank - 1, rank - 2))


def _vjp_matmul(g: Any, ans: Any, a: Any, b: Any, rows: bool = False) -> tuple[Any, Any]:
    # aᵀ g contracts over the rows of a: those of the batch, unless the product contracted these
    by_a = matmul_op(g, _flipped(b), rows=False)
    return by_a, matmul_op(_flipped(a), g, rows=not rows)


class MatrixProduct(Op):
    """`a @ b`: one node for matrices of fitting shapes, else the composition `matmul`. The default
    rows=False is never stored, so that equal products are equal nodes."""

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
    """Return the matrix product a @ b with NumPy's rules: [..., m, k] @ [..., k, n] is [..., m, n].

    A vector `a` counts as one row, a vector `b` as one column; leading axes are broadcast. Pass
    `rows=True` where the contraction runs over the rows of a batch: the sum is then computed in
    blocks of 64 rows. Raises ShapeError where shapes or dtypes do not fit, or an argument is a
    number."""
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
    """Whether all axes but the last can be merged: the product of their sizes is a valid size."""
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

"""Arguments for any op, drawn from its record.

In: a record, an example of it, a float dtype. Out: arrays of the dtypes that the type rule takes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from glassnet.errors import ShapeError
from glassnet.graph.op import OPS, Op
from glassnet.graph.types import Type

CASES = [
    (op, shapes, attrs) for op in OPS.values() for shapes, attrs in op.examples if op.arity != 0
]


def case_name(item: Any) -> str | None:
    if isinstance(item, Op):
        return item.name
    return repr(item).replace(" ", "") if isinstance(item, tuple | Mapping) else None


def dtype_choices(op: Op, arity: int, attrs: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """All combinations of dtypes that the op takes, on shapes that fit whatever it does."""
    shapes = next(shapes for shapes, found in op.examples if len(shapes) == arity)
    if op.kind == "elementwise":
        shapes = ((2,),) * arity
    else:
        attrs = next(found for example, found in op.examples if example == shapes)
    names = ("float32", "float64", "int32", "int64", "bool")
    options = [(name,) * arity for name in names]
    if arity > 1:
        options += list(itertools.product(names, repeat=arity)) if arity < 4 else []
    for dtypes in dict.fromkeys(options):
        try:
            op.infer(*map(Type, dtypes, shapes), **attrs)
        except ShapeError:
            continue
        yield dtypes


def draw(
    op: Op, shapes: Any, attrs: Mapping[str, Any], dtypes: tuple[str, ...], seed: int = 0
) -> list[np.ndarray]:
    """Arrays from the op's domain; indices in range, truth values both."""
    rng = np.random.default_rng(seed)
    low, high = op.domain
    arrays: list[np.ndarray] = []
    for shape, dtype in zip(shapes, dtypes, strict=True):
        if dtype == "bool":
            array = rng.integers(0, 2, shape)
        elif dtype.startswith("int"):
            rows = attrs.get("size", shapes[0][0] if shapes[0] else 3)
            limits = (0, max(rows, 1)) if op.kind == "index" else (-5, 6)
            array = rng.integers(*limits, shape)
        else:
            array = rng.uniform(low, high, shape)
        arrays.append(np.asarray(array).astype(dtype))
    return arrays


def gradient_cases() -> Iterator[Any]:
    """Ops with a gradient, each with an example and the dtypes of a float64 call."""
    for op, shapes, attrs in CASES:
        if op.vjp is None:
            continue
        for dtypes in dtype_choices(op, len(shapes), attrs):
            if "float64" in dtypes and "float32" not in dtypes:
                yield op, shapes, attrs, dtypes
                break

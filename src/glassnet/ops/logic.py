"""Comparisons, logic, `where`, and `cast`.

In: numbers or bools. Out: records; comparisons with NaN are false, except ≠.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.errors import ShapeError
from glassnet.graph.op import Op, define
from glassnet.graph.types import FLOATS, SHORT, Type
from glassnet.ops.type_rules import ANY, BOOL, INTS, NUMBERS, elementwise_rule, want_dtype

__all__ = [
    "cast", "equal", "greater", "greater_equal", "less", "less_equal", "logical_and",
    "logical_not", "logical_or", "not_equal", "where",
]  # fmt: skip

PAIR = ((((3, 4), (3, 4)), {}), (((5, 1), (4,)), {}))


def comparison(name: str, symbol: str, *, numpy: Any, code: Any, dtypes: Any = NUMBERS) -> Op:
    rule = elementwise_rule(name, dtypes, "bool")
    formula = f"a {symbol} b"
    written = symbol if symbol in ("<", "<=", ">", ">=") else ""
    return define(
        Op(
            name,
            "elementwise",
            formula,
            2,
            infer=rule,
            numpy=numpy,
            vjp=None,
            code=code,
            symbol=written,
            smooth=False,
            examples=PAIR,
        )
    )


equal = comparison("equal", "=", numpy=np.equal, code=lambda b, x, y: x.eq(y))
not_equal = comparison("not_equal", "≠", numpy=np.not_equal, code=lambda b, x, y: x.ne(y))
less = comparison("less", "<", numpy=np.less, code=lambda b, x, y: x < y)
less_equal = comparison("less_equal", "<=", numpy=np.less_equal, code=lambda b, x, y: x <= y)
greater = comparison("greater", ">", numpy=np.greater, code=lambda b, x, y: x > y)
greater_equal = comparison(
    "greater_equal", ">=", numpy=np.greater_equal, code=lambda b, x, y: x >= y
)
logical_and = comparison(
    "logical_and", "and", numpy=np.logical_and, code=lambda b, x, y: x & y, dtypes=BOOL
)
logical_or = comparison(
    "logical_or", "or", numpy=np.logical_or, code=lambda b, x, y: x | y, dtypes=BOOL
)
logical_not = define(
    Op(
        "logical_not",
        "elementwise",
        "not a",
        1,
        infer=elementwise_rule("logical_not", BOOL),
        numpy=np.logical_not,
        vjp=None,
        code=lambda b, x: ~x,
        smooth=False,
        examples=((((3, 4),), {}),),
    )
)


def _infer_where(*types: Type, **attrs: Any) -> Type:
    cond, first, second = types
    if cond.dtype != "bool" or first != second or cond.shape != first.shape:
        raise ShapeError(
            f"where: arguments are {cond}, {first} and {second}; wanted a bool condition and two "
            "values of one dtype, all of one shape"
        )
    return first


where = define(
    Op(
        "where",
        "elementwise",
        "a where c, else b",
        3,
        infer=_infer_where,
        numpy=np.where,
        vjp=lambda g, ans, c, a, b: (None, where(c, g, 0.0), where(c, 0.0, g)),
        code=lambda b, c, x, y: b.select(c, x, y),
        examples=((((3, 4), (3, 4), (3, 4)), {}), (((3, 1), (3, 4), ()), {})),
    )
)


def _infer_cast(*types: Type, dtype: str) -> Type:
    want_dtype("cast", types[0], ANY)
    if dtype not in SHORT:
        raise ShapeError(f"cast: to {dtype!r}; wanted {', '.join(SHORT)}")
    return Type(dtype, types[0].shape)


def _limits(dtype: str) -> tuple[float, float]:
    """Return the smallest value of an integer dtype, and the first value that is too large."""
    return float(np.iinfo(dtype).min), -float(np.iinfo(dtype).min)


def _numpy_cast(x: Any, dtype: str) -> Any:
    x = np.asarray(x)
    if x.dtype.kind != "f" or dtype not in INTS:
        return x.astype(dtype)
    low, high = _limits(dtype)
    inside = (x > low) & (x < high)
    whole = np.where(inside, x, 0).astype(dtype)
    ends = np.where(x >= high, np.iinfo(dtype).max, np.where(x <= low, np.iinfo(dtype).min, 0))
    return np.where(inside, whole, ends).astype(dtype)


def _code_cast(b: Any, x: Any, dtype: str) -> Any:
    if x.dtype not in FLOATS or dtype not in INTS:
        return b.convert(x, dtype)
    # machine conversion is undefined out of range: convert 0 there, then select the limit
    low, high = _limits(dtype)
    inside = (x > low) & (x < high)
    whole = b.convert(b.select(inside, x, 0.0), dtype)
    info = np.iinfo(dtype)
    whole = b.select(x >= high, int(info.max), whole)
    return b.select(x <= low, int(info.min), whole)


def _vjp_cast(g: Any, ans: Any, x: Any, dtype: str) -> tuple[Any]:
    return (cast_op(g, dtype=x.dtype) if x.dtype in FLOATS else None,)


cast_op = define(
    Op(
        "cast",
        "elementwise",
        "x as another dtype; to integers: truncated, limited, NaN gives 0",
        1,
        infer=_infer_cast,
        numpy=_numpy_cast,
        vjp=_vjp_cast,
        code=_code_cast,
        examples=tuple((((3, 4),), {"dtype": dtype}) for dtype in SHORT),
    )
)


def cast(x: Any, dtype: str) -> Any:
    """Return x as another dtype. Floats become integers by truncation, limited to the range of the
    dtype; NaN becomes 0. Raises ShapeError for a dtype that graphs do not support."""
    name = np.dtype(dtype).name
    return x if getattr(x, "dtype", None) == name else cast_op(x, dtype=name)

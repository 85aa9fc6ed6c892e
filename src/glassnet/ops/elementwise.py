"""Elementwise arithmetic: + − · / and other ops that need no approximation.

In: numbers of one dtype. Out: records. Results are rounded once, so that NumPy and compiled code
agree bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet.graph.op import Op, define
from glassnet.graph.types import FLOATS
from glassnet.ops.logic import equal, greater, less, where
from glassnet.ops.type_rules import NUMBERS, elementwise_rule

__all__ = [
    "abs", "add", "div", "floor", "maximum", "minimum", "mul", "neg", "relu", "round", "sign",
    "sqrt", "square", "stop_gradient", "sub",
]  # fmt: skip

PAIRS = (
    (((3, 4), (3, 4)), {}),
    (((5, 1), (1, 4)), {}),
    (((3,), ()), {}),
    (((0, 3), (3,)), {}),
)
SINGLES = ((((3, 4),), {}), (((),), {}), (((0, 2),), {}))


def binary(name: str, formula: str, *, numpy: Any, vjp: Any, code: Any, **more: Any) -> Op:
    rule = elementwise_rule(name, NUMBERS)
    return define(
        Op(
            name,
            "elementwise",
            formula,
            2,
            infer=rule,
            numpy=numpy,
            vjp=vjp,
            code=code,
            examples=PAIRS,
            **more,
        )
    )


def unary(
    name: str,
    formula: str,
    *,
    numpy: Any,
    vjp: Any,
    code: Any,
    dtypes: Any = FLOATS,
    **more: Any,
) -> Op:
    more = {"examples": SINGLES, **more}
    rule = elementwise_rule(name, dtypes)
    return define(
        Op(name, "elementwise", formula, 1, infer=rule, numpy=numpy, vjp=vjp, code=code, **more)
    )


add = binary(
    "add",
    "a + b",
    numpy=np.add,
    vjp=lambda g, ans, a, b: (g, g),
    code=lambda b, x, y: x + y,
    symbol="+",
)
sub = binary(
    "sub",
    "a − b",
    numpy=np.subtract,
    vjp=lambda g, ans, a, b: (g, -g),
    code=lambda b, x, y: x - y,
    symbol="-",
)
mul = binary(
    "mul",
    "a · b",
    numpy=np.multiply,
    vjp=lambda g, ans, a, b: (g * b, g * a),
    code=lambda b, x, y: x * y,
    symbol="*",
)
div = define(
    Op(
        "div",
        "elementwise",
        "a / b",
        2,
        infer=elementwise_rule("div", FLOATS),
        numpy=np.divide,
        vjp=lambda g, ans, a, b: (g / b, -(g / b) * ans),
        code=lambda b, x, y: x / y,
        symbol="/",
        domain=(0.5, 3.0),
        examples=PAIRS,
    )
)


def _shared(better: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Return the vjp of a maximum or minimum: the chosen argument gets the gradient, and equal
    arguments get half of it each."""

    def vjp(g: Any, ans: Any, a: Any, b: Any) -> tuple[Any, Any]:
        half = 0.5 * g
        tied = equal(a, b)
        first, second = where(better(a, b), g, 0.0), where(better(b, a), g, 0.0)
        return where(tied, half, first), where(tied, half, second)

    return vjp


# b ≠ b is true for NaN only and is folded where b is a constant: relu is then one instruction
maximum = binary(
    "maximum",
    "max(a, b); NaN if one is NaN",
    numpy=np.maximum,
    vjp=_shared(greater),
    code=lambda b, x, y: b.select((x < y) | y.ne(y), y, x),
    smooth=False,
)
minimum = binary(
    "minimum",
    "min(a, b); NaN if one is NaN",
    numpy=np.minimum,
    vjp=_shared(less),
    code=lambda b, x, y: b.select((x > y) | y.ne(y), y, x),
    smooth=False,
)

neg = unary(
    "neg",
    "−x",
    numpy=np.negative,
    vjp=lambda g, ans, x: (-g,),
    code=lambda b, x: -x,
    dtypes=NUMBERS,
    symbol="neg",
)
abs = unary(
    "abs",
    "|x|",
    numpy=np.abs,
    vjp=lambda g, ans, x: (g * sign(x),),
    code=lambda b, x: b.abs(x),
    dtypes=NUMBERS,
    smooth=False,
)
sign = unary(
    "sign",
    "−1, 0 or 1; NaN for NaN",
    numpy=np.sign,
    vjp=lambda g, ans, x: (None,),
    code=lambda b, x: b.select(x > 0, b.const(1, x.dtype), b.select(x < 0, -1, x)),
    dtypes=NUMBERS,
    smooth=False,
)
# 2·g first, so that the gradient of 0.5·x² does not overflow for large x
square = unary(
    "square", "x²", numpy=np.square, vjp=lambda g, ans, x: (2.0 * g * x,), code=lambda b, x: x * x
)
# the gradient is computed from y, which a network stores anyway; it is 0 at x = 0
relu = unary(
    "relu",
    "x; 0 where x < 0",
    numpy=lambda x: np.where(x < 0, np.zeros_like(x), x),
    vjp=lambda g, ans, x: (where(greater(ans, 0.0), g, 0.0),),
    code=lambda b, x: b.select(x < 0.0, 0.0, x),
    smooth=False,
)
sqrt = unary(
    "sqrt",
    "√x",
    numpy=np.sqrt,
    vjp=lambda g, ans, x: (g * 0.5 / ans,),
    code=lambda b, x: b.sqrt(x),
    domain=(0.1, 4.0),
)
floor = unary(
    "floor",
    "⌊x⌋",
    numpy=np.floor,
    vjp=lambda g, ans, x: (None,),
    code=lambda b, x: b.floor(x),
    smooth=False,
)
round = unary(
    "round",
    "nearest whole number, ties to even",
    numpy=np.rint,
    vjp=lambda g, ans, x: (None,),
    code=lambda b, x: b.rint(x),
    smooth=False,
)
stop_gradient = unary(
    "stop_gradient",
    "x, constant for derivatives",
    numpy=np.positive,
    vjp=lambda g, ans, x: (None,),
    code=lambda b, x: x,
    dtypes=NUMBERS,
    smooth=False,
)

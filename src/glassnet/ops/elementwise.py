"""Arithmetic on single numbers: + − · / and what needs no approximation.

In: numbers of one dtype. Out: records; results are rounded once, so that NumPy and compiled code
agree to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet.graph.op import Op, define
from glassnet.graph.types import FLOATS
from glassnet.ops.logic import equal, greater, less, where
from glassnet.ops.rules import NUMBERS, elementwise_rule

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


def binary(name: str, formula: str, meaning: Any, vjp: Any, code: Any, **more: Any) -> Op:
    rule = elementwise_rule(name, NUMBERS)
    return define(
        Op(name, "elementwise", formula, 2, rule, meaning, vjp, code, examples=PAIRS, **more)
    )


def unary(
    name: str, formula: str, meaning: Any, vjp: Any, code: Any, dtypes: Any = FLOATS, **more: Any
) -> Op:
    more = {"examples": SINGLES, **more}
    rule = elementwise_rule(name, dtypes)
    return define(Op(name, "elementwise", formula, 1, rule, meaning, vjp, code, **more))


add = binary("add", "a + b", np.add, lambda g, y, a, b: (g, g), lambda b, x, y: x + y, symbol="+")
sub = binary(
    "sub", "a − b", np.subtract, lambda g, y, a, b: (g, -g), lambda b, x, y: x - y, symbol="-"
)
mul = binary(
    "mul", "a · b", np.multiply, lambda g, y, a, b: (g * b, g * a), lambda b, x, y: x * y,
    symbol="*",
)  # fmt: skip
div = define(
    Op(
        "div", "elementwise", "a / b", 2, elementwise_rule("div", FLOATS), np.divide,
        lambda g, y, a, b: (g / b, -(g / b) * y),
        lambda b, x, y: x / y,
        symbol="/", domain=(0.5, 3.0), examples=PAIRS,
    )
)  # fmt: skip


def _shared(better: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """The gradient goes to the argument that was chosen; equal arguments share it."""

    def vjp(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
        half = 0.5 * g
        tied = equal(a, b)
        first, second = where(better(a, b), g, 0.0), where(better(b, a), g, 0.0)
        return where(tied, half, first), where(tied, half, second)

    return vjp


# b ≠ b is true for NaN only, and folds away where b is a constant: relu is then one instruction
maximum = binary(
    "maximum", "max(a, b); NaN if one is NaN", np.maximum, _shared(greater),
    lambda b, x, y: b.select((x < y) | y.ne(y), y, x), smooth=False,
)  # fmt: skip
minimum = binary(
    "minimum", "min(a, b); NaN if one is NaN", np.minimum, _shared(less),
    lambda b, x, y: b.select((x > y) | y.ne(y), y, x), smooth=False,
)  # fmt: skip

neg = unary("neg", "−x", np.negative, lambda g, y, x: (-g,), lambda b, x: -x, NUMBERS, symbol="neg")
abs = unary(
    "abs", "|x|", np.abs, lambda g, y, x: (g * sign(x),), lambda b, x: b.abs(x), NUMBERS,
    smooth=False,
)  # fmt: skip
sign = unary(
    "sign", "−1, 0 or 1; NaN for NaN", np.sign, lambda g, y, x: (None,),
    lambda b, x: b.select(x > 0, b.const(1, x.dtype), b.select(x < 0, -1, x)), NUMBERS,
    smooth=False,
)  # fmt: skip
# 2 g first: half the square of a number that is nearly too large has that number for its slope
square = unary("square", "x²", np.square, lambda g, y, x: (2.0 * g * x,), lambda b, x: x * x)
# the gradient reads y, which a network keeps anyway, and is 0 at the kink
relu = unary(
    "relu", "x; 0 where x < 0", lambda x: np.where(x < 0, np.zeros_like(x), x),
    lambda g, y, x: (where(greater(y, 0.0), g, 0.0),),
    lambda b, x: b.select(x < 0.0, 0.0, x), smooth=False,
)  # fmt: skip
sqrt = unary(
    "sqrt", "√x", np.sqrt, lambda g, y, x: (g * 0.5 / y,), lambda b, x: b.sqrt(x),
    domain=(0.1, 4.0),
)  # fmt: skip
floor = unary(
    "floor", "⌊x⌋", np.floor, lambda g, y, x: (None,), lambda b, x: b.floor(x), smooth=False
)
round = unary(
    "round", "nearest whole number, ties to even", np.rint, lambda g, y, x: (None,),
    lambda b, x: b.rint(x), smooth=False,
)  # fmt: skip
stop_gradient = unary(
    "stop_gradient", "x, constant for derivatives", np.positive, lambda g, y, x: (None,),
    lambda b, x: x, NUMBERS, smooth=False,
)  # fmt: skip

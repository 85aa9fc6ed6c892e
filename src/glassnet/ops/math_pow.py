"""pow in the scalar language.

In: a builder and two numbers. Out: a number; special values as in C: x⁰ = 1ᵇ = 1 also for NaN,
a negative base needs a whole exponent, and keeps its sign where that is odd.
"""

from __future__ import annotations

from typing import Any

from glassnet.ops.math_exp import exp_code
from glassnet.ops.math_log import log_code

__all__ = ["pow_code"]


def pow_code(b: Any, x: Any, y: Any) -> Any:
    wide, power = b.convert(b.abs(x), "float64"), b.convert(y, "float64")
    size = b.convert(exp_code(b, power * log_code(b, wide)), x.dtype)
    whole = b.floor(y).eq(y)
    odd = whole & b.floor(y * 0.5).ne(y * 0.5)
    signed = b.bitcast(x, "int32" if x.dtype == "float32" else "int64") < 0
    result = b.select(signed & odd, -size, size)
    result = b.select((x < 0.0) & ~whole & (b.abs(x) < float("inf")), float("nan"), result)
    result = b.select(x.eq(-1.0) & (b.abs(y).eq(float("inf"))), 1.0, result)
    return b.select(x.eq(1.0) | y.eq(0.0), b.const(1.0, x.dtype), result)

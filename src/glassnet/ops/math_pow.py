"""Scalar code of pow.

In: a builder and two numbers. Out: a number, within 1 unit in the last place of the exact one.
Special values are those of C: x⁰ = 1ᵇ = 1 also for NaN; a negative base needs an integer exponent,
and the result is negative where that is odd.

|x|^y = exp(y · ln|x|). float32 is computed in float64. For float64 the logarithm is an unevaluated
sum of two numbers, since the multiplication by y enlarges its error up to 745 times.
"""

from __future__ import annotations

from typing import Any

from glassnet.ops.math_exp import exp_code, exp_sum, polynomial
from glassnet.ops.math_log import DOUBLE, finished, log_code, normalised

__all__ = ["pow_code"]

THIRD = (0.6666666666666666, 3.700743415417188e-17)
FIFTH = (0.4, -2.2204460492503132e-17)
# (2·artanh(s) − 2·s − ⅔s³ − ⅖s⁵)/s⁷ in powers of s²; error 2^-72.8 relative to 2·artanh(s)
SERIES = (
    0.2857142857143319, 0.22222222220001084, 0.18181818607255884, 0.15384572752851267,
    0.13335769423135813, 0.11684902398527686, 0.11912214162353917,
)  # fmt: skip

Pair = tuple[Any, Any]


def pow_code(b: Any, x: Any, y: Any) -> Any:
    infinity = float("inf")
    size = b.abs(x)
    if x.dtype == "float32":
        logarithm = log_code(b, b.convert(size, "float64"))
        result = b.convert(exp_code(b, b.convert(y, "float64") * logarithm), "float32")
    else:
        result = _double(b, size, y)
    half = y * 0.5
    whole = b.floor(y).eq(y)
    odd = whole & b.floor(half).ne(half)
    negative = b.bitcast(x, "int32" if x.dtype == "float32" else "int64") < 0
    result = b.select(negative & odd, -result, result)
    result = b.select((x < 0.0) & (size < infinity) & ~whole, float("nan"), result)
    one = x.eq(1.0) | y.eq(0.0) | (x.eq(-1.0) & b.abs(y).eq(infinity))
    return b.select(one, b.const(1.0, x.dtype), result)


def _double(b: Any, x: Any, y: Any) -> Any:
    high, low = log_pair(b, x)
    power, lost = times(b, y, high)
    rest = b.fma(y, low, lost)
    return exp_sum(b, power, b.select(b.abs(power) < 800.0, rest, 0.0))


def times(b: Any, x: Any, y: Any) -> Pair:
    """Return the rounded product, and the rounding error."""
    product = x * y
    return product, b.fma(x, y, -product)


def plus(large: Any, small: Any) -> Pair:
    """Return the rounded sum, and the rounding error; `large` must have the larger magnitude."""
    total = large + small
    return total, small - (total - large)


def log_pair(b: Any, x: Any) -> Pair:
    """Return ln x as a sum of two numbers, relative error about 2^-66, for x ≥ 0."""
    k, near_one = normalised(b, x, DOUBLE)
    f = near_one - 1.0
    divisor = 2.0 + f
    divisor_rest = f - (divisor - 2.0)
    s = f / divisor
    s_rest = (b.fma(-s, divisor, f) - s * divisor_rest) / divisor
    square, square_rest = times(b, s, s)
    square_rest = b.fma(s + s, s_rest, square_rest)
    curve = _curve(b, square, square_rest)
    bend, bend_rest = times(b, s, curve[0])
    bend_rest = b.fma(s, curve[1], b.fma(s_rest, curve[0], bend_rest))
    top, lost = plus(k * DOUBLE.ln2[0], s + s)
    exact = k.eq(0.0)
    top, lost = b.select(exact, s + s, top), b.select(exact, 0.0, lost)
    total, more = plus(top, bend)
    rest = b.fma(k, DOUBLE.ln2[1], more + (lost + (bend_rest + (s_rest + s_rest))))
    return finished(b, total, x, x), rest


def _curve(b: Any, square: Any, rest: Any) -> Pair:
    """Return (2·artanh(s) − 2·s)/s as a sum of two numbers, from s²."""
    inner = square * FIFTH[0]
    inner_rest = b.fma(square, FIFTH[0], -inner)
    tail = b.fma(square, polynomial(b, square, SERIES), FIFTH[1])
    total = inner + THIRD[0]
    lost = inner - (total - THIRD[0])
    lost = lost + b.fma(square, tail, b.fma(rest, FIFTH[0], inner_rest)) + THIRD[1]
    product, product_rest = times(b, square, total)
    return product, b.fma(square, lost, b.fma(rest, total, product_rest))

"""Scalar code of sin and cos.

In: a builder and a number. Out: a number, within 1 unit in the last place of the exact one;
float32 over its whole range, float64 up to |x| = 2³² (NaN beyond).

Range reduction: x = n·π/2 + r with an integer n and |r| ≤ π/4. float32 is computed in float64.
"""

from __future__ import annotations

from typing import Any

from glassnet.ops.math_exp import polynomial

__all__ = ["cos_code", "sin_code"]

# 2/π in pieces of 29 bits: a piece times a float32 is exact in float64
TWO_OVER_PI = (
    0.636619770899415, 1.4681663246252086e-09, 2.2760100671971816e-18, 5.8812147387730434e-27,
    1.0346868700836215e-35, 3.783256351091319e-45, 3.720474878517739e-53,
)  # fmt: skip
HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
LARGEST = 2.0**32
# (sin r − r)/r³ and (cos r − 1 + r²/2)/r⁴ in powers of r²; errors 2^-37.5 and 2^-43.2
SHORT_SIN = (
    -0.16666666641223415, 0.008333329338330737, -0.000198393193398562, 2.7181622750138017e-06,
)  # fmt: skip
SHORT_COS = (
    0.041666666622123774, -0.0013888883691681058, 2.479950349105735e-05, -2.7208856662984945e-07,
)  # fmt: skip
# the same; errors 2^-63 and 2^-64
LONG_SIN = (
    -0.16666666666666666, 0.008333333333333038, -0.0001984126984095629, 2.755731907009299e-06,
    -2.5052069803855172e-08, 1.605416129623003e-10, -7.381816944436812e-13,
)  # fmt: skip
LONG_COS = (
    0.041666666666666595, -0.0013888888888873303, 2.4801587288947147e-05, -2.7557314191927065e-07,
    2.0875700745893347e-09, -1.1358447117577512e-11,
)  # fmt: skip


def two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """Return a + b rounded, and the rounding error."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def reduce_single(b: Any, x: Any) -> tuple[Any, Any, Any]:
    """Return n mod 4, r, and 0, for a float32 converted to float64. Every product with a piece of
    2/π is exact, and multiples of 4 are subtracted from it exactly."""
    total, rest = None, b.const(0.0, "float64")
    for piece in TWO_OVER_PI:
        part = x * piece
        part = b.fma(b.rint(part * 0.25), -4.0, part)
        if total is None:
            total = part
        else:
            total, lost = two_sum(total, part)
            rest = rest + lost
    n = b.rint(total)
    return quarter(b, n), ((total - n) + rest) * HALF_PI[0], b.const(0.0, "float64")


def reduce_double(b: Any, x: Any) -> tuple[Any, Any, Any]:
    """Return n mod 4, and r as a sum of two numbers. n times the first two parts of π/2 is
    subtracted without error."""
    n = b.rint(x * (1.0 / HALF_PI[0]))
    high = n * HALF_PI[0]
    r, lost = two_sum(x - high, -b.fma(n, HALF_PI[0], -high))
    middle = n * HALF_PI[1]
    r, more = two_sum(r, -middle)
    rest = (lost + more) - (b.fma(n, HALF_PI[1], -middle) + n * HALF_PI[2])
    total = r + rest
    return quarter(b, n), total, rest - (total - r)


def quarter(b: Any, n: Any) -> Any:
    return n - 4.0 * b.floor(n * 0.25)


def waves(b: Any, r: Any, rest: Any, short: bool) -> tuple[Any, Any]:
    """Return sin and cos of r + rest for |r| ≤ π/4."""
    z = r * r
    series = polynomial(b, z, SHORT_SIN if short else LONG_SIN)
    half = 0.5 * z
    sine = r + b.fma(r * z, series, b.fma(rest, -half, rest))
    series = polynomial(b, z, SHORT_COS if short else LONG_COS)
    top = 1.0 - half
    cosine = top + (((1.0 - top) - half) + b.fma(z * z, series, -r * rest))
    return sine, cosine


def _circular(b: Any, x: Any, turn: float) -> Any:
    """Return sin(x + turn · π/2) for turn 0 or 1."""
    short = x.dtype == "float32"
    wide = b.convert(x, "float64")
    if short:
        n, r, rest = reduce_single(b, wide)
    else:
        wide = b.select(b.abs(wide) <= LARGEST, wide, float("nan"))
        n, r, rest = reduce_double(b, wide)
    sine, cosine = waves(b, r, rest, short)
    place = n + turn
    odd = place.eq(1.0) | place.eq(3.0)
    result = b.select(odd, cosine, sine)
    result = b.select((place.eq(2.0)) | place.eq(3.0), -result, result)
    return b.convert(result, x.dtype)


def sin_code(b: Any, x: Any) -> Any:
    return b.select(x.eq(0.0), x, _circular(b, x, 0.0))


def cos_code(b: Any, x: Any) -> Any:
    return _circular(b, x, 1.0)

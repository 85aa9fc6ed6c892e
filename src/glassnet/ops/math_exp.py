"""Scalar code of exp, expm1, tanh and sigmoid.

In: a builder and a number. Out: a number, within 2 units in the last place of the exact one.

Range reduction: x = n·ln 2 + r with an integer n and |r| ≤ ln 2 / 2. To round, a number is added
that is so large that the sum has no fraction bits: its low bits are then n. Shifted into the
exponent field they are 2ⁿ. A conversion to integers would be undefined for NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["exp_code", "expm1_code", "sigmoid_code", "tanh_code"]


@dataclass(frozen=True)
class ExpFormat:
    """The constants for one dtype, float32 or float64.

    `exp` are the coefficients of (eʳ − 1 − r)/r², lowest power first, fitted to the smallest
    relative error of eʳ; `expm1` the same for the relative error of eʳ − 1; `tanh` the coefficients
    of (tanh x − x)/x³ in powers of x² up to |x| = 0.55.
    """

    integer: str
    bits: int
    bias: int
    low: float
    high: float
    ln2: tuple[float, float]
    exp: tuple[float, ...]
    expm1: tuple[float, ...]
    tanh: tuple[float, ...]
    tiny: float
    flat: float

    @property
    def magic(self) -> float:
        return 1.5 * 2.0**self.bits


SINGLE = ExpFormat(
    integer="int32", bits=23, bias=127, low=-104.0, high=89.0,
    ln2=(0.693145751953125, 1.428606765330187e-06),
    # error 2^-28.2
    exp=(
        0.4999999403953552, 0.16666516661643982, 0.04166810214519501, 0.008369166404008865,
        0.001383802853524685,
    ),
    # error 2^-29.6
    expm1=(
        0.5, 0.1666666567325592, 0.041666556149721146, 0.008333586156368256,
        0.0013928203843533993, 0.00019742075528483838,
    ),
    # error 2^-24.7
    tanh=(
        -0.3333294689655304, 0.1332072913646698, -0.05267201364040375, 0.016437891870737076,
    ),
    tiny=2.0**-26, flat=20.0,
)  # fmt: skip
DOUBLE = ExpFormat(
    integer="int64", bits=52, bias=1023, low=-746.0, high=710.0,
    ln2=(0.6931471805598903, 5.497923018708371e-14),
    # error 2^-63.5
    exp=(
        0.5, 0.16666666666666688, 0.041666666666666824, 0.008333333333313885,
        0.001388888888877749, 0.0001984126990341617, 2.480158756124028e-05,
        2.755722861163934e-06, 2.755706506303629e-07, 2.5113963923824085e-08,
        2.0978820317633827e-09,
    ),
    # error 2^-64.6
    expm1=(
        0.5, 0.16666666666666666, 0.04166666666666667, 0.008333333333334378,
        0.001388888888888415, 0.00019841269837471485, 2.480158732187798e-05,
        2.7557325243636177e-06, 2.75572791844359e-07, 2.504776457213216e-08,
        2.091229346165899e-09, 1.7239011800184517e-10,
    ),
    # error 2^-60.5
    tanh=(
        -0.333333333333333, 0.1333333333332658, -0.05396825396373672, 0.02186948838515926,
        -0.008863232589779889, 0.003592091909906704, -0.0014555420512187118,
        0.000588441139572744, -0.0002333728501797209, 8.330366836293754e-05,
        -1.9486620932452238e-05,
    ),
    tiny=2.0**-54, flat=40.0,
)  # fmt: skip
LOG2E = 1.4426950408889634


def format_of(x: Any) -> ExpFormat:
    return SINGLE if x.dtype == "float32" else DOUBLE


def polynomial(b: Any, x: Any, coefficients: tuple[float, ...]) -> Any:
    """Evaluate a polynomial by Horner's rule; coefficients have the lowest power first."""
    total: Any = b.const(coefficients[-1], x.dtype)
    for coefficient in reversed(coefficients[:-1]):
        total = b.fma(total, x, coefficient)
    return total


def reduce_exp(b: Any, x: Any, f: ExpFormat, bias: int, rest: Any = None) -> tuple[Any, Any]:
    """Return r of x + rest, and an integer whose low bits are n + bias."""
    shifted = b.fma(x, LOG2E, f.magic + bias)
    n = shifted - (f.magic + bias)
    r = b.fma(n, -f.ln2[0], x)
    r = b.fma(n, -f.ln2[1], r) if rest is None else r + b.fma(n, -f.ln2[1], rest)
    return r, b.bitcast(shifted, f.integer)


def power_of_two(b: Any, low_bits: Any, f: ExpFormat, dtype: str) -> Any:
    """Return 2ⁿ from an integer whose low bits are n + bias; 2ⁿ must be a normal number."""
    return b.bitcast(low_bits << f.bits, dtype)


def scale(b: Any, x: Any, low_bits: Any, f: ExpFormat) -> Any:
    """Return x · 2ⁿ from an integer whose low bits are n + 2·bias. It multiplies by two factors, so
    that subnormal results are right."""
    first = low_bits >> 1
    x = x * power_of_two(b, first, f, x.dtype)
    return x * power_of_two(b, low_bits - first, f, x.dtype)


def exp_code(b: Any, x: Any) -> Any:
    return exp_sum(b, x)


def exp_sum(b: Any, x: Any, rest: Any = None) -> Any:
    """Return exp(x + rest) for a tiny rest."""
    f = format_of(x)
    x = b.select(x < f.low, f.low, x)
    x = b.select(x > f.high, f.high, x)
    r, low_bits = reduce_exp(b, x, f, 2 * f.bias, rest)
    return scale(b, polynomial(b, r, (1.0, 1.0, *f.exp)), low_bits, f)


def exponential(x: float) -> float:
    """Return the exponential of a finite Python float with the operations of `exp_code`, each
    rounded, as NumPy runs it."""
    f = DOUBLE
    x = min(max(x, f.low), f.high)
    magic = f.magic + 2 * f.bias
    n = (x * LOG2E + magic) - magic
    r = n * -f.ln2[1] + (n * -f.ln2[0] + x)
    total = f.exp[-1]
    for coefficient in (*f.exp[-2::-1], 1.0, 1.0):
        total = total * r + coefficient
    low_bits = int(n) + 2 * f.bias
    first = low_bits >> 1
    return total * math.ldexp(1.0, first - f.bias) * math.ldexp(1.0, low_bits - first - f.bias)


def expm1_code(b: Any, x: Any) -> Any:
    """Return eˣ − 1 as 2ⁿ·r + (2ⁿ − 1) + 2ⁿ·(eʳ − 1 − r); x itself where it is tiny."""
    f = format_of(x)
    y = b.select(x < -f.flat, -f.flat, x)
    y = b.select(y > f.high, f.high, y)
    r, low_bits = reduce_exp(b, y, f, f.bias - 1)
    half = power_of_two(b, low_bits, f, x.dtype)  # half of 2ⁿ, since 2ⁿ itself may overflow
    curve = polynomial(b, r, f.expm1) * (r * r)
    result = 2.0 * b.fma(half, curve, b.fma(half, r, half - 0.5))
    return b.select(b.abs(x) < f.tiny, x, result)


def decay(b: Any, size: Any, f: ExpFormat, rate: float, lift: int) -> tuple[Any, Any]:
    """Return w·2^lift and u·2^lift with e = w/(u − w), for e = exp(−rate · size), size ≥ 0.

    w is a power of two and u − w = exp(r). The factor 2^lift keeps w a normal number where e is
    subnormal; it costs nothing, since it is part of the coefficients.
    """
    shift = f.magic + f.bias + lift
    shifted = b.fma(size, -rate * LOG2E, shift)
    n = shifted - shift
    r = b.fma(n, f.ln2[1] / rate, b.fma(n, f.ln2[0] / rate, size))
    w = power_of_two(b, b.bitcast(shifted, f.integer), f, size.dtype)
    series = tuple(c * rate ** (i + 1) * 2.0**lift for i, c in enumerate((1.0, *f.exp)))
    return w, b.fma(polynomial(b, r, series), r, w)


def sigmoid_code(b: Any, x: Any) -> Any:
    """Return q = e/(1 + e) = w/(1 + u) with e = exp(−|x|) for negative x, else 1 − q."""
    f = format_of(x)
    size = b.abs(x)
    size = b.select(size > -f.low, -f.low, size)
    lift = f.bits + 1
    w, u = decay(b, size, f, 1.0, lift)
    q = w / (2.0**lift + u)
    return b.select(x < 0.0, q, 1.0 - q)


def tanh_code(b: Any, x: Any) -> Any:
    """Return x + x³·P(x²) for small x, else 1 − 2·e/(1 + e) with e = exp(−2|x|) and x's sign."""
    f = format_of(x)
    size = b.abs(x)
    square = x * x
    near = b.fma(polynomial(b, square, f.tanh) * square, size, size)
    w, u = decay(b, b.select(size > f.flat, f.flat, size), f, 2.0, 0)
    far = b.fma(-2.0 / (1.0 + u), w, 1.0)
    return with_sign(b, b.select(size < 0.55, near, far), x, f)


def with_sign(b: Any, size: Any, x: Any, f: ExpFormat) -> Any:
    """Return the magnitude `size` (not negative) with the sign of x."""
    sign = -(2**31) if f is SINGLE else -(2**63)
    bits = b.bitcast(x, f.integer) & sign
    return b.bitcast(b.bitcast(size, f.integer) | bits, x.dtype)

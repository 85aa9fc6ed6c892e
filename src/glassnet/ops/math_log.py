"""Scalar code of log and log1p.

In: a builder and a number. Out: a number, within 2 units in the last place of the exact one.

Both write the argument as 2ᵏ·(1 + f) with √½ ≤ 1 + f < √2; then ln = k·ln 2 + ln(1 + f).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from glassnet.ops.math_exp import polynomial

__all__ = ["log1p_code", "log_code"]


@dataclass(frozen=True)
class LogFormat:
    """The constants for one dtype; `root` are the bits of √½ and `one` those of 1."""

    integer: str
    bits: int
    root: int
    one: int
    smallest: float
    lift: int
    ln2: tuple[float, float]
    series: tuple[float, ...]


SINGLE = LogFormat(
    integer="int32", bits=23, root=0x3F3504F3, one=0x3F800000, smallest=2.0**-126, lift=24,
    ln2=(0.693145751953125, 1.428606765330187e-06),
    # (ln(1 + f) − f + f²/2)/f³; error 2^-27.3 relative to ln(1 + f)
    series=(
        0.3333333134651184, -0.250008225440979, 0.20001262426376343, -0.16623325645923615,
        0.14200840890407562, -0.1315956562757492, 0.12768447399139404, -0.07645302265882492,
    ),
)  # fmt: skip
DOUBLE = LogFormat(
    integer="int64", bits=52, root=0x3FE6A09E667F3BCD, one=0x3FF0000000000000,
    smallest=2.0**-1022, lift=54, ln2=(0.6931471805598903, 5.497923018708371e-14),
    # (2·artanh(s) − 2·s)/s³ in powers of s²; error 2^-58.5 relative to ln(1 + f)
    series=(
        0.6666666666666735, 0.3999999999940937, 0.2857142874368122, 0.22222198429623377,
        0.18183572317264404, 0.15313833214967423, 0.14798247524893024,
    ),
)  # fmt: skip


def format_of(x: Any) -> LogFormat:
    return SINGLE if x.dtype == "float32" else DOUBLE


def split(b: Any, x: Any, f: LogFormat) -> tuple[Any, Any, Any]:
    """Return k + bias, as a float and as an integer, and 1 + f, for a positive normal x."""
    moved = b.bitcast(x, f.integer) + (f.one - f.root)
    steps = moved >> f.bits
    near_one = b.bitcast((moved & (2**f.bits - 1)) + f.root, x.dtype)
    return b.convert(steps, x.dtype), steps, near_one


def log_sum(b: Any, k: Any, x: Any, f: LogFormat, rest: Any = None) -> Any:
    """Return k·ln 2 + ln(1 + x + rest) for √½ − 1 ≤ x ≤ √2 − 1 and a tiny rest.

    The large terms are k times the first part of ln 2, which is exact, and x. The rounding error of
    their sum is added to the small terms.
    """
    whole = k * f.ln2[0]
    top = whole + x
    lost = x - (top - whole)
    lost = lost if rest is None else lost + rest
    square = x * x
    if f is SINGLE:
        curve = square * b.fma(polynomial(b, x, f.series), x, -0.5)
    else:
        s = x / (2.0 + x)
        z = s * s
        half = 0.5 * square
        curve = b.fma(s, b.fma(z, polynomial(b, z, f.series), half), -half)
    return top + (b.fma(k, f.ln2[1], lost) + curve)


def finished(b: Any, result: Any, x: Any, zero: Any) -> Any:
    """Return the result with special values: ∞ where `zero` is ∞, −∞ where it is 0, NaN where it is
    negative or NaN."""
    infinity = float("inf")
    result = b.select(zero < infinity, result, zero)
    pole = b.select(zero.eq(0.0), b.const(-infinity, x.dtype), float("nan"))
    return b.select(zero > 0.0, result, pole)


def normalised(b: Any, x: Any, f: LogFormat) -> tuple[Any, Any]:
    """Return k and 1 + f for a positive x, which may be subnormal."""
    small = x < f.smallest
    k, _, near_one = split(b, b.select(small, x * 2.0**f.lift, x), f)
    bias = float(f.one >> f.bits)
    return k - b.select(small, b.const(bias + f.lift, x.dtype), bias), near_one


def log_code(b: Any, x: Any) -> Any:
    f = format_of(x)
    k, near_one = normalised(b, x, f)
    return finished(b, log_sum(b, k, near_one - 1.0, f), x, x)


def log1p_code(b: Any, x: Any) -> Any:
    """Return ln(1 + x): log(u) with u = 1 + x rounded, its rounding error times 2⁻ᵏ added to f."""
    f = format_of(x)
    u = 1.0 + x
    back = u - 1.0
    lost = (1.0 - (u - back)) + (x - back)
    k, steps, near_one = split(b, u, f)
    bias = f.one >> f.bits
    shrink = b.bitcast((2 * bias - steps) << f.bits, x.dtype)
    shrink = b.select(u < 1.0 / f.smallest, shrink, 0.0)
    exact = near_one - 1.0
    x1 = b.fma(lost, shrink, exact)
    rest = b.fma(lost, shrink, exact - x1)
    result = log_sum(b, k - float(bias), x1, f, rest)
    return b.select(x.eq(0.0), x, finished(b, result, x, u))

"""The scalar language on NumPy arrays, to the bit of compiled code.

In: arrays. Out: arrays. Only `fma` needs care, since NumPy rounds a product before it adds:
- float32: the product is exact in float64; the sum is rounded to odd, so that rounding it once
  more, to float32, gives what a single rounding would have given, denormal results included;
- float64: product and sum are split into a head and an exact tail (Boldo and Melquiond, "Emulation
  of FMA and correctly rounded sums", 2008), with exponents moved to where nothing overflows. A
  denormal result is rounded twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.ops.onnumpy import Number, NumpyBuilder

APART = 1000  # exponents are kept this close; beyond, the smaller term only breaks ties


class ExactBuilder(NumpyBuilder):
    def fused(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        a, b, c = np.broadcast_arrays(a, b, c)
        return _fma32(a, b, c) if a.dtype == np.float32 else _fma64(a, b, c)


def run(code: Any, *xs: np.ndarray, **attrs: Any) -> np.ndarray:
    """An op's code on arrays."""
    with np.errstate(all="ignore"):
        result = code(ExactBuilder(), *(Number(x) for x in xs), **attrs).array
    return np.broadcast_to(result, np.broadcast_shapes(*(np.shape(x) for x in xs)))


def _two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _two_product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    split_a, split_b = a * 134217729.0, b * 134217729.0
    a1, b1 = split_a - (split_a - a), split_b - (split_b - b)
    a2, b2 = a - a1, b - b1
    product = a * b
    return product, a2 * b2 - (((product - a1 * b1) - a2 * b1) - a1 * b2)


def _odd(head: np.ndarray, tail: np.ndarray) -> np.ndarray:
    """head + tail rounded to odd: where inexact, the neighbour whose last bit is 1."""
    bits = head.view(np.int64)
    inwards = (tail > 0) != (head > 0)
    odd = np.where(inwards, bits - 1, bits + 1).view(np.float64)
    return np.where((tail != 0) & (bits & 1 == 0) & np.isfinite(head), odd, head)


def _fma32(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    total, rest = _two_sum(a.astype(np.float64) * b, c.astype(np.float64))
    return _odd(total, rest).astype(np.float32)


def _fma64(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    plain = a * b + c
    (a1, ea), (b1, eb), (c1, ec) = np.frexp(a), np.frexp(b), np.frexp(c)
    shift = ea + eb
    gap = np.clip(ec - shift, -APART, APART)
    product, low = _two_product(a1, b1)
    moved = np.ldexp(c1, gap)
    high, rest = _two_sum(moved, low)
    value, lost = _two_sum(product, high)
    exact = np.ldexp(value + _odd(*_two_sum(lost, rest)), shift)
    usable = np.isfinite(plain) | (np.isfinite(a) & np.isfinite(b) & np.isfinite(c))
    simple = (a == 0) | (b == 0) | (c == 0)
    exact = np.where(ec - shift > APART, c, exact)
    return np.where(usable & ~simple, exact, plain)

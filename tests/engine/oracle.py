"""The arithmetic of the design, written a second time, in plain NumPy and exact fractions.

In: arrays of float32 or float64. Out: what a contraction or a sum is, to the last bit. Nothing
here knows how the engine computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

LEAF = 64
LANES = 64


def fma(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """a · b + c, rounded once, for finite arrays of one dtype that broadcast."""
    a, b, c = np.broadcast_arrays(a, b, c)
    if c.dtype == np.float32:
        return _fma32(a.astype(np.float64) * b.astype(np.float64), c.astype(np.float64))
    found, sure = _fma64(a, b, c)
    if not sure.all():
        found[~sure] = _by_fractions(a[~sure], b[~sure], c[~sure])
    return found


def _by_fractions(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    exact = [
        Fraction(x) * Fraction(y) + Fraction(z)
        for x, y, z in zip(a.tolist(), b.tolist(), c.tolist(), strict=True)
    ]
    # dividing integers rounds once
    return np.array([e.numerator / e.denominator for e in exact], np.float64)


def _fma64(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a · b + c in float64, and where that is surely rounded as if once. The product and the sum
    are known with their errors (Dekker, 1971); what is left to add is known to 2⁻⁵²."""
    with np.errstate(all="ignore"):
        product = a * b
        (high_a, low_a), (high_b, low_b) = _halves(a), _halves(b)
        lost = ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b
        total = product + c
        part = total - product
        rest = ((product - (total - part)) + (c - part)) + lost
        found = total + rest
        sizes = np.abs(np.stack([product, a, b, total]))
        usual = ((sizes > 1e-150) & (sizes < 1e150)).all(axis=0)
        same = (total + rest * (1 + 2.0**-50) == found) & (total + rest * (1 - 2.0**-50) == found)
    return found, usual & same


def _halves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x as the sum of two numbers of 26 bits."""
    wide = x * 134217729.0
    high = wide - (wide - x)
    return high, x - high


def _fma32(product: np.ndarray, c: np.ndarray) -> np.ndarray:
    """The product of two float32 is exact in float64. Their sum with c is rounded to odd there:
    then the second rounding, to float32, falls as if it were the only one."""
    total = product + c
    part = total - product
    error = (product - (total - part)) + (c - part)
    odd = (total.view(np.int64) & 1).astype(bool)
    toward = np.where(error > 0, np.inf, -np.inf)
    moved = np.nextafter(total, toward)
    return np.where((error != 0) & ~odd, moved, total).astype(np.float32)


def chain(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Rule 1: per element of a[m, k] b[k, n] one chain of fused multiply-adds, ascending k."""
    total = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    for k in range(a.shape[1]):
        total = fma(a[:, k : k + 1], b[k : k + 1, :], total)
    return total


def added(rows: np.ndarray) -> np.ndarray:
    """Rows added one after the other, starting from 0."""
    total = np.zeros(rows.shape[1:], rows.dtype)
    for row in rows:
        total = total + row
    return total


def tree(leaves: Sequence[np.ndarray]) -> np.ndarray:
    """Rule 2: the aligned binary tree. A node of height h covers 2ʰ leaves from a multiple of 2ʰ;
    one without leaves is skipped."""
    height = max(len(leaves) - 1, 0).bit_length()

    def node(height: int, first: int) -> np.ndarray | None:
        if first >= len(leaves):
            return None
        if height == 0:
            return leaves[first]
        left, right = node(height - 1, first), node(height - 1, first + (1 << (height - 1)))
        assert left is not None
        return left if right is None else left + right

    total = node(height, 0)
    assert total is not None
    return total


def in_leaves(count: int, leaf: Callable[[slice], np.ndarray]) -> np.ndarray:
    starts = range(0, count, LEAF) or [0]
    return tree([leaf(slice(start, start + LEAF)) for start in starts])


def matmul(a: np.ndarray, b: np.ndarray, rows: bool) -> np.ndarray:
    if not rows:
        return chain(a, b)
    return in_leaves(a.shape[1], lambda part: chain(a[:, part], b[part]))


def sum_rows(x: np.ndarray) -> np.ndarray:
    """Rule 2 for a sum over axis 0."""
    return in_leaves(len(x), lambda part: added(x[part]))


def sum_lanes(x: np.ndarray) -> np.ndarray:
    """Rule 3 for a sum over the last axis: 64 lanes, then lane j joins j + 32, j + 16, … 1."""
    lanes = [added(np.moveaxis(x[..., j::LANES], -1, 0)) for j in range(LANES)]
    half = LANES // 2
    while half:
        lanes = [lanes[j] + lanes[j + half] for j in range(half)]
        half //= 2
    return lanes[0]

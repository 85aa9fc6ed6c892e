"""Runs the scalar code of ops with NumPy on whole arrays.

In: arrays. Out: arrays. Every operation is one correctly rounded NumPy operation, except `fma`,
which rounds twice here: results agree with compiled code closely, but not bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

UNSIGNED = {"int32": np.uint32, "int64": np.uint64}


class Number:
    """An array in place of a register; see `glassnet.graph.scalar.Scalar`."""

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array)

    @property
    def dtype(self) -> str:
        return self.array.dtype.name

    def like(self, other: Any) -> np.ndarray:
        """Return an operand as an array of this dtype."""
        return other.array if isinstance(other, Number) else np.asarray(other, self.array.dtype)

    def __add__(self, other: Any) -> Number:
        return Number(self.array + self.like(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Number:
        return Number(self.array - self.like(other))

    def __rsub__(self, other: Any) -> Number:
        return Number(self.like(other) - self.array)

    def __mul__(self, other: Any) -> Number:
        return Number(self.array * self.like(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Number:
        return Number(self.array / self.like(other))

    def __rtruediv__(self, other: Any) -> Number:
        return Number(self.like(other) / self.array)

    def __neg__(self) -> Number:
        return Number(-self.array)

    def __lt__(self, other: Any) -> Number:
        return Number(self.array < self.like(other))

    def __le__(self, other: Any) -> Number:
        return Number(self.array <= self.like(other))

    def __gt__(self, other: Any) -> Number:
        return Number(self.array > self.like(other))

    def __ge__(self, other: Any) -> Number:
        return Number(self.array >= self.like(other))

    def eq(self, other: Any) -> Number:
        return Number(self.array == self.like(other))

    def ne(self, other: Any) -> Number:
        return Number(self.array != self.like(other))

    def __and__(self, other: Any) -> Number:
        return Number(self.array & self.like(other))

    def __or__(self, other: Any) -> Number:
        return Number(self.array | self.like(other))

    def __xor__(self, other: Any) -> Number:
        return Number(self.array ^ self.like(other))

    def __invert__(self) -> Number:
        return Number(~self.array)

    def __lshift__(self, other: Any) -> Number:
        return Number(self.array << self.like(other))

    def __rshift__(self, other: Any) -> Number:
        """Shift right, filling with zeros (a logical shift)."""
        unsigned = self.array.view(UNSIGNED[self.dtype])
        return Number((unsigned >> self.like(other).astype(unsigned.dtype)).view(self.array.dtype))


class NumpyBuilder:
    """The operations of `ScalarBuilder` on arrays; `dims` are the run-time sizes by name."""

    def __init__(self, dims: Mapping[str, int] | None = None) -> None:
        self.dims = dict(dims or {})

    def const(self, x: float, dtype: str) -> Number:
        return Number(np.asarray(x, dtype))

    def fma(self, a: Any, b: Any, c: Any) -> Number:
        first = next(x for x in (a, b, c) if isinstance(x, Number))
        return Number(self.fused(first.like(a), first.like(b), first.like(c)))

    def fused(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        return a * b + c

    def sqrt(self, a: Number) -> Number:
        return Number(np.sqrt(a.array))

    def floor(self, a: Number) -> Number:
        return Number(np.floor(a.array))

    def rint(self, a: Number) -> Number:
        return Number(np.rint(a.array))

    def abs(self, a: Number) -> Number:
        return Number(np.abs(a.array))

    def select(self, cond: Number, a: Any, b: Any) -> Number:
        first = next(x for x in (a, b) if isinstance(x, Number))
        return Number(np.where(cond.array, first.like(a), first.like(b)))

    def bitcast(self, a: Number, dtype: str) -> Number:
        return Number(a.array.view(dtype))

    def convert(self, a: Number, dtype: str) -> Number:
        return Number(a.array.astype(dtype))

    def extent(self, size: Any, dtype: str) -> Number:
        return self.const(size if isinstance(size, int) else self.dims[size.name], dtype)

"""Initialisers: initial values of parameters.

In: a name or a function, a shape, a seed and the number of the parameter. Out: an array with the
same bits on every machine, since the random numbers are counter-based.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet.errors import GlassnetError
from glassnet.ops import philox

Initializer = Callable[[tuple[int, ...], int, int], np.ndarray]


def zeros(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    return np.zeros(shape)


def ones(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    return np.ones(shape)


def glorot_uniform(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    """U(−a, a), a = √(6 / (fan_in + fan_out)): Glorot and Bengio, 2010."""
    return _uniform(shape, seed, stream, math.sqrt(6.0 / (shape[0] + shape[-1])))


def glorot_normal(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    """N(0, 2 / (fan_in + fan_out))."""
    return _normal(shape, seed, stream, math.sqrt(2.0 / (shape[0] + shape[-1])))


def he_uniform(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    """U(−a, a), a = √(6 / fan_in): He and others, 2015, for ReLU."""
    return _uniform(shape, seed, stream, math.sqrt(6.0 / shape[0]))


def he_normal(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    """N(0, 2 / fan_in)."""
    return _normal(shape, seed, stream, math.sqrt(2.0 / shape[0]))


def lecun_uniform(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    """U(−a, a), a = √(3 / fan_in): LeCun and others, 1998."""
    return _uniform(shape, seed, stream, math.sqrt(3.0 / shape[0]))


def lecun_normal(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    """N(0, 1 / fan_in)."""
    return _normal(shape, seed, stream, math.sqrt(1.0 / shape[0]))


def orthogonal(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    """A matrix with orthonormal rows, or columns if these are fewer: normal random numbers,
    orthogonalised by the Gram–Schmidt process. Saxe and others, 2013."""
    rows, columns = shape[0], math.prod(shape[1:])
    drawn = _normal((max(rows, columns), min(rows, columns)), seed, stream, 1.0)
    for i in range(drawn.shape[1]):
        column = drawn[:, i]
        column /= np.sqrt(_sum_of_rows(column * column))
        rest = drawn[:, i + 1 :]
        rest -= column[:, None] * _sum_of_rows(column[:, None] * rest)
    return (drawn if rows >= columns else drawn.T).reshape(shape)


def _sum_of_rows(x: np.ndarray) -> np.ndarray:
    """Return the sum over the first axis in a fixed order, with the same bits on every machine."""
    while len(x) > 1:
        half = len(x) // 2
        x = np.concatenate([x[:half] + x[half : 2 * half], x[2 * half :]])
    return x[0]


INITIALIZERS: dict[str, Initializer] = {
    f.__name__: f
    for f in (
        zeros,
        ones,
        glorot_uniform,
        glorot_normal,
        he_uniform,
        he_normal,
        lecun_uniform,
        lecun_normal,
        orthogonal,
    )
}


def initializer(named: str | Initializer) -> Initializer:
    """Return the initialiser with a name; a function is returned as it is."""
    if callable(named):
        return named
    if named not in INITIALIZERS:
        raise GlassnetError(
            f"there is no initializer {named!r}; use one of {', '.join(INITIALIZERS)}, "
            "or a function of (shape, seed, stream)"
        )
    return INITIALIZERS[named]


def _uniform(shape: tuple[int, ...], seed: int, stream: int, bound: float) -> np.ndarray:
    drawn: Any = philox.uniform(math.prod(shape), seed, stream)
    return ((2.0 * drawn - 1.0) * bound).reshape(shape)


def _normal(shape: tuple[int, ...], seed: int, stream: int, deviation: float) -> np.ndarray:
    return (philox.normal(math.prod(shape), seed, stream) * deviation).reshape(shape)

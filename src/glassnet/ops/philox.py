"""Counter-based random numbers: Philox4x32-10, a function of a counter and a key, without state.

In: a seed, and the counter (stream, step, index). Out: NumPy arrays with the same bits on every
machine: they are computed with integers, and normal numbers with the package's own log and cos.

Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from glassnet.ops.math_log import log_code
from glassnet.ops.math_trig import cos_code, sin_code
from glassnet.ops.onnumpy import Number, NumpyBuilder

__all__ = ["bits", "normal", "permutation", "philox", "uniform"]

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
MASK = 0xFFFFFFFF
ROUNDS = 10
# arrays drawn outside of graphs set the top bit of the stream, so that their counters always differ
# from those of random numbers drawn inside a graph
HOST = 1 << 31
PART = 8192


def philox(counter: Any, key: Any) -> tuple[Any, Any, Any, Any]:
    """Return four random words from four counter words and two key words, each below 2³². They are
    arrays of integers, or registers of 64-bit integers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & MASK, (p0 >> 32) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK
    return c0, c1, c2, c3


def words(seed: int) -> tuple[int, int]:
    """Return the key of a seed: its low and its high 32 bits."""
    return seed & MASK, (seed >> 32) & MASK


def bits(count: int, seed: int, stream: int = 0, step: int = 0) -> np.ndarray:
    """Return `count` random 32-bit words as uint64."""
    drawn = np.empty(((count + 3) // 4, 4), np.uint64)
    for part in _parts(len(drawn)):
        block = np.arange(part.start, part.stop, dtype=np.uint64)
        for column, word in enumerate(_words(block, seed, stream, step)):
            drawn[part, column] = word
    return drawn.reshape(-1)[:count]


def _words(block: np.ndarray, seed: int, stream: int, step: Any) -> Any:
    """Return the four words for every block number; `step` is one number, or one per block."""
    zero = np.zeros_like(block)
    counter = (block & MASK, block >> 32, zero + step, zero + (stream | HOST))
    return philox(counter, [np.uint64(word) for word in words(seed)])


def uniform(count: int, seed: int, stream: int = 0, step: int = 0) -> np.ndarray:
    """Return `count` float64 numbers uniform on [0, 1), each a multiple of 2⁻⁵³."""
    high, low = bits(2 * count, seed, stream, step).reshape(2, count)
    drawn = np.empty(count)
    for part in _parts(count):
        drawn[part] = ((high[part] >> 5) * 67108864.0 + (low[part] >> 6)) * 2.0**-53
    return drawn


def normal(count: int, seed: int, stream: int = 0, step: int = 0) -> np.ndarray:
    """Return `count` standard normal numbers as float64 (Box–Muller transform)."""
    half = (count + 1) // 2
    drawn = uniform(2 * half, seed, stream, step).reshape(2, half)
    b = NumpyBuilder()
    for part in _parts(half):
        radius = b.sqrt(-2.0 * log_code(b, Number(1.0 - drawn[0, part])))
        angle = Number(drawn[1, part] * (2.0 * np.pi))
        drawn[0, part] = (radius * cos_code(b, angle)).array
        drawn[1, part] = (radius * sin_code(b, angle)).array
    return drawn.reshape(-1)[:count]


def _parts(count: int) -> list[slice]:
    """Split `count` elements into slices that are small enough for the processor's cache."""
    return [slice(i, min(i + PART, count)) for i in range(0, count, PART)]


def permutation(
    n: int, seed: int, stream: int = 0, epoch: int = 0, first: int = 0, last: int | None = None
) -> np.ndarray:
    """Return a random permutation of 0…n−1, determined by seed, stream and epoch, as int64.

    With `first` and `last` only that slice of the permutation is computed and uses memory. A
    Feistel network permutes the cells of the smallest near-square table of at least n cells;
    results of n or more are permuted again until they are smaller. Its round functions are tables
    of random words. Black and Rogaway, "Ciphers with arbitrary finite domains", 2002.
    """
    return permutations(n, seed, stream, range(epoch, epoch + 1), first, last)[0]


def permutations(
    n: int, seed: int, stream: int, epochs: range, first: int = 0, last: int | None = None
) -> np.ndarray:
    """Return the `permutation` of several epochs, one row each. They are computed together, since
    for small n most of the time is NumPy's call overhead."""
    height, width = table(n)
    block = np.arange(FEISTEL_ROUNDS * height // 4, dtype=np.uint64)
    each = np.array(epochs, np.uint64).repeat(len(block))
    drawn = _words(np.tile(block, len(epochs)), seed, stream, each)
    tables = np.stack(drawn, axis=-1).astype(np.int64).reshape(-1, FEISTEL_ROUNDS, height)
    tables[:, 0::2] %= height
    tables[:, 1::2] %= width
    rounds = tables.swapaxes(0, 1).reshape(FEISTEL_ROUNDS, -1)
    # the start of the epoch's part in a round's table
    begin = height * np.arange(len(epochs))[:, None] if len(epochs) > 1 else None
    places = np.arange(first, n if last is None else last)
    order = _feistel(places, begin, rounds, height, width)
    while (outside := np.nonzero(order >= n))[0].size:
        shift = None if begin is None else height * outside[0]
        order[outside] = _feistel(order[outside], shift, rounds, height, width)
    return order.reshape(len(epochs), -1)


def table(n: int) -> tuple[int, int]:
    """Return height and width of the smallest near-square table of at least n cells."""
    height = max(1, math.isqrt(max(n - 1, 0)) + 1)
    return height, max(1, -(-n // height))


FEISTEL_ROUNDS = 8


def _feistel(
    x: np.ndarray, begin: np.ndarray | None, rounds: np.ndarray, height: int, width: int
) -> np.ndarray:
    row, column = np.divmod(x, width)
    for number, table in enumerate(rounds):
        if number % 2:
            column = column + table[row if begin is None else row + begin]
            column -= width * (column >= width)
        else:
            row = row + table[column if begin is None else column + begin]
            row -= height * (row >= height)
    return row * width + column

"""Random numbers inside a graph: a function of (seed, stream, step, row, unit), without state.

In: a value whose shape the result gets, and those numbers. A seed is a number, or its two words as
values (i64[]), so that one piece of code serves all seeds. Out: a record for Philox words, and
uniform, normal and Bernoulli numbers as compositions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from glassnet.errors import ShapeError
from glassnet.graph.op import Op, Value, define
from glassnet.graph.types import Type
from glassnet.ops import functions as f
from glassnet.ops.elementwise import sqrt
from glassnet.ops.logic import cast, less
from glassnet.ops.philox import philox, words
from glassnet.ops.source_ops import iota_like
from glassnet.ops.type_rules import dtype_of, elementwise_rule, shape_of
from glassnet.ops.view import reshape

__all__ = ["bernoulli", "normal", "uniform"]

Seed = int | tuple[Value, Value]

_same = elementwise_rule("philox", ("int64",))


def _infer_philox(*types: Type, word: int, bits: int) -> Type:
    if not (0 <= word < 4 and 0 < bits <= 32):
        raise ShapeError(
            f"philox: word {word}, {bits} bits; wanted a word 0 to 3, and 1 to 32 bits"
        )
    return _same(*types)


def _numpy_philox(*numbers: Any, word: int, bits: int) -> Any:
    counter = [np.asarray(number, np.int64).astype(np.uint64) for number in numbers]
    return (philox(counter[:4], counter[4:])[word] >> (32 - bits)).astype(np.int64)


def _code_philox(b: Any, *numbers: Any, word: int, bits: int) -> Any:
    return philox(numbers[:4], numbers[4:])[word] >> (32 - bits)


philox_op = define(
    Op(
        "philox",
        "elementwise",
        "the top bits of a word of Philox4x32-10(counter, key)",
        6,
        infer=_infer_philox,
        numpy=_numpy_philox,
        vjp=None,
        code=_code_philox,
        smooth=False,
        examples=((((3,),) * 6, {"word": 0, "bits": 32}), (((2, 2),) * 6, {"word": 3, "bits": 24})),
    )
)


def _draw(like: Any, seed: Seed, stream: int, step: Any, rows: Any, bits: int, word: int) -> Any:
    """Return a random word for each element of `like`; the counter is (unit, row, step, stream)."""
    shape = shape_of(like)
    if not shape:
        raise ShapeError("random numbers for a single number; wanted at least one axis")
    row = iota_like(like, 0, "int64")
    if rows is not None:
        row = cast(reshape(rows, (shape[0], *(1,) * (len(shape) - 1))), "int64") + 0 * row
    unit: Any = 0 * row
    for axis, size in enumerate(shape[1:], 1):
        unit = unit * size + iota_like(like, axis, "int64")
    moment = step if isinstance(step, int) else cast(step, "int64")
    key = seed if isinstance(seed, tuple) else words(seed)
    return philox_op(unit, row, moment, stream, *key, word=word, bits=bits)


def _unit(like: Any, seed: Seed, stream: int, step: Any, rows: Any, word: int) -> Any:
    """Return numbers on [0, 1) with as many random bits as the significand of the dtype."""
    dtype = dtype_of(like)
    if dtype == "float32":
        return cast(_draw(like, seed, stream, step, rows, 24, word), dtype) * 2.0**-24
    high = cast(_draw(like, seed, stream, step, rows, 27, word), "float64")
    low = cast(_draw(like, seed, stream, step, rows, 26, word + 1), "float64")
    return (high * 2.0**26 + low) * 2.0**-53


def uniform(like: Any, seed: Seed, stream: int = 0, step: Any = 0, rows: Any = None) -> Any:
    """Return numbers uniform on [0, 1) in the shape and dtype of `like`.

    Equal (seed, stream, step, row) give equal numbers. `step` may be a value. `rows` [n] are the
    row numbers, for a mini-batch that is part of a data set; by default 0…n−1. Raises ShapeError
    where `like` has no axis.
    """
    return _unit(like, seed, stream, step, rows, 0)


def normal(like: Any, seed: Seed, stream: int = 0, step: Any = 0, rows: Any = None) -> Any:
    """Return standard normal numbers in the shape and dtype of `like` (Box–Muller transform);
    arguments are those of `uniform`."""
    radius = sqrt(-2.0 * f.log(1.0 - _unit(like, seed, stream, step, rows, 0)))
    return radius * f.cos((2.0 * math.pi) * _unit(like, seed, stream, step, rows, 2))


def bernoulli(
    like: Any, p: Any, seed: Seed, stream: int = 0, step: Any = 0, rows: Any = None
) -> Any:
    """Return bools in the shape of `like`, true with probability p; other arguments are those of
    `uniform`."""
    return less(uniform(like, seed, stream, step, rows), p)

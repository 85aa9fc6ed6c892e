"""Check each value that is read from a run file, since the file may come from anyone.

In: cells as SQLite gives them. Out: values of the types and in the ranges that recording writes, or
a ValueError that says what is wrong.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from glassnet.serialize import parse

CONTAINERS = 1_000_000  # at most so many lists and objects in a JSON text
VALUES = 8_000_000  # at most so many values in a JSON text
NAME = 200  # characters of the name of an array, at most
RANK = 8  # dimensions of an array, at most
LATEST = 1 << 53  # the largest number of an epoch
INTEGERS = tuple(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))
DTYPES = frozenset(("bool", *INTEGERS, "float16", "float32", "float64"))


def parse_json(text: Any) -> Any:
    """Parse a JSON text. ValueError, before parsing, if it would need too much memory."""
    if not isinstance(text, str):
        raise ValueError(f"a JSON text is {type(text).__name__}")
    if text.count("[") + text.count("{") > CONTAINERS or text.count(",") > VALUES:
        raise ValueError(
            f"a JSON text of {len(text):,} characters has more values than any of ours"
        )
    return parse(text)


def read_count(value: Any, what: str, least: int = 0) -> int:
    """Return `value` if it is an integer between `least` and `LATEST`, else raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LATEST:
        raise ValueError(f"{what} is {str(value)[:40]!r}")
    return value


def read_number(value: Any, what: str) -> float:
    """Return a float; NULL is NaN, since SQLite stores NaN as NULL."""
    if value is None:
        return math.nan
    if not isinstance(value, (int, float)):
        raise ValueError(f"{what} is {type(value).__name__}, not a number")
    return float(value)


def read_epoch(value: Any) -> int:
    """Return a number of epochs."""
    return read_count(value, "an epoch")


def read_name(value: Any) -> str:
    """Return the name of an array or a setting."""
    if not isinstance(value, str) or not 0 < len(value) <= NAME:
        raise ValueError(f"a name is {str(value)[:40]!r}")
    return value


def read_content(content: Any, digest: Any = None) -> bytes:
    """Return bytes; ValueError if `digest` is given and is not their SHA-256."""
    if not isinstance(content, bytes):
        raise ValueError(f"it is {type(content).__name__}, not bytes")
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise ValueError("it does not match its SHA-256")
    return content


def describe_arrays(arrays: Mapping[str, np.ndarray]) -> list[list[Any]]:
    """Return the name, dtype and shape of each array."""
    return [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the bytes of all arrays one after the other, little-endian."""
    return b"".join(a.astype(a.dtype.newbyteorder("<")).tobytes() for a in arrays.values())


def described_sizes(heads: Any) -> tuple[list[tuple[str, np.dtype[Any], tuple[int, ...]]], int]:
    """Check the output of `describe_arrays`; return names, dtypes, shapes and the total bytes."""
    if not isinstance(heads, list):
        raise ValueError("it does not say which arrays it has")
    found: dict[str, tuple[str, np.dtype[Any], tuple[int, ...]]] = {}
    size = 0
    for head in cast("list[Any]", heads):
        if not isinstance(head, list) or len(cast("list[Any]", head)) != 3:
            raise ValueError(f"an array is said to be {str(cast(Any, head))[:40]!r}")
        name, dtype, shape = cast("list[Any]", head)
        known = isinstance(dtype, str) and dtype in DTYPES and isinstance(shape, list)
        if not known or read_name(name) in found:
            raise ValueError(f"array {str(name)[:40]!r} is said to be {str(dtype)[:40]!r}")
        sizes = tuple(read_count(size, f"a size of {name}") for size in cast("list[Any]", shape))
        if len(sizes) > RANK:
            raise ValueError(f"array {name!r} has {len(sizes)} dimensions")
        found[name] = name, np.dtype(dtype), sizes
        size += math.prod(sizes) * np.dtype(dtype).itemsize
    return list(found.values()), size


def unpack_arrays(heads: Sequence[Any], content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays that `heads` describes (see `describe_arrays`), read from `content`."""
    arrays: dict[str, np.ndarray] = {}
    found, size = described_sizes(heads)
    if size != len(content):
        raise ValueError(f"its arrays are of {size:,} bytes, and it has {len(content):,}")
    start = 0
    for name, dtype, shape in found:
        part = np.frombuffer(content, dtype.newbyteorder("<"), math.prod(shape), start)
        arrays[name] = part.astype(dtype).reshape(shape)
        start += part.nbytes
    return arrays

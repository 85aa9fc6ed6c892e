"""Types of the values in a graph: a dtype and a shape, and their text form.

In: dtype names, sizes. Out: frozen `Type` objects. A size is an integer, or a `Dim`: a number, such
as that of rows, which is known only when the compiled code runs.

    type ::= dtype "[" size ("," size)* "]"        f32[n,64]   f64[]
    size ::= integer | name
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glassnet.errors import GraphError

SHORT = {"float32": "f32", "float64": "f64", "int32": "i32", "int64": "i64", "bool": "bool"}
LONG = {short: long for long, short in SHORT.items()}
FLOATS = ("float32", "float64")
_NAMES = {np.dtype(name): name for name in SHORT}  # in native byte order


@dataclass(frozen=True)
class Dim:
    """A size known only at run time; two are equal if their names are."""

    name: str

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name in ("nan", "inf"):
            raise GraphError(f"a size cannot be called {self.name!r}; use a name like n or rows")

    def __str__(self) -> str:
        return self.name


Size = int | Dim
Shape = tuple[Size, ...]


@dataclass(frozen=True)
class Type:
    """The type of a value: `dtype` (a NumPy name) and `shape`."""

    dtype: str
    shape: Shape

    def __str__(self) -> str:
        return f"{SHORT[self.dtype]}{show_shape(self.shape)}"

    @property
    def rank(self) -> int:
        return len(self.shape)

    def with_shape(self, shape: Sequence[Size]) -> Type:
        return Type(self.dtype, tuple(shape))


def show_shape(shape: Sequence[Size]) -> str:
    return "[" + ",".join(str(size) for size in shape) + "]"


def type_of(array: np.ndarray) -> Type:
    """Return the type of an array; raise GraphError for an unsupported dtype."""
    name = _NAMES.get(array.dtype)
    if name is None:
        wanted = ", ".join(SHORT)
        raise GraphError(f"dtype {array.dtype} is not supported in a graph; use one of {wanted}")
    return Type(name, array.shape)


def parse_type(text: str) -> Type:
    """Parse the text that `str(Type)` returns. Raises GraphError."""
    match = re.fullmatch(r"(\w+)\[([\w,]*)\]", text.strip())
    if match is None or match[1] not in LONG:
        raise GraphError(f"{text!r} is not a type; a type looks like f32[n,64]")
    sizes = [size for size in match[2].split(",") if size]
    shape = tuple(int(size) if size.isdigit() else Dim(size) for size in sizes)
    return Type(LONG[match[1]], shape)


def bind(shape: Sequence[Size], dims: Mapping[str, int]) -> tuple[int, ...]:
    """Return the shape with every run-time size replaced by its number."""
    return tuple(dims[size.name] if isinstance(size, Dim) else size for size in shape)


def match_dims(shape: Sequence[Size], actual: Sequence[int], dims: dict[str, int]) -> bool:
    """Whether `actual` fits `shape`; run-time sizes that it determines are added to `dims`."""
    if len(shape) != len(actual):
        return False
    for size, number in zip(shape, actual, strict=True):
        wanted = dims.setdefault(size.name, number) if isinstance(size, Dim) else size
        if wanted != number:
            return False
    return True

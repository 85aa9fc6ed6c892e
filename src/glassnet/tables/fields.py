"""Frozen dataclasses to plain JSON values and back, with every key and type checked.

In: a dataclass of texts, numbers, booleans and tuples of these, or a JSON object. Out: the other.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")
Check = Callable[[Any], bool]


def _is_float(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, cast("list[Any]", value)))


_CHECKS: dict[str, Check] = {
    "str": _is_text,
    "bool": lambda value: isinstance(value, bool),
    "int": _is_int,
    "float": _is_float,
    "tuple[str, ...]": _list_of(_is_text),
    "tuple[float, ...]": _list_of(_is_float),
    "tuple[int, ...]": _list_of(_is_int),
}


def to_plain(value: Any) -> dict[str, Any]:
    """The fields of a dataclass as JSON values."""
    items = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {
        name: list(cast("tuple[Any, ...]", item)) if isinstance(item, tuple) else item
        for name, item in items.items()
    }


def from_plain(kind: type[T], plain: Any) -> T:
    """The dataclass that a JSON object describes; `ValueError` says what is wrong with it."""
    fields = {field.name: str(field.type) for field in dataclasses.fields(cast("Any", kind))}
    found = as_object(plain, set(fields), kind.__name__)
    values: dict[str, Any] = {}
    for name, annotation in fields.items():
        value: Any = found[name]
        if not _CHECKS[annotation](value):
            raise ValueError(f"{kind.__name__}.{name} is not of type {annotation}")
        if annotation == "float":
            values[name] = float(value)
        else:
            values[name] = tuple(value) if annotation.startswith("tuple") else value
    return kind(**values)


def as_object(plain: Any, keys: set[str], what: str) -> dict[str, Any]:
    """The JSON object with exactly these keys."""
    if not isinstance(plain, dict) or set(cast("dict[str, Any]", plain)) != keys:
        raise ValueError(f"{what} is not an object with the keys {', '.join(sorted(keys))}")
    return cast("dict[str, Any]", plain)


def as_list(plain: Any, what: str) -> list[Any]:
    """The JSON list."""
    if not isinstance(plain, list):
        raise ValueError(f"{what} is not a list")
    return cast("list[Any]", plain)

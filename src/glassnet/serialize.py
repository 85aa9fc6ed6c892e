"""Reads values from untrusted files: JSON within limits, checked against type annotations.

In: JSON texts or values, and an annotation: str, bool, int, float, Literal, a list, a tuple, a
dict, a TypedDict, a frozen dataclass, `| None`; `Annotated` with `Within` or `Length` narrows it.
Out: values of that type; or a ValueError that names the field, the value seen and what is allowed.
A dataclass whose fields depend on each other checks them in `check(self)`. `to_plain` converts a
dataclass to JSON values.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Callable, Sequence
from functools import cache
from typing import (
    Annotated,
    Any,
    Literal,
    NoReturn,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

T = TypeVar("T")

LONGEST = 1 << 26  # characters of a JSON text
DEEPEST = 64  # lists and objects within each other
LARGEST = (1 << 63) - 1  # limit of integers without a narrower annotation
LATER = {"later": True}  # metadata of a field that older files lack; they get its default


@dataclasses.dataclass(frozen=True)
class Within:
    """The range of a number, from `low` to `high`; with `above`, `low` itself is excluded."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False

    def holds(self, value: Any) -> bool:
        return self.low <= value <= self.high and not (self.above and value == self.low)

    def __str__(self) -> str:
        parts = [f"{'above' if self.above else 'at least'} {self.low:,}"] * (self.low > -math.inf)
        parts += [f"at most {self.high:,}"] * (self.high < math.inf)
        return " and ".join(parts)


@dataclasses.dataclass(frozen=True)
class Length:
    """The range of the number of characters or entries, both ends included."""

    least: int = 0
    most: int = 1 << 20

    def holds(self, value: Any) -> bool:
        return self.least <= len(value) <= self.most

    def __str__(self) -> str:
        return f"of {self.least:,} to {self.most:,} characters or entries"


class Unbounded:
    """Marks annotations without limits: `AnyFloat` allows infinities and NaN, as Python writes them
    in JSON, and `AnyInt` integers of any length."""


AnyFloat = Annotated[float, Unbounded]
AnyInt = Annotated[int, Unbounded]
Count = Annotated[int, Within(1, 1 << 40)]
Total = Annotated[int, Within(0, 1 << 53)]
Name = Annotated[str, Length(0, 1 << 16)]


# -- texts ---------------------------------------------------------------------------------------


def parse(text: str | bytes) -> Any:
    """Parse a JSON text. Raises ValueError where it is not JSON, repeats a name in an object, or is
    longer or more deeply nested than anything this package writes."""
    if len(text) > LONGEST:
        raise ValueError(f"a JSON text has {len(text):,} characters, and {LONGEST:,} are the most")
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError(f"a JSON text is deeper than {DEEPEST} lists within lists") from None
    level, depth = [value], 0
    while level:
        level = [inner for part in level for inner in _inside(part)]
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"a JSON text is deeper than {DEEPEST} lists within lists")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))
        raise ValueError(f"an object names {value_text(twice)} twice")
    return found


def _inside(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(cast("dict[str, Any]", value).values())
    return cast("list[Any]", value) if isinstance(value, list) else ()


def value_text(value: Any) -> str:
    """Return a JSON value for an error message: short and without control characters."""
    if isinstance(value, (dict, list)):
        many = len(cast("list[Any]", value))
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {many:,}"
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a number of more than 18 digits"
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# -- values --------------------------------------------------------------------------------------


def read_value(kind: Any, plain: Any, where: str) -> Any:
    """Convert JSON values to the annotated type `kind`; `where` names the value in errors.

    Raises ValueError where they do not fit."""
    return _read(kind, plain, where)


def from_plain(kind: type[T], plain: Any, where: str = "") -> T:
    """Convert a JSON object to the dataclass `kind`. Raises ValueError where it does not fit."""
    found: T = _read(kind, plain, where or kind.__name__)
    return found


def to_plain(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as JSON values, recursively."""
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _plain(item: Any) -> Any:
    if isinstance(item, tuple):
        return [_plain(each) for each in cast("tuple[Any, ...]", item)]
    if isinstance(item, dict):
        return {name: _plain(each) for name, each in cast("dict[str, Any]", item).items()}
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return to_plain(item)
    return item


def refuse(where: str, plain: Any, allowed: str) -> NoReturn:
    """Raise ValueError with the field, the value seen and what is allowed."""
    raise ValueError(f"{where} is {value_text(plain)}; allowed is {allowed}")


def _read(kind: Any, plain: Any, where: str) -> Any:
    origin = get_origin(kind)
    if kind is Any:
        return plain
    if origin is Annotated:
        return _read_annotated(kind, plain, where)
    if origin in (Union, types.UnionType):
        return _one_of(kind, plain, where)
    if origin is Literal:
        allowed = get_args(kind)
        if not any(plain == choice and type(plain) is type(choice) for choice in allowed):
            refuse(where, plain, annotation_text(kind))
        return plain
    if dataclasses.is_dataclass(kind):
        return _fields(kind, plain, where)
    if is_typeddict(kind):
        return _entries(kind, plain, where)
    if origin in (tuple, list, dict):
        return _MANY[origin](kind, plain, where)
    if not _SINGLE[kind](plain):
        refuse(where, plain, annotation_text(kind))
    return float(plain) if kind is float else plain


def _is_float(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) <= 1.7976931348623157e308


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= sign <= "\udfff" for sign in value)


_SINGLE: dict[Any, Callable[[Any], bool]] = {
    str: _is_text,
    bool: lambda value: isinstance(value, bool),
    int: lambda v: isinstance(v, int) and not isinstance(v, bool) and abs(v) <= LARGEST,
    float: _is_float,
    type(None): lambda value: value is None,
}


def _read_annotated(kind: Any, plain: Any, where: str) -> Any:
    base, *narrower = get_args(kind)
    if Unbounded in narrower and isinstance(plain, base) and not isinstance(plain, bool):
        return plain
    value = _read(base, plain, where)
    if not all(bound.holds(value) for bound in narrower if bound is not Unbounded):
        refuse(where, plain, annotation_text(kind))
    return value


def _one_of(kind: Any, plain: Any, where: str) -> Any:
    options = get_args(kind)
    if plain is None and type(None) in options:
        return None
    rest = [choice for choice in options if choice is not type(None)]
    for choice in rest[:-1]:
        try:
            return _read(choice, plain, where)
        except ValueError:
            continue
    if len(rest) == 1:  # its error names the inner field
        return _read(rest[0], plain, where)
    try:
        return _read(rest[-1], plain, where)
    except ValueError:
        refuse(where, plain, annotation_text(kind))


def _list(kind: Any, plain: Any, where: str) -> Any:
    if not isinstance(plain, list):
        refuse(where, plain, annotation_text(kind))
    items, inner = cast("list[Any]", plain), get_args(kind)
    make: Any = get_origin(kind)
    if make is list or inner[-1] is ...:
        found = [_read(inner[0], item, f"{where}[{i}]") for i, item in enumerate(items)]
        return found if make is list else tuple(found)
    if len(items) != len(inner):
        refuse(where, plain, annotation_text(kind))
    both = zip(inner, items, strict=True)
    return tuple(_read(each, item, f"{where}[{i}]") for i, (each, item) in enumerate(both))


def _dict(kind: Any, plain: Any, where: str) -> Any:
    if not isinstance(plain, dict):
        refuse(where, plain, annotation_text(kind))
    key, value = get_args(kind)
    items = cast("dict[str, Any]", plain).items()
    return {
        _read(key, name, f"a name in {where}"): _read(
            value, item, f"{where}.{value_text(name)[1:-1]}"
        )
        for name, item in items
    }


_MANY: dict[Any, Callable[[Any, Any, str], Any]] = {tuple: _list, list: _list, dict: _dict}


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _fields(kind: Any, plain: Any, where: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    needed = {name for name, field in fields.items() if not field.metadata.get("later")}
    found = _keys(plain, needed, set(fields), where)
    hints = _hints(kind)
    value = kind(
        **{name: _read(hints[name], value, f"{where}.{name}") for name, value in found.items()}
    )
    check = getattr(value, "check", None)
    if check is not None:
        try:
            check()
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    return value


def _entries(kind: Any, plain: Any, where: str) -> Any:
    """Read a TypedDict. Unknown names are accepted without a check, since nothing reads them."""
    hints = _hints(kind)
    if not isinstance(plain, dict):
        refuse(where, plain, "an object")
    found = cast("dict[str, Any]", plain)
    missing = sorted(kind.__required_keys__ - set(found))
    if missing:
        raise ValueError(f"{where} does not say {missing[0]}")
    return {
        name: _read(hints[name], value, f"{where}.{name}") if name in hints else value
        for name, value in found.items()
    }


def _keys(plain: Any, needed: set[str], known: set[str], where: str) -> dict[str, Any]:
    """Return the JSON object; raise ValueError where it lacks a needed name or has an unknown
    one."""
    if not isinstance(plain, dict):
        refuse(where, plain, f"an object with {', '.join(sorted(needed))}")
    found = cast("dict[str, Any]", plain)
    missing, unknown = sorted(needed - set(found)), sorted(set(found) - known)
    if missing:
        raise ValueError(f"{where} does not say {missing[0]}")
    if unknown:
        names = ", ".join(sorted(known))
        raise ValueError(
            f"{where} has the unknown name {value_text(unknown[0])}; known are {names}"
        )
    return found


def annotation_text(kind: Any) -> str:
    """Return what an annotation allows, in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        narrower = [str(bound) for bound in inner[1:] if bound is not Unbounded]
        return " ".join([annotation_text(inner[0]), *narrower])
    if origin in (Union, types.UnionType):
        return " or ".join(annotation_text(choice) for choice in inner)
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin is tuple and inner[-1] is not ...:
        return f"a list of {len(inner)}: {', '.join(annotation_text(item) for item in inner)}"
    if origin in (tuple, list):
        return f"a list, each entry {annotation_text(inner[0])}"
    if origin is dict or is_typeddict(kind) or dataclasses.is_dataclass(kind):
        return "an object"
    return _WORDS[kind]


_WORDS: dict[Any, str] = {
    str: "a text", bool: "true or false", int: "a whole number", float: "a finite number",
    type(None): "null", Any: "anything",
}  # fmt: skip

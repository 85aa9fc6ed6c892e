"""Converts networks, losses and optimisers to JSON data and back; files never contain code.

In: an object of a class derived from `Described`. Out: JSON values that name the class and its
settings, and from them an equal object. Classes of this package register themselves when they are
defined: there is no list of names. A user's class or function is described by its name and
settings; the caller who reads the description must pass that class or function.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, cast

import numpy as np

from glassnet.errors import ArgumentError, GlassnetError, warn_user
from glassnet.serialize import read_value, value_text

PACKAGE = __name__.partition(".")[0]
MOST = 1 << 16  # objects of one description; a layer that stands in several places counts in each
KNOWN: dict[str, type[Described]] = {}
ARRAYS = ("bool", "int8", "int16", "int32", "int64", "uint8", "float32", "float64")
PLAIN: dict[str, Any] = {
    "int": int, "bool": bool, "float": float, "str": str,
    "int | None": int, "float | None": float, "str | None": str,
    "Loss | None": type(None), "Layer": type(None),  # a plain value is never one of these
}  # fmt: skip


class DescriptionError(GlassnetError, ValueError):
    """A description cannot be used. The message is a predicate, such as "has more than 9 parts";
    the caller puts the subject before it."""


class CodeError(DescriptionError):
    """A description names a user's class or function, `name`, that the caller did not pass."""

    def __init__(self, name: str) -> None:
        super().__init__(f"contains {name}, which is custom code")
        self.name = name


class Described:
    """Base of objects that files describe by their class name and settings.

    The settings of a dataclass are its fields, those of another module the arguments of its
    constructor. A class with other settings overrides `get_config`, and also `from_config` where
    its constructor does not take them.
    """

    inside: ClassVar[tuple[type, ...]] = ()  # the families of objects its settings may contain
    shared: ClassVar[bool] = False  # whether one object may occur in several places
    former_name: ClassVar[str] = ""  # files and code of earlier releases may still use it

    def __init_subclass__(cls, in_files: bool = True, **kwargs: Any) -> None:
        """Register the class under its name. With `in_files=False` files cannot name it: it is a
        base class, or user code."""
        super().__init_subclass__(**kwargs)
        if in_files and is_ours(cls):
            KNOWN[cls.__name__] = cls
            if "former_name" in vars(cls):
                KNOWN[cls.former_name] = cls

    def get_config(self) -> dict[str, Any] | None:
        """Return the settings by constructor argument: numbers, strings, None, tuples and other
        `Described` objects. None where the object cannot be described, only named as code."""
        if is_dataclass(self):
            return {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        args, kwargs = vars(self).get("_arguments", ((), {}))
        return dict(_signature(type(self)).bind(*args, **kwargs).arguments)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Construct the object that has these settings."""
        kinds = {
            parameter.name: parameter.kind for parameter in _signature(cls).parameters.values()
        }
        named = dict(config)
        for name, kind in kinds.items():
            if kind is inspect.Parameter.VAR_KEYWORD:
                named |= named.pop(name, {})
        many = next(
            (n for n, kind in kinds.items() if kind is inspect.Parameter.VAR_POSITIONAL), ""
        )
        if not named.get(many):
            named.pop(many, None)
            return cls(**named)
        before = [named.pop(name) for name in list(kinds)[: list(kinds).index(many)]]
        return cls(*before, *named.pop(many), **named)


def renamed(module: str, name: str) -> type[Described] | None:
    """Return the class of a module that had this name in an earlier release, and issue a
    DeprecationWarning with the new name; None where there is no such class."""
    kind = KNOWN.get(name)
    if kind is None or kind.__name__ == name or not kind.__module__.startswith(f"{module}."):
        return None
    short_module = module.replace(PACKAGE, "gn", 1)
    warn_of_former_name(f"{short_module}.{name}", f"{short_module}.{kind.__name__}")
    return kind


def warn_of_former_name(former: str, name: str) -> None:
    """Issue a DeprecationWarning at the user's line that uses a former name."""
    text = f"{former} is now called {name}; the former name goes in the next release"
    warn_user(text, DeprecationWarning)


def is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == PACKAGE


def _signature(kind: type) -> inspect.Signature:
    """Return the signature of a class's constructor without `self`."""
    whole = inspect.signature(cast(Any, kind).__init__)
    if kind.__init__ is object.__init__:
        return whole.replace(parameters=[])
    return whole.replace(parameters=list(whole.parameters.values())[1:])


def _config(item: Any) -> dict[str, Any] | None:
    """Return the settings of an object. A user's subclass with a new constructor but without its
    own `get_config` is described by the arguments of that constructor."""
    last = next(
        base for base in type(item).__mro__ if vars(base).keys() & {"get_config", "__init__"}
    )
    own_constructor = not is_ours(last) and "get_config" not in vars(last)
    return Described.get_config(item) if own_constructor else item.get_config()


def as_data(item: Any, with_code: bool = False) -> Any:
    """Return an object as a JSON value. A shared object that occurs in several places is written
    once; the other places are {"same": n}, n its index among all shared objects in the order in
    which they begin. `with_code=True` includes the settings of users' classes."""
    return _Writer(with_code).value(item)


class _Writer:
    def __init__(self, with_code: bool) -> None:
        self.with_code = with_code
        self.seen: dict[int, int] = {}

    def value(self, item: Any) -> Any:
        if item is None or isinstance(item, (bool, int, float, str)):
            return item
        if isinstance(item, np.generic):
            return cast(Any, item).item()
        if isinstance(item, (tuple, list)):
            return [self.value(part) for part in cast("list[Any]", item)]
        if not isinstance(item, Described):
            return self._other(item)
        if item.shared and id(item) in self.seen:
            return {"same": self.seen[id(item)]}
        if item.shared:
            self.seen[id(item)] = len(self.seen)
        return self._object(item)

    def _other(self, item: Any) -> Any:
        """Write an array or a dict, which only users' classes need; anything else is code."""
        if isinstance(item, np.ndarray):
            array = cast("np.ndarray[Any, Any]", item)
            if array.dtype.name in ARRAYS:
                return {"array": array.tolist(), "dtype": array.dtype.name}
        if isinstance(item, dict):
            pairs = cast("dict[Any, Any]", item)
            if all(isinstance(name, str) for name in pairs):
                return {"mapping": {name: self.value(item) for name, item in pairs.items()}}
        return {"code": _code_name(item)}

    def _object(self, item: Described) -> dict[str, Any]:
        kind = type(item)
        ours = KNOWN.get(kind.__name__) is kind
        config = _config(item) if ours or self.with_code else None
        if config is None:
            return {"code": _code_name(item)}
        settings = {name: self.value(setting) for name, setting in config.items()}
        if ours:
            return {"class": kind.__name__} | settings
        return {"code": kind.__name__, "settings": settings}


def _code_name(item: Any) -> str:
    inner = getattr(item, "f", item)
    return str(getattr(inner, "__name__", type(inner).__name__))


def contains_part(data: Any, part: Any) -> bool:
    """Whether the description `data` contains the description `part`. Settings at their defaults
    are ignored, since older descriptions lack settings that were added later."""
    return _without_defaults(part) in [_without_defaults(each) for each in (data, *_parts(data))]


def _without_defaults(data: Any) -> Any:
    """Return a description without the settings that have their default values."""
    if isinstance(data, (list, tuple)):
        return [_without_defaults(item) for item in cast("list[Any]", data)]
    if not isinstance(data, dict):
        return data
    described = cast("dict[str, Any]", data)
    kind: Any = KNOWN.get(described.get("class", ""))
    declared = fields(kind) if is_dataclass(kind) else ()
    defaults: dict[str, Any] = {f.name: [] if f.default == () else f.default for f in declared}
    return {
        name: _without_defaults(value)
        for name, value in described.items()
        if name not in defaults or value != defaults[name]
    }


def _parts(data: Any) -> Iterator[Any]:
    inner: Any = ()
    if isinstance(data, dict):
        inner = cast("dict[str, Any]", data).values()
    elif isinstance(data, (list, tuple)):
        inner = cast("list[Any]", data)
    for item in inner:
        yield item
        yield from _parts(item)


def from_data(
    data: Any, families: Sequence[type], given: Any = None, code: Mapping[str, Any] | None = None
) -> Any:
    """Return the object that JSON values describe, an instance of one of the `families`.

    `given` is used in place of every equal description; `code` has the user's classes and
    functions by name. Raises DescriptionError where the description cannot be used or its class is
    of another family, CodeError where `code` lacks a name."""
    if not isinstance(data, dict):
        raise DescriptionError(f"is {value_text(data)}, no object")
    _count(data)
    reader = _Reader(given, code or {})
    return reader.object(cast("dict[str, Any]", data), tuple(families))


def _count(data: Any) -> None:
    """Raise DescriptionError for too many objects; a shared part counts once for each place."""
    sizes: list[int] = []

    def size(value: Any) -> int:
        if isinstance(value, list):
            return sum(map(size, cast("list[Any]", value)))
        if not isinstance(value, dict):
            return 0
        described = cast("dict[str, Any]", value)
        place = described.get("same")
        if type(place) is int:
            return sizes[place] if 0 <= place < len(sizes) else 0
        place = len(sizes)
        sizes.append(0)
        sizes[place] = found = 1 + sum(map(size, described.values()))
        if found > MOST:
            raise DescriptionError(f"has more than {MOST:,} parts")
        return found

    size(data)


@dataclass
class _Reader:
    """Builds objects from a description. `seen` has the shared objects that began so far, with
    None for those that are not complete."""

    given: Any
    code: Mapping[str, Any]
    seen: list[Any] = field(default_factory=list[Any])

    def object(self, data: dict[str, Any], allowed: tuple[type, ...]) -> Any:
        if "same" in data and any(family.shared for family in cast(Any, allowed)):
            return self._before(data["same"])
        if self.given is not None and _without_defaults(as_data(self.given)) == _without_defaults(
            data
        ):
            return self.given
        if "code" in data:
            return self._code(data, allowed)
        name = data.get("class")
        kind: Any = KNOWN.get(name) if isinstance(name, str) else None
        if kind is None:
            raise DescriptionError(
                f"names the class {value_text(name)}, which this version does not have"
            )
        if not issubclass(kind, allowed):
            families = " or ".join(family.__name__ for family in allowed) or "no object"
            raise DescriptionError(f"has a {name} where {families} belongs")
        settings = {key: value for key, value in data.items() if key != "class"}
        return self._made(kind, settings)

    def _before(self, place: Any) -> Any:
        """Return a shared object that was read at an earlier place."""
        is_valid = type(place) is int and 0 <= place < len(self.seen)
        if not is_valid or self.seen[place] is None:
            raise DescriptionError(
                f"refers to the shared layer {value_text(place)}, which does not exist before it"
            )
        return self.seen[place]

    def _code(self, data: dict[str, Any], allowed: tuple[type, ...]) -> Any:
        name = short(data["code"])
        found = self.code.get(name)
        if found is None:
            raise CodeError(name)
        if "settings" not in data or not isinstance(found, type):
            return found
        if not issubclass(found, allowed) or not isinstance(data["settings"], dict):
            raise DescriptionError(
                f"has a {name} where {' or '.join(family.__name__ for family in allowed)} belongs"
            )
        return self._made(found, cast("dict[str, Any]", data["settings"]))

    def _made(self, kind: type[Described], config: dict[str, Any]) -> Any:
        """Construct an object; the constructor checks its settings. The types of plain settings are
        checked here first, since Python accepts True for 1."""
        place = len(self.seen)
        self.seen += [None] * kind.shared
        typed = {f.name: str(f.type) for f in fields(kind)} if is_dataclass(kind) else {}
        settings = {
            name: self._setting(value, kind.inside)
            for name, value in config.items()
            if not ("Initializer" in typed.get(name, "") and isinstance(value, dict))
        }  # an initialiser function is not needed: the file has the values
        try:
            for name, setting in settings.items():
                if isinstance(setting, (bool, int, float, str)) and typed.get(name) in PLAIN:
                    read_value(PLAIN[typed[name]], setting, name)
            made = kind.from_config(settings)
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            if isinstance(error, GlassnetError) and not isinstance(error, ArgumentError):
                raise
            raise DescriptionError(
                f"has a {kind.__name__} that cannot be made: {short(error)}"
            ) from None
        if kind.shared:
            self.seen[place] = made
        return made

    def _setting(self, data: Any, allowed: tuple[type, ...]) -> Any:
        if isinstance(data, list):
            return tuple(self._setting(part, allowed) for part in cast("list[Any]", data))
        if not isinstance(data, dict):
            return data
        described = cast("dict[str, Any]", data)
        if set(described) == {"array", "dtype"} and described["dtype"] in ARRAYS:
            return _array(described["array"], described["dtype"])
        if set(described) == {"mapping"} and isinstance(described["mapping"], dict):
            pairs = cast("dict[str, Any]", described["mapping"]).items()
            return {name: self._setting(setting, allowed) for name, setting in pairs}
        return self.object(described, allowed)


def _array(values: Any, dtype: str) -> np.ndarray:
    try:
        return np.array(values, dtype)
    except (TypeError, ValueError, OverflowError):
        raise DescriptionError(f"has an array that is not of {dtype}") from None


def description_text(data: Any) -> str:
    """Return a description as one line: "Linear(3, 4), Tanh, Linear(4, 1)"."""
    if not isinstance(data, dict):
        return short(data)
    described = cast("dict[str, Any]", data)
    if "same" in described:
        return "the same layer"
    name = short(described.get("class", described.get("code")))
    if isinstance(described.get("layers"), list):
        inner = ", ".join(
            description_text(layer) for layer in cast("list[Any]", described["layers"])
        )
        return inner if name == "Sequential" else f"{name}({inner})"
    sizes = [described[size] for size in ("fan_in", "fan_out", "width") if size in described]
    sizes_text = ", ".join(str(size) for size in sizes if type(size) is int)
    return f"{name}({sizes_text})" if sizes_text else name


def short(text: Any) -> str:
    """Return at most 200 characters of a file's text, with unprintable ones replaced by spaces."""
    line = str(text)[:200]
    return "".join(sign if sign.isprintable() else " " for sign in line)

"""Arguments of public constructors and functions, checked in one place by their annotations.

In: a class or a function, and what it is called with. Out: the same call with Python's numbers in
place of NumPy's; an ArgumentError that says what an argument is and what was seen, and for names of
other libraries which one is ours. What a class finds out itself about a value, it says itself.
"""

from __future__ import annotations

import dataclasses
import inspect
import operator
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, wraps
from numbers import Real
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np

from glassnet.errors import ArgumentError, GlassnetError
from glassnet.foreign import ARGUMENTS, NOTHING, closest_name

PACKAGE = __name__.partition(".")[0]
P = ParamSpec("P")
R = TypeVar("R")
Made = TypeVar("Made")


class ArgumentChecker(type):
    """The type of classes whose constructors check their arguments. Only those of this package do;
    what subclasses of a user's take is theirs to say."""

    checks = True  # False in a class that only this package makes, and often

    if not TYPE_CHECKING:  # a checker of types sees the constructor itself

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            if not cls.checks or not cls.__module__.startswith(f"{PACKAGE}."):
                return super().__call__(*args, **kwargs)
            return _construct(super().__call__, cls, args, kwargs)

    @property
    def __signature__(cls) -> inspect.Signature:
        """That of the constructor, for help and editors."""
        whole = inspect.signature(cls.__init__)
        return whole.replace(parameters=list(whole.parameters.values())[1:])


def _construct(
    make: Callable[..., Made], kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Made:
    args = tuple([plain(arg) for arg in args])
    kwargs = {name: plain(arg) for name, arg in kwargs.items()}
    known = signature(kind)
    if not kwargs.keys() <= known.keys():
        raise _unknown_arguments(kind.__name__, kwargs, known)
    try:
        made = make(*args, **kwargs)
    except GlassnetError:
        raise
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _constructor_error(kind, args, kwargs, error) from error
    # a dataclass may have made something else of an argument, which then is what counts
    stored = known if dataclasses.is_dataclass(cast("object", kind)) else {}
    for name, value in _bind_arguments(kind, args, kwargs).items():
        kept = getattr(made, name, value) if name in stored else value
        if not matches(known[name], kept):
            raise _misfit(kind.__name__, known, name, value)
    return made


def with_foreign_names(f: Callable[P, R]) -> Callable[P, R]:
    """A function, or a constructor, that answers keyword arguments of other libraries, and gets
    numbers of NumPy's as numbers of Python's."""
    known = dict.fromkeys(inspect.signature(f).parameters, Any)
    makes = known.pop("self", None) is not None

    @wraps(f)
    def call(*args: Any, **kwargs: Any) -> R:
        if not kwargs.keys() <= known.keys():
            owner = type(args[0]).__name__ if makes else f.__name__
            raise _unknown_arguments(owner, kwargs, known)
        if makes:  # what an estimator is given it keeps as it is
            return cast("Any", f)(*args, **kwargs)
        numbers = {name: plain(arg) for name, arg in kwargs.items()}
        return cast("Any", f)(*map(plain, args), **numbers)

    return cast("Callable[P, R]", call)


def plain(value: Any) -> Any:
    """A number or a truth value of NumPy's as one of Python's."""
    if not isinstance(value, np.generic | np.ndarray):
        return value
    array: Any = cast("Any", value)
    return array.item() if not array.ndim and array.dtype.kind in "fiub" else array


# -- what a constructor takes --------------------------------------------------------------------


@cache
def signature(kind: Any) -> dict[str, Any]:
    """The annotation of every argument of a class's constructor, by name."""
    hints: dict[str, Any] = {}
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
    code: Any = getattr(kind.__init__, "__code__", None)
    if code is not None and code.co_filename != "<string>":  # written, not made by `dataclass`
        hints = {**hints, **get_type_hints(kind.__init__)}
    names = list(inspect.signature(kind.__init__).parameters)[1:]
    return {name: hints.get(name, Any) for name in names}


def _bind_arguments(kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """What was passed, by the names of arguments; of *layers, the layers are not looked at."""
    return {**kwargs, **dict(zip(_positional(kind), args, strict=False))}


@cache
def _positional(kind: Any) -> tuple[str, ...]:
    """The names of arguments that may be passed by their place, before *layers."""
    found: list[str] = []
    for parameter in kind.__signature__.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            break
        found.append(parameter.name)
    return tuple(found)


@cache
def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    return get_origin(kind), get_args(kind)


def matches(kind: Any, value: Any) -> bool:
    """Whether a value is what an annotation says; annotations of other forms take everything."""
    if kind is Any:
        return True
    origin, inner = _parts(kind)
    if origin is None and kind in _SINGLE:
        return _SINGLE[kind](value)
    if origin in (Union, types.UnionType):
        return any(matches(choice, value) for choice in inner)
    if origin is Literal:
        return value in inner
    if origin is Callable or kind is Callable:
        return callable(value)
    if origin in (tuple, list, Sequence, Iterable):
        return _is_list(value) and all(matches(inner[0], item) for item in value) if inner else True
    if origin in (dict, Mapping):
        return isinstance(value, Mapping)
    return isinstance(value, kind) if isinstance(kind, type) else True


def _is_list(value: Any) -> bool:
    return isinstance(value, (tuple, list, np.ndarray, range))


def _is_whole(value: Any) -> bool:
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and value is not True and value is not False


_SINGLE: dict[Any, Callable[[Any], bool]] = {
    bool: lambda value: isinstance(value, bool) or (_is_whole(value) and value in (0, 1)),
    int: _is_whole,
    float: _is_number,
    str: lambda value: isinstance(value, str),
    type(None): lambda value: value is None,
}
_WORDS: dict[Any, str] = {
    bool: "True or False", int: "a whole number", float: "a number", str: "a text",
    type(None): "None",
}  # fmt: skip


def annotation_text(kind: Any) -> str:
    """What an annotation says, in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(annotation_text(choice) for choice in inner))
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin is Callable or kind is Callable:
        return "a function"
    if origin in (tuple, list, Sequence, Iterable):
        return f"a tuple, each entry {annotation_text(inner[0])}"
    if origin in (dict, Mapping):
        return "a dict"
    return _WORDS.get(kind) or f"a {getattr(kind, '__name__', kind)}"


# -- errors --------------------------------------------------------------------------------------


def _misfit(owner: str, known: Mapping[str, Any], name: str, value: Any) -> ArgumentError:
    """The error about a value, with the argument that it was perhaps meant for."""
    others = [
        argument for argument, kind in known.items() if argument != name and _is_meant(kind, value)
    ]
    hint = f"\n  right: {owner}(…, {others[0]}={value_text(value)})" if len(others) == 1 else ""
    return ArgumentError(
        f"{owner}({name}={value_text(value)}): {name} is {annotation_text(known[name])}{hint}"
    )


def _is_meant(kind: Any, value: Any) -> bool:
    """Whether an argument takes values like this, and not because it takes all of them."""
    return kind is not Any and not isinstance(value, int | float) and matches(kind, value)


def _constructor_error(
    kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception
) -> Exception:
    """The error of a constructor that did not expect such values, or so many of them."""
    known, expected = signature(kind), kind.__signature__
    try:
        expected.bind(*args, **kwargs)
    except TypeError as misbound:
        if "lr" in known and args and not matches(known["lr"], args[0]):
            reason = f"the parameters are not passed to it: {NOTHING['params']}"
        else:
            takes = [
                str(each.replace(annotation=expected.empty))
                for each in expected.parameters.values()
            ]
            reason = f"{misbound}; it takes {', '.join(takes) or 'no arguments'}"
        return ArgumentError(f"{kind.__name__}(…): {reason}")
    for name, value in _bind_arguments(kind, args, kwargs).items():
        if not matches(known[name], value):
            return _misfit(kind.__name__, known, name, value)
    return error


def _unknown_arguments(
    owner: str, kwargs: Mapping[str, Any], known: Mapping[str, Any]
) -> ArgumentError:
    """The error about arguments that there are none of; all of them are answered at once."""
    unknown = [name for name in kwargs if name not in known]
    right: list[str] = []
    lines: list[str] = []
    for name in unknown:
        free = known.keys() - (kwargs.keys() - {"optimizer"})
        ours = [argument for argument in ARGUMENTS.get(name, ()) if argument in free]
        close = closest_name(name, known)
        if ours:
            right += _to_our_name(name, ours, kwargs[name])
        elif name in NOTHING:
            lines.append(f"\n  {name}: {NOTHING[name]}")
        elif close is not None:
            right.append(f"{close}={value_text(kwargs[name])}")
    if right:
        lines.insert(0, f"\n  right: {owner}({', '.join(['…', *right])})")
    if len(lines) + len(right) == 0:
        lines = [f"; it takes {', '.join(known) or 'no arguments'}"]
    said = " and ".join(f"{name}={value_text(kwargs[name])}" for name in unknown)
    return ArgumentError(f"{owner} has no argument {said}{''.join(lines)}")


def _to_our_name(name: str, ours: Sequence[str], value: Any) -> list[str]:
    """The argument by our name; a pair, such as betas, by two of ours."""
    parts: list[Any] = [*value] if name == "betas" and isinstance(value, tuple | list) else []
    if len(parts) == len(ours):
        return [
            f"{argument}={value_text(part)}" for argument, part in zip(ours, parts, strict=True)
        ]
    if ours[0] == "optimizer":
        return [f"optimizer=gn.optim.Adam(lr={value_text(value)})"]
    return [f"{ours[0]}={value_text(value)}"]


def value_text(value: Any) -> str:
    """A value in an error, not longer than a line."""
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else f"<{type(value).__name__}>"

"""Finds the variables outside a Python function that its result depends on.

In: a function (or an object with methods). Out: `References`: the arrays and objects that its code
can reach by name, and whether any of them has changed since. A function is traced once, and the
values that it reads then become part of the graph, so a change must be noticed.

The search follows closures, default arguments, global names in the code, attributes that the code
uses of the user's objects, classes, functions and modules (also by `getattr` and `vars`), the
user's functions and methods that it calls, items of lists, tuples, dicts, sets, deques and other
collections, and the values of other array-like objects, such as a column of a data frame. The code
of installed packages is not searched.
"""

from __future__ import annotations

import functools
import random
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final, cast

import numpy as np

from glassnet.errors import warn_user

PACKAGE = __name__.partition(".")[0]
SMALL = 1 << 16  # bytes; the values of arrays up to this size are compared at every call
MISSING: Final = object()
BY_TEXT = {"getattr", "vars", "__dict__", "attrgetter"}  # reach attributes by any name
DRAWING = {"random", "default_rng", "randn", "rand", "normal", "uniform", "standard_normal"}
DRAWN = (
    "a function drew random numbers while it was traced, which happens once: every call uses the "
    "same numbers\n"
    "  right: pass them as an argument, f(x, noise)\n"
    "  right: gn.nn.Dropout(0.2), which draws others in every step"
)
PLAIN = (int, float, complex, str, bytes, bool, type(None), np.generic, np.dtype, range)


class Traceable:
    """Base of objects that traced functions may use: networks, losses, optimisers."""

    def referenced_code(self) -> Iterable[Any]:
        """Return the user's functions and objects that its result depends on."""
        return (*methods_of(self), *vars(self).values())

    def mutable_arrays(self) -> Iterable[np.ndarray]:
        """Return the arrays that may change between two calls."""
        return ()


class References:
    """The variables that functions or objects refer to, with their values at construction time."""

    def __init__(self, *roots: Any) -> None:
        self.arrays: list[np.ndarray] = []
        self.objects: list[Traceable] = []
        self.code = False  # whether the user's own code was reached
        self.drawing: list[Callable[[], Any]] = []  # each returns a random generator's state
        self._checks: list[Callable[[], bool]] = []
        self._compared: dict[int, bytes] = {}
        self._roots = roots
        walk = _Walk(self)
        for root in roots:
            walk.visit(root)
        if self.code and not walk.names.isdisjoint(DRAWING):
            self.drawing += [random.getstate, lambda: repr(np.random.get_state(legacy=False))]
        self._random_states = [state() for state in self.drawing]
        self._live_count = len(self.live())

    def live(self) -> list[np.ndarray]:
        """Return the arrays that may change: those reached directly, and those of objects."""
        reached = [base_of(array) for array in self.arrays]
        return reached + [base_of(a) for object in self.objects for a in object.mutable_arrays()]

    def changed(self) -> bool:
        """Whether the functions now refer to other objects or to other values."""
        for check in self._checks:
            if check():
                return True
        return bool(self._compared) and any(
            array.tobytes() != self._compared[id(array)]
            for array in self.arrays
            if id(array) in self._compared
        )

    def refreshed(self, captured: Iterable[np.ndarray]) -> References:
        """Return new references to the same functions, taken after tracing, which may itself have
        changed something, such as a list that the function appends to. They also compare the values
        of arrays: of small ones, and of large ones that are not `captured` (captured arrays are
        inputs of the graph and are read at every call)."""
        drew = [state() for state in self.drawing] != self._random_states
        if drew and len(self.live()) == self._live_count:  # else weights may have been initialised
            warn_user(DRAWN)
        again = References(*self._roots)
        again._compare(captured)
        return again

    def _compare(self, captured: Iterable[np.ndarray]) -> None:
        direct = {id(base_of(array)) for array in captured}
        for array in self.arrays:
            if array.nbytes <= SMALL or id(base_of(array)) not in direct:
                self._compared[id(array)] = array.tobytes()

    def expect(self, owner: Any, key: Any, value: Any) -> None:
        """Add a check that `key` of a cell, a dict or an object still is `value`."""
        if isinstance(owner, CellType):
            self._checks.append(lambda: _content(owner) is not value)
        elif isinstance(owner, dict):
            mapping = cast("dict[Any, Any]", owner)
            self._checks.append(lambda: mapping.get(key, MISSING) is not value)
        elif isinstance(owner, type):
            kind = vars(cast("type[Any]", owner))
            self._checks.append(lambda: kind.get(key, MISSING) is not value)
        else:
            self._checks.append(lambda: getattr(owner, key, MISSING) is not value)

    def expect_items(self, items: Callable[[], list[Any]]) -> None:
        """Add a check that a collection still has the same items."""
        seen = items()

        def changed() -> bool:
            now = items()
            return len(now) != len(seen) or any(
                a is not b and not _equal(a, b) for a, b in zip(now, seen, strict=True)
            )

        self._checks.append(changed)

    def expect_state(self, state: Callable[[], Any]) -> Any:
        """Add a check that an object still has the same state; return its current state."""
        seen = state()
        self._checks.append(lambda: (now := state()) is not seen and not _equal(now, seen))
        return seen


class _Walk:
    """One traversal of everything that the roots can reach."""

    def __init__(self, found: References) -> None:
        self.found = found
        self.seen: dict[int, Any] = {}  # keeps the objects alive, so that no id is reused
        self.names: set[str] = set()  # attribute names in the code visited so far
        self.fresh: list[Any] = []  # items found but not visited yet
        self.walking = False
        self.plain: list[Any] = []  # objects whose attributes with these names are followed

    def visit(self, item: Any) -> None:
        """Visit an item, then everything it refers to; iterative, so chains may be long."""
        self.fresh.append(item)
        if self.walking:
            return
        self.walking, rest = True, list[Any]()
        while self.fresh or rest:
            rest += reversed(self.fresh)
            self.fresh.clear()
            self._visit(rest.pop())
        self.walking = False

    def _visit(self, item: Any) -> None:
        if isinstance(item, PLAIN) or id(item) in self.seen:
            return
        self.seen[id(item)] = item
        if isinstance(item, np.ndarray):
            self.found.arrays.append(cast("np.ndarray[Any, Any]", item))
        elif isinstance(item, Traceable):
            self.found.objects.append(item)
            for inner in item.referenced_code():
                self.visit(inner)
            if not is_foreign(type(item).__module__, None):
                self._object(item)
        elif isinstance(item, FunctionType):
            self._function(item)
        elif isinstance(item, MethodType):
            self.visit(item.__func__)
            self.visit(item.__self__)
        elif isinstance(item, functools.partial):
            function = cast("functools.partial[Any]", item)
            for part in (function.func, function.args, function.keywords):
                self.visit(part)
        elif isinstance(item, (list, tuple, set, frozenset, dict)):
            self._collection(cast("Any", item))
        elif not isinstance(item, BuiltinFunctionType):
            self._object(item)
            self._content_of(item)

    def _content_of(self, item: Any) -> None:
        """Follow the content of other objects: a context variable, an array of another library,
        bytes, a random generator, a collection."""
        if isinstance(item, type | ModuleType):
            return
        if isinstance(item, ContextVar):
            variable = cast("ContextVar[Any]", item)
            self.visit(self.found.expect_state(lambda: variable.get(MISSING)))
        elif isinstance(item, bytearray | memoryview) or type(item).__module__ == "array":
            buffer = cast("Any", item)
            self.found.expect_state(lambda: bytes(buffer))
        elif hasattr(item, "__array__"):
            self.found.expect_state(lambda: _numbers(item))
        elif isinstance(item, np.random.Generator):
            self.found.drawing.append(lambda: repr(item.bit_generator.state))
        elif isinstance(item, np.random.RandomState):
            self.found.drawing.append(lambda: repr(item.get_state(legacy=False)))
        elif isinstance(item, random.Random):
            self.found.drawing.append(item.getstate)
        elif isinstance(item, Mapping | Set | Sequence | deque):
            self._collection(cast("Any", item))

    def _function(self, f: FunctionType) -> None:
        self.found.code = True
        for cell in f.__closure__ or ():
            value = _content(cell)
            self.found.expect(cell, None, value)
            self.visit(value)
        for value in (f.__defaults__ or (), f.__kwdefaults__ or {}):
            self.visit(value)
        wrapped = getattr(f, "__wrapped__", None)
        if wrapped is not None:
            self.visit(wrapped)
        if is_foreign(f.__module__, f.__code__):
            return
        self._object(f)
        for code in _codes(f.__code__):
            fresh = _names(code) - self.names
            self.names |= fresh
            for name in code.co_names:
                if name in f.__globals__:
                    value = f.__globals__[name]
                    self.found.expect(f.__globals__, name, value)
                    self.visit(value)
                elif name in sys.modules:  # imported inside the function
                    self.visit(sys.modules[name])
            if fresh:
                self._visit_names(fresh)

    def _collection(self, item: Any) -> None:
        if isinstance(item, Mapping):
            mapping = cast("Mapping[Any, Any]", item)
            self.found.expect_items(lambda: [*mapping.keys(), *mapping.values()])
            values: Iterable[Any] = list(mapping.values())
        else:
            values = list(item)
            if not isinstance(item, (tuple, frozenset)):
                self.found.expect_items(lambda: list(item))
        for value in values:
            self.visit(value)

    def _object(self, item: Any) -> None:
        self.plain.append(item)
        self._attributes(item, self.names)

    def _visit_names(self, names: set[str]) -> None:
        for item in list(self.plain):
            self._attributes(item, names)

    def _attributes(self, item: Any, names: Iterable[str]) -> None:
        """Follow the attributes `names` of a user's object, class, function or module."""
        if isinstance(item, ModuleType):
            if is_foreign(item.__name__, None, getattr(item, "__file__", None)):
                return
        elif isinstance(item, type):
            if is_foreign(item.__module__, None):
                return
            for base in item.__bases__:
                self.visit(base)
        elif not isinstance(item, FunctionType):
            for method in _methods(item.__class__, names):
                self.visit(method)
            self.visit(item.__class__)
        attributes: Any = getattr(item, "__dict__", {})
        slots = _slots(type(cast(object, item)))
        every = attributes if not self.names.isdisjoint(BY_TEXT) else ()
        for name in dict.fromkeys([*names, *slots, *every]):
            if name in attributes or name in slots:
                value = cast(
                    Any, getattr(item, name, MISSING) if name in slots else attributes[name]
                )
                self.found.expect(attributes if isinstance(attributes, dict) else item, name, value)
                self.visit(_plain_function(value) or value)
            elif isinstance(attributes, dict) and _of_class(item, name):
                self.found.expect(attributes, name, MISSING)


def _of_class(item: Any, name: str) -> bool:
    """Whether an object inherits `name` from its class, or a class from a base class."""
    above = item.__mro__[1:] if isinstance(item, type) else type(item).__mro__
    return any(name in vars(kind) for kind in above if not is_foreign(kind.__module__, None))


def _names(code: CodeType) -> set[str]:
    """Return the names that code uses, and its string constants, for `getattr(box, "slope")`."""
    return {*code.co_names, *(constant for constant in code.co_consts if isinstance(constant, str))}


def same_memory(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays view the same memory with the same shape, strides and dtype."""
    return a.ctypes.data == b.ctypes.data and (a.shape, a.strides, a.dtype) == (
        b.shape, b.strides, b.dtype,
    )  # fmt: skip


def _equal(a: Any, b: Any) -> bool:
    """Whether two values are equal plain values, or arrays that view the same memory."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return same_memory(cast("np.ndarray[Any, Any]", a), cast("np.ndarray[Any, Any]", b))
    return isinstance(a, PLAIN) and type(cast(object, a)) is type(cast(object, b)) and bool(a == b)


def _numbers(item: Any) -> Any:
    """Return the values of an array-like object in a form that can be compared."""
    array = np.asarray(item)
    if array.dtype.kind == "O":
        return tuple(map(repr, array.ravel().tolist()))
    return f"{array.dtype.str}{array.shape}".encode() + array.tobytes()


def methods_of(item: object) -> Iterator[FunctionType]:
    """Yield all methods that the user's classes define, base classes included."""
    for kind in type(item).__mro__:
        if not is_foreign(kind.__module__, None):
            yield from (m for m in map(_plain_function, vars(kind).values()) if m is not None)


def _methods(kind: type, names: Iterable[str]) -> Iterator[FunctionType]:
    """Yield the methods of a user's class that code with these names can call."""
    for owner in kind.__mro__:
        if is_foreign(owner.__module__, None):
            continue
        for name in ("__call__", *names):
            method = _plain_function(vars(owner).get(name))
            if method is not None:
                yield method


def _plain_function(item: Any) -> FunctionType | None:
    if isinstance(item, property):
        item = item.fget
    elif isinstance(item, (staticmethod, classmethod)):
        item = cast("Any", item).__func__
    elif isinstance(item, functools.cached_property):
        item = cast("Any", item).func
    return item if isinstance(item, FunctionType) else None


def _slots(kind: type) -> tuple[str, ...]:
    names: list[str] = []
    for owner in kind.__mro__:
        given: Any = vars(owner).get("__slots__", ())
        if not is_foreign(owner.__module__, None):
            names += [given] if isinstance(given, str) else list(given)
    return tuple(name for name in names if not name.startswith("__"))


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return MISSING


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and those of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def base_of(array: np.ndarray) -> np.ndarray:
    """Return the outermost array behind a view: the owner of its memory, if that is an array."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def is_foreign(module: str | None, code: CodeType | None, path: str | None = None) -> bool:
    """Whether code belongs to this package or an installed one, whose references do not change."""
    name = module or ""
    if name == PACKAGE or name.startswith(f"{PACKAGE}."):
        return True
    if path is None:
        path = code.co_filename if code is not None else _file_of(name)
    return path is not None and (path.startswith("<frozen") or _installed(path))


@cache
def _file_of(module: str) -> str | None:
    if module == "__main__" or module not in sys.modules:
        return None
    return getattr(sys.modules[module], "__file__", None) or "<frozen"


@cache
def _installed(path: str) -> bool:
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(Path(path).is_relative_to(folder) for folder in folders)

"""What a Python function refers to: the values around it that decide what it computes.

In: a function (or an object with methods). Out: `References`: the arrays and the objects that its
code can reach by name, and whether anything of it has changed since. A function is traced once and
what it reads at that moment becomes part of the graph, so a change must be noticed.

Reached are closures, defaults, global names that the code uses, attributes that it uses of plain
objects, classes, functions and modules of one's own (also by `getattr` and `vars`), the functions
and methods of one's own that it calls, what lists, tuples, dicts, sets, deques and other
collections hold, and the numbers of other objects that are arrays, such as a column of a data
frame. The code of installed packages is not looked into.
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
SMALL = 1 << 16  # bytes of an array whose numbers are compared at every call
MISSING: Final = object()
BY_TEXT = {"getattr", "vars", "__dict__", "attrgetter"}  # reach attributes by any name
DRAWING = {"random", "default_rng", "randn", "rand", "normal", "uniform", "standard_normal"}
DRAWN = (
    "a function drew random numbers while it was traced, which happens once: the same numbers stay "
    "in it at every call\n"
    "  right: pass them as an argument, f(x, noise)\n"
    "  right: gn.nn.Dropout(0.2), which draws others in every step"
)
PLAIN = (int, float, complex, str, bytes, bool, type(None), np.generic, np.dtype, range)


class Traceable:
    """An object that takes part in traced functions: a network, a loss, an optimiser."""

    def referenced_code(self) -> Iterable[Any]:
        """What its result depends on besides its class: functions and objects of the user."""
        return (*methods_of(self), *vars(self).values())

    def mutable_arrays(self) -> Iterable[np.ndarray]:
        """Arrays that may change between two calls."""
        return ()


class References:
    """What some functions or objects refer to, as it was when this was made."""

    def __init__(self, *roots: Any) -> None:
        self.arrays: list[np.ndarray] = []
        self.objects: list[Traceable] = []
        self.code = False  # whether there is any code of the user's
        self.drawing: list[Callable[[], Any]] = []  # states of generators of random numbers
        self._checks: list[Callable[[], bool]] = []
        self._compared: dict[int, bytes] = {}
        self._roots = roots
        walk = _Walk(self)
        for root in roots:
            walk.visit(root)
        if self.code and not walk.names.isdisjoint(DRAWING):
            self.drawing += [random.getstate, lambda: repr(np.random.get_state(legacy=False))]
        self._drawn, self._held = [state() for state in self.drawing], len(self.live())

    def live(self) -> list[np.ndarray]:
        """Arrays that may change: those that were reached, and those of objects."""
        reached = [base_of(array) for array in self.arrays]
        return reached + [base_of(a) for object in self.objects for a in object.mutable_arrays()]

    def changed(self) -> bool:
        """Whether the functions now refer to something else, or to other numbers."""
        for check in self._checks:
            if check():
                return True
        return bool(self._compared) and any(
            array.tobytes() != self._compared[id(array)]
            for array in self.arrays
            if id(array) in self._compared
        )

    def refreshed(self, captured: Iterable[np.ndarray]) -> References:
        """The same after tracing, which may itself have changed something, such as a list that
        the function appends to. From now on numbers of arrays are compared: of small ones, and of
        those that are not among the captured ones, which are read at every call."""
        drew = [state() for state in self.drawing] != self._drawn
        if drew and len(self.live()) == self._held:  # else first weights may have been drawn
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
        """Notice when a cell, a dict or an object has something else."""
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
        """Notice when a collection has other items."""
        seen = items()

        def changed() -> bool:
            now = items()
            return len(now) != len(seen) or any(
                a is not b and not _equal(a, b) for a, b in zip(now, seen, strict=True)
            )

        self._checks.append(changed)

    def expect_state(self, state: Callable[[], Any]) -> Any:
        """Notice when an object is in another state; gives that of now."""
        seen = state()
        self._checks.append(lambda: (now := state()) is not seen and not _equal(now, seen))
        return seen


class _Walk:
    """One walk through what is reachable."""

    def __init__(self, found: References) -> None:
        self.found = found
        self.seen: dict[int, Any] = {}  # the objects are kept, so that their ids stay theirs
        self.names: set[str] = set()  # attributes that the code so far uses
        self.fresh: list[Any] = []  # items that were met and not looked at yet
        self.walking = False
        self.plain: list[Any] = []  # objects whose attributes are looked at by these names

    def visit(self, item: Any) -> None:
        """Look at an item, and at what it refers to, in that order; however long a chain is."""
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
        """What other objects hold: a variable of a context, an array of another library, bytes, a
        collection."""
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
        """What an object, a class, a function or a module of one's own has under some names."""
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
    """Whether an object has something from its class, or a class from one above it."""
    above = item.__mro__[1:] if isinstance(item, type) else type(item).__mro__
    return any(name in vars(kind) for kind in above if not is_foreign(kind.__module__, None))


def _names(code: CodeType) -> set[str]:
    """The names that code uses, those in texts among them, as in `getattr(box, "slope")`."""
    return {*code.co_names, *(constant for constant in code.co_consts if isinstance(constant, str))}


def same_memory(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are the same numbers in the same shape."""
    return a.ctypes.data == b.ctypes.data and (a.shape, a.strides, a.dtype) == (
        b.shape, b.strides, b.dtype,
    )  # fmt: skip


def _equal(a: Any, b: Any) -> bool:
    """Whether two values are the same, which need not be one object: plain ones that are equal, and
    views of the same numbers."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return same_memory(cast("np.ndarray[Any, Any]", a), cast("np.ndarray[Any, Any]", b))
    return isinstance(a, PLAIN) and type(cast(object, a)) is type(cast(object, b)) and bool(a == b)


def _numbers(item: Any) -> Any:
    """The numbers of an object that can be made an array."""
    array = np.asarray(item)
    if array.dtype.kind == "O":
        return tuple(map(repr, array.ravel().tolist()))
    return f"{array.dtype.str}{array.shape}".encode() + array.tobytes()


def methods_of(item: object) -> Iterator[FunctionType]:
    """All methods that a class of the user's own, or one above it, defines."""
    for kind in type(item).__mro__:
        if not is_foreign(kind.__module__, None):
            yield from (m for m in map(_plain_function, vars(kind).values()) if m is not None)


def _methods(kind: type, names: Iterable[str]) -> Iterator[FunctionType]:
    """Methods of a class of one's own that code with these names can call."""
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
    """The code, and that of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def base_of(array: np.ndarray) -> np.ndarray:
    """The array that owns the memory of a view, as far as it is an array."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def is_foreign(module: str | None, code: CodeType | None, path: str | None = None) -> bool:
    """Whether code is of this package, or installed: what it refers to does not change."""
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

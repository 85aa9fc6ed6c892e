"""Arithmetic as IEEE 754 has it by default, whatever the caller's thread has set.

In: a function that computes. Out: the same function: while it runs, numbers are rounded to nearest
and denormal ones are honoured, and afterwards the thread's own setting is back. Compiled code does
so itself; this is for all that Python and others compute around it: first weights, constants,
learning rates, sums, numbers parsed from text.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from functools import wraps
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

from glassnet.errors import GlassnetError

P = ParamSpec("P")
R = TypeVar("R")

# By division of whole numbers, which is exact here in every mode: a literal need not be.
ONE, HALF = 1.0, 1 / 2
BELOW, ABOVE = 1 / 2**54, 3 / 2**54  # a quarter of the last place of 1, and three quarters
LEAST = 1 / 2**1022  # half of it is denormal


def rounds_to_nearest() -> bool:
    """Whether this thread rounds to nearest and honours denormal numbers; takes 0.1 µs."""
    return ONE + BELOW == ONE and ONE + ABOVE != ONE and LEAST * HALF != 0.0


@contextmanager
def rounding_to_nearest() -> Generator[None]:
    """Such arithmetic inside, the thread's own afterwards."""
    if rounds_to_nearest():
        yield
        return
    get, put, default, saved = _environment()
    get(saved)
    put(default)
    try:
        yield
    finally:
        put(saved)


def computed_to_nearest(f: Callable[P, R]) -> Callable[P, R]:
    """The function, computing so."""

    @wraps(f)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if ONE + BELOW == ONE and ONE + ABOVE != ONE and LEAST * HALF != 0.0:  # `rounds_to_nearest`
            return f(*args, **kwargs)
        with rounding_to_nearest():
            return f(*args, **kwargs)

    return call


def load_all(package: str, path: Iterable[str]) -> None:
    """Load every module of a package so: their constants are computed once, and kept as bytecode
    on the disk."""
    walk = import_module("pkgutil").walk_packages
    with rounding_to_nearest():
        for found in walk(path, f"{package}.", onerror=lambda name: None):
            if not found.name.endswith("__main__"):
                with suppress(ImportError):  # an optional package that is not there
                    import_module(found.name)


def _environment() -> tuple[Callable[[Any], int], Callable[[Any], int], Any, Any]:
    """C's fegetenv and fesetenv, its default environment, and room for one. They are called with
    the interpreter's lock, since they take some nanoseconds."""
    ctypes: Any = import_module("ctypes")  # takes milliseconds, and hardly anybody needs it
    for name in (None, "libm.so.6"):
        with suppress(OSError, AttributeError, ValueError, TypeError):
            library = ctypes.PyDLL(name)
            if sys.platform == "darwin":
                default = ctypes.byref(ctypes.c_char.in_dll(library, "_FE_DFL_ENV"))
            elif sys.platform == "linux":
                default = ctypes.c_void_p(-1)
            else:
                break
            return library.fegetenv, library.fesetenv, default, ctypes.create_string_buffer(512)
    raise GlassnetError(
        "this thread does not round numbers to nearest, or takes denormal ones for 0, and glassnet "
        "cannot change that on this system; set the default before the call"
    )

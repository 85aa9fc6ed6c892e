"""Runs code in the default IEEE 754 floating-point mode, whatever mode the caller's thread is in.

In: a function that computes. Out: the same function, wrapped: while it runs, results are rounded to
nearest and subnormal numbers are not flushed to 0; afterwards the thread's mode is restored.
Compiled code does this itself; this module is for everything that Python and other libraries
compute around it: initial weights, constants, learning rates, sums, numbers parsed from text.
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

# Quotients of integers are exact here in every mode; parsing a literal may round.
ONE, HALF = 1.0, 1 / 2
BELOW, ABOVE = 1 / 2**54, 3 / 2**54  # 1/4 and 3/4 ulp of 1
LEAST = 1 / 2**1022  # the smallest normal number; half of it is subnormal


def rounds_to_nearest() -> bool:
    """Whether this thread rounds to nearest and keeps subnormal numbers; takes 0.1 µs."""
    return ONE + BELOW == ONE and ONE + ABOVE != ONE and LEAST * HALF != 0.0


@contextmanager
def rounding_to_nearest() -> Generator[None]:
    """Use the default floating-point mode inside the block, and restore the thread's afterwards."""
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
    """Wrap a function so that it runs in the default floating-point mode."""

    @wraps(f)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if ONE + BELOW == ONE and ONE + ABOVE != ONE and LEAST * HALF != 0.0:  # `rounds_to_nearest`
            return f(*args, **kwargs)
        with rounding_to_nearest():
            return f(*args, **kwargs)

    return call


def load_all(package: str, path: Iterable[str]) -> None:
    """Import every module of a package in the default floating-point mode, since Python computes
    their constants once and stores them as bytecode on disk."""
    walk = import_module("pkgutil").walk_packages
    with rounding_to_nearest():
        for found in walk(path, f"{package}.", onerror=lambda name: None):
            if not found.name.endswith("__main__"):
                with suppress(ImportError):  # an optional dependency that is not installed
                    import_module(found.name)


def _environment() -> tuple[Callable[[Any], int], Callable[[Any], int], Any, Any]:
    """Return C's fegetenv and fesetenv, the default environment, and a buffer to save one in. The
    calls hold the interpreter's lock, since they take only nanoseconds."""
    ctypes: Any = import_module("ctypes")  # takes milliseconds and is rarely needed
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
        "this thread does not round numbers to nearest, or flushes subnormal ones to 0, and "
        "glassnet cannot change that on this system; set the default before the call"
    )

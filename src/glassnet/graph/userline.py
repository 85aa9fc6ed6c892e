"""Adds the user's source line to an error: the line outside this package that caused it.

In: an error that propagates. Out: the same error; its message ends with file, line and source text.
Frames are inspected only when there is an error.
"""

from __future__ import annotations

import linecache
import os
import sysconfig
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType

from glassnet.errors import GlassnetError

PACKAGE = __name__.partition(".")[0]


@contextmanager
def user_line() -> Generator[None]:
    """Add the user's line to errors raised inside the block."""
    try:
        yield
    except GlassnetError as error:
        add_user_line(error)
        raise


def add_user_line(error: GlassnetError) -> None:
    """Add the user's line to an error's message, once even if called several times."""
    if not getattr(error, "pointed_out", False):
        found = _nearest_user_frame(error)
        if found is not None and error.args:
            error.args = (f"{error.args[0]}\n  at {found}", *error.args[1:])
        error.__dict__["pointed_out"] = True


def add_layer(error: GlassnetError, layer: str) -> None:
    """Add the name of the innermost layer to an error's message, once."""
    if not hasattr(error, "layer") and error.args:
        error.args = (f"{error.args[0]}\n  in {layer}", *error.args[1:])
        error.__dict__["layer"] = layer


def _nearest_user_frame(error: GlassnetError) -> str | None:
    """Return the line of the user's frame nearest to where the error was raised; None for the
    command line. Frames below the one that caught the error (the user's functions, called by this
    package) come before those above it."""
    trace = error.__traceback__
    if trace is None:
        return None
    above: FrameType | None = trace.tb_frame.f_back
    frames: list[tuple[FrameType, int]] = []
    while trace is not None:
        frames.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    for frame, line in reversed(frames):
        if _is_users(frame):
            return _line_text(frame, line)
    while above is not None and not _module(above).startswith(f"{PACKAGE}.cli"):
        if _is_users(above):
            return _line_text(above, above.f_lineno)
        above = above.f_back
    return None


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_users(frame: FrameType) -> bool:
    """Whether a frame is the user's code: not of this package, an installed one or Python itself,
    nor generated (as the constructors of dataclasses are)."""
    name, code = _module(frame), frame.f_code
    if name == PACKAGE or name.startswith(f"{PACKAGE}.") or code.co_filename.startswith("<frozen"):
        return False
    if code.co_filename.startswith("<") and code.co_name == "__init__":
        return False
    return not any(Path(code.co_filename).is_relative_to(folder) for folder in _installed())


@cache
def _installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def _line_text(frame: FrameType, line: int) -> str:
    path = frame.f_code.co_filename
    text = linecache.getline(path, line, frame.f_globals).strip()
    if Path(path).is_relative_to(Path.cwd()):
        path = os.path.relpath(path)
    return f"{path}:{line}" + (f": {text}" if text else "")

"""The one way from a command to the terminal: nothing from a file steers it.

In: standard output and standard error. Out: streams that show what would steer a terminal, and for
what steers it on purpose (colours, the line of progress) the streams themselves.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from glassnet.visible import make_lines_visible, make_visible


class Harmless:
    """A text stream whose readers are steered by no character; all else is that of the stream."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(make_lines_visible(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def unguarded(stream: TextIO) -> TextIO:
    """The stream itself, for who writes nothing but escapes of its own and harmless text."""
    return stream.stream if isinstance(stream, Harmless) else stream


@contextmanager
def guarded() -> Generator[None]:
    """Inside, all that is printed is harmless, and a warning is one line without a place."""
    out, err, show = sys.stdout, sys.stderr, warnings.showwarning
    sys.stdout, sys.stderr = cast("TextIO", Harmless(out)), cast("TextIO", Harmless(err))
    warnings.showwarning = _warn
    try:
        yield
    finally:
        sys.stdout, sys.stderr, warnings.showwarning = out, err, show


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"glassnet: {make_visible(' '.join(str(message).split()))}", file=sys.stderr)

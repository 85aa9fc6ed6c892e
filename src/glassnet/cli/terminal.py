"""Protect the terminal: no text from a file may control it.

In: standard output and standard error. Out: streams that make control characters visible; and the
original streams for output that controls the terminal on purpose (colours, the progress line).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from glassnet.visible import make_lines_visible, make_visible


class Harmless:
    """A text stream that makes control characters visible; other attributes are the stream's."""

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
    """Return the original stream, for output of own escape sequences and escaped text only."""
    return stream.stream if isinstance(stream, Harmless) else stream


@contextmanager
def guarded() -> Generator[None]:
    """Within this context, printed control characters are visible, and a warning is one line."""
    out, err, show = sys.stdout, sys.stderr, warnings.showwarning
    sys.stdout, sys.stderr = cast("TextIO", Harmless(out)), cast("TextIO", Harmless(err))
    warnings.showwarning = _warn
    try:
        yield
    finally:
        sys.stdout, sys.stderr, warnings.showwarning = out, err, show


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"glassnet: {make_visible(' '.join(str(message).split()))}", file=sys.stderr)

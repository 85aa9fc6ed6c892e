"""Typed exceptions: every error a user can cause derives from `GlassnetError`; and warnings."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from glassnet.hints import Hint, Words, in_python
from glassnet.visible import make_lines_visible


class GlassnetError(Exception):
    """Base of all errors raised on purpose; the message is one sentence with cause and way out.
    What it quotes from a file steers no terminal: see `visible.py`."""

    def __str__(self) -> str:
        return make_lines_visible(super().__str__())


class ShapeError(GlassnetError, ValueError):
    """Shapes or dtypes do not fit the operation."""


class ArgumentError(GlassnetError, TypeError):
    """An argument has a name or a value that cannot be used."""


class MissingParameterError(GlassnetError, KeyError):
    """A layer asks for a parameter that it does not declare."""

    def __str__(self) -> str:
        return make_lines_visible(Exception.__str__(self))  # that of KeyError quotes the message


class GraphError(GlassnetError, ValueError):
    """A graph, its text or its use breaks the rules of the intermediate form."""


class TableError(GlassnetError, ValueError):
    """A table cannot be read, or does not hold what was asked of it. `message` says what is the
    matter, `hint` which options would help; the text of the error has both."""

    def __init__(self, message: str, hint: Hint | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint

    def render(self, words: Words) -> str:
        """The text in the words of a front end."""
        advice = "" if self.hint is None else self.hint.render(words)
        return make_lines_visible(self.message + (f"; {advice}" if advice else ""))

    def __str__(self) -> str:
        return self.render(in_python)


class UntrustedError(TableError):
    """A file asks for more than it is given unless its reader allows it, such as other files."""


class ModelFileError(GlassnetError, ValueError):
    """A model file is missing, damaged, or of another version."""


class OutputError(GlassnetError, OSError):
    """A result could not be written."""


class TrainingError(GlassnetError, ValueError):
    """Training cannot start, or was stopped because the numbers left the finite range."""


class DivergenceError(TrainingError):
    """Numbers of a training left the finite range; the model was put back to the last epoch, or
    step, in which all were finite.

    `step` is the step of the run in which it happened, from 1, `row` the row of the data, from 0;
    `operation`, `layer` and `row` are None where they are not known. `history` is that of the
    epochs before; `gn.train(…, after=error.history)` goes on with another learning rate. A
    `gn.Step` has none.
    """

    def __init__(
        self,
        message: str,
        step: int = 0,
        operation: str | None = None,
        layer: str | None = None,
        row: int | None = None,
    ) -> None:
        super().__init__(message)
        self.step, self.operation, self.layer, self.row = step, operation, layer, row
        self.history: Any = None


class CompileError(GlassnetError, RuntimeError):
    """Machine code cannot be made or run here; the NumPy interpreter can take over."""


class RecordingWarning(UserWarning):
    """Training goes on, but its run file cannot be written at present."""


class TableWarning(UserWarning):
    """Something about a table was decided that a person should know."""


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """A warning at the line of the user's that led here, past ours and scikit-learn's."""
    level, frame = 2, sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame.f_back is not None and _is_ours(str(frame.f_globals.get("__name__"))):
        level, frame = level + 1, frame.f_back
    warnings.warn(make_lines_visible(message), category, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("glassnet", "sklearn")

"""Typed exceptions: every error a user can cause derives from `GlassnetError`; and warnings."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from glassnet.hints import Hint, Words, in_python
from glassnet.visible import make_lines_visible


class GlassnetError(Exception):
    """Base of all errors of this package. The message is one sentence that names the cause and the
    remedy; control characters quoted from files are escaped (see `visible.py`)."""

    def __str__(self) -> str:
        return make_lines_visible(super().__str__())


class ShapeError(GlassnetError, ValueError):
    """Shapes or dtypes do not fit the operation."""


class ArgumentError(GlassnetError, TypeError):
    """An argument has a name or a value that cannot be used."""


class MissingParameterError(GlassnetError, KeyError):
    """A layer asks for a parameter that it does not declare."""

    def __str__(self) -> str:
        return make_lines_visible(Exception.__str__(self))  # KeyError's __str__ adds quotes


class GraphError(GlassnetError, ValueError):
    """A graph, its text form or its use breaks the rules of the intermediate representation."""


class TableError(GlassnetError, ValueError):
    """A table cannot be read, or lacks what was asked for. `message` states the problem, `hint` the
    options that would solve it; str(error) has both."""

    def __init__(self, message: str, hint: Hint | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint

    def render(self, words: Words) -> str:
        """Return the message and the hint, with options worded for a front end."""
        advice = "" if self.hint is None else self.hint.render(words)
        return make_lines_visible(self.message + (f"; {advice}" if advice else ""))

    def __str__(self) -> str:
        return self.render(in_python)


class UntrustedError(TableError):
    """A file asks for something that the caller must allow first, such as reading other files."""


class ModelFileError(GlassnetError, ValueError):
    """A model file is missing, damaged, or of another version."""


class OutputError(GlassnetError, OSError):
    """A result could not be written."""


class TrainingError(GlassnetError, ValueError):
    """Training cannot start, or was stopped because a number became infinite or NaN."""


class DivergenceError(TrainingError):
    """A number became infinite or NaN during training. The model was restored to the end of the
    last epoch (for `gn.Step`, the last step) in which all numbers were finite.

    `step` is the training step at which it happened, counted from 1; `row` the row of the data,
    from 0. `operation`, `layer` and `row` are None where they are not known. `history` has the
    epochs before; `gn.train(…, after=error.history)` continues from it, with another learning rate
    for example. It is None for a `gn.Step`.
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
    """Machine code cannot be generated or run on this machine; the NumPy interpreter can."""


class RecordingWarning(UserWarning):
    """Training continues, but its run file cannot be written at the moment."""


class TableWarning(UserWarning):
    """A decision about a table, such as a column's type, that the user should know."""


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that points to the user's line, skipping frames of glassnet and sklearn."""
    level, frame = 2, sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame.f_back is not None and _is_ours(str(frame.f_globals.get("__name__"))):
        level, frame = level + 1, frame.f_back
    warnings.warn(make_lines_visible(message), category, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("glassnet", "sklearn")

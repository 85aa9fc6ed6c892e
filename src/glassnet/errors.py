"""Typed exceptions: every error a user can cause derives from `GlassnetError`; and warnings."""

from __future__ import annotations

import sys
import warnings


class GlassnetError(Exception):
    """Base of all errors raised on purpose; the message is one sentence with cause and way out."""


class ShapeError(GlassnetError, ValueError):
    """Shapes or dtypes do not fit the operation."""


class GraphError(GlassnetError, ValueError):
    """A graph, its text or its use breaks the rules of the intermediate form."""


class TableError(GlassnetError, ValueError):
    """A table cannot be read, or does not hold what was asked of it."""


class UntrustedError(TableError):
    """A file asks for more than it is given unless its reader allows it, such as other files."""


class ModelFileError(GlassnetError, ValueError):
    """A model file is missing, damaged, or of another version."""


class OutputError(GlassnetError, OSError):
    """A result could not be written."""


class TrainingError(GlassnetError, ValueError):
    """Training cannot start, or was stopped because the numbers left the finite range."""


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
    warnings.warn(message, category, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("glassnet", "sklearn")

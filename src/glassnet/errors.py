"""Typed exceptions: every error a user can cause derives from `GlassnetError`."""

from __future__ import annotations


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

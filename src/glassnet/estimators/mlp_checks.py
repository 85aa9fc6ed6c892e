"""Arrays in which scikit-learn's checks would find nothing to refuse and nothing to change.

In: rows and labels as users pass them. Out: whether they are such; scikit-learn looks a dozen times
and asks every library of data frames first, which takes as long as some epochs of a small network.
"""

from __future__ import annotations

from typing import Any

import numpy as np

FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


def is_column(y: Any) -> bool:
    """Whether labels are integers or words in an array, of which nothing needs to be checked."""
    return type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biuU"


def is_table(X: Any) -> bool:
    """Whether rows are an array of finite float32 or float64."""
    if type(X) is not np.ndarray or X.ndim != 2 or X.size == 0:
        return False
    return X.dtype in FLOATS and _is_finite(X)


def is_training(X: Any, y: Any) -> bool:
    """Whether rows, in row-major order, and their labels or numbers are such arrays."""
    if type(y) is not np.ndarray or y.ndim not in (1, 2) or y.size == 0:
        return False
    known = y.dtype.kind in "biuU" or (y.dtype.kind == "f" and _is_finite(y))
    return known and is_table(X) and X.flags.c_contiguous and len(X) == len(y)


def _is_finite(numbers: np.ndarray) -> bool:
    """A sum that is finite has finite parts, and needs no second array."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(numbers.sum()))

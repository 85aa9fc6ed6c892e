"""The target of an estimator, as its users have it: a column, and the labels of its classes.

In: y, a list, an array or a series. Out: a `FrameColumn` with the name of y, and checked labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from glassnet.estimators.mlp.value_checks import refuse_mixed
from glassnet.tables.frames import FrameColumn, is_series, single_column


def target_column(y: Any) -> FrameColumn:
    """Return the target as a column, with the name of y, or "y" if that has none.

    ValueError if y has several columns; a warning (DataConversionWarning) if it has shape (n, 1).
    """
    flat: Any = column_or_1d(list_to_array(y), warn=True)
    name: Any = getattr(y, "name", None)
    return single_column(
        name if isinstance(name, str) and name else "y", y if is_series(y) else flat
    )


def list_to_array(y: Any) -> Any:
    """Return a list or a tuple as an object array, anything else unchanged. Without dtype object
    NumPy would convert NaN among texts to the text "nan"."""
    return np.asarray(y, object) if isinstance(y, (list, tuple)) else y


def check_labels(y: Any) -> tuple[np.ndarray, FrameColumn]:
    """Check labels as scikit-learn does, without the missing ones (None, NaN).

    Returns
    -------
    labels : ndarray of shape (n_samples,)
        All labels, the missing ones included.
    target : FrameColumn
        The same as a column.

    Raises
    ------
    TypeError
        If texts and numbers are mixed.
    ValueError
        If the labels are not classes (such as 0.5), have several columns, or an integer has more
        than 64 bits.
    """
    target = target_column(y)
    labels = np.asarray(list_to_array(y)).ravel()
    missing = [value is None or value != value for value in target.values]
    present = labels[~np.array(missing, bool)]
    refuse_mixed(present)
    if len(present):
        check_classification_targets(as_python_types(present))
    return labels, target


def as_python_types(labels: np.ndarray) -> np.ndarray:
    """Return an object array of numbers or booleans as an array of their NumPy type. With a text
    among them, the array is returned unchanged; of any other dtype, as a copy."""
    listed: list[Any] = labels.tolist() if labels.dtype == object else []
    return labels if any(isinstance(one, str) for one in listed) else np.array(listed or labels)

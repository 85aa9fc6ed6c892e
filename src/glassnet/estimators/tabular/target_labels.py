"""The target of an estimator, as its users have it: a column, and the labels of its classes.

In: y, a list, an array or a series. Out: a `FrameColumn` under its own name, and checked labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from glassnet.estimators.mlp.value_checks import refuse_mixed
from glassnet.tables.frames import FrameColumn, is_series, single_column


def target_column(y: Any) -> FrameColumn:
    """Return the target as a column, with its name if it has one."""
    flat: Any = column_or_1d(list_to_array(y), warn=True)
    name: Any = getattr(y, "name", None)
    return single_column(
        name if isinstance(name, str) and name else "y", y if is_series(y) else flat
    )


def list_to_array(y: Any) -> Any:
    """Return a list as an object array; NumPy would convert NaN among texts to the text "nan"."""
    return np.asarray(y, object) if isinstance(y, (list, tuple)) else y


def check_labels(y: Any) -> tuple[np.ndarray, FrameColumn]:
    """Check labels as scikit-learn does; return them, and as a column."""
    target = target_column(y)
    labels = np.asarray(list_to_array(y)).ravel()
    missing = [value is None or value != value for value in target.values]
    present = labels[~np.array(missing, bool)]
    refuse_mixed(present)
    if len(present):
        check_classification_targets(as_python_types(present))
    return labels, target


def as_python_types(labels: np.ndarray) -> np.ndarray:
    """Return Python numbers and booleans as a typed array; texts stay objects."""
    listed: list[Any] = labels.tolist() if labels.dtype == object else []
    return labels if any(isinstance(one, str) for one in listed) else np.array(listed or labels)

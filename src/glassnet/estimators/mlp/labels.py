"""Labels of `MLPClassifier` read quickly.

In: labels as users have them. Out: columns of 0 and 1; whether labels can be compared as they are.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from glassnet.estimators.mlp.value_checks import is_column

ROOM = 1e-3  # probabilities of a row may have a sum so far from 1


def probabilities(y: Any, known: bool = False) -> np.ndarray | None:
    """Labels that are probabilities of classes, [rows, classes]: numbers of a floating type, 0 or
    more, whose rows have the sum 1, and of which some are neither 0 nor 1 (or that are `known` to
    be such). Rows of 0 and 1 alone are several labels a row, as scikit-learn has it. None else."""
    if not isinstance(y, (np.ndarray, list)) and not hasattr(y, "to_numpy"):
        return None
    try:
        array: np.ndarray = np.asarray(cast("Any", y))
    except ValueError:  # rows of several lengths, of which scikit-learn tells
        return None
    if array.ndim != 2 or array.dtype.kind != "f" or array.shape[1] < 2 or not len(array):
        return None
    if not (array >= 0).all() or not (np.abs(array.sum(1) - 1) <= ROOM).all():
        return None
    return array if known or ((array > 0) & (array < 1)).any() else None


def class_weights(given: Any, soft: np.ndarray) -> np.ndarray:
    """What rows weigh whose classes have such weights: the mean by their probabilities."""
    count = soft.shape[1]
    if given == "balanced":
        with np.errstate(divide="ignore"):
            each = np.nan_to_num(len(soft) / (count * soft.sum(0)), posinf=0.0)
    else:
        each = np.array([given.get(k, 1.0) for k in range(count)], float)
    return soft @ each


def same_labels(y: Any, found: np.ndarray) -> bool:
    """Whether labels can be compared one by one, without scikit-learn's checks, which take longer
    than the prediction of some hundred rows."""
    alike = is_column(y) and is_column(found) and y.dtype.kind == found.dtype.kind
    return alike and 0 < len(y) == len(found)


def binarize(y: Any) -> tuple[LabelBinarizer, np.ndarray]:
    """What `LabelBinarizer().fit(y)` is, and whether each row is of each class.

    scikit-learn looks at the labels a dozen times, which takes longer than a small network's
    training; a column of integers or words is sorted once instead.
    """
    known = LabelBinarizer()
    if is_column(y):
        classes, codes = np.unique(y, return_inverse=True)
        # what it warns of, and a single class, it may see to itself
        if 2 <= len(classes) <= len(y) / 2:
            # as it does, words are kept no longer than the longest
            known.classes_ = np.asarray(list(classes))
            known.y_type_ = "binary" if len(classes) == 2 else "multiclass"
            known.sparse_input_ = False
            columns = codes[:, None]
            return known, columns == (1 if len(classes) == 2 else np.arange(len(classes)))
    return known.fit(y), known.transform(y).astype(bool)


def known_columns(y: Any, known: LabelBinarizer, classes: np.ndarray) -> np.ndarray | None:
    """Whether each row is of each of some classes, as `known.transform(y)` has it; None where y is
    not a plain column of them, which scikit-learn looks at more closely."""
    sorted_kinds = is_column(y) and is_column(classes) and y.dtype.kind == classes.dtype.kind
    if not sorted_kinds or known.y_type_ == "multilabel-indicator" or known.sparse_input_:
        return None
    searched: Any = np.searchsorted  # y has any type
    places: np.ndarray = searched(classes, y)
    places[places == len(classes)] = 0
    if len(classes) < 2 or not (classes[places] == y).all():
        return None
    columns: np.ndarray = places[:, None]
    return columns == (1 if len(classes) == 2 else np.arange(len(classes)))

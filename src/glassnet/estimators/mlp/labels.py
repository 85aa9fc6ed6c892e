"""Fast paths for labels of `MLPClassifier`.

In: labels as users pass them. Out: indicator columns of 0 and 1; whether labels can be compared
directly.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from glassnet.estimators.mlp.value_checks import is_column

ROOM = 1e-3  # probabilities of a row may have a sum so far from 1


def probabilities(y: Any, known: bool = False) -> np.ndarray | None:
    """Return labels that are class probabilities as an array [rows, classes]; None for others.

    Probabilities are floats of 0 or more with row sums of 1 (± ROOM), of which some are neither 0
    nor 1, unless they are `known` to be probabilities: rows of only 0 and 1 are multi-label
    indicators, as in scikit-learn.
    """
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
    """Return the weights of rows, [rows]: the mean of the class weights by each row's probabilities
    `soft` [rows, classes]. `given` is "balanced" or a dict by class number, 1 for others."""
    count = soft.shape[1]
    if given == "balanced":
        with np.errstate(divide="ignore"):
            each = np.nan_to_num(len(soft) / (count * soft.sum(0)), posinf=0.0)
    else:
        each = np.array([given.get(k, 1.0) for k in range(count)], float)
    return soft @ each


def same_labels(y: Any, found: np.ndarray) -> bool:
    """Return whether labels and predictions are plain columns of one kind and length, which can be
    compared without scikit-learn's checks. These take longer than predicting some hundred rows."""
    alike = is_column(y) and is_column(found) and y.dtype.kind == found.dtype.kind
    return alike and 0 < len(y) == len(found)


def binarize(y: Any) -> tuple[LabelBinarizer, np.ndarray]:
    """Return a fitted `LabelBinarizer`, and the indicators of y: bool [rows, classes], for two
    classes [rows, 1].

    scikit-learn examines the labels a dozen times, which takes longer than training a small
    network; here a column of integers or texts is sorted once.
    """
    known = LabelBinarizer()
    if is_column(y):
        classes, codes = np.unique(y, return_inverse=True)
        # scikit-learn handles a single class, and very many, of which it warns
        if 2 <= len(classes) <= len(y) / 2:
            # as in scikit-learn, the dtype of texts is as long as the longest
            known.classes_ = np.asarray(list(classes))
            known.y_type_ = "binary" if len(classes) == 2 else "multiclass"
            known.sparse_input_ = False
            columns = codes[:, None]
            return known, columns == (1 if len(classes) == 2 else np.arange(len(classes)))
    return known.fit(y), known.transform(y).astype(bool)


def known_columns(y: Any, known: LabelBinarizer, classes: np.ndarray) -> np.ndarray | None:
    """Return the indicators of y, bool, as `known.transform(y)`; None if y is not a plain column of
    known classes, which scikit-learn then checks."""
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

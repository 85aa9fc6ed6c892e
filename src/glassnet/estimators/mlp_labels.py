"""Classes of `MLPClassifier`: from labels to targets of the network and back.

In: labels and weights as users have them. Out: columns of 0 and 1, weights of rows, labels.
"""

# scikit-learn has no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateUsage=false, reportConstantRedefinition=false

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d, compute_sample_weight
from sklearn.utils.multiclass import unique_labels

from glassnet.estimators.mlp_base import BaseMLP
from glassnet.estimators.mlp_checks import is_column
from glassnet.estimators.mlp_parameters import check_class_weight
from glassnet.estimators.mlp_probabilities import Probabilities
from glassnet.estimators.mlp_targets import refuse_mixed
from glassnet.estimators.mlp_validate import row_weights


def same_labels(y: Any, found: np.ndarray) -> bool:
    """Whether labels can be compared one by one, without scikit-learn's checks, which take longer
    than the prediction of some hundred rows."""
    alike = is_column(y) and is_column(found) and y.dtype.kind == found.dtype.kind
    return alike and 0 < len(y) == len(found)


def binarized(y: Any) -> tuple[LabelBinarizer, np.ndarray]:
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


class Labelled(Probabilities, BaseMLP):
    """The part of `MLPClassifier` that knows about classes."""

    class_weight: Any
    _label_binarizer: Any

    def _validate_input(self, X: Any, y: Any, again: bool, first: bool) -> tuple[Any, Any]:
        refuse_mixed(y)
        X, y = self._read(X, y, first)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or again):
            self._label_binarizer, target = binarized(y)
            self.classes_ = self._label_binarizer.classes_
            return X, target
        self._check_classes(unique_labels(y))
        return X, self._label_binarizer.transform(y).astype(bool)

    def _check_classes(self, classes: Any) -> None:
        if self.warm_start and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {classes}"
            )
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. "
                f"'y' has {classes}."
            )

    def _weights(self, X: Any, y: Any, weight: Any, again: bool) -> Any:
        own = super()._weights(X, y, weight, again)
        if self.class_weight is None:
            return own
        if again and self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once, and partial_fit sees a part; "
                "give the weights as a dict: compute_class_weight('balanced', classes=..., y=...)"
            )
        check_class_weight(self.class_weight)
        classes = compute_sample_weight(self.class_weight, y)
        return row_weights(classes if own is None else own * classes, X, X.dtype)

    def _out(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _decoded(self, y: Any) -> Any:
        return self._label_binarizer.inverse_transform(y)

    def _answers(self, output: np.ndarray) -> np.ndarray:
        known = self._label_binarizer
        if known.y_type_ == "multiclass" and not known.sparse_input_:
            return known.classes_.take(output.argmax(axis=1), mode="clip")
        if known.y_type_ == "binary" and len(known.classes_) == 2 and not known.sparse_input_:
            return known.classes_[(output.ravel() > 0.5).astype(int)]
        labels: Any = known.inverse_transform(output.ravel() if self._binary else output)
        return labels

    def _validation_target(self, y: Any) -> np.ndarray:
        refuse_mixed(y, "y_val")
        shape: tuple[int, ...] = y.shape if hasattr(y, "shape") else np.shape(y)
        wide = self._label_binarizer.y_type_.startswith("multilabel")
        columns = shape[1] if len(shape) == 2 else 1
        if columns != (self.n_outputs_ if wide else 1):
            wanted = f"[rows, {self.n_outputs_}]" if wide else "one label a row"
            raise ValueError(f"y_val has shape {shape}; wanted {wanted}, as y")
        y = y if wide else column_or_1d(y)
        found = unique_labels(y)
        unknown = np.setdiff1d(found, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y_val has the label {unknown.tolist()[0]!r}, which y has not; its classes are "
                f"{self.classes_}"
            )
        return self._label_binarizer.transform(y)

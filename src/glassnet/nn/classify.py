"""Losses for classification.

In: raw scores, and class numbers or probabilities. Out: losses that are finite, as are their
gradients, for all finite scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, ClassVar, cast

import numpy as np

from glassnet import ops
from glassnet.errors import ShapeError
from glassnet.graph.op import Value
from glassnet.graph.types import Type
from glassnet.nn.activations import softplus
from glassnet.nn.loss import (
    Loss,
    check_range,
    clamp,
    class_numbers,
    difference,
    linear_from,
    number_array,
    rows_of,
    term_bound,
)
from glassnet.nn.setting_checks import check_numbers
from glassnet.words import plural

ROOM = 1e-3  # allowed deviation from 1 of the sum of a row's probabilities


@dataclass(frozen=True)
class ClassLoss(Loss):
    """Base class of losses whose labels are class numbers. `class_weight` has one weight per class:
    every row has the weight of its class, and the mean over rows is weighted, as in PyTorch."""

    class_weight: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.class_weight is None:
            return
        given = weight_tuple(self.class_weight)
        if not given or not all(0.0 <= weight < np.inf for weight in given) or not any(given):
            name = type(self).__name__
            raise ShapeError(
                f"{name}(class_weight={self.class_weight!r}): one weight for every class, finite, "
                "0 or more, and not all 0\n"
                f"  right: {name}(class_weight=(1.0, 5.0)), or {{0: 1.0, 1: 5.0}}"
            )
        object.__setattr__(self, "class_weight", given)

    def __call__(self, prediction: Any, y: Any, weight: Any = None) -> Any:
        shape: Any = getattr(prediction, "shape", None) or np.shape(prediction)
        numbered = self.label_type(1, 2, "float32").dtype == "int32"
        has_known_width = len(shape) == 2 and isinstance(shape[1], int)
        if numbered and has_known_width and not isinstance(y, Value) and np.ndim(y) == 1:
            self.labels(y, shape[1], "float32")  # refuses class numbers that are out of range
        return super().__call__(prediction, y, weight)

    def labels(self, y: Any, outputs: int, dtype: str) -> np.ndarray:
        self.check_weights(outputs)
        return class_numbers(y, self.classes(outputs), type(self).__name__, self.skips_missing)

    def check_weights(self, outputs: int) -> None:
        """Raise ShapeError unless there is a weight for every class."""
        classes = self.classes(outputs)
        if self.class_weight is not None and len(self.class_weight) != classes:
            raise ShapeError(
                f"{type(self).__name__}: class_weight has "
                f"{plural(len(self.class_weight), 'weight')}, but the network "
                f"distinguishes {plural(classes, 'class')}"
            )

    def encode_labels(self, y: Any) -> Any:
        if not self.skips_missing or "float" not in str(y.dtype):
            return y
        return ops.cast(ops.where(ops.equal(y, y), y, -1.0), "int32")

    def known(self, y: Any) -> Any:
        return ops.greater_equal(y, 0)

    def classes(self, outputs: int) -> int:
        """Return the number of classes that a network with `outputs` outputs distinguishes."""
        return outputs

    def label_type(self, rows: Any, outputs: int, dtype: str) -> Type:
        return Type("int32", (rows,))

    def weights(self, y: Any, dtype: str) -> Any:
        mask_weights = super().weights(y, dtype)
        if self.class_weight is None:
            return mask_weights
        chosen = ops.take(
            np.array(self.class_weight, dtype), y if mask_weights is None else ops.maximum(y, 0)
        )
        return chosen if mask_weights is None else chosen * mask_weights


@dataclass(frozen=True)
class CrossEntropy(ClassLoss):
    """The cross-entropy −ln softmax(ŷ)[y], for raw scores ŷ [n, classes] and class numbers y [n]
    from 0.

    With `label_smoothing` s the target probability is s/classes for every class, plus 1 − s for the
    class of the label; `class_weight` weights rows by their label, not the terms of the target.

    With `soft_labels` the labels are probabilities y [n, classes], and the loss is
    −Σ y·ln softmax(ŷ) over the classes. `class_weight` then weights the terms of this sum, and the
    mean over rows is unweighted, both as in PyTorch.
    """

    applies: ClassVar[str] = "Softmax"

    label_smoothing: float = 0.0
    soft_labels: bool = field(default=False, kw_only=True, metadata={"shown": False})

    def __post_init__(self) -> None:
        super().__post_init__()
        right = "CrossEntropy(label_smoothing=0.1)"
        check_numbers(self, right, 0.0, 1.0, label_smoothing=self.label_smoothing)

    def rows(self, prediction: Value, y: Value) -> Value:
        classes, dtype = prediction.shape[-1], str(prediction.dtype)
        assert isinstance(classes, int)
        rows_of(prediction, y, classes if self.soft_labels else None, "CrossEntropy")
        target = y if self.soft_labels else ops.one_hot(y, classes, dtype)
        if self.label_smoothing:
            target = target * (1.0 - self.label_smoothing) + self.label_smoothing / classes
        z = subtract_row_maximum(prediction)
        total = ops.log(ops.sum(ops.exp(z), 1))
        if not self.soft_labels:
            return total - ops.sum(target * z, 1)
        if self.class_weight is not None:
            target = target * np.array(self.class_weight, dtype)
        return ops.sum(target * (ops.expand(total, 1) - z), 1)

    def labels(self, y: Any, outputs: int, dtype: str) -> np.ndarray:
        if not self.soft_labels:
            return super().labels(y, outputs, dtype)
        self.check_weights(outputs)
        return probabilities(number_array(y, outputs, dtype), "CrossEntropy")

    def label_type(self, rows: Any, outputs: int, dtype: str) -> Type:
        if not self.soft_labels:
            return super().label_type(rows, outputs, dtype)
        return Type(dtype, (rows, outputs))

    def encode_labels(self, y: Any) -> Any:
        return y if self.soft_labels else super().encode_labels(y)

    def known(self, y: Any) -> Any:
        return ops.equal(y, y) if self.soft_labels else super().known(y)

    def weights(self, y: Any, dtype: str) -> Any:
        return Loss.weights(self, y, dtype) if self.soft_labels else super().weights(y, dtype)


@dataclass(frozen=True)
class BCEWithLogits(Loss):
    """Binary cross-entropy of every output, −p y ln σ(ŷ) − (1 − y) ln(1 − σ(ŷ)), for raw scores ŷ
    and labels y from 0 to 1, both [n, outputs].

    `pos_weight` p is the weight of the positive class (default 1), one number or one for each
    output, such as negatives / positives where positives are rare. The mean is not divided by it,
    as in PyTorch.
    """

    applies: ClassVar[str] = "Sigmoid"

    pos_weight: float | tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pos_weight is None:
            return
        given = self.pos_weight
        each = (float(given),) if isinstance(given, Real) else weight_tuple(given)
        if not each or not all(0.0 < p < np.inf for p in each):
            raise ShapeError(
                f"BCEWithLogits(pos_weight={given!r}): use a number above 0, or one for each output"
                "\n  right: BCEWithLogits(pos_weight=9.0) where one label in ten is a yes"
            )
        object.__setattr__(self, "pos_weight", each[0] if isinstance(given, Real) else each)

    def cells(self, prediction: Value, y: Value) -> Value:
        difference(prediction, y, "BCEWithLogits")
        outputs, dtype = prediction.shape[1], str(prediction.dtype)
        assert isinstance(outputs, int)
        self._check(outputs)
        bound = term_bound(dtype, outputs) / max((1.0, *self._each()))
        score = clamp(prediction, -bound, bound)  # keeps the sum finite
        if self.pos_weight is None:
            return softplus(score) - score * y
        weight = np.array(self.pos_weight, dtype)
        return (1.0 - y) * softplus(score) + weight * y * softplus(-score)

    def labels(self, y: Any, outputs: int, dtype: str) -> np.ndarray:
        self._check(outputs)
        return check_range(number_array(y, outputs, dtype), 0.0, 1.0, "BCEWithLogits")

    def _each(self) -> tuple[float, ...]:
        given = self.pos_weight
        return given if isinstance(given, tuple) else () if given is None else (float(given),)

    def _check(self, outputs: int) -> None:
        if isinstance(self.pos_weight, tuple) and len(self.pos_weight) != outputs:
            raise ShapeError(
                f"BCEWithLogits: pos_weight has {plural(len(self.pos_weight), 'number')}, the "
                f"network gives {outputs} per row"
            )


@dataclass(frozen=True)
class Hinge(ClassLoss):
    """The multi-class hinge loss Σ max(0, 1 + ŷⱼ − ŷ[y]) over the classes j ≠ y, for raw scores ŷ
    [n, classes] and class numbers y [n]. With one output there are two classes, with the losses
    max(0, 1 − ŷ) for class 1 and max(0, 1 + ŷ) for class 0."""

    def classes(self, outputs: int) -> int:
        return 2 if outputs == 1 else outputs

    def rows(self, prediction: Value, y: Value) -> Value:
        rows_of(prediction, y, None, "Hinge")
        dtype, outputs = str(prediction.dtype), prediction.shape[1]
        assert isinstance(outputs, int)
        if outputs == 1:
            side = 1.0 - 2.0 * ops.cast(y, dtype)
            score = clamp(prediction, -term_bound(dtype), term_bound(dtype))
            return ops.relu(1.0 + side * ops.reshape(score, y.shape))
        z = subtract_row_maximum(prediction, outputs)
        label = ops.one_hot(y, outputs, dtype)
        apart = z - ops.sum(label * z, 1, keepdims=True)
        return ops.sum(ops.relu(1.0 + apart) * (1.0 - label), 1)


def probabilities(y: np.ndarray, owner: str) -> np.ndarray:
    """Return labels that are class probabilities, NaN where they are missing. Raises ShapeError
    where one is outside 0…1 or those of a row do not sum to 1."""
    check_range(y, 0.0, 1.0, owner)
    sums = y.sum(1, dtype=float)
    wrong = np.flatnonzero(np.abs(sums - 1.0) > ROOM)
    if len(wrong):
        raise ShapeError(
            f"{owner}(soft_labels=True) takes probabilities of the classes; those of row "
            f"{wrong[0]} have the sum {sums[wrong[0]]:g}, not 1\n"
            "  right: gn.losses.BCEWithLogits(), where a row may be of several classes"
        )
    return y


def weight_tuple(weights: Any) -> tuple[float, ...]:
    """Return weights in a sequence, or in a dict by class number, as a tuple; () for others."""
    if isinstance(weights, Mapping):
        given: dict[Any, Any] = dict(cast(Mapping[Any, Any], weights))
        weights = (
            [given[i] for i in range(len(given))] if set(given) == set(range(len(given))) else ()
        )
    try:
        return () if isinstance(weights, str) else tuple(float(weight) for weight in weights)
    except (TypeError, ValueError):
        return ()


def subtract_row_maximum(x: Any, terms: int = 1) -> Any:
    """Return x minus its row's maximum, as a finite number.

    The difference of two finite numbers may overflow to −∞. There the result is the lowest number
    of which `terms` have a finite sum, and its derivative is that of the difference.
    """
    z = x - ops.stop_gradient(ops.max(x, 1, keepdims=True))
    least, lowest = float(np.finfo(str(x.dtype)).min), -term_bound(str(x.dtype), terms)
    return ops.where(ops.less(z, lowest), linear_from(x, least) + lowest, z)

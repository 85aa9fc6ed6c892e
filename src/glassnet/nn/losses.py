"""Loss functions: how far predictions are from the labels.

In: predictions ŷ [n, outputs], labels y, and weights of the rows [n] where they differ. Out: one
number. Every loss is a sum over outputs and the mean over rows, weighted by the rows' weights:
L = Σ wᵢ Lᵢ / Σ wᵢ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from glassnet import ops
from glassnet.errors import ShapeError
from glassnet.graph.op import Value
from glassnet.graph.types import Type


@dataclass(frozen=True)
class Loss:
    """A loss says what one row costs (`rows`) and what labels it takes (`labels`, `label_type`)."""

    def rows(self, prediction: Value, y: Value) -> Value:
        """The loss of every row: [n]."""
        raise NotImplementedError

    def labels(self, y: Any, outputs: int, dtype: str) -> np.ndarray:
        """Labels as the array that a step reads; ShapeError where they do not fit."""
        array = np.ascontiguousarray(y, dtype)
        array = array[:, None] if np.ndim(y) == 1 else array
        if array.ndim != 2 or array.shape[1] != outputs:
            raise ShapeError(
                f"labels have shape {np.shape(y)}; the network gives {outputs} numbers a row, so "
                f"labels are [rows, {outputs}]"
            )
        return array

    def label_type(self, rows: Any, outputs: int, dtype: str) -> Type:
        """The type of the labels of `rows` rows."""
        return Type(dtype, (rows, outputs))

    def __call__(self, prediction: Any, y: Any, weight: Any = None) -> Any:
        """The mean over rows, weighted where weights [n] are given; 0 where they are all 0.

        Each row is divided before the sum, so that large losses do not overflow on the way.
        """
        each = self.rows(prediction, y)
        if weight is None:
            return ops.sum(each / ops.size_of(each, 0, each.dtype), 0)
        total = ops.sum(weight, 0)
        return ops.sum(each * (weight / ops.where(ops.equal(total, 0.0), 1.0, total)), 0)


@dataclass(frozen=True)
class HalfMSE(Loss):
    """Half the mean squared error: 1/(2n) Σ (ŷ − y)²; its gradient by ŷ is (ŷ − y)/n."""

    def rows(self, prediction: Value, y: Value) -> Value:
        return ops.sum(ops.square(prediction - y), 1) * 0.5


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """−ln softmax(ŷ)[y], for raw scores ŷ [n, classes] and class numbers y [n] from 0.

    With `label_smoothing` s the label is (1 − s) of its class and s/classes of every class.
    """

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ShapeError(
                f"CrossEntropy(label_smoothing={self.label_smoothing}): use 0 or more, less than 1"
            )

    def rows(self, prediction: Value, y: Value) -> Value:
        classes = prediction.shape[1]
        assert isinstance(classes, int)
        target = ops.one_hot(y, classes, prediction.dtype)
        if self.label_smoothing:
            target = target * (1.0 - self.label_smoothing) + self.label_smoothing / classes
        z = below_top(prediction)
        return ops.log(ops.sum(ops.exp(z), 1)) - ops.sum(target * z, 1)

    def labels(self, y: Any, outputs: int, dtype: str) -> np.ndarray:
        array = np.asarray(y)
        if array.ndim != 1:
            raise ShapeError(
                "CrossEntropy takes one class number a row, [rows]; labels have shape "
                f"{array.shape}"
            )
        if array.dtype.kind not in "iubf":
            raise ShapeError(
                f"CrossEntropy takes class numbers; labels are {array.dtype}\n"
                "  right: classes, y = numpy.unique(labels, return_inverse=True)"
            )
        whole = array.dtype.kind in "iub" or bool(np.all(array == np.floor(array)))
        if not whole or (array.size and not 0 <= array.min() <= array.max() < outputs):
            raise ShapeError(
                f"CrossEntropy takes class numbers 0 to {outputs - 1}, one for each of the "
                f"network's {outputs} outputs; labels run from {array.min()} to {array.max()}"
                + ("" if whole else " and are not all whole")
            )
        return np.ascontiguousarray(array, np.int32)

    def label_type(self, rows: Any, outputs: int, dtype: str) -> Type:
        return Type("int32", (rows,))


def below_top(x: Any) -> Any:
    """x minus its row's maximum, as a finite number also where the difference is none.

    The difference of two finite numbers may be −∞. Where it is, the value is the lowest finite
    number instead, and the derivative still that of the difference.
    """
    z = x - ops.stop_gradient(ops.max(x, 1, keepdims=True))
    lowest = float(np.finfo(str(x.dtype)).min)
    return ops.where(ops.less(z, lowest), (x - ops.stop_gradient(x)) + lowest, z)


@dataclass(frozen=True)
class FunctionLoss(Loss):
    """A loss that is a plain function of predictions and labels, giving one number a row."""

    f: Callable[[Any, Any], Any]

    def rows(self, prediction: Value, y: Value) -> Value:
        each: Any = self.f(prediction, y)
        if getattr(each, "shape", None) != prediction.shape[:1]:
            name = getattr(self.f, "__name__", "f")
            raise ShapeError(
                f"the loss {name} gave {each!r}; a loss gives one number a row, and the mean is "
                "taken for you\n"
                f"  wrong: ops.mean(ops.square(prediction - y))\n"
                f"  right: ops.sum(ops.square(prediction - y), 1)"
            )
        return each


def as_loss(loss: Any) -> Loss:
    """The loss, or a function as a loss; ShapeError where it is neither."""
    if isinstance(loss, Loss):
        return loss
    if callable(loss) and not isinstance(loss, type):
        return FunctionLoss(cast(Callable[[Any, Any], Any], loss))
    name = getattr(loss, "__name__", "HalfMSE")
    raise ShapeError(
        f"loss={loss!r} is no loss\n  wrong: loss={name}\n  right: loss=gn.losses.{name}()"
    )

"""What a loss is: a number for every row, and their mean by the rows' weights.

In: predictions, labels, weights. Out: `Loss`; plain functions as losses.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from glassnet import ops
from glassnet.errors import ShapeError
from glassnet.graph.op import Value
from glassnet.graph.types import Type
from glassnet.references import Traceable
from glassnet.words import counted


@dataclass(frozen=True)
class Loss(Traceable):
    """A loss says what one row costs (`rows`) and what labels it takes (`labels`, `label_type`).

    Called on predictions and labels, and weights of the rows where they differ, it is the mean.
    """

    in_parts: ClassVar[bool] = False  # whether `part` gives the mean over all rows part by part

    def rows(self, prediction: Value, y: Value) -> Value:
        """The loss of every row: [n]."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say what a row costs\n"
            "  right: def rows(self, prediction, y): return ops.sum(ops.abs(prediction - y), 1)"
        )

    def labels(self, y: Any, outputs: int, dtype: str) -> np.ndarray:
        """Labels as the array that a step reads; ShapeError where they do not fit."""
        return numbers(y, outputs, dtype)

    def label_type(self, rows: Any, outputs: int, dtype: str) -> Type:
        """The type of the labels of `rows` rows."""
        return Type(dtype, (rows, outputs))

    def weights(self, y: Any, dtype: str) -> Any:
        """What the rows weigh because of their labels, [n]; None where all weigh the same."""
        return None

    def hyperparameters(self) -> Mapping[str, float]:
        """Settings that are inputs of the compiled step, so that other numbers compile nothing."""
        return {}

    def rule(self) -> Hashable:
        """What decides the compiled step: all settings that are no inputs of it."""
        return self

    def penalty(
        self, parameters: Mapping[str, Value], weight: Any, settings: Mapping[str, Value]
    ) -> Any:
        """What training adds to the mean because of the parameters that it trains; None for
        nothing. `weight` is that of the rows, `settings` are the `hyperparameters` as inputs."""
        return None

    def part(
        self,
        prediction: Value,
        batch: Mapping[str, Value],
        parameters: Mapping[str, Value],
        share: Any,
        decay: Any,
    ) -> Any:
        """What some rows add to the mean over more rows: `share` is 1 / the weights of all rows,
        `decay` what the penalty counts in this part."""
        raise NotImplementedError(f"{type(self).__name__} is not computed in parts")

    def smooth_labels(self, y: np.ndarray) -> np.ndarray:
        """Labels near these at which the loss has a derivative by them, too."""
        return y

    def __call__(self, prediction: Any, y: Any, weight: Any = None) -> Any:
        own = self.weights(y, str(prediction.dtype))
        if own is not None:
            weight = own if weight is None else weight * own
        return self.mean(prediction, y, weight)

    def mean(self, prediction: Any, y: Any, weight: Any = None) -> Any:
        """The mean over rows by the weights alone; 0 where they are all 0.

        Each row is divided before the sum, so that large losses do not overflow on the way.
        """
        each = self.rows(prediction, y)
        if weight is None:
            return ops.sum(each / ops.size_of(each, 0, str(each.dtype)), 0)
        total = ops.sum(weight, 0)
        return ops.sum(each * (weight / ops.where(ops.equal(total, 0.0), 1.0, total)), 0)


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
        try:
            hash(loss)
        except TypeError as error:
            raise ShapeError(
                f"{loss!r} cannot be told from other losses ({error}); it is a frozen dataclass "
                "whose settings are numbers, strings and tuples"
            ) from error
        return loss
    if callable(loss) and not isinstance(loss, type):
        return FunctionLoss(cast(Callable[[Any, Any], Any], loss))
    name = getattr(loss, "__name__", "HalfMSE")
    raise ShapeError(
        f"loss={loss!r} is no loss\n  wrong: loss={name}\n  right: loss=gn.losses.{name}()"
    )


def numbers(y: Any, outputs: int, dtype: str) -> np.ndarray:
    """Labels that are numbers, [rows, outputs]; a vector is taken as one column."""
    given = np.asarray(y)
    if given.dtype.kind not in "fiub":
        raise ShapeError(f"labels have dtype {given.dtype}; this loss takes numbers")
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(given, dtype)
    array = array[:, None] if given.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] != outputs:
        raise ShapeError(
            f"labels have shape {given.shape}; the network gives {counted(outputs, 'number')} a "
            f"row, so labels are [rows, {outputs}]"
        )
    return array


def class_numbers(y: Any, classes: int, owner: str) -> np.ndarray:
    """Labels that are class numbers 0 … classes − 1, [rows]."""
    array = np.asarray(y)
    if array.ndim != 1:
        advice = "\n  right: y.argmax(1), if they are 0 and 1 for each class"
        raise ShapeError(
            f"{owner} takes one class number a row, [rows]; labels have shape {array.shape}"
            + advice * (array.ndim == 2)
        )
    if array.dtype.kind not in "iubf":
        raise ShapeError(
            f"{owner} takes class numbers; labels are {array.dtype}\n"
            "  right: classes, y = numpy.unique(labels, return_inverse=True)"
        )
    whole = array.dtype.kind in "iub" or bool(np.all(array == np.floor(array)))
    if not whole or (array.size and not 0 <= array.min() <= array.max() < classes):
        raise ShapeError(
            f"{owner} takes class numbers 0 to {classes - 1} of the network's "
            f"{counted(classes, 'class')}; labels run from {array.min()} to {array.max()}"
            + ("" if whole else " and are not all whole")
        )
    return np.ascontiguousarray(array, np.int32)


def between(y: np.ndarray, low: float, high: float, owner: str) -> np.ndarray:
    """The labels; ShapeError with the place of the first one outside the range."""
    outside = np.argwhere((y < low) | (y > high))
    if len(outside):
        place = tuple(int(i) for i in outside[0])
        wanted = f"{low:g} or more" if high == np.inf else f"from {low:g} to {high:g}"
        raise ShapeError(
            f"{owner} takes labels {wanted}; y has {y[place]:g} in row {place[0]}, "
            f"column {place[1]}"
        )
    return y


def alike(prediction: Any, y: Any, owner: str) -> Any:
    """prediction − y; ShapeError where shapes differ, since [n, 1] − [n] would be [n, n]."""
    if tuple(prediction.shape) != tuple(y.shape):
        raise ShapeError(
            f"{owner}: predictions have shape {list(prediction.shape)}, labels {list(y.shape)}; "
            "wanted one shape, [rows, outputs]"
        )
    return prediction - y


def rows_of(prediction: Any, y: Any, columns: int | None, owner: str) -> None:
    """ShapeError unless there are as many labels as rows of predictions: with so many columns
    each, or one class number if None."""
    rows = prediction.shape[0] if len(prediction.shape) == 2 else None
    wanted = (rows,) if columns is None else (rows, columns)
    if rows is None or tuple(y.shape) != wanted:
        each = "[rows]" if columns is None else f"[rows, {columns}]"
        raise ShapeError(
            f"{owner}: predictions have shape {list(prediction.shape)}, labels {list(y.shape)}; "
            f"wanted [rows, outputs] and {each}"
        )


def most(dtype: str, terms: int = 1) -> float:
    """How large each of so many terms of a row may be, so that their sum and the mean over rows
    stay finite after all rounding: a thousandth below the largest number, divided by `terms`."""
    return float(np.finfo(dtype).max) * (1.0 - 2.0**-10) / terms


def held(x: Any, low: Any, high: Any) -> Any:
    """x, kept between two numbers; its derivative stays 1 beyond them, for finite x."""
    still = straight(x, float(np.finfo(str(x.dtype)).min))
    below = ops.where(ops.less(x, low), still + low, x)
    return ops.where(ops.greater(x, high), still + high, below)


def straight(x: Any, least: float) -> Any:
    """0 with the derivative of x where x is at least the lowest number, without one at −∞."""
    finite = ops.where(ops.greater_equal(x, least), x, least)
    return finite - ops.stop_gradient(finite)

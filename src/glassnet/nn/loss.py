"""The base class of losses: a loss for every row, and their weighted mean.

In: predictions, labels, weights. Out: `Loss`; plain functions as losses.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, cast

import numpy as np

from glassnet import ops
from glassnet.arguments import ArgumentChecker
from glassnet.describe import Described
from glassnet.errors import ShapeError
from glassnet.foreign import LOSSES
from glassnet.graph.op import Value
from glassnet.graph.types import Type
from glassnet.references import Traceable
from glassnet.words import plural


@dataclass(frozen=True)
class Loss(Traceable, Described, metaclass=ArgumentChecker, in_files=False):
    """Base class of losses. A subclass defines the loss of one row (`rows`) or of each label
    (`cells`), and which labels it takes (`labels`, `label_type`).

    Called on predictions [n, outputs], labels, and optionally weights of the rows [n], it returns
    the weighted mean over rows, a scalar. With a weight for every label, [n, columns], it is
    Σ w·cell / Σ w times the number of columns, which for equal weights is the mean over rows of the
    sum over columns.

    NaN among the labels raises ShapeError. With `missing="skip"` NaN means that there is no label:
    it has weight 0 and a gradient of exactly 0, and the mean is over the existing labels (as
    PyTorch's `loss[mask].mean()`, times the number of columns). If a row has one label, or the loss
    has no `cells`, a row with a missing label has weight 0 as a whole.
    """

    applies: ClassVar[str] = ""  # the activation that the loss itself applies to the scores
    in_parts: ClassVar[bool] = False  # whether `part` computes the mean over all rows in parts
    missing: Literal["error", "skip"] = field(
        default="error", kw_only=True, metadata={"shown": False}
    )

    def __init_subclass__(cls, in_files: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(in_files, **kwargs)
        if "__repr__" not in vars(cls):
            cls.__repr__ = Loss.__repr__  # which `dataclass` leaves as it is

    def __post_init__(self) -> None:
        self.skips_missing  # noqa: B018  (raises an error for an invalid value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in settings(self))})"

    @property
    def skips_missing(self) -> bool:
        """Whether labels may be missing (NaN)."""
        if self.missing not in ("error", "skip"):  # pyright: ignore[reportUnnecessaryContains]
            name = type(self).__name__
            raise ShapeError(
                f"{name}(missing={self.missing!r}): NaN among the labels is an error, or left out\n"
                f'  right: {name}(missing="skip") leaves out labels that are NaN'
            )
        return self.missing == "skip"

    @property
    def by_row(self) -> bool:
        """Whether the loss is defined for each row; otherwise it is one of the whole batch."""
        return self.by_cell or type(self).rows is not Loss.rows

    @property
    def by_cell(self) -> bool:
        """Whether the loss is defined for each label, so that each label can have a weight."""
        return type(self).cells is not Loss.cells

    def rows(self, prediction: Value, y: Value) -> Value:
        """Return the loss of every row, [n]."""
        if self.by_cell:
            return ops.sum(self.cells(prediction, y), 1)
        raise NotImplementedError(
            f"{type(self).__name__} defines neither rows nor cells\n"
            "  right: def rows(self, prediction, y): return ops.sum(ops.abs(prediction - y), 1)"
        )

    def cells(self, prediction: Value, y: Value) -> Value:
        """Return the loss of every label, [n, columns]; its sum over columns is that of the row."""
        raise ShapeError(
            f"{type(self).__name__} is defined per row, so that weights are [rows]; for weights "
            "of labels it must define cells\n"
            "  right: def cells(self, prediction, y): return ops.abs(prediction - y)"
        )

    def labels(self, y: Any, outputs: int, dtype: str) -> np.ndarray:
        """Return labels as the array that a training step reads; raise ShapeError where they do not
        fit a network with `outputs` outputs."""
        return number_array(y, outputs, dtype)

    def label_type(self, rows: Any, outputs: int, dtype: str) -> Type:
        """Return the type of the label array of `rows` rows."""
        return Type(dtype, (rows, outputs))

    def weights(self, y: Any, dtype: str) -> Any:
        """Return the weights that follow from the labels, of rows [n] or of labels [n, columns];
        None where all are equal."""
        return self.mask_weight(y, dtype) if self.skips_missing else None

    def hyperparameters(self) -> Mapping[str, float]:
        """Return the settings that are inputs of the compiled step: other values need no
        compilation."""
        return {}

    def compile_key(self) -> Hashable:
        """Return what determines the compiled step: all settings that are not inputs of it."""
        return self

    def penalty(
        self, parameters: Mapping[str, Value], weight: Any, settings: Mapping[str, Value]
    ) -> Any:
        """Return the penalty on the trained parameters, which training adds to the mean; None for
        none. `weight` are the weights of the rows, `settings` the `hyperparameters` as inputs."""
        return None

    def part(
        self,
        prediction: Value,
        batch: Mapping[str, Value],
        parameters: Mapping[str, Value],
        share: Any,
        decay: Any,
    ) -> Any:
        """Return the contribution of some rows to the mean over more rows: `share` is 1 / the sum
        of the weights of all rows, `decay` the factor of the penalty in this part."""
        raise NotImplementedError(f"{type(self).__name__} is not computed in parts")

    def smooth_labels(self, y: np.ndarray) -> np.ndarray:
        """Return labels near y at which the loss is differentiable with respect to labels, too."""
        return y

    def __call__(self, prediction: Any, y: Any, weight: Any = None) -> Any:
        prediction, y = self.in_rows(prediction, self.encode_labels(y))
        weight = weight if weight is None else _as_array(weight)
        by_class = self.weights(y, str(prediction.dtype))
        if by_class is not None:
            weight = by_class if weight is None else multiply_weights(weight, by_class)
        return self.mean(prediction, y, weight)

    def in_rows(self, prediction: Any, y: Any) -> tuple[Any, Any]:
        """Return predictions as [rows, outputs] and labels in the form that training uses; lists,
        integers, and vectors for a single column are converted."""
        prediction, y = map(_as_array, (prediction, y))
        if not isinstance(prediction, Value) and prediction.dtype.kind in "iub":
            prediction = prediction.astype(float)
        dtype = str(prediction.dtype)
        if len(prediction.shape) == 1 and len(self.label_type(1, 1, dtype).shape) == 2:
            prediction = ops.expand(prediction, 1)
        if len(prediction.shape) == 2:
            outputs: Any = prediction.shape[1]
            wanted = self.label_type(prediction.shape[0], outputs, dtype).shape
            if len(y.shape) == 1 and len(wanted) == 2 and wanted[1] == 1:
                y = ops.expand(y, 1)
            if len(wanted) == 2 and str(y.dtype)[:5] != "float":
                y = ops.cast(y, dtype)
        return prediction, y

    def mean(self, prediction: Any, y: Any, weight: Any = None) -> Any:
        """Return the weighted mean over rows; 0 where all weights are 0.

        Each row is divided before the sum, so that large losses do not overflow.
        """
        if self.skips_missing:
            weight = self.mask_weight(y, str(prediction.dtype)) if weight is None else weight
            prediction, y = self.fill_missing(prediction, y)
        if weight is not None and len(weight.shape) == 2:
            share = float(weight.shape[1]) / one_for_zero(ops.sum(ops.sum(weight, 1), 0))
            return ops.sum(ops.sum(self.cells(prediction, y) * (weight * share), 1), 0)
        each = self.rows(prediction, y)
        if weight is None:
            return ops.sum(each / ops.size_of(each, 0, str(each.dtype)), 0)
        return ops.sum(each * (weight / one_for_zero(ops.sum(weight, 0))), 0)

    def terms(self, prediction: Any, y: Any, weight: Any = None) -> Any:
        """Return the term of every row in the mean, [n], before it is multiplied by the row's
        weight (weights of labels are included) and divided by the sum of the weights."""
        if self.skips_missing:
            prediction, y = self.fill_missing(prediction, y)
        if weight is None or len(weight.shape) == 1:
            return self.rows(prediction, y)
        return ops.sum(self.cells(prediction, y) * weight, 1)

    def encode_labels(self, y: Any) -> Any:
        """Convert the labels of a call to the form that `rows` takes."""
        return y

    def known(self, y: Any) -> Any:
        """Return a mask of the labels that are not missing."""
        return ops.equal(y, y)

    def mask_weight(self, y: Any, dtype: str) -> Any:
        """Return weights 1 for existing and 0 for missing labels: one for each label if there are
        several columns and the loss has `cells`, else one for each row."""
        each: Any = ops.cast(self.known(y), dtype)
        if len(each.shape) == 1 or (self.by_cell and each.shape[1] != 1):
            return each
        return ops.min(each, 1)

    def fill_missing(self, prediction: Any, y: Any) -> tuple[Any, Any]:
        """Return predictions and labels with 0 in both where a label is missing, so that these
        predictions, even infinite ones, get no gradient."""
        known: Any = self.known(y)
        y = ops.where(known, y, 0)
        if len(known.shape) == 1:
            return ops.where(ops.expand(known, 1), prediction, 0.0), y
        outputs, columns = prediction.shape[1], known.shape[1]
        if outputs % columns or not self.by_cell:
            every: Any = ops.min(ops.cast(known, str(prediction.dtype)), 1, keepdims=True)
            known, columns = ops.equal(every, 1.0), 1
        if 1 < columns < outputs:  # several outputs for a label, such as mean and variance
            known = ops.concatenate([known] * (outputs // columns), 1)
        return ops.where(known, prediction, 0.0), y


Loss.inside = (Loss,)


def _as_array(value: Any) -> Any:
    """Return numbers as an array; a graph value is returned as it is."""
    return value if isinstance(value, Value) else np.asarray(value)


@dataclass(frozen=True)
class FunctionLoss(Loss, in_files=False):
    """A loss that is a plain function `f(prediction, y)` of predictions [n, outputs] and labels,
    written with `gn.ops`; it returns one number for each row, [n]."""

    f: Callable[[Any, Any], Any]

    def get_config(self) -> None:
        """Return None: the object is user code."""

    def rows(self, prediction: Value, y: Value) -> Value:
        each: Any = self.f(prediction, y)
        if getattr(each, "shape", None) != prediction.shape[:1]:
            name = getattr(self.f, "__name__", "f")
            raise ShapeError(
                f"the loss {name} gave {each!r}; a loss gives one number per row, and glassnet "
                "takes the mean\n"
                f"  wrong: ops.mean(ops.square(prediction - y))\n"
                f"  right: ops.sum(ops.square(prediction - y), 1)\n"
                f"  right: gn.losses.BatchLoss({name}), where rows are compared with each other"
            )
        return each


@dataclass(frozen=True)
class BatchLoss(Loss, in_files=False):
    """A loss of a whole mini-batch, such as a correlation, or distances between pairs of rows.

    `f(prediction, y)`, written with `gn.ops`, returns one number; if rows have weights, they are
    its third argument. Labels are [n, columns], by default as many columns as the network has
    outputs.

    The loss of an epoch is the mean of its mini-batches, weighted by their numbers of rows.
    Validation data are evaluated in parts of 4096 rows, whose mean is the validation loss. Single
    rows have no loss.
    """

    f: Callable[..., Any]
    columns: int | None = None

    def get_config(self) -> None:
        """Return None: the object is user code."""

    def labels(self, y: Any, outputs: int, dtype: str) -> np.ndarray:
        given, wanted = np.asarray(y), self.columns or outputs
        if given.ndim <= 2 and (1 if given.ndim < 2 else given.shape[1]) != wanted:
            found = 1 if given.ndim < 2 else given.shape[1]
            raise ShapeError(
                f"labels have shape {given.shape}; {self!r} takes {plural(wanted, 'column')}\n"
                f"  right: gn.losses.BatchLoss(f, columns={found})"
            )
        return number_array(given, wanted, dtype)

    def label_type(self, rows: Any, outputs: int, dtype: str) -> Type:
        return Type(dtype, (rows, self.columns or outputs))

    def mean(self, prediction: Any, y: Any, weight: Any = None) -> Any:
        name, given = getattr(self.f, "__name__", "f"), [prediction, y]
        if self.skips_missing:
            weight = self.mask_weight(y, str(prediction.dtype)) if weight is None else weight
            given = list(self.fill_missing(prediction, y))
        if weight is not None:
            given.append(weight)
        if len(given) == 3 and not _accepts(self.f, 3):
            raise ShapeError(
                f"the loss {name} takes no weights\n  right: def {name}(prediction, y, weight=None)"
            )
        total: Any = self.f(*given)
        if tuple(getattr(total, "shape", ())) not in ((), (1,), (1, 1)):
            raise ShapeError(
                f"the loss {name} gave {total!r}; a loss of the batch gives one number\n"
                "  right: ops.mean(…), or gn.losses.FunctionLoss(f) for one number a row"
            )
        return ops.reshape(total, ())


def _accepts(f: Any, count: int) -> bool:
    """Whether a function can be called with `count` positional arguments."""
    try:
        inspect.signature(f).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # the signature is not available
        pass
    return True


def settings(loss: Any) -> list[tuple[str, Any]]:
    """Return the settings of a loss for its repr, without newer settings at their defaults."""
    every = [(f, getattr(loss, f.name)) for f in fields(loss) if f.init]
    plain = [(f.name, v) for f, v in every if f.metadata.get("shown", True)]
    later = [(f, v) for f, v in every if not f.metadata.get("shown", True)]
    return [*plain, *((f.name, v) for f, v in later if v != f.default)]


def one_for_zero(total: Any) -> Any:
    """Return a sum of weights, with 1 in place of 0."""
    return ops.where(ops.equal(total, 0.0), 1.0, total)


def multiply_weights(weight: Any, other: Any) -> Any:
    """Return the product of two weights, each of rows [n] or of labels [n, columns]."""
    short, long = sorted((weight, other), key=lambda weights: len(weights.shape))
    return ops.expand(short, 1) * long if len(short.shape) < len(long.shape) else short * long


def as_loss(loss: Any) -> Loss:
    """Return a loss, or a function as a loss; raise ShapeError for others."""
    if isinstance(loss, Loss):
        try:
            hash(loss)
        except TypeError as error:
            raise ShapeError(
                f"{loss!r} cannot be compared with other losses ({error}); a loss is a frozen "
                "dataclass whose settings are numbers, strings and tuples"
            ) from error
        return loss
    if callable(loss) and not isinstance(loss, type):
        return FunctionLoss(cast(Callable[[Any, Any], Any], loss))
    named_loss = LOSSES.get(loss.lower().replace(" ", "_")) if isinstance(loss, str) else None
    right = named_loss or f"{getattr(loss, '__name__', 'HalfMSE')}()"
    raise ShapeError(f"loss={loss!r} is not a loss\n  right: loss=gn.losses.{right}")


def number_array(y: Any, outputs: int, dtype: str) -> np.ndarray:
    """Return numeric labels as [rows, outputs]; a vector becomes one column. Raises ShapeError."""
    given = np.asarray(y)
    if given.dtype.kind not in "fiub":
        raise ShapeError(f"labels have dtype {given.dtype}; this loss takes numbers")
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(given, dtype)
    array = array[:, None] if given.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] != outputs:
        raise ShapeError(
            f"labels have shape {given.shape}; the network gives {plural(outputs, 'number')} a "
            f"row, so labels are [rows, {outputs}]"
        )
    return array


def class_numbers(y: Any, classes: int, owner: str, skips: bool = False) -> np.ndarray:
    """Return labels as class numbers 0 … classes − 1, [rows], with −1 for NaN if `skips`; raise
    ShapeError for others."""
    array = np.asarray(y)
    if array.ndim != 1:
        advice = "\n  right: y.argmax(1), if they are 0 and 1 for each class"
        if owner == "CrossEntropy":
            advice += "\n  right: CrossEntropy(soft_labels=True), if they are probabilities"
        raise ShapeError(
            f"{owner} takes one class number a row, [rows]; labels have shape {array.shape}"
            + advice * (array.ndim == 2)
        )
    if array.dtype.kind not in "iubf":
        raise ShapeError(
            f"{owner} takes class numbers; labels are {array.dtype}\n"
            "  right: classes, y = numpy.unique(labels, return_inverse=True)"
        )
    lacks = np.isnan(array) if array.dtype.kind == "f" else np.zeros(1, bool)
    some = bool(lacks.any())
    if some and not skips:
        raise ShapeError(
            f"the label of row {int(np.argmax(lacks))} (counted from 0) is NaN\n"
            f'  right: {owner}(missing="skip"), which leaves out rows without a label'
        )
    found = array[~lacks] if some else array
    whole = found.dtype.kind in "iub" or bool(np.all(found == np.floor(found)))
    if not whole or (found.size and not 0 <= found.min() <= found.max() < classes):
        raise ShapeError(
            f"{owner} takes class numbers 0 to {classes - 1} of the network's "
            f"{plural(classes, 'class')}; labels run from {found.min()} to {found.max()}"
            + ("" if whole else " and are not all whole")
            + ("; a missing label is NaN: numpy.where(y < 0, numpy.nan, y)" if skips else "")
        )
    return np.ascontiguousarray(np.where(lacks, -1, array) if some else array, np.int32)


def check_range(y: np.ndarray, low: float, high: float, owner: str) -> np.ndarray:
    """Return labels; raise ShapeError with the position of the first one outside the range."""
    outside = np.argwhere((y < low) | (y > high))
    if len(outside):
        place = tuple(int(i) for i in outside[0])
        wanted = f"{low:g} or more" if high == np.inf else f"from {low:g} to {high:g}"
        raise ShapeError(
            f"{owner} takes labels {wanted}; y has {y[place]:g} in row {place[0]}, "
            f"column {place[1]}"
        )
    return y


def difference(prediction: Any, y: Any, owner: str) -> Any:
    """Return prediction − y; raise ShapeError where shapes differ, as [n, 1] − [n] is [n, n]."""
    if tuple(prediction.shape) != tuple(y.shape):
        raise ShapeError(
            f"{owner}: predictions have shape {list(prediction.shape)}, labels {list(y.shape)}; "
            "wanted one shape, [rows, outputs]"
        )
    return prediction - y


def rows_of(prediction: Any, y: Any, columns: int | None, owner: str) -> None:
    """Raise ShapeError unless there is one label for each row of predictions: `columns` numbers, or
    one class number if that is None."""
    rows = prediction.shape[0] if len(prediction.shape) == 2 else None
    wanted = (rows,) if columns is None else (rows, columns)
    if rows is None or tuple(y.shape) != wanted:
        each = "[rows]" if columns is None else f"[rows, {columns}]"
        raise ShapeError(
            f"{owner}: predictions have shape {list(prediction.shape)}, labels {list(y.shape)}; "
            f"wanted [rows, outputs] and {each}"
        )


def term_bound(dtype: str, terms: int = 1) -> float:
    """Return the largest size of each of `terms` terms of a row for which their sum and the mean
    over rows are finite after rounding: 0.1 % below the largest number, divided by `terms`."""
    return float(np.finfo(dtype).max) * (1.0 - 2.0**-10) / terms


def clamp(x: Any, low: Any, high: Any) -> Any:
    """Limit x to the range from low to high, but with the derivative 1 everywhere, for finite x."""
    still = linear_from(x, float(np.finfo(str(x.dtype)).min))
    below = ops.where(ops.less(x, low), still + low, x)
    return ops.where(ops.greater(x, high), still + high, below)


def linear_from(x: Any, least: float) -> Any:
    """Return 0 with the derivative of x, where x is at least `least`; at −∞ the derivative is 0."""
    finite = ops.where(ops.greater_equal(x, least), x, least)
    return finite - ops.stop_gradient(finite)

"""Losses for regression.

In: predictions and labels, both [n, outputs]. Out: losses that sum over outputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet import ops
from glassnet.errors import ShapeError
from glassnet.graph.op import Value
from glassnet.graph.types import Type
from glassnet.nn.loss import Loss, check_range, clamp, difference, number_array, rows_of, term_bound
from glassnet.nn.setting_checks import check_numbers
from glassnet.words import plural

# The largest x for which eˣ is computed; eˣ times squares up to 6000 is finite.
EXPONENT = {"float32": 80.0, "float64": 700.0}


@dataclass(frozen=True)
class HalfMSE(Loss):
    """Half the mean squared error, 1/(2n) Σ (ŷ − y)²; its gradient for ŷ is (ŷ − y)/n."""

    def rows(self, prediction: Value, y: Value) -> Value:
        return ops.sum(ops.square(difference(prediction, y, "HalfMSE")), 1) * 0.5

    def cells(self, prediction: Value, y: Value) -> Value:
        return ops.square(difference(prediction, y, "HalfMSE")) * 0.5


@dataclass(frozen=True)
class MSE(Loss):
    """The mean squared error, 1/n Σ (ŷ − y)², summed over outputs."""

    def cells(self, prediction: Value, y: Value) -> Value:
        return ops.square(difference(prediction, y, "MSE"))


@dataclass(frozen=True)
class MAE(Loss):
    """The mean absolute error, 1/n Σ |ŷ − y|, summed over outputs; the median minimises it."""

    def cells(self, prediction: Value, y: Value) -> Value:
        return ops.abs(difference(prediction, y, "MAE"))


@dataclass(frozen=True)
class Huber(Loss):
    """The Huber loss: ½(ŷ − y)² for |ŷ − y| up to delta, else delta·(|ŷ − y| − delta/2). It is like
    HalfMSE for small errors and like MAE for large ones."""

    delta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_numbers(self, "Huber(1.0)", 0.0, math.inf, "()", delta=self.delta)

    def cells(self, prediction: Value, y: Value) -> Value:
        apart = difference(prediction, y, "Huber")
        far = ops.abs(apart)
        near = ops.minimum(far, self.delta)  # its square does not overflow
        return near * (0.5 * near) + self.delta * (far - near)


@dataclass(frozen=True)
class Quantile(Loss):
    """The quantile (pinball) loss: q·(y − ŷ) where the prediction is too low, (1 − q)·(ŷ − y) where
    it is too high; the q-quantile minimises it.

    With several quantiles, `q=(0.1, 0.9)`, the network has one output for each, and labels have one
    column. Predicted quantiles may cross in single rows; `numpy.sort(predictions, 1)` puts them in
    order, which never increases the loss."""

    q: float | tuple[float, ...] = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.q, Sequence | np.ndarray) and not isinstance(self.q, str):
            object.__setattr__(self, "q", tuple(float(q) for q in self.q))
        levels = self.levels() or ((),)
        for q in levels:
            check_numbers(self, "Quantile(0.9) or Quantile((0.1, 0.9))", 0.0, 1.0, "()", q=q)

    def levels(self) -> tuple[float, ...]:
        return self.q if isinstance(self.q, tuple) else (self.q,)

    def rows(self, prediction: Value, y: Value) -> Value:
        return ops.sum(self._parts(prediction, y), 1)

    def cells(self, prediction: Value, y: Value) -> Value:
        parts = self._parts(prediction, y)
        return parts if len(self.levels()) == 1 else ops.sum(parts, 1, keepdims=True)

    def _parts(self, prediction: Value, y: Value) -> Value:
        """Return the loss of every number of a prediction."""
        q = self.levels()
        outputs = prediction.shape[1] if len(prediction.shape) == 2 else 1
        if tuple(y.shape) != tuple(prediction.shape):  # or the label stands beside each of them
            rows_of(prediction, y, self._columns(outputs), "Quantile")
        level = q[0] if len(q) == 1 else np.array(q, str(prediction.dtype))
        low = y - prediction
        return ops.maximum(low, 0.0) * level + ops.maximum(-low, 0.0) * (1.0 - level)

    def labels(self, y: Any, outputs: int, dtype: str) -> np.ndarray:
        return number_array(y, self._columns(outputs), dtype)

    def label_type(self, rows: Any, outputs: int, dtype: str) -> Type:
        return Type(dtype, (rows, self._columns(outputs)))

    def _columns(self, outputs: Any) -> int:
        count = len(self.levels())
        if count > 1 and outputs != count:
            raise ShapeError(
                f"Quantile has {plural(count, 'quantile')}, the network "
                f"{plural(outputs, 'output')}\n"
                f"  right: Linear(…, {count}) as the last layer"
            )
        return outputs if count == 1 else 1


@dataclass(frozen=True)
class PoissonNLL(Loss):
    """The Poisson loss e^ŷ − y·ŷ for counts y with mean e^ŷ (without ln y!, which does not depend
    on the prediction). Predictions above 80 (700 in float64) are limited to that, with the gradient
    there."""

    def cells(self, prediction: Value, y: Value) -> Value:
        outputs, dtype = prediction.shape[1], str(prediction.dtype)
        assert isinstance(outputs, int)
        difference(prediction, y, "PoissonNLL")
        top = EXPONENT[dtype]
        bound = term_bound(dtype, outputs) / ops.maximum(y, 1.0)  # so that y·ŷ is finite
        rate = clamp(prediction, -bound, ops.minimum(bound, top))
        return ops.exp(clamp(prediction, -term_bound(dtype), top)) - y * rate

    def labels(self, y: Any, outputs: int, dtype: str) -> np.ndarray:
        return check_range(number_array(y, outputs, dtype), 0.0, math.inf, "PoissonNLL")


@dataclass(frozen=True)
class GaussianNLL(Loss):
    """The Gaussian loss ½(ln σ² + (y − μ)²/σ²) for a network that also predicts the variance: the
    first half of the outputs are the means μ, the second half ln σ². In the quotient, σ² is at
    least e^−80 (e^−700 in float64), with the gradient there."""

    def rows(self, prediction: Value, y: Value) -> Value:
        return ops.sum(self._doubled(prediction, y), 1) * 0.5

    def cells(self, prediction: Value, y: Value) -> Value:
        return self._doubled(prediction, y) * 0.5

    def _doubled(self, prediction: Value, y: Value) -> Value:
        outputs = self._columns(prediction.shape[1] if len(prediction.shape) == 2 else 1)
        rows_of(prediction, y, outputs, "GaussianNLL")
        mean, spread = prediction[:, :outputs], prediction[:, outputs:]
        dtype = str(prediction.dtype)
        bound = term_bound(dtype, outputs)
        spread = clamp(spread, -bound, bound)
        inverse = ops.exp(clamp(-spread, -bound, EXPONENT[dtype]))
        return spread + ops.square(y - mean) * inverse

    def labels(self, y: Any, outputs: int, dtype: str) -> np.ndarray:
        return number_array(y, self._columns(outputs), dtype)

    def label_type(self, rows: Any, outputs: int, dtype: str) -> Type:
        return Type(dtype, (rows, self._columns(outputs)))

    def _columns(self, outputs: Any) -> int:
        if outputs % 2:
            raise ShapeError(
                f"GaussianNLL needs a mean and a variance for each label; the network gives "
                f"{plural(outputs, 'number')} a row\n  right: Linear(…, 2) for one column of "
                "labels"
            )
        return outputs // 2

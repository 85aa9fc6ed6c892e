"""The loss of scikit-learn's MLPs: the mean over the rows, and an L2 penalty on the weights.

In: raw outputs, labels, parameters. Out: the loss of every row, the mean, and the penalty, as graph
nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from glassnet import ops
from glassnet.graph.op import Value
from glassnet.nn.loss import Loss


def inverse_weight_sum(weight: Value) -> Any:
    """Return 1 / the sum of the weights of all rows; 0 where that is 0."""
    total: Any = ops.sum(weight, 0)
    some: Any = ops.greater(total, 0.0)
    return ops.where(some, 1.0 / ops.where(some, total, 1.0), 0.0)


def half_squares(weights: Sequence[Value]) -> Any:
    """Return half the sum of the squared weights. Columns are summed first, since adding whole rows
    takes a tenth of the time."""
    parts: list[Any] = [ops.sum(ops.sum(ops.square(w), 0)) for w in weights]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total * 0.5


@dataclass(frozen=True)
class PenalisedLoss(Loss):
    """The weighted mean of the rows' losses; training adds the penalty α/2 · Σ w² divided by the
    sum of the rows' weights. Biases are not penalised.

    `out` is the output activation, which determines the loss: log loss for "softmax" and
    "logistic", half the Poisson deviance for "exp", half the squared error for "identity". A loss
    `inner` replaces it.
    """

    out: str
    inner: Loss | None
    alpha: float
    in_parts: ClassVar[bool] = True

    def rows(self, prediction: Value, y: Value) -> Any:
        """Return the loss of every row, from the raw output."""
        z = prediction
        if self.inner is not None:
            return self.inner.rows(z, y)
        if self.out == "softmax":
            return ops.logsumexp(z, 1) - ops.sum(y * z, 1)
        if self.out == "logistic":
            positive: Any = ops.where(ops.greater(z, 0.0), z, 0.0)
            tail: Any = ops.log1p(ops.exp(ops.where(ops.greater(z, 0.0), -z, z)))
            return ops.sum(positive + tail - y * z, 1)
        if self.out == "exp":
            counts: Any = ops.where(ops.greater(y, 0.0), y, 1.0)
            return ops.sum(y * ops.log(counts) - y - y * z + ops.exp(z), 1)
        return ops.sum(ops.square(z - y), 1) * 0.5

    def mean(self, prediction: Any, y: Any, weight: Any = None) -> Any:
        if weight is None:
            return super().mean(prediction, y)
        return ops.sum(self.rows(prediction, y) * weight, 0) * inverse_weight_sum(weight)

    def hyperparameters(self) -> Mapping[str, float]:
        return {"alpha": self.alpha}

    def compile_key(self) -> Any:
        return type(self), self.out, self.inner

    def penalty(
        self, parameters: Mapping[str, Value], weight: Any, settings: Mapping[str, Value]
    ) -> Any:
        share: Any = 1.0 if weight is None else inverse_weight_sum(weight)
        alpha: Any = settings["alpha"]
        return self._half_squares(parameters) * (alpha * share)

    def part(
        self,
        prediction: Value,
        batch: Mapping[str, Value],
        parameters: Mapping[str, Value],
        share: Any,
        decay: Any,
    ) -> Any:
        cost = self.rows(prediction, batch["y"])
        penalty = self._half_squares(parameters) * decay
        return ops.sum(cost * batch["weight"], 0) * share + penalty

    def _half_squares(self, parameters: Mapping[str, Value]) -> Any:
        return half_squares(
            [parameter for name, parameter in parameters.items() if name.endswith("weight")]
        )

    def smooth_labels(self, y: np.ndarray) -> np.ndarray:
        # y·ln y, a part of the Poisson deviance, has no derivative where a count is 0
        return y + 1 if self.out == "exp" and self.inner is None else y

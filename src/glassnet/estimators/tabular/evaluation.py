"""True values and predictions of rows, as scores, thresholds and intervals need them.

In: predictions of a model for rows with known targets. Out: an `Evaluation`, which has the decision
for each row, and the standard error of a mean over the rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Evaluation:
    """Rows with their true values, a model's predictions, and those of a constant predictor.

    For classes, the truth and the constant are codes (-1 is a class that the model does not know)
    and predictions are probabilities of each class; else all three are numbers. Rows of one unit
    are not independent, which the standard error takes into account.
    """

    truth: NDArray[Any]
    given: NDArray[Any]
    constant: NDArray[Any]
    units: NDArray[np.int64] | None = None
    folds: NDArray[np.int64] | None = None  # the fold of each row, where there are folds
    decided: NDArray[np.int64] | None = None  # classes by a threshold, else the most probable ones
    ends: NDArray[np.float64] | None = None  # of intervals: a lower and an upper number a row
    rows: NDArray[np.int64] | None = None  # their numbers in the table
    weight: NDArray[np.float64] | None = None  # how much each counts, else all alike
    ordered: bool = False  # whether the classes have an order, which is that of their codes

    @property
    def choice(self) -> NDArray[np.int64]:
        """Return the predicted class of each row."""
        return self.given.argmax(axis=1) if self.decided is None else self.decided

    @property
    def scaled(self) -> NDArray[np.float64] | None:
        """Weights whose mean is 1."""
        return None if self.weight is None else self.weight / self.weight.mean()

    def of(self, part: NDArray[Any]) -> Evaluation:
        """Return some of the rows, by indices or a mask."""
        later = {
            name: None if (values := getattr(self, name)) is None else values[part]
            for name in ("units", "folds", "decided", "ends", "rows", "weight")
        }
        whole = self.truth[part], self.given[part], self.constant[part]
        return Evaluation(*whole, **later, ordered=self.ordered)

    def constant_answers(self) -> Evaluation:
        """Return the same rows, predicted by the constant predictor; for classes, the class shares
        among these rows."""
        if self.given.ndim == 1:
            return replace(self, given=self.constant.astype(np.float64), ends=None)
        known = self.truth >= 0
        weight = None if self.weight is None else self.weight[known]
        counts = np.bincount(self.truth[known], weight, minlength=self.given.shape[1])
        shares = counts / (counts.sum() or 1)
        given = np.broadcast_to(shares, self.given.shape)
        return replace(self, given=given, decided=self.constant.astype(np.int64))

    def error_of(self, parts: NDArray[np.float64]) -> float:
        """Return the standard error of the mean of one number per row, with mean 0."""
        rows = len(parts)
        if self.units is None:
            return math.sqrt(math.fsum(parts**2) / max(rows - 1, 1) / rows)
        sums = np.bincount(np.unique(self.units, return_inverse=True)[1].reshape(-1), parts)
        count = len(sums)
        return math.sqrt(math.fsum(sums**2) * count / max(count - 1, 1)) / rows


def join_evaluations(parts: Sequence[Evaluation]) -> Evaluation:
    """Return the rows of several evaluations, one after the other."""
    if len(parts) == 1:
        return parts[0]

    def together(name: str) -> Any:
        found = [getattr(part, name) for part in parts]
        return None if found[0] is None else np.concatenate(found)

    names = ("truth", "given", "constant", "units", "folds", "decided", "ends", "rows", "weight")
    return Evaluation(*(together(name) for name in names), ordered=parts[0].ordered)

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

    For classes, the truth and the constant are codes [rows] (-1 is a class that the model does not
    know) and predictions (`given`) are probabilities [rows, classes]; else all three are numbers
    [rows]. Rows of one unit are not independent, which the standard error takes into account.
    """

    truth: NDArray[Any]
    given: NDArray[Any]
    constant: NDArray[Any]
    units: NDArray[np.int64] | None = None
    folds: NDArray[np.int64] | None = None  # the fold of each row, where there are folds
    decided: NDArray[np.int64] | None = None  # classes by a threshold, else the most probable ones
    ends: NDArray[np.float64] | None = None  # lower and upper end of intervals, [rows, 2]
    rows: NDArray[np.int64] | None = None  # their indices in the table
    weight: NDArray[np.float64] | None = None  # of each row; None: all count alike
    ordered: bool = False  # whether the classes have an order, which is that of their codes

    @property
    def choice(self) -> NDArray[np.int64]:
        """The code of the predicted class of each row: `decided`, else the most probable class."""
        return self.given.argmax(axis=1) if self.decided is None else self.decided

    @property
    def scaled(self) -> NDArray[np.float64] | None:
        """The weights divided by their mean; None without weights."""
        return None if self.weight is None else self.weight / self.weight.mean()

    def of(self, part: NDArray[Any]) -> Evaluation:
        """Return some of the rows, by an array of indices or a mask."""
        later = {
            name: None if (values := getattr(self, name)) is None else values[part]
            for name in ("units", "folds", "decided", "ends", "rows", "weight")
        }
        whole = self.truth[part], self.given[part], self.constant[part]
        return Evaluation(*whole, **later, ordered=self.ordered)

    def constant_answers(self) -> Evaluation:
        """Return the same rows, predicted by the constant predictor: numbers by `constant`, without
        intervals; classes by the class `constant`, with the (weighted) shares of the classes among
        these rows as probabilities."""
        if self.given.ndim == 1:
            return replace(self, given=self.constant.astype(np.float64), ends=None)
        known = self.truth >= 0
        weight = None if self.weight is None else self.weight[known]
        counts = np.bincount(self.truth[known], weight, minlength=self.given.shape[1])
        shares = counts / (counts.sum() or 1)
        given = np.broadcast_to(shares, self.given.shape)
        return replace(self, given=given, decided=self.constant.astype(np.int64))

    def error_of(self, parts: NDArray[np.float64]) -> float:
        """Return the standard error of the mean of one number per row. The numbers must have mean
        0. Those of a unit are added up first, since rows of a unit are not independent."""
        rows = len(parts)
        if self.units is None:
            return math.sqrt(math.fsum(parts**2) / max(rows - 1, 1) / rows)
        sums = np.bincount(np.unique(self.units, return_inverse=True)[1].reshape(-1), parts)
        count = len(sums)
        return math.sqrt(math.fsum(sums**2) * count / max(count - 1, 1)) / rows


def join_evaluations(parts: Sequence[Evaluation]) -> Evaluation:
    """Return the rows of several evaluations, one after the other. All must have the same optional
    fields."""
    if len(parts) == 1:
        return parts[0]

    def together(name: str) -> Any:
        found = [getattr(part, name) for part in parts]
        return None if found[0] is None else np.concatenate(found)

    names = ("truth", "given", "constant", "units", "folds", "decided", "ends", "rows", "weight")
    return Evaluation(*(together(name) for name in names), ordered=parts[0].ordered)

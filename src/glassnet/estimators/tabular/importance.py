"""Permutation importance: how much worse a model predicts when a column is shuffled.

In: a model, encoded rows with their truth, and optionally a function that predicts them. Out: for
each column, the mean increase of the loss (decrease of the metric) over some shuffles, with a
standard error over the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.table_metrics import Measured, metric_named
from glassnet.ops.philox import permutation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glassnet.estimators.tabular.table_model import TableModel

    Answer = Callable[[NDArray[np.float32]], NDArray[Any]]

REPEATS = 5
MOST_ROWS = 2000
FEWEST_ROWS = 200
_BUDGET = 300_000  # rows that are predicted for all columns together
_STREAM = 0x494D504F  # "IMPO": random numbers that nothing else draws


@dataclass(frozen=True)
class Importance:
    """The importance of a column: how much worse the metric gets when it is shuffled, in the unit
    of the metric, and its standard error."""

    column: str
    value: float
    error: float


def main_loss(classes: bool) -> str:
    """Return the default metric of importances."""
    return "log_loss" if classes else "rmse"


def some_rows(rows: int, columns: int, repeats: int = REPEATS) -> NDArray[np.int64]:
    """Return the ascending indices of random rows: `most_rows`, or all if there are fewer."""
    return np.sort(permutation(rows, 0, _STREAM)[: most_rows(columns, repeats)])


def most_rows(columns: int, repeats: int = REPEATS) -> int:
    """Return the maximum number of rows for importances, 200 to 2,000, so that they take
    seconds."""
    return min(max(_BUDGET // max(columns * repeats, 1), FEWEST_ROWS), MOST_ROWS)


def importances(
    model: TableModel,
    x: NDArray[np.float32],
    answers: Evaluation,
    metric: str | None = None,
    repeats: int = REPEATS,
    answer: Answer | None = None,
) -> list[Importance]:
    """Return the importances, the largest first.

    `answers` has the truth of the encoded rows x; `answer` predicts encoded rows, before rules, by
    default with the model. `metric` is by default log-loss or RMSE. Columns are left out if the
    metric is undefined when they are shuffled; the list is empty if it is undefined for x.
    """
    name = metric or main_loss(answers.given.ndim == 2)
    measured, answer = metric_named(name), answer or model.before_rules
    sign = measured.sign

    def answered(rows: NDArray[np.float32]) -> Evaluation:
        plain = replace(answers, given=answer(rows), decided=None, ends=None)
        return model.rules.applied(plain)

    known = measured.measure(answered(x))
    if known is None:
        return []
    found: list[Importance] = []
    for number, (column, places) in enumerate(model.schema.places.items()):
        change, values = np.zeros(len(x)), list[float]()
        for repeat in range(repeats):
            shuffled = x.copy()
            order = permutation(len(x), number, _STREAM, epoch=repeat + 1)
            shuffled[:, places] = x[order][:, places]
            worse = measured.measure(answered(shuffled))
            if worse is not None:
                values.append(sign * (known.value - worse.value))
                change += sign * (_influence(known) - _influence(worse))
        if values:
            error = answers.error_of(change / len(values))
            found.append(Importance(column, float(np.mean(values)), error))
    return sorted(found, key=lambda one: -one.value)


def _influence(found: Measured) -> NDArray[Any]:
    return found.influence * found.unit

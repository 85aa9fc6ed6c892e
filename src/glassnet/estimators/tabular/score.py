"""How good predictions are: accuracy or root mean squared error, each with a standard error.

In: the truth and the predictions. Out: a `Score`, with that of a constant prediction beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from glassnet.serialize import AnyFloat, Total

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Evaluation:
    """Rows with the truth, what a model answers, and what a constant predictor would answer.

    For classes the truth and the constant are codes (-1 is a class that the model does not know)
    and the model gives a probability for each class; else all three are numbers. Rows of one unit
    are not independent of each other, which the standard error takes into account.
    """

    truth: NDArray[Any]
    given: NDArray[Any]
    constant: NDArray[Any]
    units: NDArray[np.int64] | None = None

    def error_of(self, parts: NDArray[np.float64]) -> float:
        """The standard error of the mean of one number a row, which have mean 0."""
        rows = len(parts)
        if self.units is None:
            return math.sqrt(math.fsum(parts**2) / max(rows - 1, 1) / rows)
        sums = np.bincount(np.unique(self.units, return_inverse=True)[1].reshape(-1), parts)
        count = len(sums)
        return math.sqrt(math.fsum(sums**2) * count / max(count - 1, 1)) / rows


@dataclass(frozen=True)
class Score:
    """A figure, its standard error, and the same figure of the constant predictor."""

    metric: Literal["accuracy", "rmse"]
    value: AnyFloat
    error: AnyFloat
    constant: AnyFloat
    constant_answer: str
    rows: Total
    others: dict[str, AnyFloat]  # further figures by name


def score(answers: Evaluation, classes: tuple[str, ...]) -> Score:
    """Accuracy where there are classes, else RMSE."""
    return _accuracy(answers, classes) if classes else _rmse(answers)


def _accuracy(answers: Evaluation, classes: tuple[str, ...]) -> Score:
    """With the binomial standard error, unless rows are in units."""
    truth, given = answers.truth, answers.given.astype(np.float64)
    rows, right = len(truth), given.argmax(axis=1) == truth
    accuracy = int(right.sum()) / rows
    error = math.sqrt(accuracy * (1 - accuracy) / rows)
    if answers.units is not None:
        error = answers.error_of(right - accuracy)
    known = np.flatnonzero(truth >= 0)
    chosen = np.maximum(given[known, truth[known]], np.finfo(np.float32).tiny)
    return Score(
        "accuracy",
        accuracy,
        error,
        int((truth == answers.constant).sum()) / rows,
        classes[int(answers.constant[0])],
        rows,
        {"log_loss": -math.fsum(np.log(chosen)) / max(len(known), 1)},
    )


def _rmse(answers: Evaluation) -> Score:
    """With a standard error by the delta method: sd(e²) / (2 · RMSE · √n).

    Errors are counted in a unit, since e⁴ is beyond a number where e is 1e80 or 1e-80; it is a
    power of two, which rounds nothing.
    """
    truth, rows = answers.truth, len(answers.truth)
    errors = answers.given - truth
    unit = 2.0 ** (math.frexp(np.abs(errors).max())[1] - 1)
    squares = (errors / unit) ** 2
    mse = math.fsum(squares) / rows
    rmse = math.sqrt(mse)
    error = answers.error_of(squares - mse)
    mean = math.fsum(truth) / rows
    spread = math.fsum((truth - mean) ** 2) / rows
    return Score(
        "rmse",
        rmse * unit,
        error / (2 * rmse) * unit if rmse else 0.0,
        math.sqrt(math.fsum((truth - answers.constant) ** 2) / rows),
        f"{answers.constant[0]:.6g}",
        rows,
        {
            "r2": 1 - mse * unit**2 / spread if spread else 0.0,
            "mae": math.fsum(np.abs(errors)) / rows,
        },
    )

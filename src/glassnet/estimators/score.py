"""How good predictions are: accuracy or root mean squared error, each with a standard error.

In: the truth and the predictions. Out: a `Score`, with that of a constant prediction beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """A figure, its standard error, and the same figure of the constant predictor."""

    metric: str  # "accuracy" or "rmse"
    value: float
    error: float
    constant: float
    constant_answer: str
    rows: int
    others: dict[str, float]  # further figures by name


def classification_score(
    truth: NDArray[np.int32], probabilities: Floats, classes: tuple[str, ...], common: int
) -> Score:
    """Accuracy with its binomial standard error; an unknown class (code -1) counts as wrong."""
    rows = len(truth)
    right = int((probabilities.argmax(axis=1) == truth).sum())
    accuracy = right / rows
    known = np.flatnonzero(truth >= 0)
    chosen = np.maximum(probabilities[known, truth[known]], np.finfo(np.float32).tiny)
    log_loss = -math.fsum(np.log(chosen)) / max(len(known), 1)
    return Score(
        "accuracy",
        accuracy,
        math.sqrt(accuracy * (1 - accuracy) / rows),
        int((truth == common).sum()) / rows,
        classes[common],
        rows,
        {"log_loss": log_loss},
    )


def regression_score(truth: Floats, predicted: Floats, mean: float) -> Score:
    """RMSE, with a standard error by the delta method: sd(e²) / (2 · RMSE · √n)."""
    rows = len(truth)
    squares = (predicted - truth) ** 2
    mse = math.fsum(squares) / rows
    rmse = math.sqrt(mse)
    variance = math.fsum((squares - mse) ** 2) / max(rows - 1, 1)
    error = math.sqrt(variance / rows) / (2 * rmse) if rmse else 0.0
    own_mean = math.fsum(truth) / rows
    total = math.fsum((truth - own_mean) ** 2)
    return Score(
        "rmse",
        rmse,
        error,
        math.sqrt(math.fsum((truth - mean) ** 2) / rows),
        f"{mean:.6g}",
        rows,
        {
            "r2": 1 - mse * rows / total if total else 0.0,
            "mae": math.fsum(np.abs(predicted - truth)) / rows,
        },
    )

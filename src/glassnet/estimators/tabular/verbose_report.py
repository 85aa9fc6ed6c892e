"""Print the progress of an estimator of tables.

In: the stages of a fit, as its callback. Out: lines on standard output.
"""

from __future__ import annotations

from typing import Any

from glassnet.estimators.tabular.examine import ExaminedTable
from glassnet.estimators.tabular.score import Score
from glassnet.words import plural


class VerboseReport:
    """A callback of `fit` that prints a line for each column, for each phase and for the score; it
    prints nothing if `aloud` is false."""

    def __init__(self, aloud: bool) -> None:
        self.aloud, self.what = aloud, ""

    def say(self, text: str) -> None:
        """Print a line, if lines are to be printed."""
        if self.aloud:
            print(text)

    def columns(self, examined: ExaminedTable) -> None:
        """Print the type, a summary and the number of missing values of each column."""
        width = max(len(column.name) for column in examined.columns)
        for column in examined.columns:
            kind = column.kind if column.used else f"{column.kind}, left out"
            missing = f", {column.missing} missing" if column.missing else ""
            self.say(f"{column.name:<{width}}  {kind}: {column.summary}{missing}")

    def stage(self, what: str) -> None:
        """Set what the next training is of: the first words of its lines."""
        self.what = f"{what}: " if what else ""

    def epoch_end(self, run: Any) -> None:
        """Do nothing: there is one line per phase."""

    def train_end(self, run: Any) -> None:
        """Print a line for the finished phase."""
        history = run.history
        self.say(
            f"{self.what}{plural(len(history.loss), 'epoch')}, loss {history.loss[-1]:.4g}, "
            f"smallest validation loss {min(history.validation_loss):.4g}"
        )

    def score(self, score: Score) -> None:
        """Print the score, with its standard error and that of the constant prediction."""
        self.say(
            f"{score.metric} {score.value:.6g} ± {score.error:.2g} on {plural(score.rows, 'row')} "
            "that the scored network has not seen; constant (always "
            f"{score.constant_answer}) {score.constant:.6g}"
        )

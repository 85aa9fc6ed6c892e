"""What may happen between epochs.

In: a `Run`. Out: callbacks: objects with `epoch_end(run)`, which stops the training by returning
True, and `train_end(run)`. Two more methods are optional: `train_begin(run)`, and
`overdue(run)`, asked every few milliseconds, which stops the training inside an epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet.errors import TrainingError
from glassnet.training.history import Run


def call(callback: Any, method: str, run: Run) -> Any:
    """What a callback answers; None where it does not have the method."""
    own = getattr(callback, method, None)
    return own(run) if own is not None else None


def reason(callback: Any) -> str:
    """What `History.stopped` says where this callback stopped the training."""
    return str(getattr(callback, "reason", "early"))


class Callback:
    """A callback that does nothing; subclasses override what they need. `reason` is what
    `History.stopped` says where the callback stopped the training."""

    reason = "early"

    def train_begin(self, run: Run) -> None: ...

    def epoch_end(self, run: Run) -> bool | None: ...

    def train_end(self, run: Run) -> None: ...


class EarlyStopping(Callback):
    """Stop when `patience` epochs in a row were not better, and take the best weights.

    Watched is the validation loss, or `score(model)`, lower being better; better means lower by
    more than `min_delta`.
    """

    def __init__(
        self,
        patience: int = 10,
        min_delta: float = 0.0,
        score: Callable[[Any], float] | None = None,
    ) -> None:
        if patience < 1 or not min_delta >= 0.0:
            raise TrainingError(
                f"EarlyStopping(patience={patience!r}, min_delta={min_delta!r}): patience is 1 or "
                "more, min_delta 0 or more"
            )
        self.patience, self.min_delta, self.score = patience, min_delta, score
        self.best = math.inf
        self.best_epoch = 0
        self.weights: np.ndarray | None = None

    def train_begin(self, run: Run) -> None:
        self.best, self.best_epoch, self.weights = math.inf, 0, None

    def epoch_end(self, run: Run) -> bool:
        if self.score is not None:
            now = float(self.score(run.model))
        elif run.history.validation_loss:
            now = run.history.validation_loss[-1]
        else:
            raise TrainingError(
                "EarlyStopping watches the validation loss, and there is none\n"
                "  right: train(..., validation=(x_val, y_val), callbacks=[EarlyStopping()])\n"
                "  right: EarlyStopping(score=lambda model: ...)"
            )
        if now < self.best - self.min_delta:
            self.best, self.best_epoch = now, run.epoch
            self.weights = run.model.W.copy()
            run.history.best_epoch = run.epoch
        return run.epoch - self.best_epoch >= self.patience

    def train_end(self, run: Run) -> None:
        if self.weights is not None:
            run.model.W[...] = self.weights


class TimeLimit(Callback):
    """Stop when so many seconds have passed since the training began, compiling included."""

    reason = "time"

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise TrainingError(f"TimeLimit({seconds!r}): wanted a number of seconds above 0")
        self.seconds = seconds

    def overdue(self, run: Run) -> bool:
        return run.elapsed() >= self.seconds

    def epoch_end(self, run: Run) -> bool:
        return self.overdue(run)

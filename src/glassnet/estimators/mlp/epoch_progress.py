"""The work between two epochs of an MLP estimator: losses, scores, learning rate, stopping.

In: an estimator in training and its run. Out: the estimator's curves, by scikit-learn's rules; the
run ends when these say so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.estimators.mlp.attributes import Attributes, OptimizerState
from glassnet.estimators.mlp.fit_callbacks import FitCallbacks
from glassnet.estimators.mlp.validation import ValidationScorer
from glassnet.optim.schedule import Schedule, Timeline
from glassnet.training.callbacks import Resumable
from glassnet.training.history import Run

SMALLEST_RATE = 1e-6  # an adaptive rate at most this large stops the training
NOTED = ("t_", "_no_improvement_count", "best_loss_", "best_validation_score_")
CURVES = ("loss_curve_", "validation_scores_", "validation_loss_curve_")


@dataclass(frozen=True)
class CurrentRate(Schedule, in_files=False):
    """The current learning rate of solver "sgd", for all steps; `EpochProgress` changes it."""

    state: OptimizerState | None = None

    def rates(self, timeline: Timeline, losses: Sequence[float] = ()) -> np.ndarray:
        """Return the present learning rate for each step, float64 [steps]."""
        assert self.state is not None
        return np.full(len(timeline.steps), self.state.learning_rate)


class SolverProgress(Resumable):
    """A callback that follows the iterations of L-BFGS, and the common part for epochs: it appends
    to the estimator's curves, and ends a training at its time limit or if a callback says so."""

    checks = False

    def __init__(
        self, est: Attributes, judge: ValidationScorer | None, watch: FitCallbacks
    ) -> None:
        self.est, self.judge, self.watch = est, judge, watch
        self.reason = "early"
        self.known: Mapping[str, Any] | None = None  # the settings in the file of a resumed fit
        self.further = False  # whether a fit is resumed that early stopping had ended
        self.scores: list[float] = []  # of this fit, without earlier ones
        self._started = 0.0

    def train_begin(self, run: Run) -> None:
        self.est.n_iter_ = 0
        self._started = time.monotonic()

    def epoch_begin(self, run: Run) -> None:
        self.watch.epoch_begin()

    def epoch_end(self, run: Run) -> bool:
        """Append to the curves; return whether the training ends."""
        self._note(run)
        return self._has_ended()

    def train_end(self, run: Run) -> None:
        """Do nothing: the weights are those of the last epoch."""

    def _note(self, run: Run) -> None:
        est = self.est
        est.n_iter_ = run.epoch
        est.loss_ = run.history.loss[-1]
        est.loss_curve_.append(est.loss_)
        if self.judge is None:
            return
        score = self.judge.score
        assert est.validation_scores_ is not None
        assert est.validation_loss_curve_ is not None
        assert est.best_validation_score_ is not None
        self.scores.append(score)
        est.validation_scores_.append(score)
        est.validation_loss_curve_.append(run.history.validation_loss[-1])
        if score > est.best_validation_score_:
            est.best_validation_score_ = score
            self._improved(run)

    def _improved(self, run: Run) -> None:
        """Handle a new best score of the held-out rows."""

    def _has_ended(self, finished: bool = False) -> bool:
        limit = self.est.time_limit
        late = limit is not None and time.monotonic() - self._started >= limit
        stops = self.watch.epoch_end() or finished
        self.reason = "early" if stops else "time"
        return stops or late

    def state(self, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the values and arrays that a checkpoint stores."""
        notes = {name: getattr(self.est, name) for name in NOTED}
        return notes | {"learning_rate": float(self.est.learning_rate_init), "t": 0}, {}

    def restore(
        self, name: str, notes: Mapping[str, Any], arrays: Mapping[str, np.ndarray], run: Run
    ) -> None:
        """Restore the estimator's state after the epochs that the run's history has; do nothing if
        the fit is not resumed."""
        est, known, done = self.est, self.known, run.epoch
        if known is None:
            return
        for attribute in NOTED:
            setattr(est, attribute, notes[attribute])
        if self.further:
            est._no_improvement_count = 0
        self.scores = list(known.get("scores", [])[:done])
        before, losses = known["before"], run.history.loss[:done]
        est.loss_curve_ = [*before["loss_curve_"], *losses]
        est.n_iter_ = done
        if done:
            est.loss_ = est.loss_curve_[-1]
        if self.judge is not None:
            judged = run.history.validation_loss[:done] or [math.nan] * done
            est.validation_loss_curve_ = [*before["validation_loss_curve_"], *judged]
            est.validation_scores_ = [*before["validation_scores_"], *self.scores]

    def series(self) -> dict[str, list[float]]:
        """Return lists with a number per epoch, which a run file stores."""
        return {"scores": self.scores} if self.judge is not None else {}


class EpochProgress(SolverProgress):
    """Follows the epochs of solvers "sgd" and "adam": `rows` rows each, in `steps` steps."""

    def __init__(
        self,
        est: Attributes,
        judge: ValidationScorer | None,
        watch: FitCallbacks,
        rows: int,
        steps: int,
        schedule: Schedule,
    ) -> None:
        super().__init__(est, judge, watch)
        self.memory, self.schedule = est._optimizer, schedule
        self._rows, self._steps, self._first = rows, steps, est._optimizer.t
        self._best: np.ndarray | None = None
        self._rates: list[float] = []  # of this fit, one per epoch
        self._run: Run | None = None

    def train_begin(self, run: Run) -> None:
        super().train_begin(run)
        self._run = run

    def ahead(self, run: Run) -> int:
        """Return a number of epochs of which only the last can end the training."""
        est = self.est
        invscaling = est.solver == "sgd" and est.learning_rate == "invscaling"
        if self.watch.heard or est.time_limit is not None or invscaling:
            return 1
        most = est.n_iter_no_change + 1 - est._no_improvement_count
        return int(max(1, min(most, run.epochs)))

    def epoch_end(self, run: Run) -> bool:
        """Append to the curves, print if `verbose`, and set the next learning rate; return whether
        the training ends."""
        est = self.est
        est.t_ += self._rows
        self._note(run)
        if est.verbose:
            print(f"Iteration {est.n_iter_}, loss = {est.loss_:.8f}")
            if self.judge is not None:
                print(f"Validation score: {self.judge.score:f}")
        self._compare()
        if est.solver == "sgd":
            self._rates.append(self.memory.learning_rate)
        return self._has_ended(self._finished())

    def train_end(self, run: Run) -> None:
        """Store the solver's state; with early stopping, restore the best weights."""
        self._count()
        if self._best is not None:
            run.model.W[...] = self._best

    def _count(self) -> None:
        """Store the number of steps, and for "adam" the last learning rate, in the solver's
        state."""
        run = self._run
        if run is None:  # not begun
            return
        self.memory.t = self._first + run.steps_done
        if self.est.solver == "adam" and run.steps_done:
            last = Timeline(np.array([self.memory.t - 1]), run.steps_total, self._steps)
            self.memory.learning_rate = float(self.schedule.rates(last)[0])

    def _improved(self, run: Run) -> None:
        if self.est.early_stopping:
            self._best = run.model.W.copy()

    def _note(self, run: Run) -> None:
        """With early stopping, count the epoch as worse unless its score is better than the best
        one by `tol`; then append to the curves."""
        est, judge = self.est, self.judge
        if judge is not None and est.early_stopping:
            assert est.best_validation_score_ is not None
            self._count_worse(judge.score < est.best_validation_score_ + est.tol)
        super()._note(run)

    def _compare(self) -> None:
        """Without early stopping, count the epoch as worse unless its loss is smaller than the
        smallest one by `tol`; update that."""
        est = self.est
        if est.early_stopping:
            return
        assert est.best_loss_ is not None
        loss = est.loss_curve_[-1]
        self._count_worse(loss > est.best_loss_ - est.tol)
        est.best_loss_ = min(est.best_loss_, loss) if loss == loss else est.best_loss_

    def _count_worse(self, worse: bool) -> None:
        self.est._no_improvement_count = self.est._no_improvement_count + 1 if worse else 0

    def _finished(self) -> bool:
        """Return whether more than `n_iter_no_change` epochs were without improvement. Set the next
        learning rate of "sgd": with "adaptive", it is divided by 5 instead, until it is too
        small."""
        est, memory = self.est, self.memory
        if est.solver == "sgd" and est.learning_rate == "invscaling":
            memory.learning_rate = float(est.learning_rate_init) / (est.t_ + 1) ** est.power_t
        if est._no_improvement_count <= est.n_iter_no_change:
            return False
        what = "Validation score" if est.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={est.tol:f} for {est.n_iter_no_change} "
            "consecutive epochs."
        )
        adaptive = est.solver == "sgd" and est.learning_rate == "adaptive"
        stops = not adaptive or memory.learning_rate <= SMALLEST_RATE
        if stops:
            message += " Learning rate too small. Stopping." if adaptive else " Stopping."
        else:
            memory.learning_rate /= 5.0
            message += f" Setting learning rate to {memory.learning_rate:f}"
            est._no_improvement_count = 0
        if est.verbose:
            print(message)
        return stops

    def state(self, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        self._count()
        notes, _ = super().state(name)
        notes |= {"learning_rate": self.memory.learning_rate, "t": self.memory.t}
        return notes, {} if self._best is None else {"best": self._best}

    def restore(
        self, name: str, notes: Mapping[str, Any], arrays: Mapping[str, np.ndarray], run: Run
    ) -> None:
        super().restore(name, notes, arrays, run)
        if self.known is not None:
            self._best = arrays.get("best")
            self.memory.learning_rate, self.memory.t = notes["learning_rate"], notes["t"]
            self._rates = list(self.known.get("rates", [])[: run.epoch])

    def series(self) -> dict[str, list[float]]:
        rates = {"rates": self._rates} if self.est.solver == "sgd" else {}
        return super().series() | rates

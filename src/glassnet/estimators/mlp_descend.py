"""Epochs of an MLP estimator: order of rows, learning rate, when to stop.

In: an estimator and the rows to train on, perhaps with rows to validate on. Out: the estimator's
numbers and its record of the training, changed in place.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from glassnet.estimators.mlp_graph import Network
from glassnet.estimators.mlp_recorder import Unrecorded
from glassnet.estimators.mlp_solve import Memory, Optimizer, Rows, Steps
from glassnet.estimators.mlp_validate import HeldOut, judged
from glassnet.estimators.mlp_watch import Watch
from glassnet.training.estimator_step import adam_rates

RATES = 1024  # learning rates worked out at a time
AHEAD = 32  # epochs that are taken at a time: more cost more to prepare than they save
AHEAD_ROWS = 1 << 15  # and their rows
SMALLEST_RATE = 1e-6  # an adaptive rate that is no larger stops the training


def batch_size(asked: Any, rows: int) -> int:
    if isinstance(asked, str):
        return min(200, rows)
    if asked > rows:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=4,
        )
    return int(min(max(asked, 1), rows))


def memory_of(est: Any, block: np.ndarray, again: bool) -> Memory:
    """The optimiser's memory: the one that there is, if training goes on; else a fresh one."""
    slots = ("m", "v") if est.solver == "adam" else ("m",)
    known: Memory | None = getattr(est, "_optimizer", None)
    if again and known is not None and set(known.slots) == set(slots):
        known.slots = {name: old.astype(block.dtype) for name, old in known.slots.items()}
        return known
    return Memory(float(est.learning_rate_init), 0, {name: np.zeros_like(block) for name in slots})


class Descent:
    """One call of `fit` or `partial_fit` with solver "sgd" or "adam"."""

    def __init__(
        self,
        est: Any,
        network: Network,
        block: np.ndarray,
        rows: Rows,
        held_out: HeldOut | None,
        watch: Watch,
        record: Unrecorded,
    ) -> None:
        self.est, self.rows, self.held_out, self.block = est, rows, held_out, block
        self.network, self.watch, self.record = network, watch, record
        self.memory: Memory = est._optimizer
        self.size = batch_size(est.batch_size, len(rows))
        self.best: np.ndarray | None = None

    def _steps(self, epochs: int) -> Steps:
        """What takes the steps of so many epochs."""
        est = self.est
        if est.solver == "adam":
            rule, settings = "adam", self._adam_settings()
        else:
            rule = "nesterov" if est.nesterovs_momentum else "momentum"
            settings = {"alpha": est.alpha, "momentum": est.momentum}
        optimizer = Optimizer(rule, settings, self.block, self.memory)
        self.most = self._most(epochs)
        return Steps(self.network, optimizer, self.rows, self.size, est._threads, epochs, self.most)

    def _adam_settings(self) -> dict[str, float]:
        est = self.est
        return {
            "alpha": est.alpha,
            "beta1": est.beta_1,
            "beta2": est.beta_2,
            "epsilon": est.epsilon,
        }

    def run(self, once: bool) -> None:
        stopped = "epochs"
        try:
            self.steps = self._steps(1 if once else self.est.max_iter)
            self.est.n_iter_ = 0
            if not self.record.begin(self):
                return
            stopped = self._epochs(once)
        except KeyboardInterrupt:
            stopped = "interrupted"
            warnings.warn("Training interrupted by user.", stacklevel=8)
        finally:
            if self.best is not None:
                self.block[...] = self.best
        self.record.end(self, stopped)

    def _epochs(self, once: bool) -> str:
        """Epochs until the training stops, and why it did."""
        est, start = self.est, time.monotonic()
        while est.n_iter_ < est.max_iter:
            self.watch.epoch_begin()
            finished = self._block(self._ahead())
            stops = self.watch.epoch_end() or finished or once
            late = est.time_limit is not None and time.monotonic() - start >= est.time_limit
            stopped = "early" if stops else "time" if late else "epochs"
            self.record.epoch(self, stopped)
            if stopped != "epochs":
                return stopped
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({est.max_iter}) reached and the "
            "optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=9,
        )
        return "epochs"

    def _most(self, epochs: int) -> int:
        """How many epochs may be taken at a time: one, if something happens after each."""
        est = self.est
        watched = self.held_out is not None or self.watch.heard or est.time_limit is not None
        watched = watched or type(self.record) is not Unrecorded
        if watched or (est.solver == "sgd" and est.learning_rate == "invscaling"):
            return 1
        return max(1, min(epochs, AHEAD, AHEAD_ROWS // len(self.rows)))

    def _ahead(self) -> int:
        """How many epochs come next: only the last of them can be one that ends the training."""
        est = self.est
        patience = est.n_iter_no_change + 1 - est._no_improvement_count
        return int(max(1, min(self.most, est.max_iter - est.n_iter_, patience)))

    def _block(self, count: int) -> bool:
        """Take so many epochs; whether the training ends."""
        est, memory, steps = self.est, self.memory, self.steps
        first = memory.t
        shuffle = est._random_state.shuffle if est.shuffle else None
        try:
            # every epoch's order is a shuffle of the one before, as in scikit-learn
            losses = steps.run(count, self._rates(count * steps.count), first, shuffle)
        except KeyboardInterrupt:
            memory.t = first + min(steps.done + 1, count) * steps.count
            for loss in steps.losses():
                self._record(loss)
                self._judge()
            raise
        finished = False
        for loss in losses:
            self._record(loss)
            finished = self._finished()
        return finished

    def _record(self, losses: float) -> None:
        """Write an epoch down, from the sum of the rows' losses."""
        est, count = self.est, len(self.rows)
        est.n_iter_ += 1
        est.t_ += count
        est.loss_ = losses / count
        est.loss_curve_.append(est.loss_)
        if est.verbose:
            print(f"Iteration {est.n_iter_}, loss = {est.loss_:.8f}")

    _known: tuple[int, np.ndarray] = 0, np.empty(0)

    def _rates(self, steps: int) -> np.ndarray:
        """The learning rates of the next steps."""
        est, memory = self.est, self.memory
        start = memory.t
        memory.t += steps
        if est.solver == "sgd":
            return np.full(steps, memory.learning_rate)
        if start + steps > self._known[0] + len(self._known[1]):
            t = np.arange(start + 1, start + 1 + max(steps, RATES))
            rates = adam_rates(est.learning_rate_init, est.beta_1, est.beta_2, t)
            self._known = start, rates
        at, rates = self._known
        found = rates[start - at : start - at + steps]
        memory.learning_rate = float(found[-1])
        return found

    def _finished(self) -> bool:
        est, memory = self.est, self.memory
        self._judge()
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

    def _judge(self) -> None:
        """Count epochs without improvement of the validation score, else of the loss."""
        est = self.est
        if self.held_out is not None:
            score, loss = judged(est, self.held_out)
            est.validation_scores_.append(score)
            est.validation_loss_curve_.append(loss)
            if est.verbose:
                print(f"Validation score: {score:f}")
            if est.early_stopping:
                worse = score < est.best_validation_score_ + est.tol
                est._no_improvement_count = est._no_improvement_count + 1 if worse else 0
            if score > est.best_validation_score_:
                est.best_validation_score_ = score
                self.best = self.block.copy() if est.early_stopping else None
        if not est.early_stopping:
            loss = est.loss_curve_[-1]
            worse = loss > est.best_loss_ - est.tol
            est._no_improvement_count = est._no_improvement_count + 1 if worse else 0
            est.best_loss_ = min(est.best_loss_, loss) if loss == loss else est.best_loss_

"""The history of a training, and the view of a running one for callbacks.

In: numbers from the loop. Out: `History`, which the user gets, and `Run`, which callbacks read.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import TrainingError
from glassnet.foreign import HISTORY, missing_method_error
from glassnet.nn.module import Module
from glassnet.optim.schedule import Schedule, Timeline
from glassnet.training.loss_curves import curves
from glassnet.training.state import TrainingState
from glassnet.words import plural

NOTHING = (
    "after={}: wanted the History that gn.train or gn.resume returned\n"
    "  right: history = gn.train(…); history = gn.train(…, after=history)"
)
BROKEN = (
    "after=…: that training ended in the middle of a step ({}), so that the optimiser's state does "
    "not fit the weights; train without after=, which resets the state"
)


@dataclass(frozen=True)
class RatePlan:
    """The learning rates from epoch `epoch` (counted from 0) on, in a run of `total` steps."""

    epoch: int
    schedule: Schedule
    total: int
    steps: int  # number of steps of an epoch


@dataclass(repr=False, slots=True)
class History:
    """The results of a training: lists with one number per epoch.

    `loss` is the mean over the rows of an epoch (weighted if rows have weights) of the loss that
    each row had in its step, before that step's update; `validation_loss` that of the validation
    data after the epoch. `stopped` is the reason why training ended: "epochs" (all were done),
    "early", "time", "interrupted", "converged" or "diverged". `evaluations` is the number of times
    that the loss of all rows was computed; an epoch of gradient descent counts as one.
    `compile_seconds` and `train_seconds` are wall-clock times. `best_epoch` is counted from 1.

    `lr` has the learning rate of the last step of every epoch; it is empty for training without
    one. `metrics` has lists by name, of the validation rows if there are any, else of the training
    rows. `recorded` is the path of the run file at the end; `moved` says whether it was renamed or
    removed meanwhile; `unrecorded` is the reason if the end of the run is not in the file.

    `state` is the state of the training, with which `gn.train(…, after=history)` continues. Model,
    data and settings must be the same; learning rate, epochs and callbacks may differ. The new
    history has the epochs of both. Early stopping keeps its state, but if it has stopped the
    training, its patience begins anew. A training that a callback, a time limit or Ctrl-C stopped
    continues after its last step. A schedule that depends on the length of the run counts the
    epochs of both calls. For one schedule over several calls, request all remaining epochs in each
    call, and let a callback end it.
    """

    loss: list[float] = field(default_factory=list[float])
    validation_loss: list[float] = field(default_factory=list[float])
    compile_seconds: float = 0.0
    train_seconds: float = 0.0
    best_epoch: int | None = None
    stopped: str = "epochs"
    evaluations: int = 0
    unrecorded: str | None = None
    recorded: str | None = None
    moved: str | None = None
    state: TrainingState | None = field(default=None, compare=False)
    plans: list[RatePlan] = field(default_factory=list[RatePlan], compare=False)
    metrics: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise missing_method_error(self, name, HISTORY)

    @property
    def lr(self) -> list[float]:
        rates = [self.rate(epoch) for epoch in range(len(self.loss))]
        return [rate for rate in rates if rate is not None]

    def rate(self, epoch: int) -> float | None:
        """Return the learning rate of the last step of an epoch (counted from 0), or None."""
        plan = next((plan for plan in reversed(self.plans) if plan.epoch <= epoch), None)
        if plan is None:
            return None
        step = np.array([(epoch + 1) * plan.steps - 1])
        seen = (self.validation_loss or self.loss)[:epoch]
        return float(plan.schedule.rates(Timeline(step, plan.total, plan.steps), seen)[0])

    def __repr__(self) -> str:
        """Return a summary of a few lines."""
        epochs = plural(len(self.loss), "epoch")
        lines = [f"<{epochs}, {self.train_seconds:.3g} s; stopped: {self.stopped}"]
        for name, losses in (("loss", self.loss), ("validation loss", self.validation_loss)):
            if losses:
                least = min(losses, key=lambda loss: (loss != loss, loss))
                place = losses.index(least) + 1
                lines.append(
                    f"{name}: {losses[0]:.6g} … {losses[-1]:.6g}, least {least:.6g} in "
                    f"epoch {place}"
                )
        for name, values in self.metrics.items():
            lines += [f"{name}: {values[0]:.6g} … {values[-1]:.6g}"] if values else []
        rates = self.lr if self.plans else []
        if rates and min(rates) != max(rates):
            lines.append(f"learning rate: {rates[0]:.4g} … {rates[-1]:.4g}")
        return "\n ".join(lines) + ">"

    def _repr_html_(self) -> str:
        shown = curves({"loss": self.loss, "validation loss": self.validation_loss})
        measured = {
            name: values for name, values in self.metrics.items() if np.isfinite(values).any()
        }
        return shown + "".join(curves({name: values}) for name, values in measured.items())


@dataclass(repr=False, slots=True)
class Run:
    """A running training, the argument of callbacks; other threads may read it at any time.

    `epoch` and `steps_done` are the numbers of finished epochs and steps, `epochs` and
    `steps_total` the planned ones. A callback can change weights in `model.W`, and stops the run by
    returning True. For an ensemble in folds (`gn.nn.InFolds`), `fold_losses` has the validation
    loss of each fold after the last epoch."""

    model: Module
    epochs: int
    steps_total: int
    history: History = field(default_factory=History)
    epoch: int = 0  # number of finished epochs
    steps_done: int = 0
    failed: bool = False  # whether an error unrelated to training ended the run
    fold_losses: list[float] = field(default_factory=list[float])
    started: float = field(default_factory=time.perf_counter)

    def __repr__(self) -> str:
        losses = {"loss": self.history.loss, "validation loss": self.history.validation_loss}
        losses |= self.history.metrics
        shown = "".join(f", {name} {values[-1]:.6g}" for name, values in losses.items() if values)
        return f"<epoch {self.epoch} of {self.epochs}{shown}>"

    def elapsed(self) -> float:
        """Return the seconds since the run began."""
        return time.perf_counter() - self.started


def state_of(after: Any) -> TrainingState:
    """Return the training state in a history; raise TrainingError where it has none."""
    if not isinstance(after, History):
        raise TrainingError(NOTHING.format(type(after).__name__))
    if after.state is None:
        raise TrainingError(BROKEN.format(f"stopped={after.stopped!r}"))
    return after.state


def note_history(model: Module, history: History) -> History:
    """Store the training in the model, for `warn_of_repeat`; return the history."""
    state = history.state
    vars(model)["_trained"] = None if state is None else (dict(state.shape), state.left)
    return history


def earlier_epochs(after: History, state: TrainingState) -> History:
    """Return a history with the complete epochs of another one, to be continued."""
    whole = slice(state.epochs)
    losses, judged = after.loss[whole], after.validation_loss[whole]
    plans = [plan for plan in after.plans if plan.epoch < state.epochs]
    best = after.best_epoch
    metrics = {name: values[whole] for name, values in after.metrics.items()}
    return History(
        losses, judged, best_epoch=best, evaluations=len(losses), plans=plans, metrics=metrics
    )

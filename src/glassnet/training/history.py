"""What a training run leaves behind, and what callbacks see of it while it runs.

In: numbers from the loop. Out: `History`, kept by the user, and `Run`, read by callbacks.
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
    "after=…: that training was ended in the middle of a step ({}), so that the optimiser's memory "
    "does not fit the weights; train without after=, which begins it anew"
)


@dataclass(frozen=True)
class RatePlan:
    """The learning rates of a run of so many steps, from epoch `epoch` (from 0) on."""

    epoch: int
    schedule: Schedule
    total: int
    steps: int  # of an epoch


@dataclass(repr=False, slots=True)
class History:
    """One figure an epoch.

    The loss of an epoch is the mean over its rows (weighted where rows have weights) of the loss
    that each had in its step, before that step's update. `stopped` says why training ended:
    "epochs" (all were done), "early", "time", "interrupted", "converged" or "diverged".
    `evaluations` counts how often the loss of all rows was computed; an epoch of gradient descent
    is one. `unrecorded` says why the end of the run is not in its run file, where it should be and
    is not; `recorded` is the path of that file at the end, and `moved` says what became of it where
    it was renamed or removed meanwhile. `lr` has the learning rate of the last step of every epoch;
    it is empty for training that has none. `metrics` has the figures that were asked for by name,
    of the validation rows where there are any, else of the training rows, after every epoch.

    `state` is where the training stands, so that `gn.train(…, after=history)` goes on. Model, data
    and settings are then those of the training before; learning rate, epochs and callbacks may be
    others. The history returned has the epochs of both. Early stopping keeps its memory; where it
    has stopped the training, its patience begins anew. A training that a callback, a limit of time
    or Ctrl-C has ended goes on from its last step. A schedule that goes by the length of the run
    takes the epochs done and those asked for as the whole: for one plan over several calls ask for
    all epochs that are left, and let a callback end each call.
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
        """The learning rate of the last step of an epoch, from 0; None where there is none."""
        plan = next((plan for plan in reversed(self.plans) if plan.epoch <= epoch), None)
        if plan is None:
            return None
        step = np.array([(epoch + 1) * plan.steps - 1])
        seen = (self.validation_loss or self.loss)[:epoch]
        return float(plan.schedule.rates(Timeline(step, plan.total, plan.steps), seen)[0])

    def __repr__(self) -> str:
        """A few lines, however many epochs there are."""
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
    """A run in progress; another thread may read it at any time. A callback stops it by returning
    True, and changes weights in `model.W`; other attributes cannot be set. Of a network in folds
    (`gn.nn.InFolds`) `fold_losses` has the validation loss of each fold after the last epoch."""

    model: Module
    epochs: int
    steps_total: int
    history: History = field(default_factory=History)
    epoch: int = 0  # finished ones
    steps_done: int = 0
    failed: bool = False  # ended by an error that has nothing to do with training
    fold_losses: list[float] = field(default_factory=list[float])
    started: float = field(default_factory=time.perf_counter)

    def __repr__(self) -> str:
        losses = {"loss": self.history.loss, "validation loss": self.history.validation_loss}
        losses |= self.history.metrics
        shown = "".join(f", {name} {values[-1]:.6g}" for name, values in losses.items() if values)
        return f"<epoch {self.epoch} of {self.epochs}{shown}>"

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self.started


def state_of(after: Any) -> TrainingState:
    """The state that a history carries; TrainingError where it has none."""
    if not isinstance(after, History):
        raise TrainingError(NOTHING.format(type(after).__name__))
    if after.state is None:
        raise TrainingError(BROKEN.format(f"stopped={after.stopped!r}"))
    return after.state


def note_history(model: Module, history: History) -> History:
    """The history; the model knows its last training from now on, for `warn_of_repeat`."""
    state = history.state
    vars(model)["_trained"] = None if state is None else (dict(state.shape), state.left)
    return history


def earlier_epochs(after: History, state: TrainingState) -> History:
    """The whole epochs of a history, as the beginning of a longer one."""
    whole = slice(state.epochs)
    losses, judged = after.loss[whole], after.validation_loss[whole]
    plans = [plan for plan in after.plans if plan.epoch < state.epochs]
    best = after.best_epoch
    metrics = {name: values[whole] for name, values in after.metrics.items()}
    return History(
        losses, judged, best_epoch=best, evaluations=len(losses), plans=plans, metrics=metrics
    )

"""Repeat the steps of a recorded run, one after the other, at the speed of training.

In: a run file, and the data of the run. Out: `ReplayedStep`s: the weights before and after each
step, bit-identical to training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.errors import GlassnetError, TrainingError
from glassnet.inspect.open_step import history_until
from glassnet.inspect.streams import with_streams
from glassnet.nn.module import Module, split
from glassnet.nn.storage import layout_of
from glassnet.rounding import computed_to_nearest
from glassnet.runs.file import Checkpoint, RunFile
from glassnet.runs.recorder import restore
from glassnet.runs.resume_run import RunData, check_not_before, reopen
from glassnet.training.history import History
from glassnet.training.trainer import Trainer
from glassnet.words import plural


@dataclass(frozen=True, repr=False)
class ReplayedStep:
    """One repeated step of a run.

    `step` counts from 1 over the whole run, `epoch` and `batch` from 1. `rows` are the row numbers
    of the batch in the data, `loss` is the loss of the batch before the update. `before` and
    `after` are copies of all weights, in the order of `model.W`."""

    step: int
    epoch: int
    batch: int
    rows: np.ndarray
    lr: float
    loss: float
    before: np.ndarray
    after: np.ndarray
    model: Module

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """The weights after the step, by parameter name."""
        return split(self.after, layout_of(self.model).parameters)

    def __repr__(self) -> str:
        return f"<step {self.step}: epoch {self.epoch}, batch {self.batch}, loss {self.loss:.6g}>"


@computed_to_nearest
def replay(
    record: str | Path,
    x: Any = None,
    y: Any = None,
    *,
    start: int = 1,
    stop: int | None = None,
    every: int = 1,
    sample_weight: Any = None,
    validation: Any = None,
    model: Module | None = None,
    loss: Any = None,
    optimizer: Any = None,
) -> Iterator[ReplayedStep]:
    """Iterate over the steps of a recorded run: step `start` (from 1), `start + every`, … up to and
    including step `stop`, by default the last one.

    Each step has the weights before and after it, bit-identical to training and `open_step`, its
    loss, its rows and its learning rate. The run is repeated from the checkpoint before `start`, at
    the speed of training. The other arguments are as in `open_step`. GlassnetError if there is no
    such step; TrainingError for training without steps (L-BFGS, random search).
    """
    given = with_streams(record, RunData(x, y, sample_weight, validation, model, loss, optimizer))
    for name, number in (("start", start), ("every", every)):
        if not isinstance(number, (int, np.integer)) or number < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise GlassnetError(f"{name}={number!r}: wanted a whole number, 1 or more")
    return _steps(*_open_at(record, given, start, stop), start, every)


def _open_at(
    record: str | Path, given: RunData, start: int, stop: int | None
) -> tuple[Replayer, int]:
    """Return the run at the checkpoint before step `start`, and the number of the last step."""
    with RunFile.read(record) as file:
        values, trainer = reopen(file, given)
        losses, judged = file.history()
        each = trainer.order.steps
        most = min(len(losses) + 1, values["epochs"]) * each
        last = len(losses) * each if stop is None else stop
        if last > most or (stop is not None and stop < 0):
            raise GlassnetError(
                f"stop={stop}: the run has {plural(len(losses) * each, 'step')}, numbered from 1"
            )
        check_not_before(file, values, (start - 1) // each + 1)
        state = file.checkpoint(min((start - 1) // each, len(losses)))
    history = History(loss=losses, validation_loss=judged)
    return Replayer(trainer, state, history, values["epochs"]), last


def _steps(replayer: Replayer, last: int, start: int, every: int) -> Iterator[ReplayedStep]:
    model, after = replayer.trainer.task.model, np.empty(0)
    for number in range(start, last + 1, every):
        if replayer.done == number - 1 and len(after):
            before = after
        else:
            replayer.advance(number - 1)
            before = model.W.copy()
        loss = replayer.advance(number)
        after = model.W.copy()
        rows, lr = replayer.last
        epoch, batch = divmod(number - 1, replayer.steps)
        yield ReplayedStep(number, epoch + 1, batch + 1, rows, lr, loss, before, after, model)


class Replayer:
    """Repeats a run step by step from a checkpoint; `done` is the number of steps done so far."""

    def __init__(self, trainer: Trainer, state: Checkpoint, history: History, epochs: int) -> None:
        self.trainer, self.history, self.epochs = trainer, history, epochs
        self.steps = trainer.order.steps
        self.done = state.epoch * self.steps
        self.epoch = -1
        self.parts: list[np.ndarray] = []
        self.rates = np.empty(0)
        self.last: tuple[np.ndarray, float] = (np.empty(0), 0.0)  # rows and rate of the last step
        restore(trainer, state)

    def advance(self, number: int) -> float:
        """Run all steps up to step `number` of the run (from 1); return the loss of the last."""
        loss = math.nan
        while self.done < number:
            epoch, place = divmod(self.done, self.steps)
            if epoch != self.epoch:
                self._begin(epoch)
            part = self.parts[0]
            for part in self.parts:
                if place < len(part):
                    break
                place -= len(part)
            some = part[place : place + number - self.done]
            first = self.done - epoch * self.steps
            rates = self.rates[first : first + len(some)]
            trainer = self.trainer
            found = trainer.stepper.run(some, rates, trainer.first + self.done)
            if len(found) < len(some):
                raise TrainingError(
                    f"the loss became {found[-1]:g} in step {self.done + len(found)}"
                )
            self.done += len(some)
            self.last = trainer.task.rows.row_numbers(some[-1]), float(rates[-1])
            loss = float(found[-1])
        return loss

    @computed_to_nearest
    def _begin(self, epoch: int) -> None:
        """Set the batches and learning rates of an epoch (from 0)."""
        trainer, first = self.trainer, self.trainer.first + epoch * self.steps
        run = trainer.run(self.epochs, history_until(self.history, epoch))
        self.rates = trainer.rates(run, np.arange(first, first + self.steps))
        self.parts, self.epoch = list(trainer.order.parts(epoch)), epoch

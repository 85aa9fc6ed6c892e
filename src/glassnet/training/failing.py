"""Finds the step of an epoch in which a number became infinite or NaN.

In: a training that was rolled back to the start of the epoch. Out: the first step whose loss or
weights are not finite, and its first operation that is not. The losses alone would show an infinite
gradient one step late, or not at all if no later row of the epoch uses the weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from glassnet.training.diverge import FailingStep, NonFinite
from glassnet.training.history import Run
from glassnet.training.rollback import finite

TRIES = 64  # number of steps that are repeated at once


class Repeatable(Protocol):
    """The interface of the training that is needed here; `Trainer` implements it."""

    task: Any
    order: Any
    stepper: Any
    optimizer: Any

    def numbers(self) -> dict[str, np.ndarray]: ...
    def set_numbers(self, arrays: Mapping[str, np.ndarray]) -> None: ...
    def rates(self, run: Run, steps: np.ndarray) -> np.ndarray: ...
    def step_arrays(self, rows: np.ndarray, step: int) -> dict[str, np.ndarray]: ...


def failing_step(trainer: Repeatable, run: Run, first: int) -> tuple[int, float, NonFinite | None]:
    """Repeat the steps of an epoch, beginning with number `first`, up to the one that fails; return
    its number, its loss, and the operation that is not finite."""
    step, model = first, trainer.task.model
    skipped = first - run.epoch * trainer.order.steps
    for part in trainer.order.parts(run.epoch):
        rows, skipped = part[skipped:], max(0, skipped - len(part))
        for several in (rows[i : i + TRIES] for i in range(0, len(rows), TRIES)):
            before = trainer.numbers()
            rates = trainer.rates(run, np.arange(step, step + len(several)))
            if finite(trainer.stepper.run(several, rates, step)) and finite(model.W):
                step += len(several)
                continue
            trainer.set_numbers(before)
            return _step_by_step(trainer, several, rates, step)
    return max(first, step - 1), math.nan, None


def _step_by_step(
    trainer: Repeatable, rows: np.ndarray, rates: np.ndarray, step: int
) -> tuple[int, float, NonFinite | None]:
    for batch, rate in zip(rows, rates, strict=True):
        before = trainer.numbers()
        loss = float(trainer.stepper.run(batch[None], np.array([rate]), step)[0])
        if not (math.isfinite(loss) and finite(trainer.task.model.W)):
            trainer.set_numbers(before)
            return step, loss, _fault(trainer, batch, rate, step)
        step += 1
    return step - 1, math.nan, None


def _fault(trainer: Repeatable, rows: np.ndarray, rate: float, step: int) -> NonFinite | None:
    task = trainer.task
    lr = np.asarray(rate, task.model.dtype)
    arrays = {**trainer.step_arrays(rows, step), "lr": lr}
    failing = FailingStep(task.model, task.loss, trainer.optimizer, task.seed, arrays)
    return failing.fault(task.rows.row_numbers(rows))

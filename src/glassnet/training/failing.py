"""The step of an epoch in which the numbers left the finite range.

In: a training that stands before the epoch. Out: the first step whose loss or weights are not
finite, and the operation of it that is the first. A loss shows it a step late where a gradient is
the first, and not at all where no later row of the epoch meets the weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from glassnet.training.diverge import Failing, Fault
from glassnet.training.history import Run
from glassnet.training.rollback import finite

TRIES = 64  # steps that are done again at once


class Repeatable(Protocol):
    """What is asked of the training: `Descent` has it."""

    task: Any
    order: Any
    stepper: Any
    optimizer: Any

    def held(self) -> dict[str, np.ndarray]: ...
    def hold(self, arrays: Mapping[str, np.ndarray]) -> None: ...
    def rates(self, run: Run, steps: np.ndarray) -> np.ndarray: ...
    def step_arrays(self, rows: np.ndarray, step: int) -> dict[str, np.ndarray]: ...


def failing_step(descent: Repeatable, run: Run, first: int) -> tuple[int, float, Fault | None]:
    """The steps of an epoch once more, from number `first` up to the one that fails: its number,
    its loss, and its fault."""
    step, model = first, descent.task.model
    skipped = first - run.epoch * descent.order.steps
    for part in descent.order.parts(run.epoch):
        rows, skipped = part[skipped:], max(0, skipped - len(part))
        for several in (rows[i : i + TRIES] for i in range(0, len(rows), TRIES)):
            before = descent.held()
            rates = descent.rates(run, np.arange(step, step + len(several)))
            if finite(descent.stepper.run(several, rates, step)) and finite(model.W):
                step += len(several)
                continue
            descent.hold(before)
            return _one_by_one(descent, several, rates, step)
    return max(first, step - 1), math.nan, None


def _one_by_one(
    descent: Repeatable, rows: np.ndarray, rates: np.ndarray, step: int
) -> tuple[int, float, Fault | None]:
    for own, rate in zip(rows, rates, strict=True):
        before = descent.held()
        loss = float(descent.stepper.run(own[None], np.array([rate]), step)[0])
        if not (math.isfinite(loss) and finite(descent.task.model.W)):
            descent.hold(before)
            return step, loss, _fault(descent, own, rate, step)
        step += 1
    return step - 1, math.nan, None


def _fault(descent: Repeatable, rows: np.ndarray, rate: float, step: int) -> Fault | None:
    task = descent.task
    lr = np.asarray(rate, task.model.dtype)
    arrays = {**descent.step_arrays(rows, step), "lr": lr}
    failing = Failing(task.model, task.loss, descent.optimizer, task.seed, arrays)
    return failing.fault(task.rows.numbered(rows))

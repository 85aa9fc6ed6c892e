"""A learning rate to begin with.

In: what `train` takes. Out: rates that grow from step to step, the loss at each, and a suggestion.
The model is left as it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glassnet.errors import TrainingError
from glassnet.nn.loss import Loss, as_loss
from glassnet.nn.module import Module
from glassnet.optim import numbers
from glassnet.optim.optimizer import Optimizer
from glassnet.rounding import to_nearest
from glassnet.run.threads import thread_count
from glassnet.training.check import checked, checked_counts, checked_seed
from glassnet.training.descend import Descent, Order, Task
from glassnet.training.exclusive import InTraining

WORSE = 4.0  # a loss that many times the least one ends the search
MEMORY = 0.9  # of the running mean that smooths the losses


@dataclass(frozen=True)
class Rates:
    """Learning rates, the smoothed loss at the step with each, and the one to begin with: a tenth
    of that with the least loss, since there it is about to grow."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float

    def __str__(self) -> str:
        return f"lr={self.suggestion:.2g}"


@to_nearest
def find_lr(
    model: Module,
    x: Any,
    y: Any = None,
    *,
    loss: Loss | Callable[[Any, Any], Any],
    optimizer: Optimizer,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 200,
    batch_size: int = 32,
    seed: int = 0,
    sample_weight: Any = None,
    threads: int | None = None,
) -> Rates:
    """Try learning rates from `low` to `high`, each a little larger than the one before, for one
    step each, until the loss grows. Smith, 2015."""
    checked_counts(steps=steps, batch_size=batch_size)
    checked_seed(seed)
    if not 0.0 < low < high < math.inf:
        raise TrainingError(f"find_lr(low={low}, high={high}): wanted 0 < low < high")
    measure = as_loss(loss)
    rows = checked(model, measure, x, y, sample_weight)
    task = Task(model, measure, rows, None, thread_count(threads), seed)
    with InTraining(model):
        descent = Descent(task, replace(optimizer, average=0.0), Order.of(rows, batch_size, seed))
        kept = model.W.copy()
        try:
            losses = _losses(descent, _rates(low, high, steps))
        finally:
            model.W[...] = kept
    return _suggested(_rates(low, high, steps)[: len(losses)], losses)


def _rates(low: float, high: float, steps: int) -> np.ndarray:
    span = numbers.log(high / low)
    return low * numbers.exp(span * np.arange(steps) / max(1, steps - 1))


def _losses(descent: Descent, rates: np.ndarray) -> list[float]:
    """The smoothed loss of each step, up to the first that is much worse than the least."""
    mean, least = 0.0, math.inf
    smooth: list[float] = []
    epoch = 0
    while len(smooth) < len(rates):
        for batches in descent.order.parts(epoch):
            first = len(smooth)
            part = batches[: len(rates) - first]
            found = descent.stepper.run(part, rates[first : first + len(part)], first)
            for loss in found.astype(float).tolist():
                mean = MEMORY * mean + (1.0 - MEMORY) * loss
                now = mean / (1.0 - MEMORY ** (len(smooth) + 1))
                if not now <= WORSE * least and smooth:
                    return smooth
                smooth.append(now)
                least = min(least, now)
            if len(smooth) == len(rates):
                break
        epoch += 1
    return smooth


def _suggested(rates: np.ndarray, losses: list[float]) -> Rates:
    if not losses or not math.isfinite(losses[0]):
        raise TrainingError(
            "find_lr: the loss of the first step is no finite number; scale x, or start with "
            "smaller weights"
        )
    best = float(rates[int(np.argmin(losses))])
    return Rates(tuple(rates.tolist()), tuple(losses), max(best / 10.0, float(rates[0])))

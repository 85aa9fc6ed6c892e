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
from glassnet.optim import scalar_functions as numbers
from glassnet.optim.optimizer import Optimizer
from glassnet.rounding import computed_to_nearest
from glassnet.run.threads import thread_count
from glassnet.training.batch_order import Order
from glassnet.training.data_checks import check_counts, check_data, check_seed
from glassnet.training.exclusive import InTraining
from glassnet.training.trainer import Task, Trainer

WORSE = 4.0  # a loss that many times the least one ends the search
MEMORY = 0.9  # of the running mean that smooths the losses
WARM = 10  # first steps: their rates hardly change the loss, which says how it varies by itself
NOISE = 3.0  # standard deviations of the mean by which the loss must have fallen
SPREAD = 0.954  # standard deviations: the median difference of two normal numbers
LEAST = 0.01  # part of the loss by which it must have fallen


@dataclass(frozen=True)
class Rates:
    """Learning rates, the smoothed loss at the step with each, and the one to begin with: a tenth
    of that with the least loss, since there it is about to grow. None where the loss did not fall
    by more than it varies from batch to batch, so that its least value says nothing."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float | None

    def __str__(self) -> str:
        if self.suggestion is None:
            return (
                f"no learning rate found: between {self.rates[0]:.2g} and {self.rates[-1]:.2g} the "
                "loss does not fall by more than it varies from batch to batch; try larger "
                "batches, more steps or another range"
            )
        return f"lr={self.suggestion:.2g}"


@computed_to_nearest
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
    step each, until the loss grows. Smith, 2015. Where it never falls, the result has none to
    suggest, and says so."""
    check_counts(steps=steps, batch_size=batch_size)
    check_seed(seed)
    if not 0.0 < low < high < math.inf:
        raise TrainingError(f"find_lr(low={low}, high={high}): wanted 0 < low < high")
    measure = as_loss(loss)
    rows = check_data(model, measure, x, y, sample_weight)
    task = Task(model, measure, rows, None, thread_count(threads), seed)
    with InTraining(model):
        trainer = Trainer(task, replace(optimizer, average=0.0), Order.of(rows, batch_size, seed))
        kept = model.W.copy()
        try:
            losses, smooth = _losses(trainer, _rates(low, high, steps))
        finally:
            model.W[...] = kept
    return _suggest(_rates(low, high, steps)[: len(smooth)], losses, smooth)


def _rates(low: float, high: float, steps: int) -> np.ndarray:
    span = numbers.log(high / low)
    return low * numbers.exp(span * np.arange(steps) / max(1, steps - 1))


def _losses(trainer: Trainer, rates: np.ndarray) -> tuple[list[float], list[float]]:
    """The loss of each step, and that smoothed, up to the first that is much worse than the
    least."""
    mean, least = 0.0, math.inf
    losses: list[float] = []
    smooth: list[float] = []
    epoch = 0
    while len(smooth) < len(rates):
        for batches in trainer.order.parts(epoch):
            first = len(smooth)
            part = batches[: len(rates) - first]
            found = trainer.stepper.run(part, rates[first : first + len(part)], first)
            for loss in found.astype(float).tolist():
                mean = MEMORY * mean + (1.0 - MEMORY) * loss
                now = mean / (1.0 - MEMORY ** (len(smooth) + 1))
                if not now <= WORSE * least and smooth:
                    return losses, smooth
                losses.append(loss)
                smooth.append(now)
                least = min(least, now)
            if len(smooth) == len(rates):
                break
        epoch += 1
    return losses, smooth


def _suggest(rates: np.ndarray, losses: list[float], smooth: list[float]) -> Rates:
    if not losses or not math.isfinite(losses[0]):
        raise TrainingError(
            "find_lr: the loss of the first step is not a finite number; scale x, or start with "
            "smaller weights"
        )
    found = Rates(tuple(rates.tolist()), tuple(smooth), None)
    start = float(np.mean(losses[:WARM]))
    place = int(np.argmin(smooth))
    # how much a loss varies from step to step, and two means of so many losses by that
    spread = float(np.median(np.abs(np.diff(losses[: place + 1])))) / SPREAD if place else 0.0
    noise = NOISE * spread * math.sqrt((1.0 - MEMORY) / (1.0 + MEMORY) + 1.0 / WARM)
    fell = start - smooth[place]
    if place < min(WARM, len(smooth) - 1) or fell <= max(noise, LEAST * abs(start)):
        return found
    return replace(found, suggestion=max(float(rates[place]) / 10.0, float(rates[0])))

"""Suggests a learning rate by a range test.

In: the arguments of `train`. Out: learning rates that grow from step to step, the loss at each, and
a suggestion. The model is not changed.
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

WORSE = 4.0  # the search ends at a loss this many times the lowest one
MEMORY = 0.9  # decay of the running mean that smooths the losses
WARM = 10  # number of first steps, whose mean loss is the reference: their rates change little
NOISE = 3.0  # required decrease of the loss, in standard deviations of the mean
SPREAD = 0.954  # median absolute difference of two standard normal numbers
LEAST = 0.01  # required relative decrease of the loss


@dataclass(frozen=True)
class Rates:
    """The result of `find_lr`: learning rates, the smoothed loss at the step with each, and a
    suggestion: a tenth of the rate with the lowest loss, where the loss is about to grow. The
    suggestion is None where the loss did not decrease by more than its variation between
    mini-batches."""

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
    """Try growing learning rates from `low` to `high`, one training step each, until the loss
    grows (the learning rate range test of Smith, 2015); return `Rates`. The model is not changed.
    Where the loss never decreases, `suggestion` is None. Other arguments are those of `train`."""
    check_counts(steps=steps, batch_size=batch_size)
    check_seed(seed)
    if not 0.0 < low < high < math.inf:
        raise TrainingError(f"find_lr(low={low}, high={high}): wanted 0 < low < high")
    measure = as_loss(loss)
    rows = check_data(model, measure, x, y, sample_weight)
    task = Task(model, measure, rows, None, thread_count(threads), seed)
    with InTraining(model):
        trainer = Trainer(task, replace(optimizer, average=0.0), Order.of(rows, batch_size, seed))
        weights_before = model.W.copy()
        try:
            losses, smooth = _losses(trainer, _rates(low, high, steps))
        finally:
            model.W[...] = weights_before
    return _suggest(_rates(low, high, steps)[: len(smooth)], losses, smooth)


def _rates(low: float, high: float, steps: int) -> np.ndarray:
    span = numbers.log(high / low)
    return low * numbers.exp(span * np.arange(steps) / max(1, steps - 1))


def _losses(trainer: Trainer, rates: np.ndarray) -> tuple[list[float], list[float]]:
    """Return the loss of each step, and the smoothed losses, up to the first one that is much
    worse than the lowest."""
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
    # the standard deviation of a loss, and of the difference of two means
    spread = float(np.median(np.abs(np.diff(losses[: place + 1])))) / SPREAD if place else 0.0
    noise = NOISE * spread * math.sqrt((1.0 - MEMORY) / (1.0 + MEMORY) + 1.0 / WARM)
    fell = start - smooth[place]
    if place < min(WARM, len(smooth) - 1) or fell <= max(noise, LEAST * abs(start)):
        return found
    return replace(found, suggestion=max(float(rates[place]) / 10.0, float(rates[0])))

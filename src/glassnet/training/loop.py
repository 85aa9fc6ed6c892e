"""The training loop: epochs of compiled steps.

In: a model, data, a loss, an optimiser. Out: the model, trained in place, and a `History`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glassnet.errors import TrainingError
from glassnet.nn.loss import Loss, as_loss
from glassnet.nn.module import Module
from glassnet.ops import philox
from glassnet.optim.optimizer import Optimizer
from glassnet.run.threads import thread_count
from glassnet.training.callbacks import call, reason
from glassnet.training.check import Rows, checked, checked_counts, checked_optimizer
from glassnet.training.diverge import divergence
from glassnet.training.history import History, Run
from glassnet.training.interrupt import Interrupt
from glassnet.training.programs import loss_program, step_program
from glassnet.training.step import memory_arrays, parameter_arrays
from glassnet.training.steps import Evaluator, Stepper, weighted_mean

SHUFFLE = 1 << 16  # streams of random numbers on the host: first weights take the low ones
HOLD_OUT = SHUFFLE + 1


def train(
    model: Module,
    x: Any,
    y: Any,
    *,
    loss: Loss | Callable[[Any, Any], Any],
    optimizer: Optimizer,
    epochs: int,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 0,
    validation: tuple[Any, ...] | float | None = None,
    sample_weight: Any = None,
    callbacks: Sequence[Any] = (),
    threads: int | None = None,
) -> History:
    """Train the model in place by mini-batches, and return the history.

    x is [rows, columns], y what the loss takes; both are read in the model's dtype. An epoch
    visits every row once, in an order keyed by `seed` and the epoch (as given without `shuffle`);
    its last batch may be smaller. `validation` is (x, y), (x, y, weights), or the fraction of rows
    to hold out. `threads` is a number of threads, by default what the machine grants; it changes
    the time, never a bit. Ctrl-C stops after some milliseconds, and the model is usable.

    Raises ShapeError or TrainingError where the data do not fit, and TrainingError when the loss
    leaves the finite range; the model then has the numbers of the last epoch that was finite.
    """
    checked_counts(epochs, batch_size)
    checked_optimizer(optimizer)
    threads = thread_count(threads)
    measure = as_loss(loss)
    rows = checked(model, measure, x, y, sample_weight)
    rows, held_out = _divided(model, measure, rows, validation, seed)
    order = _Order(len(rows), min(batch_size, len(rows)), seed if shuffle else None)
    training = _Training(model, measure, optimizer, rows, held_out, order, threads, seed)
    return training.run_epochs(epochs, callbacks)


def _divided(
    model: Module, loss: Loss, rows: Rows, validation: Any, seed: int
) -> tuple[Rows, Rows | None]:
    """Rows to train on, and rows to validate on."""
    if validation is None:
        return rows, None
    if isinstance(validation, float):
        count = round(validation * len(rows))
        if not 0 < count < len(rows):
            raise TrainingError(
                f"validation={validation} of {len(rows)} rows are {count} to hold out, which "
                f"leaves {len(rows) - count}; choose a fraction that leaves some of both"
            )
        order = philox.permutation(len(rows), seed, HOLD_OUT)
        return rows.part(np.sort(order[count:])), rows.part(np.sort(order[:count]))
    given: tuple[Any, ...] = tuple(validation)
    if len(given) not in (2, 3):
        raise TrainingError("validation is (x_val, y_val), (x_val, y_val, weights) or a fraction")
    return rows, checked(model, loss, *given, of="validation ")


class _Order:
    """Which rows the batches of an epoch have."""

    def __init__(self, count: int, size: int, seed: int | None) -> None:
        self.count, self.size, self.seed = count, size, seed
        self.whole = count // size
        self.steps = -(-count // size)

    def __call__(self, epoch: int) -> list[np.ndarray]:
        """Row numbers [steps, batch size] of the whole batches and of the last, smaller one."""
        if self.seed is None:
            rows = np.arange(self.count)
        else:
            rows = philox.permutation(self.count, self.seed, SHUFFLE, epoch)
        cut = self.whole * self.size
        parts = [rows[:cut].reshape(self.whole, self.size), rows[None, cut:]]
        return [part for part in parts if part.size]


class _Training:
    """Everything that one call of `train` needs."""

    def __init__(
        self,
        model: Module,
        loss: Loss,
        optimizer: Optimizer,
        rows: Rows,
        held_out: Rows | None,
        order: _Order,
        threads: int,
        seed: int,
    ) -> None:
        self.model, self.optimizer, self.rows, self.order = model, optimizer, rows, order
        start = time.perf_counter()
        weighted = rows.weight is not None
        program = step_program(model, loss, optimizer, rows.x.shape[1], weighted, seed)
        parameters = parameter_arrays(model)
        memory = memory_arrays(model, optimizer)
        self.stepper = Stepper(program, {**rows.arrays(), **parameters, **memory}, threads)
        self.evaluate: Evaluator | None = None
        if held_out is not None:
            judge = loss_program(model, loss, held_out.x.shape[1], held_out.weight is not None)
            self.evaluate = Evaluator(judge, held_out, parameters, threads)
        self.build_seconds = time.perf_counter() - start

    def run_epochs(self, epochs: int, callbacks: Sequence[Any]) -> History:
        run = Run(self.model, epochs, epochs * self.order.steps)
        run.started -= self.build_seconds
        with Interrupt() as interrupt:
            try:
                for callback in callbacks:
                    call(callback, "train_begin", run)
                while run.epoch < epochs and run.history.stopped == "epochs":
                    self._epoch(run, callbacks, interrupt)
            except KeyboardInterrupt:
                run.history.stopped = "interrupted"
            finally:
                self._clock(run)
                for callback in callbacks:
                    call(callback, "train_end", run)
        return run.history

    def _epoch(self, run: Run, callbacks: Sequence[Any], interrupt: Interrupt) -> None:
        before = self.model.W.copy()
        first = run.steps_done

        def after(count: int) -> bool:
            run.steps_done += count
            if interrupt.seen:
                run.history.stopped = "interrupted"
            for callback in callbacks:
                if call(callback, "overdue", run):
                    run.history.stopped = reason(callback)
            return run.history.stopped != "epochs"

        losses, weights = self._steps(run, first, after)
        self._clock(run)
        bad = np.flatnonzero(~np.isfinite(losses))
        if bad.size or not np.isfinite(self.model.W).all():
            largest = float(max(self.rows.x.max(), -self.rows.x.min()))
            raise divergence(run, before, losses, first, self.optimizer.lr, largest)
        if run.history.stopped == "interrupted":
            return
        run.epoch += 1
        run.history.loss.append(weighted_mean(losses, weights))
        if self.evaluate is not None:
            run.history.validation_loss.append(self.evaluate())
        self._clock(run)
        for callback in callbacks:
            if call(callback, "epoch_end", run):
                run.history.stopped = reason(callback)

    def _steps(
        self, run: Run, first: int, after: Callable[[int], bool]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The losses of the epoch's steps, and what each step weighs."""
        losses: list[np.ndarray] = []
        weights: list[np.ndarray] = []
        for rows in self.order(run.epoch):
            if run.history.stopped != "epochs":
                break
            done = sum(map(len, losses))
            lr = np.full(len(rows), self.optimizer.lr)
            found = self.stepper.run(rows, lr, first + done, after)
            losses.append(found)
            weights.append(self._weights(rows[: len(found)]))
            if not np.isfinite(found).all():
                break
        return np.concatenate(losses), np.concatenate(weights)

    def _weights(self, rows: np.ndarray) -> np.ndarray:
        if self.rows.weight is None:
            return np.full(len(rows), float(rows.shape[1]))
        return np.array([math.fsum(weights) for weights in self.rows.weight[rows]])

    def _clock(self, run: Run) -> None:
        own = self.stepper.compile_seconds
        run.history.compile_seconds = self.build_seconds + own
        run.history.train_seconds = max(0.0, run.elapsed() - run.history.compile_seconds)

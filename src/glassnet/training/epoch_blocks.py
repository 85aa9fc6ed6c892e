"""Runs epochs of small data in blocks.

In: a training. Out: the same epochs, bit for bit, with less Python overhead: the order of rows and
the learning rates are computed for a block of epochs at once, and if nothing observes single
epochs, a block is one call of compiled code.

If a number in a block becomes infinite or NaN, the block is rolled back and repeated epoch by
epoch, to find the failing step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from glassnet.errors import DivergenceError
from glassnet.optim import schedule as schedules
from glassnet.training.batch_order import Order
from glassnet.training.epoch_loop import EpochLoop, Stop
from glassnet.training.history import Run
from glassnet.training.rollback import finite
from glassnet.training.step_runner import EpochCalls, StepRunner, means_by_rows, weighted_mean

EPOCHS = 128  # most epochs of a block; more take longer to prepare than they save
ROWS = 1 << 15  # most rows of a block, all epochs together
WORK = 1 << 25  # most weights times rows of an epoch, which then takes a few milliseconds
UNGUARDED_WORK = 1 << 28  # the same without rollback, where Ctrl-C is handled after each epoch
PIECE = 0.01  # seconds between checks for Ctrl-C


class Trainable(Protocol):
    """The interface of the training that blocks need; `Trainer` implements it."""

    task: Any
    order: Order
    stepper: StepRunner
    optimizer: Any
    conventions: Any
    schedule: schedules.Schedule
    kept_memory: Any
    part: tuple[np.ndarray, np.ndarray]
    raw: np.ndarray | None
    broken: bool
    first: int

    def renew(self) -> bool: ...
    def keep_snapshot(self) -> None: ...
    def restore_snapshot(self) -> None: ...
    def rates(self, run: Run, steps: np.ndarray) -> np.ndarray: ...
    def timeline(self, run: Run, steps: np.ndarray) -> schedules.Timeline: ...
    def weights(self, rows: np.ndarray) -> np.ndarray: ...
    def diverged(
        self, run: Run, first: int, losses: np.ndarray, begun: np.ndarray | None
    ) -> DivergenceError: ...


class EpochBlocks:
    """Runs the epochs of one training in blocks of at most `most` epochs."""

    def __init__(self, trainer: Trainable, most: int) -> None:
        self.trainer, self.most = trainer, most
        self._calls: EpochCalls | None = None
        self._first, self._filled = 0, 0  # first epoch and number of epochs that are prepared
        self._piece = 1  # number of epochs between checks for Ctrl-C
        rows, self._W = trainer.task.rows, trainer.task.model.W
        self._equal = rows.weight is None or trainer.conventions.by_rows
        self._weights = self._shares() if self._equal else np.empty(0)
        self._total = math.fsum(self._weights.tolist())

    @classmethod
    def of(cls, trainer: Trainable, run: Run, callbacks: Sequence[Any]) -> EpochBlocks | None:
        """Return the blocks of a training; None where blocks are not possible or not faster."""
        rows, guarded = trainer.task.rows, trainer.conventions.guarded
        work = trainer.stepper.weights * len(rows)
        if rows.in_batches or rows.mapped is not None or len(rows) > ROWS:
            return None
        if not guarded:
            most = _most(trainer, run) if work <= UNGUARDED_WORK else 1
            return cls(trainer, most) if trainer.conventions.by_rows and most > 1 else None
        plain = trainer.optimizer.average == 0.0 and trainer.kept_memory is not None
        plain = plain and not trainer.conventions.by_rows
        if work > WORK or not plain or _rates_depend_on_losses(trainer, run, callbacks):
            return None
        return cls(trainer, _most(trainer, run))

    def take(self, loop: EpochLoop) -> bool:
        """Run the next epochs; return False where they must run one by one."""
        run, trainer = loop.run, self.trainer
        if not trainer.conventions.guarded:
            count = min(self.most, run.epochs - run.epoch)
            count = min(count, loop.ahead()) if count > 1 else 1
            if count > 1:
                self.take_without_snapshot(loop, count)
            return count > 1
        if not self.most or len(trainer.part[0]):
            return False
        if loop.watched:
            self.take_one_with_callbacks(loop)
            return True
        return self.take_without_callbacks(loop)

    def take_without_snapshot(self, loop: EpochLoop, count: int) -> None:
        """Run `count` epochs without rollback; callbacks are called at the end."""
        run, trainer, steps = loop.run, self.trainer, self.trainer.order.steps
        if trainer.stepper.take_better_code():
            self._calls = None
        calls, done = self._ready(run, count), 0
        try:
            while done < count:
                self._run(calls, done)
                done += 1
                if loop.after_steps(steps, clock=False):
                    break
        finally:
            self._filled = 0
            run.history.evaluations += done
            loop.clock()
            found = means_by_rows(calls.losses(done), trainer.order.count) if done else ()
            for loss in found:
                loop.count_epoch(loss)
        if run.history.stopped == "interrupted":
            raise Stop

    def take_without_callbacks(self, loop: EpochLoop) -> bool:
        """Run some epochs without callbacks; return False where a number was not finite, and
        everything was rolled back."""
        run, trainer, start = loop.run, self.trainer, time.perf_counter()
        first = run.steps_done
        if trainer.renew():
            self._calls = None
        trainer.keep_snapshot()
        calls = self._ready(run)
        ahead = run.epoch - self._first
        count = min(self._piece, self._filled - ahead)
        try:
            self._run(calls, ahead, count)
            loop.after_steps(count * trainer.order.steps, clock=False)
        except KeyboardInterrupt:
            trainer.restore_snapshot()
            raise
        losses = _side_by_side(calls.losses(count, ahead))
        if not (finite(losses.reshape(-1)) and finite(trainer.task.model.W)):
            trainer.restore_snapshot()
            trainer.raw, trainer.broken = None, False
            run.steps_done, self.most = first, 0
            return False
        run.history.loss += self._means(losses, run.epoch)
        run.epoch += count
        run.history.evaluations += count
        loop.clock()
        if run.history.stopped == "interrupted":
            raise Stop
        self._piece = max(1, int(count * PIECE / max(time.perf_counter() - start, 1e-9)))
        return True

    def take_one_with_callbacks(self, loop: EpochLoop) -> None:
        """Run one epoch, then the callbacks and the validation."""
        run, trainer = loop.run, self.trainer
        if trainer.renew():
            self._calls = None
        trainer.keep_snapshot()
        calls = self._ready(run)
        ahead, first = run.epoch - self._first, run.steps_done
        try:
            self._run(calls, ahead)
            loop.after_steps(trainer.order.steps, clock=False)
        except KeyboardInterrupt:
            trainer.restore_snapshot()
            raise
        losses = calls.of_epoch(ahead)
        loss = self._mean(losses, run.epoch)
        if not ((math.isfinite(loss) or finite(losses)) and finite(self._W)):
            self._filled = 0
            raise trainer.diverged(run, first, losses.copy(), None)
        run.history.evaluations += 1
        if run.history.stopped == "interrupted":
            weights = self._weights if self._equal else self._shares(run.epoch)
            trainer.part = losses.copy(), weights
        loop.end_epoch(loss)

    def _run(self, calls: EpochCalls, epoch: int, count: int = 1) -> None:
        start, trainer = time.perf_counter(), self.trainer
        calls.run(epoch, count)
        trainer.stepper.hear_pace(count * trainer.order.steps, time.perf_counter() - start)

    def _ready(self, run: Run, count: int | None = None) -> EpochCalls:
        """Return calls that are prepared with the rows and learning rates of the next epochs."""
        calls = self._calls
        if calls is not None and self._first <= run.epoch < self._first + self._filled:
            return calls
        trainer, order = self.trainer, self.trainer.order
        count = min(self.most, run.epochs - run.epoch) if count is None else count
        if calls is None:
            calls = trainer.stepper.epoch_calls(order.count, order.size, self.most)
            self._calls, self._filled = calls, 0
        first = trainer.first + run.steps_done
        rates = trainer.rates(run, np.arange(first, first + count * order.steps))
        calls.set(order.orders(run.epoch, count), rates, first)
        self._first, self._filled = run.epoch, count
        return calls

    def _mean(self, losses: np.ndarray, epoch: int) -> float:
        """Return the loss of an epoch; the sum has no rounding errors."""
        if not self._equal:
            return weighted_mean(losses, self._shares(epoch))
        if len(losses) == 1:
            return weighted_mean(losses, self._weights)
        try:
            return math.fsum((losses.astype(float) * self._weights).tolist()) / self._total
        except (OverflowError, ValueError):  # infinities of both signs, too
            return math.nan

    def _means(self, losses: np.ndarray, first: int) -> list[float]:
        """Return the losses of some epochs, all finite; the sums have no rounding errors."""
        if self._equal and exact(losses, self._total):
            return (losses.astype(float) @ self._weights / self._total).tolist()
        return [self._mean(steps, first + place) for place, steps in enumerate(losses)]

    def _shares(self, epoch: int = 0) -> np.ndarray:
        """Return the weight of each step of an epoch."""
        order = self.trainer.order
        if not self._equal:
            return np.concatenate([self.trainer.weights(part) for part in order.parts(epoch)])
        last = order.count - (order.steps - 1) * order.size
        return np.array([order.size] * (order.steps - 1) + [last], float)


def exact(numbers: np.ndarray, total: float) -> bool:
    """Whether sums in float64 of float32 numbers times integers with the sum `total` are exact in
    any order: all are multiples of one ulp of the smallest number."""
    if numbers.dtype != np.float32:
        return False
    sizes = np.abs(numbers)
    least, most = float(sizes.min()), float(sizes.max())
    place = max(math.frexp(least)[1], -125) - 24
    return least > 0.0 and most * total < math.ldexp(1.0, 53 + place)


def _most(trainer: Trainable, run: Run) -> int:
    """Return the largest number of epochs of a block."""
    return max(1, min(run.epochs - run.epoch, EPOCHS, ROWS // len(trainer.task.rows)))


def _side_by_side(losses: list[tuple[np.ndarray, int]]) -> np.ndarray:
    """Return the losses of all steps, [epochs, steps]."""
    if len(losses) == 1:
        return losses[0][0]
    return np.concatenate([array for array, _ in losses], axis=1)


def _rates_depend_on_losses(trainer: Trainable, run: Run, callbacks: Sequence[Any]) -> bool:
    """Whether the learning rates may depend on earlier epochs: on losses or, for a user's schedule
    together with callbacks, on anything."""
    schedule = trainer.schedule
    ours = type(schedule).__module__.startswith("glassnet.")
    if callbacks and not ours:
        return True
    steps = trainer.timeline(run, np.array([trainer.first + run.steps_done]))
    try:
        schedule.rates(steps, _Losses())
    except _LossesNeeded:
        return True
    return False


class _LossesNeeded(Exception):
    """Raised when a schedule reads the losses."""


class _Losses(Sequence[float]):
    """Stands for the losses of the epochs so far; reading it raises _LossesNeeded."""

    def __len__(self) -> int:
        raise _LossesNeeded

    def __getitem__(self, index: Any) -> Any:
        raise _LossesNeeded

    def __iter__(self) -> Iterator[float]:
        raise _LossesNeeded

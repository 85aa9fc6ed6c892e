"""Gradient descent by mini-batches.

In: a model, checked data, a loss and an optimiser. Out: the model, trained in place.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.ops import philox
from glassnet.optim import numbers
from glassnet.optim import schedule as schedules
from glassnet.optim.optimizer import Optimizer
from glassnet.training.callbacks import memories
from glassnet.training.check import Rows, check_batches
from glassnet.training.course import Course
from glassnet.training.diverge import divergence
from glassnet.training.history import History, Run
from glassnet.training.kept import Kept, finite
from glassnet.training.programs import loss_program, step_program
from glassnet.training.state import TrainingState, digest
from glassnet.training.step import memory_arrays, parameter_arrays
from glassnet.training.steps import Evaluator, Stepper, weighted_mean

BLOCK = 1 << 20  # rows whose order is worked out at once
TOGETHER = 2000  # rows: of fewer the orders of several epochs are worked out at once
NO_PART = np.empty(0), np.empty(0)
SHUFFLE = 1 << 16  # streams of random numbers on the host: first weights take the low ones


@dataclass(frozen=True)
class Order:
    """Which rows the batches of an epoch have; as they lie where there is no seed, and where one
    batch has them all, so that there is nothing to shuffle."""

    count: int
    size: int
    seed: int | None

    @classmethod
    def of(cls, rows: Rows, batch_size: int, seed: int | None) -> Order:
        return cls(len(rows), min(batch_size, len(rows)), seed)

    @property
    def steps(self) -> int:
        return -(-self.count // self.size)

    def parts(self, epoch: int) -> Iterable[np.ndarray]:
        """Row numbers [steps, batch size] of the whole batches and of the last, smaller one. Of
        many rows a block comes after the other, so that the numbers of all are never in memory."""
        still = self.seed is None or self.steps == 1
        if still and self.count <= BLOCK:
            return self._as_they_lie
        size = max(1, BLOCK // self.size) * self.size
        blocks = ((a, min(a + size, self.count)) for a in range(0, self.count, size))
        return (part for a, b in blocks for part in self._cut(self._places(epoch, a, b)))

    def _places(self, epoch: int, first: int, last: int) -> np.ndarray:
        if self.seed is None or self.steps == 1:
            return np.arange(first, last)
        if self.count <= TOGETHER:
            return self._of_epochs(epoch)[epoch][first:last]
        return philox.permutation(self.count, self.seed, SHUFFLE, epoch, first, last)

    def _of_epochs(self, epoch: int) -> dict[int, np.ndarray]:
        """The orders of the present epoch and of some later ones: as many as are over, 16 at most,
        so that no more than half are worked out in vain."""
        if epoch not in self._worked_out:
            among = range(epoch, epoch + max(1, min(epoch, 16)))
            orders = philox.permutations(self.count, self.seed or 0, SHUFFLE, among)
            self._worked_out.clear()
            self._worked_out.update(zip(among, orders, strict=True))
        return self._worked_out

    @cached_property
    def _worked_out(self) -> dict[int, np.ndarray]:
        return {}

    @cached_property
    def _as_they_lie(self) -> list[np.ndarray]:
        return self._cut(np.arange(self.count))

    def _cut(self, rows: np.ndarray) -> list[np.ndarray]:
        cut = len(rows) // self.size * self.size
        parts = [rows[:cut].reshape(-1, self.size), rows[None, cut:]]
        return [part for part in parts if part.size]


@dataclass(frozen=True)
class Task:
    """What is to be learnt from what, on how many threads."""

    model: Module
    loss: Loss
    rows: Rows
    held_out: Rows | None
    threads: int
    seed: int
    frozen: frozenset[str] = frozenset()  # parameters that the optimiser leaves as they are

    def evaluator(self) -> Evaluator | None:
        """The validation loss, where rows were held out for it."""
        return None if self.held_out is None else self.judge(self.held_out)

    def judge(self, rows: Rows) -> Evaluator:
        """The loss of rows, as the model is now."""
        weighted = rows.weight is not None
        program = loss_program(self.model, self.loss, rows.x.shape[1], weighted)
        return Evaluator(program, rows, parameter_arrays(self.model), self.threads)


class Descent:
    """Everything that one call of `train` needs for gradient descent."""

    def __init__(self, task: Task, optimizer: Optimizer, order: Order) -> None:
        self.task = task = replace(task, frozen=optimizer.frozen(task.model.declared()))
        self.optimizer, self.order = optimizer, order
        if order.steps > 1:  # one row alone is all that there is
            check_batches(task.model, order.size, task.frozen)
        self.started = time.perf_counter()
        model, rows = task.model, task.rows
        weighted = rows.weight is not None
        width = rows.x.shape[1]
        program = step_program(model, task.loss, optimizer, width, weighted, task.seed)
        self.memory = memory_arrays(model, optimizer)
        arrays = {**rows.arrays(), **parameter_arrays(model), **self.memory}
        self.stepper = Stepper(program, arrays, task.threads, rows.mapped)
        self.evaluate = task.evaluator()
        self.build_seconds = time.perf_counter() - self.started
        self.raw: np.ndarray | None = None  # the weights of the last step while W holds their mean
        self.part = NO_PART  # losses and shares of the steps of an epoch that is not whole
        self.last: np.ndarray | None = None  # the weights of the last step, after a training
        self.broken = False  # whether the optimiser's memory does not fit the weights
        self.kept = Kept(model.W)
        self._schedule = optimizer.schedule

    def train(
        self, epochs: int, callbacks: Sequence[Any], history: History | None = None
    ) -> History:
        """Train for so many epochs in all, going on after those that `history` has."""
        run = self.run(epochs, history)
        course = Course(run, callbacks, self.evaluate, self._compile_seconds)

        def body() -> None:
            while course.going:
                self._epoch(course)

        def end() -> None:
            self._show_mean(run)
            weights = self.task.model.W if self.raw is None else self.raw
            self.last = weights.copy() if callbacks or self.raw is not None else None

        course.follow(body, end)
        run.history.state = self.state(run, callbacks)
        return run.history

    def state(self, run: Run, callbacks: Sequence[Any]) -> TrainingState | None:
        """Where the training stands; None where it was broken off in the middle of a step."""
        if self.broken:
            return None
        epochs = min(run.steps_done // self.order.steps, len(run.history.loss))
        part = self.part if run.steps_done > epochs * self.order.steps else NO_PART
        W = self.task.model.W
        names = tuple(self.task.model.declared())
        return TrainingState(
            self.optimizer, names, self.shape, run.steps_done, epochs, self.last, digest(W),
            self.memory, *part, *memories(callbacks),
        )  # fmt: skip

    @property
    def shape(self) -> dict[str, Any]:
        """What decides which rows a step has, and its random numbers."""
        rows, shuffle = self.task.rows, self.order.seed is not None
        return {
            "rows": len(rows), "columns": rows.x.shape[1], "batch_size": self.order.size,
            "shuffle": shuffle, "seed": self.task.seed,
        }  # fmt: skip

    def go_on(self, state: TrainingState) -> None:
        """Stand where another training has ended."""
        if state.weights is not None:
            self.task.model.W[...] = state.weights
        for name, own in self.memory.items():
            own[...] = state.memory[name]
        self.part = state.losses, state.shares

    def run(self, epochs: int, history: History | None = None) -> Run:
        """A run that stands after the epochs that a history has."""
        self.stepper.ahead = epochs * self.order.steps
        run = Run(self.task.model, epochs, self.stepper.ahead, started=self.started)
        if history is not None:
            run.history = history
            run.epoch = len(history.loss)
            run.steps_done = run.epoch * self.order.steps + len(self.part[0])
        return run

    def repeat(self, run: Run, batches: int) -> None:
        """The first batches of the epoch at which a run stands, without counting or judging."""
        self._take_raw()
        for rows in self.order.parts(run.epoch):
            part = rows[:batches]
            if len(part):
                rates = self.rates(run, np.arange(run.steps_done, run.steps_done + len(part)))
                self.stepper.run(part, rates, run.steps_done)
                run.steps_done += len(part)
                batches -= len(part)

    def _compile_seconds(self) -> float:
        return self.build_seconds + self.stepper.compile_seconds

    def _epoch(self, course: Course) -> None:
        run, model = course.run, self.task.model
        self.kept.take()
        self._take_raw()
        first = run.steps_done
        try:
            losses, weights = self.part = self._steps(course, first)
        except KeyboardInterrupt:  # the second one: it may have come in the middle of a step
            self._put_back()
            raise
        if not (finite(losses) and finite(model.W)):
            self._put_back()
            lr = float(self.rates(run, np.array([first]))[0])
            raise divergence(run, losses, first, lr, self.task.rows.x)
        if run.history.stopped != "interrupted":
            self._show_mean(run)
        run.history.evaluations += 1
        course.end_epoch(weighted_mean(losses, weights))
        if len(losses) == self.order.steps:
            self.part = NO_PART

    def _put_back(self) -> None:
        """Give W the numbers from before the epoch."""
        self.broken = True
        self.kept.restore()
        self.raw = self.task.model.W  # must not be taken for a mean of something

    def _steps(self, course: Course, first: int) -> tuple[np.ndarray, np.ndarray]:
        """The losses of the epoch's steps, and what each step weighs; those that an earlier
        training has done come first, and are not done again."""
        before = len(self.part[0])
        losses, weights = ([own] if before else [] for own in self.part)
        skipped, first = before, first - before
        for part in self.order.parts(course.run.epoch):
            rows = part[skipped:]
            skipped -= min(skipped, len(part))
            if not len(rows):
                continue
            start = first + sum(map(len, losses))
            rates = self.rates(course.run, np.arange(start, start + len(rows)))
            found = self.stepper.run(rows, rates, start, course.after_steps)
            losses.append(found)
            weights.append(self._weights(rows[: len(found)]))
            if course.run.history.stopped != "epochs" or not finite(found):
                break
        if len(losses) == 1:
            return losses[0], weights[0]
        return np.concatenate(losses), np.concatenate(weights)

    def rates(self, run: Run, steps: np.ndarray) -> np.ndarray:
        """The learning rates of steps in the epoch at which a run stands."""
        where = schedules.Course(steps, run.steps_total, self.order.steps)
        seen = run.history.validation_loss or run.history.loss
        return self._schedule.rates(where, seen)

    def _weights(self, rows: np.ndarray) -> np.ndarray:
        weight = self.task.rows.weight
        if weight is None:
            return np.full(len(rows), float(rows.shape[1]))
        return np.array([math.fsum(own) for own in weight[rows]])

    def _show_mean(self, run: Run) -> None:
        """Put the running mean of the weights into W, where the optimiser keeps one."""
        beta = self.optimizer.average
        if not beta or self.raw is not None or not run.steps_done:
            return
        self.raw = self.task.model.W.copy()
        kept = remembered(beta, run.steps_done)
        for name, view in parameter_arrays(self.task.model).items():
            mean = self.memory.get(f"average.{name.removeprefix('W.')}")
            if mean is not None:
                view[...] = mean / kept

    def _take_raw(self) -> None:
        """Put the weights of the last step back into W."""
        if self.raw is not None:
            self.task.model.W[...] = self.raw
            self.raw = None


def remembered(beta: float, steps: int) -> float:
    """1 − βᵗ: what all weights so far weigh in their running mean, which began at 0."""
    return 1.0 - float(numbers.exp(steps * numbers.log(beta)))

"""Mini-batch gradient descent.

In: a model, checked data, a loss and an optimiser. Out: the model, trained in place.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glassnet.errors import DivergenceError
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.nn.storage import layout_of
from glassnet.optim import scalar_functions as numbers
from glassnet.optim import schedule as schedules
from glassnet.optim.optimizer import Optimizer
from glassnet.run.program import Program
from glassnet.training.batch_order import Order
from glassnet.training.callbacks import callback_states
from glassnet.training.data_checks import Rows, check_batches
from glassnet.training.diverge import advice, divergence
from glassnet.training.epoch_blocks import EpochBlocks
from glassnet.training.epoch_loop import EpochLoop
from glassnet.training.failing import failing_step
from glassnet.training.fold_evaluator import FoldEvaluator
from glassnet.training.history import History, RatePlan, Run
from glassnet.training.programs import is_outdated, loss_program, step_program
from glassnet.training.rollback import LARGE, Snapshot, finite
from glassnet.training.state import TrainingState, digest
from glassnet.training.step_graph import memory_arrays, parameter_arrays, setting_arrays
from glassnet.training.step_runner import Evaluator, StepRunner, means_by_rows, weighted_mean

FEW = 64  # steps of an epoch; with fewer, snapshots of a large state would take too long
NO_PART = np.empty(0), np.empty(0)


@dataclass(frozen=True)
class Task:
    """The learning task: model, loss, data, and the number of threads."""

    model: Module
    loss: Loss
    rows: Rows
    held_out: Rows | None
    threads: int | None  # None for the default
    seed: int
    frozen: frozenset[str] = frozenset()  # parameters that the optimiser does not change

    def evaluator(self) -> Evaluator | FoldEvaluator | None:
        """Return the function that computes the validation loss; None without validation rows."""
        if self.held_out is None:
            return None
        in_folds = FoldEvaluator.of(self.model, self.loss, self.held_out, self.threads)
        return self.judge(self.held_out) if in_folds is None else in_folds

    def judge(self, rows: Rows) -> Evaluator:
        """Return a function that computes the loss of rows with the model's current weights."""
        weighted = rows.weighting

        def program() -> Program:
            return loss_program(self.model, self.loss, rows.x.shape[1], weighted)

        return Evaluator(program, rows, parameter_arrays(self.model), self.threads)


@dataclass(frozen=True)
class Conventions:
    """The differences of a run from `train`, for estimators that follow another library.

    `schedule` replaces the optimiser's schedule, `memory` its initial state, `evaluate` the
    validation loss. The first step has number `first`. If `guarded`, infinite or NaN weights are
    rolled back and raise an error. If `by_rows`, the loss of an epoch is the mean of its steps by
    their numbers of rows, without weights.
    """

    schedule: schedules.Schedule | None = None
    memory: Mapping[str, np.ndarray] | None = None
    evaluate: Callable[[], float] | None = None
    first: int = 0
    guarded: bool = True
    by_rows: bool = False


USUAL = Conventions()


class Trainer:
    """Mini-batch gradient descent for one call of `train`."""

    def __init__(
        self,
        task: Task,
        optimizer: Optimizer,
        order: Order,
        conventions: Conventions = USUAL,
    ) -> None:
        self.conventions, self.first = conventions, conventions.first
        self.task = task = replace(task, frozen=optimizer.frozen(layout_of(task.model).parameters))
        self.optimizer, self.order = optimizer, order
        if order.steps > 1:  # a single row may be the whole data set
            check_batches(task.model, order.size, task.frozen)
        self.started = time.perf_counter()
        model, rows = task.model, task.rows
        memory = conventions.memory
        self.memory = dict(memory_arrays(model, optimizer) if memory is None else memory)
        self.settings = setting_arrays(task.loss, optimizer, model.dtype)
        arrays = {**parameter_arrays(model), **self.memory, **self.settings}
        apart = rows.in_batches
        arrays |= {} if apart else rows.arrays()
        gathered = rows if apart else None
        self.stepper = StepRunner(self._program(), arrays, task.threads, rows.mapped, gathered)
        self.stepper.guarded = conventions.guarded
        self.evaluate = conventions.evaluate or task.evaluator()
        self.build_seconds = time.perf_counter() - self.started
        self.raw: np.ndarray | None = None  # the weights of the last step while W has their mean
        self.part = NO_PART  # losses and weights of the steps of an incomplete epoch
        self.last: np.ndarray | None = None  # the weights of the last step, after a training
        self.broken = False  # whether the optimiser's state does not fit the weights
        self.kept = Snapshot(model.W) if conventions.guarded else None
        self.kept_memory = self._memory_snapshot() if conventions.guarded else None
        self.schedule = conventions.schedule or optimizer.schedule
        self._blocks: EpochBlocks | None = None

    def own_rows(self) -> dict[str, np.ndarray]:
        """Let the steps read their rows from copies of the arrays; return the copies."""
        arrays = {name: array.copy() for name, array in self.task.rows.arrays().items()}
        self.stepper.read_from(arrays)
        return arrays

    def train(
        self, epochs: int, callbacks: Sequence[Any], history: History | None = None
    ) -> History:
        """Train for `epochs` epochs in total, continuing after those in `history`."""
        run = self.run(epochs, history)
        if self.conventions.guarded:
            begun = run.epoch if run.history.plans else 0
            plan = RatePlan(begun, self.schedule, run.steps_total, self.order.steps)
            run.history.plans.append(plan)
        loop = EpochLoop(run, callbacks, self.evaluate, self._compile_seconds)
        self._blocks = EpochBlocks.of(self, run, callbacks)

        def body() -> None:
            while loop.continues:
                loop.begin_epoch()
                if self._blocks is None or not self._blocks.take(loop):
                    self.one_epoch(loop)

        def end() -> None:
            self._show_mean(run)
            weights = self.task.model.W if self.raw is None else self.raw
            looked = (callbacks and self.conventions.guarded) or self.raw is not None
            self.last = weights.copy() if looked else None

        try:
            with self.stepper.compiling_beside():
                loop.follow(body, end)
        except DivergenceError as error:
            run.history.state = self.state(run, callbacks)
            error.history = run.history
            raise
        if self.conventions.guarded:
            run.history.state = self.state(run, callbacks)
        return run.history

    def _memory_snapshot(self) -> list[Snapshot] | None:
        """Return snapshots for the optimiser's state before an epoch; None where they would take
        too long: a large state and few steps per epoch."""
        blocks = {
            id(array.base): array.base for array in self.memory.values() if array.base is not None
        }
        if sum(block.nbytes for block in blocks.values()) >= LARGE and self.order.steps < FEW:
            return None
        return [Snapshot(block) for block in blocks.values()]

    def state(self, run: Run, callbacks: Sequence[Any]) -> TrainingState | None:
        """Return the state of the training; None where it ended in the middle of a step."""
        if self.broken:
            return None
        epochs = min(run.steps_done // self.order.steps, len(run.history.loss))
        part = self.part if run.steps_done > epochs * self.order.steps else NO_PART
        W = self.task.model.W
        names = tuple(layout_of(self.task.model).parameters)
        return TrainingState(
            self.optimizer, names, self.shape, run.steps_done, epochs, self.last, digest(W),
            self.memory, *part, *callback_states(callbacks),
        )  # fmt: skip

    @property
    def shape(self) -> dict[str, Any]:
        """The settings that determine the rows of a step and its random numbers."""
        rows, shuffle = self.task.rows, self.order.seed is not None
        return {
            "rows": len(rows), "columns": rows.x.shape[1], "batch_size": self.order.size,
            "shuffle": shuffle, "seed": self.task.seed,
        }  # fmt: skip

    def go_on(self, state: TrainingState) -> None:
        """Continue from the state of another training."""
        if state.weights is not None:
            self.task.model.W[...] = state.weights
        for name, array in self.memory.items():
            array[...] = state.memory[name]
        self.part = state.losses, state.shares

    def run(self, epochs: int, history: History | None = None) -> Run:
        """Return a run that continues after the epochs in a history."""
        self.stepper.ahead = epochs * self.order.steps
        run = Run(self.task.model, epochs, self.stepper.ahead, started=self.started)
        if history is not None:
            run.history = history
            run.epoch = len(history.loss)
            run.steps_done = run.epoch * self.order.steps + len(self.part[0])
        self.stepper.left = self.stepper.ahead - run.steps_done
        return run

    def repeat(self, run: Run, batches: int) -> None:
        """Repeat the first mini-batches of a run's current epoch, without callbacks and
        validation."""
        self._take_raw()
        for rows in self.order.parts(run.epoch):
            part = rows[:batches]
            if len(part):
                first = self.first + run.steps_done
                rates = self.rates(run, np.arange(first, first + len(part)))
                self.stepper.run(part, rates, first)
                run.steps_done += len(part)
                batches -= len(part)

    def _program(self) -> Program:
        task, weighted = self.task, self.task.rows.weighting
        width = task.rows.x.shape[1]
        return step_program(task.model, task.loss, self.optimizer, width, weighted, task.seed)

    def _compile_seconds(self) -> float:
        return self.build_seconds + self.stepper.compile_seconds

    def step_arrays(self, rows: np.ndarray, step: int) -> dict[str, np.ndarray]:
        """Return the inputs of step number `step` over some rows, with the model's current weights,
        without lr."""
        state = {**parameter_arrays(self.task.model), **self.memory, **self.settings}
        return {**state, **self.task.rows.batch(rows), "step": np.asarray(step, np.int64)}

    def renew(self) -> bool:
        """Trace the user's code again if a callback changed something that it refers to, and switch
        to better code if some was compiled; return whether calls must be prepared again."""
        if is_outdated(self.stepper.program):
            self.stepper.exchange(self._program())
            return True
        return self.stepper.take_better_code()

    def keep_snapshot(self) -> None:
        """Take a snapshot of weights and optimiser state."""
        if self.kept is not None:
            self.kept.take()
            for snapshot in self.kept_memory or ():
                snapshot.take()

    def one_epoch(self, loop: EpochLoop) -> None:
        run, model = loop.run, self.task.model
        self.renew()
        self.keep_snapshot()
        begun, part = self.raw, self.part
        self._take_raw()
        first = run.steps_done
        try:
            losses, weights = self.part = self._steps(loop, first)
        except KeyboardInterrupt:  # the second one: it may have come in the middle of a step
            self.restore_snapshot()
            raise
        if self.kept is not None and not (finite(losses) and finite(model.W)):
            self.part = part
            raise self.diverged(run, first, losses, begun)
        if run.history.stopped != "interrupted":
            self._show_mean(run)
        run.history.evaluations += 1
        loop.end_epoch(self._mean(losses, weights))
        if len(losses) == self.order.steps:
            self.part = NO_PART

    def _mean(self, losses: np.ndarray, weights: np.ndarray) -> float:
        """Return the loss of an epoch, from those of its steps."""
        if not self.conventions.by_rows:
            return weighted_mean(losses, weights)
        count, size = self.order.count, self.order.size
        if len(losses) == 1:
            return float(losses[0]) * count / count
        whole = count // size
        parts = [(losses[None, :whole], size), (losses[None, whole:], count - whole * size)]
        return means_by_rows(parts, count)[0]

    def diverged(
        self, run: Run, first: int, losses: np.ndarray, begun: np.ndarray | None
    ) -> DivergenceError:
        """Restore the end of the previous epoch, and return the error."""
        step, bad = first + int(np.argmin(np.isfinite(losses))) - len(self.part[0]), None
        if finite(losses):
            step, bad = first + len(losses) - len(self.part[0]) - 1, None
        fault = None
        if self.kept_memory is not None:
            self.restore_snapshot(begun)
            self._take_raw()
            step, loss, fault = failing_step(self, run, first)
            bad = None if math.isfinite(loss) else loss
            self.restore_snapshot(begun)
            self.broken = False
        else:
            bad = None if finite(losses) else float(losses[~np.isfinite(losses)][0])
            self.restore_snapshot(begun)
        run.history.stopped, run.steps_done = "diverged", first
        what = "a parameter left the finite range" if bad is None else f"the loss became {bad:g}"
        back = f"the end of epoch {run.epoch}" if run.epoch else "the start"
        return divergence(
            f"{what} in epoch {run.epoch + 1}, step {step % self.order.steps + 1} "
            f"(step {step + 1} of the run)",
            f"the model was restored to {back}",
            step + 1, fault,
            advice(float(self.rates(run, np.array([step]))[0]), self.task.rows.x, fault, step),
        )  # fmt: skip

    def numbers(self) -> dict[str, np.ndarray]:
        """Return copies of the weights and of the optimiser's state."""
        arrays = {**parameter_arrays(self.task.model), **self.memory}
        return {name: array.copy() for name, array in arrays.items()}

    def set_numbers(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Restore what `numbers` returned."""
        for name, array in {**parameter_arrays(self.task.model), **self.memory}.items():
            array[...] = arrays[name]

    def restore_snapshot(self, raw: np.ndarray | None = None) -> None:
        """Restore W, and the optimiser's state if there is a snapshot of it, from before the
        epoch."""
        self.broken = True
        if self.kept is None:
            return
        self.kept.restore()
        for snapshot in self.kept_memory or ():
            snapshot.restore()
        # without a mean, W itself has the weights of the last step
        self.raw = self.task.model.W if raw is None else raw

    def _steps(self, loop: EpochLoop, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Run the steps of an epoch; return their losses and weights. Those of an earlier training
        come first and are not repeated."""
        before = len(self.part[0])
        losses, weights = ([loss] if before else [] for loss in self.part)
        skipped, first = before, first - before + self.first
        for part in self.order.parts(loop.run.epoch):
            rows = part[skipped:]
            skipped -= min(skipped, len(part))
            if not len(rows):
                continue
            start = first + sum(map(len, losses))
            rates = self.rates(loop.run, np.arange(start, start + len(rows)))
            found = self.stepper.run(rows, rates, start, loop.after_steps)
            losses.append(found)
            weights.append(self.weights(rows[: len(found)]))
            ended = self.conventions.guarded and not finite(found)
            if ended or loop.run.history.stopped != "epochs":
                break
        if len(losses) == 1:
            return losses[0], weights[0]
        return np.concatenate(losses), np.concatenate(weights)

    def rates(self, run: Run, steps: np.ndarray) -> np.ndarray:
        """Return the learning rates of steps in a run's current epoch."""
        seen = run.history.validation_loss or run.history.loss
        return self.schedule.rates(self.timeline(run, steps), seen)

    def timeline(self, run: Run, steps: np.ndarray) -> schedules.Timeline:
        """Return the timeline of steps in a run, for schedules."""
        return schedules.Timeline(steps, run.steps_total, self.order.steps)

    def weights(self, rows: np.ndarray) -> np.ndarray:
        weight = self.task.rows.weight
        if weight is None or self.conventions.by_rows:
            return np.full(len(rows), float(rows.shape[1]))
        return np.array([math.fsum(weights.ravel()) for weights in weight[rows]])

    def _show_mean(self, run: Run) -> None:
        """Put the running mean of the weights into W, if the optimiser has one."""
        beta = self.optimizer.average
        if not beta or self.raw is not None or not run.steps_done:
            return
        self.raw = self.task.model.W.copy()
        correction = bias_correction(beta, run.steps_done)
        for name, view in parameter_arrays(self.task.model).items():
            mean = self.memory.get(f"average.{name.removeprefix('W.')}")
            if mean is not None:
                view[...] = mean / correction

    def _take_raw(self) -> None:
        """Put the weights of the last step back into W."""
        if self.raw is not None:
            self.task.model.W[...] = self.raw
            self.raw = None


def bias_correction(beta: float, steps: int) -> float:
    """Return 1 − βᵗ, the total weight of all values in a running mean that began at 0."""
    return 1.0 - float(numbers.exp(steps * numbers.log(beta)))

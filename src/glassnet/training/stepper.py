"""`Step`: single compiled training steps, for custom training loops.

In: a model, a loss, an optimiser; then mini-batches, one per call. Out: the loss of each; the model
and the optimiser's state are updated in place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from glassnet.arguments import ArgumentChecker
from glassnet.errors import ShapeError, TrainingError
from glassnet.nn.loss import Loss, as_loss
from glassnet.nn.module import Module, split
from glassnet.nn.storage import layout_of
from glassnet.optim.optimizer import Optimizer
from glassnet.optim.schedule import Schedule, Timeline
from glassnet.rounding import computed_to_nearest
from glassnet.run.program import Call, Program
from glassnet.run.threads import thread_count
from glassnet.training.data_checks import (
    Rows,
    check_batches,
    check_counts,
    check_data,
    check_optimizer,
    check_seed,
    warn_of_double_activation,
)
from glassnet.training.diverge import FailingStep, advice, divergence
from glassnet.training.exclusive import InTraining
from glassnet.training.functional import as_one_vector
from glassnet.training.history import History, state_of
from glassnet.training.programs import (
    gradient_step_program,
    is_outdated,
    step_program,
    update_program,
)
from glassnet.training.rollback import finite
from glassnet.training.state import check_model, check_shape
from glassnet.training.step_graph import (
    memory_arrays,
    parameter_arrays,
    setting_arrays,
    trained_only,
)

FREE = ("lr", "optimizer", "count", "steps", "steps_per_epoch")  # attributes that can be set
AHEAD = 1000  # assumed number of steps of a loop, if not specified


class Step(metaclass=ArgumentChecker):
    """A compiled training step: forward pass, backward pass and update in one function.

    `step(x, y)` takes one mini-batch, updates `model.W` in place and returns the loss of the
    mini-batch before the update, a float; `step(x, y, weight)` weights its rows. With the
    mini-batches of `gn.train` the weights have the same bits as with `gn.train`. A batch size is
    compiled and prepared only once; each keeps memory for one mini-batch.

    `lr` and `optimizer` can be set to another learning rate between two steps.

    `count` is the number of steps done, which schedules use: those that depend on the length of the
    run (Cosine, OneCycle) need `steps=`, and no more steps are then possible; those that depend on
    epochs (StepDecay, Exponential) need `steps_per_epoch=`. ReduceOnPlateau needs the losses of
    epochs and raises TrainingError; so does an optimiser with `average`.

    Random numbers (dropout) are determined by `seed`, the number of the step and the index of the
    row within the mini-batch. `gn.train` uses the index within all rows, so that with dropout the
    bits are the same only if each mini-batch has all rows in their order.

    `after` is the history that `gn.train` returned for this model: the steps then continue with the
    optimiser's state, the count and the last weights of that training.

    `gradients(x, y)` and `apply(gradients)` are the two halves of a step: the gradient of a
    mini-batch, a vector like `model.W`, and the update with a gradient. `step(x, y)` has the same
    bits as `step.apply(step.gradients(x, y))`. To accumulate gradients over parts of equal size,
    call `step.apply(sum(parts) / len(parts))` with `parts` the gradients of each. Clipping, weight
    decay, schedules and the optimiser's state belong to `apply`.

    A step that raises an error, because the data do not fit or because a number became infinite or
    NaN (DivergenceError), changes nothing. For that, weights and state are stored twice.
    """

    @computed_to_nearest
    def __init__(
        self,
        model: Module,
        *,
        loss: Loss | Callable[[Any, Any], Any],
        optimizer: Optimizer,
        seed: int = 0,
        threads: int | None = None,
        steps: int | None = None,
        steps_per_epoch: int | None = None,
        after: History | None = None,
    ) -> None:
        _check_optimizer(optimizer)
        planned = {"steps": steps, "steps_per_epoch": steps_per_epoch}
        check_counts(**{name: n for name, n in planned.items() if n is not None})
        check_seed(seed)
        self.model, self.loss, self._optimizer = model, as_loss(loss), optimizer
        warn_of_double_activation(model, self.loss)
        self.seed, self.threads = seed, thread_count(threads)
        self.steps, self.steps_per_epoch = steps, steps_per_epoch
        self.count = 0
        self._alone = InTraining(model)
        self._rate(0)  # raises errors about the schedule before the first mini-batch
        self._memory, self._slots = _one_vector(memory_arrays(model, optimizer), model.dtype)
        self._before = model.W.copy(), self._memory.copy()
        self._batches: dict[Any, _Batch] = {}
        self._update: _Batch | None = None
        self._seen = 0  # number of rows whose gradients were computed since the last update
        self._made = True
        if after is not None:
            self._go_on(after)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FREE or name.startswith("_") or "_made" not in vars(self):
            object.__setattr__(self, name, value)
        else:
            raise TrainingError(
                f"step.{name} = … would change nothing: a step is compiled for its model, loss and "
                f"seed; {', '.join(FREE)} can be set\n  right: gn.Step(model, loss=…, optimizer=…)"
            )

    @property
    def optimizer(self) -> Optimizer:
        """The optimiser. It can be replaced by one that differs only in its learning rate."""
        return self._optimizer

    @optimizer.setter
    def optimizer(self, value: Optimizer) -> None:
        check_optimizer(value)
        if not isinstance(value, Optimizer) or value.compile_key() != self._optimizer.compile_key():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TrainingError(
                f"step.optimizer = {value!r}: the step is compiled for {self._optimizer!r}, and "
                "only the learning rate can be changed\n"
                "  right: step.lr = 0.01\n  right: another gn.Step; if the rule has the same "
                "state, restore(step.state()) copies it"
            )
        before, self._optimizer = self._optimizer, value
        try:
            self._rate(self.count)
        except TrainingError:
            self._optimizer = before
            raise

    @property
    def lr(self) -> float:
        """The learning rate of the next step; can be set to a number or a schedule."""
        return self._rate(self.count)

    @lr.setter
    def lr(self, value: float | Schedule) -> None:
        self.optimizer = replace(self._optimizer, lr=value)

    def _go_on(self, after: History) -> None:
        """Continue from the state of a training."""
        state = state_of(after)
        check_model(state, self.model, self.optimizer)
        check_shape(state, {"seed": self.seed})
        if state.weights is not None:
            self.model.W[...] = state.weights
        for name, array in self._slots.items():
            array[...] = state.memory[name]
        self.count = state.steps

    def __repr__(self) -> str:
        return f"Step({self.model!r}, loss={self.loss!r}, optimizer={self.optimizer!r})"

    @computed_to_nearest
    def __call__(self, x: Any, y: Any, weight: Any = None) -> float:
        """Do one step with x [rows, columns], labels y and optionally weights of the rows; return
        the loss of the mini-batch before the update."""
        rows = check_data(self.model, self.loss, x, y, weight)
        batch, rate = self._ready(rows, step_program), self._rate(self.count)
        with self._alone:
            return self._run_step(batch, rows, rate)

    @computed_to_nearest
    def value_and_grad(self, x: Any, y: Any, weight: Any = None) -> tuple[float, np.ndarray]:
        """Return the loss of a mini-batch and its gradient, a vector like `model.W`, 0 for
        parameters that are not trained. Weights, optimiser state and count do not change; the
        running mean and variance of a `BatchNorm` do. The rows of several calls before an `apply`
        get different dropout masks, those of one large mini-batch."""
        rows = check_data(self.model, self.loss, x, y, weight)
        batch, rate = self._ready(rows, gradient_step_program), self._rate(self.count)
        with self._alone:
            return self._run_gradient(batch, rows, rate)

    def gradients(self, x: Any, y: Any, weight: Any = None) -> np.ndarray:
        """Return the gradient of a mini-batch, the second result of `value_and_grad`."""
        return self.value_and_grad(x, y, weight)[1]

    @computed_to_nearest
    def apply(self, gradients: Any) -> None:
        """Update the weights with a gradient: a vector like `model.W`, or arrays by the names of
        the parameters (those that are missing have gradient 0)."""
        self._check_left()
        given = gradient_of(self.model, gradients)
        if self._update is None or is_outdated(self._update.program):
            self._update = self._prepare_update()
        update, rate = self._update, self._rate(self.count)
        with self._alone:
            self._before[0][...], self._before[1][...] = self.model.W, self._memory
            try:
                update.arrays["g"][...] = given
                update.lr[0], update.number[0] = rate, self.count
                update.call()
                if not finite(self.model.W):
                    raise TrainingError(
                        f"a parameter left the finite range in step {self.count + 1}; the model "
                        "and the optimiser's state were restored\n"
                        f"  try a smaller learning rate: lr={rate / 10:.2g}"
                    )
            except BaseException:
                self.model.W[...], self._memory[...] = self._before
                raise
        self.count, self._seen = self.count + 1, 0

    def _check_left(self) -> None:
        if self.count == self.steps:
            raise TrainingError(
                f"all of the steps={self.steps} that were planned are done; for a longer loop "
                "pass gn.Step(..., steps=...)"
            )

    def _ready(self, rows: Rows, make: Callable[..., Program]) -> _Batch:
        """Return the prepared call for mini-batches of this size."""
        self._check_left()
        key = make, rows.x.shape, rows.weighting
        batch = self._batches.get(key)
        if batch is not None and is_outdated(batch.program):
            self._batches.clear()
            batch = None
        if batch is None:
            if not self.count:
                check_batches(
                    self.model, len(rows), self._optimizer.frozen(layout_of(self.model).parameters)
                )
            batch = self._batches[key] = self._prepare_call(rows, make)
        return batch

    def _run_gradient(self, batch: _Batch, rows: Rows, rate: float) -> tuple[float, np.ndarray]:
        """Compute loss and gradient; an error changes nothing."""
        self._before[0][...], self._before[1][...] = self.model.W, self._memory
        try:
            batch.first[...] = self._seen
            losses, *slopes = batch.outputs(rows, rate, self.count)
            loss, count = float(losses[0]), len(trained_only(self.model, self.model.parameters()))
            found = as_one_vector(self.model, slopes[:count])
            if not (math.isfinite(loss) and finite(found)):
                raise self._divergence(loss, rate, rows)
        except BaseException:
            self.model.W[...] = self._before[0]
            raise
        self._seen += len(rows)
        return loss, found

    def _run_step(self, batch: _Batch, rows: Rows, rate: float) -> float:
        """Do the step; an error changes nothing."""
        self._before[0][...], self._before[1][...] = self.model.W, self._memory
        try:
            loss = batch.run(rows, rate, self.count)
            if not (math.isfinite(loss) and finite(self.model.W)):
                raise self._divergence(loss, rate, rows)
        except BaseException:
            self.model.W[...], self._memory[...] = self._before
            raise
        self.count, self._seen = self.count + 1, 0
        return loss

    def state(self) -> dict[str, Any]:
        """Return everything that a step changes: `count`, `W`, and the optimiser's state by
        parameter; `numpy.savez(path, **step.state())` writes it to a file."""
        memory = {name: array.copy() for name, array in self._slots.items()}
        return {"count": self.count, "W": self.model.W.copy(), **memory}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned, or `numpy.load` read; later steps have the same bits as
        without an interruption. Raises TrainingError or ShapeError where it does not fit."""
        arrays = {"W": self.model.W, **self._slots}
        given = {name: np.asarray(state[name]) for name in state}
        if given.keys() != {"count", *arrays}:
            raise TrainingError(
                f"the state has {', '.join(map(str, given)) or 'nothing'}; a step with this model "
                f"and {type(self.optimizer).__name__} has count, {', '.join(arrays)}"
            )
        count = given["count"]
        if count.shape or count.dtype.kind not in "iu" or count < 0:
            raise TrainingError(f"count={state['count']!r}; wanted a whole number, 0 or more")
        for name, array in arrays.items():
            found = given[name]
            if (found.shape, found.dtype) != (array.shape, array.dtype):
                raise ShapeError(
                    f"{name} in the state is {found.dtype} {found.shape}; that of this step is "
                    f"{array.dtype} {array.shape}: restore the state of a step like this one"
                )
        with InTraining(self.model):
            for name, array in arrays.items():
                array[...] = given[name]
            self.count, self._seen = int(count), 0

    def _rate(self, count: int) -> float:
        lr = self._optimizer.lr
        if not isinstance(lr, Schedule):
            return float(lr)
        timeline = _Planned(np.array([count]), self.steps or 0, self.steps_per_epoch or 0)
        return float(lr.rates(timeline, _NoLosses())[0])

    def _prepare_call(self, rows: Rows, make: Callable[..., Program]) -> _Batch:
        model, width = self.model, rows.x.shape[1]
        program = make(model, self.loss, self.optimizer, width, rows.weighting, self.seed)
        buffers = {name: np.empty_like(array) for name, array in rows.arrays().items()}
        lr = np.zeros(1, program.plan.graph.input_types["lr"].dtype)
        number = np.zeros(1, np.int64)
        places, first = np.arange(len(rows), dtype=np.int32)[None], np.zeros((), np.int32)
        arrays = {**buffers, "rows": places, "lr": lr, "step": number, "first": first}
        arrays |= {**parameter_arrays(model), **self._slots}
        arrays |= setting_arrays(self.loss, self.optimizer, model.dtype)
        given = {name: arrays[name] for name in program.plan.graph.inputs if name in arrays}
        call = program.prepare(given, 1, self.threads, self.steps or AHEAD)
        return _Batch(buffers, lr, number, first, call, program)

    def _prepare_update(self) -> _Batch:
        model = self.model
        program = update_program(model, self.optimizer)
        whole = np.zeros_like(model.W)
        slopes = trained_only(model, split(whole, layout_of(model).parameters))
        lr = np.zeros(1, program.plan.graph.input_types["lr"].dtype)
        number = np.zeros(1, np.int64)
        arrays = {"lr": lr, "step": number, **parameter_arrays(model), **self._slots}
        arrays |= {f"g.{name}": view for name, view in slopes.items()}
        arrays |= setting_arrays(self.loss, self.optimizer, model.dtype)
        given = {name: arrays[name] for name in program.plan.graph.inputs if name in arrays}
        call = program.prepare(given, 1, self.threads, self.steps or AHEAD)
        return _Batch({"g": whole}, lr, number, number, call, program)

    def _divergence(self, loss: float, rate: float, rows: Rows) -> TrainingError:
        """Restore the values from before the step, and return the error."""
        self.model.W[...], self._memory[...] = self._before
        what = "a parameter left the finite range"
        if not math.isfinite(loss):
            what = f"the loss became {loss:g}"
        now = {"lr": np.asarray(rate, self.model.dtype), "step": np.asarray(self.count, np.int64)}
        state = {**parameter_arrays(self.model), **self._slots, **now}
        arrays = {**rows.arrays(), **state, "rows": np.arange(len(rows), dtype=np.int32)}
        fault = FailingStep(self.model, self.loss, self.optimizer, self.seed, arrays).fault()
        return divergence(
            f"{what} in step {self.count + 1}",
            "the model and the optimiser's state were restored to those before it",
            self.count + 1, fault, advice(rate, rows.x, fault, self.count),
        )  # fmt: skip


@dataclass(frozen=True)
class _Batch:
    """A prepared call for mini-batches of one size, and the arrays that it reads."""

    arrays: dict[str, np.ndarray]
    lr: np.ndarray
    number: np.ndarray
    first: np.ndarray  # the number of the first row, for gradients without an update
    call: Call
    program: Program

    def outputs(self, rows: Rows, rate: float, count: int) -> list[np.ndarray]:
        for name, array in rows.arrays().items():
            self.arrays[name][...] = array
        self.lr[0], self.number[0] = rate, count
        return self.call()

    def run(self, rows: Rows, rate: float, count: int) -> float:
        return float(self.outputs(rows, rate, count)[0][0])


class _Planned(Timeline):
    """A timeline that raises TrainingError where a schedule needs a number that was not passed."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name == "total" and not found:
            raise TrainingError(
                "this learning rate schedule depends on the length of the run; pass the number of "
                "steps of the loop\n  right: gn.Step(..., steps=1000)"
            )
        if name == "epoch" and not found:
            raise TrainingError(
                "this learning rate schedule depends on epochs; pass the number of their steps\n"
                "  right: gn.Step(..., steps_per_epoch=100)"
            )
        return found


class _NoLosses(Sequence[float]):
    """Stands for the losses of the epochs so far, which a step does not know."""

    def __len__(self) -> int:
        raise TrainingError(
            "this learning rate schedule depends on the losses of epochs, which a step does not "
            "know\n  right: gn.train\n  right: step.lr = …, to reduce the learning rate yourself"
        )

    def __getitem__(self, index: Any) -> Any:
        return len(self)

    def __iter__(self) -> Iterator[float]:
        return iter(range(len(self)))


def _check_optimizer(optimizer: Any) -> None:
    check_optimizer(optimizer)
    if not isinstance(optimizer, Optimizer):
        raise TrainingError(
            f"optimizer={optimizer!r} uses all rows at once and has no steps with mini-batches\n"
            "  right: gn.train(..., optimizer=...) with it\n"
            "  right: gn.Step(..., optimizer=gn.optim.Adam(lr=1e-3))"
        )
    if optimizer.average:
        raise TrainingError(
            f"average={optimizer.average}: after a step model.W has the weights of that step, not "
            "their mean\n  right: gn.train\n"
            f"  right: mean += {1 - optimizer.average:.3g} * (model.W - mean) after every step"
        )


def gradient_of(model: Module, given: Any) -> np.ndarray:
    """Return a gradient, a vector or arrays by the parameters' names, as a vector like `model.W`.
    Raises ShapeError or TrainingError."""
    whole = np.zeros_like(model.W)
    views = split(whole, layout_of(model).parameters)
    if isinstance(given, Mapping):
        named = {str(name): np.asarray(gradient) for name, gradient in cast("Any", given).items()}
        for name, gradient in named.items():
            if name not in views:
                raise ShapeError(f"there is no parameter {name!r}; there are {', '.join(views)}")
            if gradient.shape != views[name].shape:
                raise ShapeError(
                    f"the gradient by {name} has shape {gradient.shape}, wanted {views[name].shape}"
                )
            views[name][...] = gradient
    elif isinstance(given, tuple):
        raise ShapeError(
            "apply takes a gradient, not the loss with it\n"
            "  right: loss, gradient = step.value_and_grad(x, y), then step.apply(gradient)"
        )
    else:
        array = np.asarray(given)
        if array.shape != whole.shape:
            raise ShapeError(
                f"the gradient has shape {array.shape}; wanted that of model.W, {whole.shape}, or "
                "arrays by the names of the parameters"
            )
        whole[...] = array
    for name, view in views.items():
        if not np.isfinite(view).all():
            place = [int(i) for i in np.argwhere(~np.isfinite(view))[0]]
            number = view[tuple(place)]
            raise TrainingError(f"the gradient by {name} is {number:g} at {place}; nothing changed")
    return whole


def _one_vector(
    arrays: Mapping[str, np.ndarray], dtype: str
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Concatenate arrays to one vector; return it, and views of it by name."""
    block = np.concatenate([*(a.ravel() for a in arrays.values()), np.empty(0, dtype)])
    return block, split(block, arrays)

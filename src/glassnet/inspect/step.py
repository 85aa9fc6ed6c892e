"""A step of a recorded run, opened.

In: a run file, the data of the run, an epoch and a batch. Out: `OpenStep`: every number of that
step, the bits that training used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.errors import GlassnetError, TrainingError
from glassnet.inspect.watch import open_graph
from glassnet.nn.module import Module
from glassnet.pipeline import compile_graph
from glassnet.training.descend import Descent
from glassnet.training.history import History, Run
from glassnet.training.record import restore
from glassnet.training.record_file import Checkpoint, RunFile
from glassnet.training.resume import Given, reopened
from glassnet.training.step import parameter_arrays


@dataclass(frozen=True)
class Layer:
    """A layer in this step: what it gave to every row, and ∂L by that. For a `Linear` that is z
    and ∂L/∂z, for an activation a and ∂L/∂a."""

    name: str
    module: Module
    given: np.ndarray
    result: np.ndarray
    slope: np.ndarray
    derivative: np.ndarray | None = None  # of an activation: ∂a/∂z, number by number


@dataclass(frozen=True)
class Weights:
    """A parameter in this step."""

    before: np.ndarray
    slope: np.ndarray | None  # ∂L/∂W; None where no gradient trains it
    after: np.ndarray

    @property
    def update(self) -> np.ndarray:
        """after − before."""
        return self.after - self.before


@dataclass(frozen=True)
class OpenStep:
    """Every number of one step."""

    epoch: int  # from 1
    batch: int  # from 1
    step: int  # from 1, counted over the run
    lr: Any  # in the dtype of the model
    optimizer: Any
    loss: Any
    rows: np.ndarray  # row numbers of the batch in the data
    x: np.ndarray
    y: np.ndarray
    layers: tuple[Layer, ...]
    prediction: np.ndarray
    L: float
    parameters: dict[str, Weights]
    memory: dict[str, tuple[np.ndarray, np.ndarray]]  # the optimiser's, before and after

    def layer(self, name: str) -> Layer:
        for own in self.layers:
            if own.name == name:
                return own
        raise GlassnetError(
            f"there is no layer {name!r}; there are {', '.join(own.name for own in self.layers)}"
        )

    def of(self, layer: Layer, own: str) -> Weights:
        """A parameter of a layer. Where the network is one layer, its names stand alone."""
        return self.parameters.get(f"{layer.name}.{own}") or self.parameters[own]


def open_step(
    record: str | Path,
    x: Any = None,
    y: Any = None,
    *,
    epoch: int = 1,
    batch: int | None = None,
    row: int | None = None,
    sample_weight: Any = None,
    validation: Any = None,
    model: Module | None = None,
    loss: Any = None,
) -> OpenStep:
    """Open a step of a recorded run: batch `batch` (from 1) of epoch `epoch` (from 1), or the batch
    of that epoch in which row `row` (from 0) of the training data was.

    x, y, weights and validation data are those of the run, or those that the file holds where they
    were small. The steps since the checkpoint before
    it are run once more, then the step itself with everything inside it as a result.
    """
    given = Given(x, y, sample_weight, validation, model, loss)
    with RunFile.read(record) as file:
        values, descent = reopened(file, given)
        place = _place(descent, values["epochs"], epoch, batch, row)
        state = file.checkpoint(epoch - 1)
        losses, judged = file.history()
    if epoch - 1 > len(losses):
        raise TrainingError(f"epoch {epoch} was not recorded yet; there are {len(losses)}")
    history = History(loss=losses, validation_loss=judged)
    run = replay(descent, state, epoch, place, values["epochs"], history)
    rate = descent.rates(run, np.array([run.steps_done]))
    return _opened(descent, epoch, place, run.steps_done, rate)


def replay(
    descent: Descent, state: Checkpoint, epoch: int, batches: int, epochs: int, history: History
) -> Run:
    """Training as it stood after so many batches of an epoch (from 1): a checkpoint from before
    it, and the steps since then once more."""
    restore(descent, state)
    run = descent.run(epochs)
    for done in range(state.epoch, epoch):
        run = descent.run(epochs, until(history, done))
        descent.repeat(run, descent.order.steps if done + 1 < epoch else batches)
    return run


def until(history: History, epochs: int) -> History:
    """What was known after so many epochs."""
    return History(loss=history.loss[:epochs], validation_loss=history.validation_loss[:epochs])


def _place(descent: Descent, epochs: int, epoch: int, batch: int | None, row: int | None) -> int:
    """The batch, from 0."""
    steps = descent.order.steps
    if not 1 <= epoch <= epochs:
        raise TrainingError(f"epoch={epoch}: the run has epochs 1 to {epochs}")
    if row is not None:
        batches = [rows for part in descent.order.parts(epoch - 1) for rows in part]
        for place, rows in enumerate(batches):
            if row in rows:
                return place
        raise TrainingError(
            f"row={row}: the training data have rows 0 to {descent.order.count - 1}"
        )
    batch = 1 if batch is None else batch
    if not 1 <= batch <= steps:
        raise TrainingError(f"batch={batch}: an epoch has batches 1 to {steps}")
    return batch - 1


def _opened(descent: Descent, epoch: int, place: int, step: int, rate: np.ndarray) -> OpenStep:
    task, model = descent.task, descent.task.model
    weighted, width = task.rows.weight is not None, task.rows.x.shape[1]
    opened = open_graph(model, task.loss, descent.optimizer, width, weighted, task.seed)
    rows = [own for part in descent.order.parts(epoch - 1) for own in part][place]
    held = {**parameter_arrays(model), **descent.memory}
    before = {name: array.copy() for name, array in held.items()}
    lr = rate.astype(model.dtype)[0]
    arrays = {
        **task.rows.arrays(), **before, "rows": rows.astype(np.int32), "lr": np.asarray(lr),
        "step": np.asarray(step, np.int64),
    }  # fmt: skip
    found = compile_graph(opened.graph).run(arrays)
    count = len(opened.step.graph.outputs)
    after = {name: found[output] for name, output in opened.step.donate.items()}
    named = dict(zip(opened.names, found[count:], strict=True))
    layers = _layers(opened.layers, named)
    return OpenStep(
        epoch=epoch, batch=place + 1, step=step + 1, lr=lr, optimizer=descent.optimizer,
        loss=task.loss, rows=rows, x=named["x"], y=named["y"], layers=layers,
        prediction=layers[-1].result, L=float(found[0]),
        parameters={
            name: Weights(
                before[f"W.{name}"], named.get(f"dW.{name}"),
                after.get(f"W.{name}", before[f"W.{name}"]),
            )
            for name in model.declared()
        },
        memory={name: (before[name], after[name]) for name in descent.memory},
    )  # fmt: skip


def _layers(
    layers: tuple[tuple[str, Module, str], ...], named: dict[str, np.ndarray]
) -> tuple[Layer, ...]:
    return tuple(
        Layer(
            name,
            module,
            named[given],
            named[f"a.{name}"],
            named[f"da.{name}"],
            named.get(f"f.{name}"),
        )
        for name, module, given in layers
    )

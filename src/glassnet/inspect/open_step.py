"""Open a step of a recorded run.

In: a run file, the data of the run, an epoch and a batch. Out: `OpenStep`: every number of that
step, bit-identical to training.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.errors import GlassnetError, TrainingError
from glassnet.inspect.input_names import class_names, input_names, output_names
from glassnet.inspect.layer_trace import PlacedLayer, open_graph
from glassnet.inspect.opened_step import OpenStep
from glassnet.inspect.row_gradients import RowGradients
from glassnet.inspect.step_data import Layer, Weights
from glassnet.inspect.streams import with_streams
from glassnet.nn.loss import as_loss
from glassnet.nn.module import Module
from glassnet.nn.storage import layout_of
from glassnet.optim.optimizer import Optimizer
from glassnet.pipeline import compile_graph
from glassnet.rounding import computed_to_nearest
from glassnet.run.threads import thread_count
from glassnet.runs.file import Checkpoint, RunFile
from glassnet.runs.recorder import restore
from glassnet.runs.resume_run import RunData, check_not_before, reopen
from glassnet.training.batch_order import Order
from glassnet.training.data_checks import check_data, check_optimizer
from glassnet.training.full_batch import NO_STEPS
from glassnet.training.history import History, Run
from glassnet.training.step_graph import parameter_arrays
from glassnet.training.trainer import Task, Trainer
from glassnet.words import plural


@computed_to_nearest
def open_step(
    record: str | Path | Module, x: Any = None, y: Any = None, *,
    epoch: int = 1, batch: int | None = None, row: int | None = None,
    sample_weight: Any = None, validation: Any = None,
    model: Module | None = None, loss: Any = None, optimizer: Any = None,
) -> OpenStep:  # fmt: skip
    """Open one step of a recorded run and return all of its numbers.

    The step is batch `batch` (from 1; default 1) of epoch `epoch` (from 1), or the batch of that
    epoch that has row `row` (from 0 in the data of the run, including rows held out for
    validation). The steps after the last checkpoint before it are repeated, then the step itself
    with its intermediate values as outputs.

    x, y, sample_weight and validation are the data of the run; they are not needed if they were
    small, since the file then holds them, or if they were streamed from files. `model`, `loss` and
    `optimizer` are needed only if they contain your own code.

    `open_step(model, x, y, loss=…, optimizer=…)` opens the first step that `train` would take on a
    model, with these rows as one batch. The model is not changed.

    GlassnetError if there is no such step or row; TrainingError if the data are not those of the
    run, or its training has no steps (L-BFGS, random search).
    """
    if isinstance(record, Module):
        return _step_of_model(record, x, y, sample_weight, loss, optimizer)
    given = with_streams(record, RunData(x, y, sample_weight, validation, model, loss, optimizer))
    with RunFile.read(record) as file:
        values, trainer = reopen(file, given)
        losses, judged = file.history()
        last = min(len(losses) + 1, values["epochs"])  # an interrupted epoch can be opened as well
        place = _place(trainer, last, epoch, batch, row)
        check_not_before(file, values, epoch)
        state = file.checkpoint(epoch - 1)
    history = History(loss=losses, validation_loss=judged)
    run = replay(trainer, state, epoch, place, values["epochs"], history)
    rate = trainer.rates(run, np.array([run.steps_done]))
    return _open(trainer, values, epoch, place, run.steps_done, rate)


def _step_of_model(
    model: Module, x: Any, y: Any, sample_weight: Any, loss: Any, optimizer: Any
) -> OpenStep:
    """Open the first step that training on these rows, as one batch, would take."""
    if x is None or loss is None or optimizer is None:
        raise TrainingError(
            "a step of a model needs rows, a loss and an optimiser\n"
            "  right: gn.open_step(model, x, y, loss=gn.losses.HalfMSE(), "
            "optimizer=gn.optim.SGD(0.1))"
        )
    check_optimizer(optimizer)
    if not isinstance(optimizer, Optimizer):
        raise TrainingError(NO_STEPS.format("the model", optimizer))
    measure = as_loss(loss)
    rows = check_data(model, measure, x, y, sample_weight)
    task = Task(model, measure, rows, None, thread_count(None), 0)
    trainer = Trainer(task, optimizer, Order(len(rows), len(rows), None))
    rate = trainer.rates(trainer.run(1), np.array([0]))
    return _open(trainer, {"names": list(rows.names), "batches": 0}, 1, 0, 0, rate)


def replay(
    trainer: Trainer, state: Checkpoint, epoch: int, batches: int, epochs: int, history: History
) -> Run:
    """Set `trainer` to its state after `batches` batches of epoch `epoch` (from 1): restore the
    checkpoint `state` of an earlier epoch, and repeat the steps after it."""
    restore(trainer, state)
    run = trainer.run(epochs)
    for done in range(state.epoch, epoch):
        run = trainer.run(epochs, history_until(history, done))
        trainer.repeat(run, trainer.order.steps if done + 1 < epoch else batches)
    return run


def history_until(history: History, epochs: int) -> History:
    """Return the history of the first `epochs` epochs."""
    return History(loss=history.loss[:epochs], validation_loss=history.validation_loss[:epochs])


def _place(trainer: Trainer, last: int, epoch: int, batch: int | None, row: int | None) -> int:
    """Return the number of the batch, from 0; GlassnetError if there is no such epoch, batch or
    row."""
    steps = trainer.order.steps
    if row is not None and batch is not None:
        raise GlassnetError(f"batch={batch} and row={row} both name a batch; name one of them")
    if not 1 <= epoch <= last:
        raise GlassnetError(f"epoch={epoch}: epochs 1 to {last} of the run can be opened")
    if row is not None:
        batches = [rows for part in trainer.order.parts(epoch - 1) for rows in part]
        for place, rows in enumerate(batches):
            if row in trainer.task.rows.row_numbers(rows):
                return place
        raise GlassnetError(_unknown_row_text(trainer, row))
    batch = 1 if batch is None else batch
    if not 1 <= batch <= steps:
        raise GlassnetError(f"batch={batch}: an epoch has batches 1 to {steps}")
    return batch - 1


def _unknown_row_text(trainer: Trainer, row: int) -> str:
    numbers, count = trainer.task.rows.numbers, trainer.order.count
    if numbers is None:
        return f"row={row}: the training data have rows 0 to {count - 1}"
    return (
        f"row={row} is not among the {plural(count, 'row')} that were trained on, such as "
        f"{numbers[0]}; others were held out"
    )


def _open(
    trainer: Trainer, values: dict[str, Any], epoch: int, place: int, step: int, rate: np.ndarray
) -> OpenStep:
    task, model = trainer.task, trainer.task.model
    weighted, width = task.rows.weighting, task.rows.x.shape[1]
    opened = open_graph(model, task.loss, trainer.optimizer, width, weighted, task.seed)
    rows = [row for part in trainer.order.parts(epoch - 1) for row in part][place]
    state = {**parameter_arrays(model), **trainer.memory}
    before = {name: array.copy() for name, array in state.items()}
    lr = rate.astype(model.dtype)[0]
    arrays = {**trainer.step_arrays(rows, step), **before, "lr": np.asarray(lr)}
    arrays |= opened.step.captured
    found = compile_graph(opened.graph).run(arrays)
    count = len(opened.step.graph.outputs)
    after = {name: found[output] for name, output in opened.step.donate.items()}
    named = dict(zip(opened.names, found[count:], strict=True))
    layers = _layers(opened.layers, named, layout_of(model).aliases)
    return OpenStep(
        epoch=epoch, batch=place + 1, step=step + 1, lr=lr, optimizer=trainer.optimizer,
        loss=task.loss, rows=task.rows.row_numbers(rows), x=named["x"], y=named["y"], layers=layers,
        prediction=layers[-1].result, L=float(found[0]),
        parameters={
            name: Weights(
                before[f"W.{name}"], named.get(f"dW.{name}"),
                after.get(f"W.{name}", before[f"W.{name}"]),
            )
            for name in layout_of(model).parameters
        },
        memory={name: (before[name], after[name]) for name in trainer.memory},
        inputs=input_names(values, width),
        batches=values.get("batches", trainer.order.steps),
        outputs=output_names(values, layers[-1].result.shape[1]),
        classes=class_names(values),
        pulls=RowGradients(task, arrays),
    )  # fmt: skip


def _layers(
    layers: tuple[PlacedLayer, ...], named: dict[str, np.ndarray], aliases: Mapping[str, str]
) -> tuple[Layer, ...]:
    return tuple(
        Layer(
            layer.name, layer.layer,
            named["x" if layer.source == "x" else f"a.{layer.source}"],
            named[f"a.{layer.name}"], named[f"da.{layer.name}"], named.get(f"f.{layer.name}"),
            layer.source, layer.under, layer.joined, aliases,
        )
        for layer in layers
    )  # fmt: skip

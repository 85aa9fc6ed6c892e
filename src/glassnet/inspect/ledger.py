"""The history of one weight: its initial value, and each update up to the recorded value.

In: a run file, the data of the run, a weight by name. Out: `Ledger`: the steps of the run are
repeated from a checkpoint; for each it has the gradient, each row's part of it, the update and the
new value, compared with the values in the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.errors import GlassnetError
from glassnet.gradient import gradients
from glassnet.graph.build import GraphBuilder
from glassnet.inspect.ledger_view import Entry, Ledger
from glassnet.inspect.open_step import history_until, replay
from glassnet.inspect.row_gradients import (
    RowGradients,
    row_shares,
    weight_gradients,
    weight_program,
)
from glassnet.inspect.selectors import place_of
from glassnet.inspect.streams import with_streams
from glassnet.nn.module import Module, split
from glassnet.nn.storage import layout_of
from glassnet.pipeline import compile_graph
from glassnet.rounding import computed_to_nearest
from glassnet.run.program import Program
from glassnet.runs.file import RunFile
from glassnet.runs.resume_run import RunData, check_not_before, reopen
from glassnet.training.history import History
from glassnet.training.programs import BoundProgram
from glassnet.training.step_graph import StepGraph, parameter_arrays, step_graph
from glassnet.training.trainer import Trainer, bias_correction

MOST = 1000  # updates that are listed if `epoch` is not given


@computed_to_nearest
def open_ledger(
    record: str | Path,
    weight: str,
    x: Any = None,
    y: Any = None,
    *,
    epoch: int | None = None,
    sample_weight: Any = None,
    validation: Any = None,
    model: Module | None = None,
    loss: Any = None,
    optimizer: Any = None,
) -> Ledger:
    """Return every update of one weight, such as "linear1.weight[2,3]", in epoch `epoch` (from 1),
    by default in the first 1000 steps of the run. The data are given as for `open_step`."""
    with RunFile.read(record) as file:
        data = RunData(x, y, sample_weight, validation, model, loss, optimizer)
        values, trainer = reopen(file, with_streams(record, data))
        losses, judged = file.history()
        declared = layout_of(trainer.task.model).parameters
        name, place = place_of({n: p.shape for n, p in declared.items()}, weight)
        done, last = _range(file, values, epoch, len(losses))
        state = file.checkpoint(done)
        checkpoints = {e: file.checkpoint(e) for e in file.epochs() if done < e <= last}
        result = file.result(trainer.task.model.W)
    history = History(loss=losses, validation_loss=judged)
    run = replay(trainer, state, done + 1, 0, values["epochs"], history)
    start = parameter_arrays(trainer.task.model)[f"W.{name}"][place].copy()
    updates = (last - done) * trainer.order.steps
    steps = _WeightReplay(trainer, values["epochs"], history, name, place, last)
    most = min(updates, MOST) if epoch is None else updates
    entries = tuple(steps.entries(done, run.steps_done, most))
    ends = {entry.epoch: entry for entry in entries if entry.batch == trainer.order.steps}
    both = sorted(checkpoints.keys() & ends.keys())
    recorded = [(e, steps.number(checkpoints[e].arrays["W"]), ends[e].after) for e in both]
    left = None if result is None else _weight_left(values, steps.stored(result), ends, len(losses))
    return Ledger(
        f"{name}[{','.join(map(str, place))}]", done + 1, start, entries, updates,
        tuple(recorded), left, trainer.optimizer.average, steps.coupled,
    )  # fmt: skip


def _range(
    file: RunFile, values: dict[str, Any], epoch: int | None, recorded: int
) -> tuple[int, int]:
    """Return the numbers of epochs before the ledger begins and when it ends.

    A run that continues a parent run begins after its first checkpoint. Like `open_step`, the
    ledger may include the epoch in which training was interrupted or diverged."""
    first, begun = file.epochs()[0], min(recorded + 1, values["epochs"])
    if epoch is not None:
        check_not_before(file, values, epoch)
    ended: dict[str, Any] = values.get("ended") or {}
    diverged = ended.get("stopped") == "diverged"
    if epoch is None:
        return first, begun if diverged else recorded
    if not first < epoch <= begun:
        can = "are recorded" if begun == recorded else "can be opened"
        raise GlassnetError(f"epoch={epoch}: epochs {first + 1} to {begun} {can}")
    return epoch - 1, epoch


def _weight_left(
    values: dict[str, Any], recorded: Any, ends: dict[int, Entry], last: int
) -> tuple[int, Any, Any] | None:
    """Return the epoch whose weights are the run's result, the recorded weight and the repeated
    one; None if the ledger lacks that epoch, or training ended within an epoch."""
    ended: dict[str, Any] = values.get("ended") or {}
    epoch = ended.get("best_epoch") or last
    whole = ended.get("best_epoch") or ended.get("stopped") == "epochs"
    if not whole or epoch not in ends:
        return None
    return epoch, recorded, ends[epoch].shown


@dataclass(frozen=True)
class _WeightReplay:
    """Repeats training step by step, with the gradient with respect to one parameter."""

    trainer: Trainer
    epochs: int
    history: History
    name: str
    place: tuple[int, ...]
    last: int  # the last epoch

    def stored(self, result: np.ndarray) -> Any:
        """Return the weight from the bytes of W in a file."""
        return self.number(result.view(self.trainer.task.model.W.dtype.newbyteorder("<")))

    def number(self, block: np.ndarray) -> Any:
        """Return the weight from the array of all weights."""
        return split(block, layout_of(self.trainer.task.model).parameters)[self.name][self.place]

    def entries(self, done: int, first: int, limit: int) -> Iterator[Entry]:
        """Yield up to `limit` updates, from the trainer's present state."""
        trainer, model = self.trainer, self.trainer.task.model
        program, step = self._program()
        by_row = self._by_row
        arrays = {**parameter_arrays(model), **trainer.memory}
        arrays = {name: array.copy() for name, array in arrays.items()}
        for count, (epoch, batch, rows, rate) in enumerate(self._batches(done, first)):
            if count == limit:
                return
            before = arrays[f"W.{self.name}"][self.place]
            lr = rate.astype(model.dtype)
            given = {**trainer.step_arrays(rows, first + count), **arrays, "lr": np.asarray(lr)}
            parts = (
                None
                if by_row is None
                else weight_gradients(by_row, given, row_shares(self.trainer.task.loss, given))
            )
            found = program.run(given)
            arrays |= {name: found[output] for name, output in step.donate.items()}
            slopes = found[1 + len(step.donate) :]
            slope = slopes[0][self.place] if slopes else None
            after = arrays[f"W.{self.name}"][self.place]
            mean = self._mean(arrays, first + count + 1)
            memory = {slot: arrays[f"{slot}.{self.name}"][self.place] for slot in self._slots}
            numbers = trainer.task.rows.row_numbers(rows)
            yield Entry(epoch, batch, lr, slope, before, after, mean, memory, numbers, parts)

    @cached_property
    def _slots(self) -> list[str]:
        """The optimiser's state variables for the parameter, without its running mean."""
        slots, memory = self.trainer.optimizer.slots(), self.trainer.memory
        return [slot for slot in slots if f"{slot}.{self.name}" in memory]

    def _mean(self, arrays: dict[str, np.ndarray], steps: int) -> Any:
        """Return the running mean of the weight after `steps` steps, as training puts it into W."""
        mean = arrays.get(f"average.{self.name}")
        if mean is None:
            return None
        return mean[self.place] / bias_correction(self.trainer.optimizer.average, steps)

    @cached_property
    def coupled(self) -> str:
        """The layer in which rows of a batch influence each other, found with the first batch."""
        task = self.trainer.task
        if self._by_row is None:
            return ""
        rows = next(iter(self.trainer.order.parts(0)))[0]
        return RowGradients(task, self.trainer.step_arrays(rows, 0)).coupled

    @cached_property
    def _by_row(self) -> Program | None:
        trained = layout_of(self.trainer.task.model).parameters[self.name].trained
        return weight_program(self.trainer.task, self.name, self.place) if trained else None

    def _batches(self, done: int, first: int) -> Iterator[tuple[int, int, np.ndarray, Any]]:
        order, seen = self.trainer.order, self.history
        for epoch in range(done, self.last):
            run = self.trainer.run(self.epochs, history_until(seen, epoch))
            start = first + (epoch - done) * order.steps
            rates = self.trainer.rates(run, np.arange(start, start + order.steps))
            batches = (rows for part in order.parts(epoch) for rows in part)
            for place, rows in enumerate(batches):
                yield epoch + 1, place + 1, rows, rates[place]

    def _program(self) -> tuple[Program, StepGraph]:
        task = self.trainer.task
        weighted, width = task.rows.weighting, task.rows.x.shape[1]
        step = step_graph(task.model, task.loss, self.trainer.optimizer, width, weighted, task.seed)
        builder = GraphBuilder(step.graph.nodes)
        outputs = [builder.value(place) for place in step.graph.outputs]
        slopes: list[Any] = []
        if layout_of(task.model).parameters[self.name].trained:
            slopes = gradients(outputs[0], [builder.value(step.graph.inputs[f"W.{self.name}"])])
        return BoundProgram(compile_graph(builder.finish([*outputs, *slopes])), step.captured), step

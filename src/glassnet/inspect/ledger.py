"""The life of one weight: where it started, and every update up to the recorded weight.

In: a run file, the data of the run, a weight by name. Out: `Ledger`: the steps of the run done
again from a checkpoint, and for each the gradient, the update and the new value, held against the
checkpoints that the file has; as text and as JSON values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.errors import GlassnetError
from glassnet.gradient import gradients
from glassnet.graph.build import GraphBuilder
from glassnet.inspect.names import place_of
from glassnet.inspect.step import replay, until
from glassnet.inspect.values import plain
from glassnet.nn.module import Module, split
from glassnet.pipeline import compile_graph
from glassnet.run.program import Program
from glassnet.training.descend import Descent
from glassnet.training.history import History
from glassnet.training.record_file import RunFile
from glassnet.training.resume import Given, reopened
from glassnet.training.step import StepGraph, parameter_arrays, step_graph

MOST = 1000  # updates without `epoch`


@dataclass(frozen=True)
class Entry:
    """One update; numbers in the dtype of the model."""

    epoch: int  # from 1
    batch: int  # from 1
    lr: Any
    slope: Any  # ∂L/∂w; None where no gradient trains it
    before: Any
    after: Any

    @property
    def update(self) -> Any:
        """after − before, in float64: for a float32 weight no digit of it is lost."""
        return np.float64(self.after) - np.float64(self.before)


@dataclass(frozen=True)
class Ledger:
    """A weight from update to update."""

    name: str
    first_epoch: int
    start: Any
    entries: tuple[Entry, ...]
    updates: int  # in all recorded epochs that were asked for; more than entries where it is cut
    recorded: tuple[tuple[int, Any, Any], ...]  # epoch, weight in its checkpoint, weight done again

    @property
    def end(self) -> Any:
        return self.entries[-1].after if self.entries else self.start

    @property
    def same(self) -> bool | None:
        """Whether every checkpoint on the way holds the very bits; None where there is none."""
        if not self.recorded:
            return None
        return all(held.tobytes() == again.tobytes() for _, held, again in self.recorded)


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
) -> Ledger:
    """Every update of one weight, "linear1.weight[2,3]", in epoch `epoch` (from 1), else in the
    run's first `MOST` steps. The data are given as for `open_step`."""
    given = Given(x, y, sample_weight, validation, model, loss)
    with RunFile.read(record) as file:
        values, descent = reopened(file, given)
        losses, judged = file.history()
        declared = descent.task.model.declared()
        name, place = place_of({own: p.shape for own, p in declared.items()}, weight)
        done, last = _range(epoch, len(losses))
        state = file.checkpoint(done)
        held = {own: file.checkpoint(own) for own in file.epochs() if done < own <= last}
    history = History(loss=losses, validation_loss=judged)
    run = replay(descent, state, done + 1, 0, values["epochs"], history)
    start = parameter_arrays(descent.task.model)[f"W.{name}"][place].copy()
    updates = (last - done) * descent.order.steps
    limit = min(updates, MOST) if epoch is None else updates
    steps = _Steps(descent, values["epochs"], history, name, place)
    entries = tuple(steps.entries(done, run.steps_done, limit))
    again = {own.epoch: own.after for own in entries if own.batch == descent.order.steps}
    recorded = [
        (own, split(kept.arrays["W"], declared)[name][place], again[own])
        for own, kept in held.items()
        if own in again
    ]
    told = f"{name}[{','.join(map(str, place))}]"
    return Ledger(told, done + 1, start, entries, updates, tuple(recorded))


def _range(epoch: int | None, recorded: int) -> tuple[int, int]:
    """Epochs done before the ledger and after it."""
    if epoch is None:
        return 0, recorded
    if not 1 <= epoch <= recorded:
        raise GlassnetError(f"epoch={epoch}: epochs 1 to {recorded} are recorded")
    return epoch - 1, epoch


def as_text(ledger: Ledger) -> str:
    """A line for each update, and what the file holds to compare with."""
    lines = [
        f"{ledger.name}: {_extent(ledger)}",
        f"start, before epoch {ledger.first_epoch}: {ledger.start!s}",
        "",
    ]
    lines.append(f"{'epoch':>6}{'batch':>7}  {'η':<12} {'∂L/∂w':<18} {'update':<26} w after")
    lines += [
        f"{own.epoch:>6}{own.batch:>7}  {own.lr!s:<12} {_slope(own):<18} {own.update!s:<26} "
        f"{own.after!s}"
        for own in ledger.entries
    ]
    lines += ["", f"end: {ledger.end!s}"]
    for epoch, held, again in ledger.recorded:
        same = "the same bits" if held.tobytes() == again.tobytes() else f"OTHER than {again!s}"
        lines.append(f"the file's checkpoint after epoch {epoch}: {held!s}, {same}")
    if not ledger.recorded:
        lines.append("note: compared with nothing, since no checkpoint follows these updates")
    if len(ledger.entries) < ledger.updates:
        lines.append(f"note: {_cut(ledger)}")
    return "\n".join(lines)


def as_json(ledger: Ledger) -> dict[str, Any]:
    """The same as JSON values; "note" says where updates are left out."""
    entries = [
        {"epoch": own.epoch, "batch": own.batch, "lr": own.lr, "slope": own.slope,
         "update": own.update, "after": own.after}
        for own in ledger.entries
    ]  # fmt: skip
    recorded = [{"epoch": e, "recorded": held, "again": own} for e, held, own in ledger.recorded]
    cut = len(ledger.entries) < ledger.updates
    return plain(
        {"name": ledger.name, "first_epoch": ledger.first_epoch, "start": ledger.start,
         "entries": entries, "end": ledger.end, "updates": ledger.updates,
         "recorded": recorded, "same": ledger.same, "note": _cut(ledger) if cut else None}
    )  # fmt: skip


def _extent(ledger: Ledger) -> str:
    if not ledger.entries:
        return "no updates, since no epoch is recorded yet"
    last = ledger.entries[-1].epoch
    which = f"epoch {last}" if last == ledger.first_epoch else f"epochs 1 to {last}"
    return f"{len(ledger.entries):,} updates, {which}"


def _cut(ledger: Ledger) -> str:
    return (
        f"these are the first {len(ledger.entries):,} of {ledger.updates:,} updates; "
        "name an epoch (--epoch E) for all of that epoch"
    )


def _slope(own: Entry) -> str:
    return "none" if own.slope is None else str(own.slope)


@dataclass(frozen=True)
class _Steps:
    """Training's steps one by one, with the gradient by one parameter."""

    descent: Descent
    epochs: int
    history: History
    name: str
    place: tuple[int, ...]

    def entries(self, done: int, first: int, limit: int) -> Iterator[Entry]:
        """So many updates, going on from where the descent stands."""
        descent, model = self.descent, self.descent.task.model
        program, step = self._program()
        held = {**parameter_arrays(model), **descent.memory}
        held = {name: array.copy() for name, array in held.items()}
        for count, (epoch, batch, rows, rate) in enumerate(self._batches(done, first)):
            if count == limit:
                return
            before = held[f"W.{self.name}"][self.place]
            lr = rate.astype(model.dtype)
            now = {"rows": rows.astype(np.int32), "lr": np.asarray(lr)}
            now["step"] = np.asarray(first + count, np.int64)
            found = program.run({**descent.task.rows.arrays(), **held, **now})
            held |= {name: found[output] for name, output in step.donate.items()}
            slopes = found[1 + len(step.donate) :]
            slope = slopes[0][self.place] if slopes else None
            yield Entry(epoch, batch, lr, slope, before, held[f"W.{self.name}"][self.place])

    def _batches(self, done: int, first: int) -> Iterator[tuple[int, int, np.ndarray, Any]]:
        order, seen = self.descent.order, self.history
        for epoch in range(done, len(seen.loss)):
            run = self.descent.run(self.epochs, until(seen, epoch))
            start = first + (epoch - done) * order.steps
            rates = self.descent.rates(run, np.arange(start, start + order.steps))
            batches = (rows for part in order.parts(epoch) for rows in part)
            for place, rows in enumerate(batches):
                yield epoch + 1, place + 1, rows, rates[place]

    def _program(self) -> tuple[Program, StepGraph]:
        task = self.descent.task
        weighted, width = task.rows.weight is not None, task.rows.x.shape[1]
        step = step_graph(task.model, task.loss, self.descent.optimizer, width, weighted, task.seed)
        builder = GraphBuilder(step.graph.nodes)
        outputs = [builder.value(place) for place in step.graph.outputs]
        slopes: list[Any] = []
        if task.model.declared()[self.name].trained:
            slopes = gradients(outputs[0], [builder.value(step.graph.inputs[f"W.{self.name}"])])
        return compile_graph(builder.finish([*outputs, *slopes])), step

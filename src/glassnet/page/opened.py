"""Open runs and models on the page: a run file with all of its steps, a model with its weights.

In: the path of a run file, or of a model file and a table for it. Out: a table of the page, and the
state from which the page starts. Of an ensemble one network is shown. GlassnetError if the page has
no kernels for the network.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from glassnet import model_file, nn
from glassnet.errors import GlassnetError, TableError
from glassnet.estimators.tabular.fit_record import schema_of, source_of_fit
from glassnet.estimators.tabular.target_models import load_model
from glassnet.nn.members import Pack
from glassnet.nn.module import Module
from glassnet.nn.saving import FORMAT, load
from glassnet.nn.storage import layout_of
from glassnet.optim.optimizer import Optimizer
from glassnet.optim.schedule import Constant, Switched
from glassnet.page.built_in import TABLES
from glassnet.page.built_in import table as built_in
from glassnet.page.fragments import ACTIVATIONS, CLASSES, LOSSES, OPTIMIZERS
from glassnet.page.pack_member import PackMember
from glassnet.page.point_sets import PageTable
from glassnet.runs.descriptions import as_data
from glassnet.runs.file import RunFile
from glassnet.runs.resume_run import RunData, check_not_before, put_result_into, reopen
from glassnet.tables.read_table import read_table
from glassnet.training.data_checks import Rows, dense
from glassnet.training.trainer import Task
from glassnet.words import plural

MOST_LAYERS, WIDEST, MOST_INPUTS, MOST_NUMBERS = 7, 256, 1024, 1 << 18


@dataclass(frozen=True)
class Opened:
    """A table, notes on it, and the state from which the page starts, as a link describes it."""

    table: PageTable
    notes: tuple[str, ...]
    state: Mapping[str, Any]


def opened_run(path: str | Path, member: int | None = None) -> Opened:
    """Open a recorded run at its last checkpoint.

    The page repeats its steps from the first weights, with the bits of the run, and compares the
    digest of the weights. Of an ensemble, one member (from 1) is shown with its last weights.
    GlassnetError if the page cannot show the run, or its file does not hold the data.
    """
    refuse = _Refusal(str(path))
    with RunFile.read(path) as file:
        values, trainer = reopen(file, RunData(None, None))
        check_not_before(file, values, 1)
        epochs = file.epochs()
        first, last = (file.checkpoint(epoch).arrays["W"] for epoch in (epochs[0], epochs[-1]))
        model = trainer.task.model
        if Pack.of(model) is not None:
            model.W[...] = last
            put_result_into(file, model)
    task, order = trainer.task, trainer.order
    own = PackMember.of(str(path), model, member)
    if own is not None:
        return _opened_pack(refuse, path, own, values, task)
    refuse.unless(epochs[0] == 0, "continues another training (after=…)")
    refuse.unless("estimator" not in values, f"was recorded by {values.get('estimator')}")
    refuse.unless(order.seed is not None, "has its rows in one order (shuffle=False)")
    refuse.unless(task.rows.weight is None, "has weights of rows")
    layers = _layers(refuse, model)
    loss = _on_menu(refuse, LOSSES, task.loss, "loss")
    optimizer, rate, changes = _rule(refuse, trainer.optimizer)
    table = _table(refuse, Path(path).stem, values, task.rows, task.held_out)
    steps = epochs[-1] * order.steps
    state = {
        "table": table.name, "layers": layers, "loss": loss, "optimizer": optimizer, "lr": rate,
        "batch": order.size, "seed": task.seed, "initializer": "glorot_uniform", "step": steps,
        "entries": [_weights(first), *changes], "digest": _digest(last),
    }  # fmt: skip
    return Opened(table, (_summary(path, values, steps),), state)


def _opened_pack(
    refuse: _Refusal, path: str | Path, own: PackMember, values: Mapping[str, Any], task: Task
) -> Opened:
    """Open a member of a recorded ensemble, with the rows of its fold held out."""
    rows, apart = task.rows, task.held_out
    held_out: tuple[int, ...] | None = None
    if own.folds:
        x = dense(rows.x)
        held_out = tuple(np.flatnonzero(x[:, -1] == own.fold).tolist())
        rows, apart = replace(rows, x=x[:, :-1], weight=None), None
    made = _table(refuse, Path(path).stem, values, rows, apart)
    made = made if held_out is None else replace(made, held=held_out)
    return _at_start(refuse, own.on(made, str(path)), own.network, "the last weights of the run")


def opened_model(
    path: str | Path,
    rows: str | Path | None,
    member: int | None = None,
    wanted: str | None = None,
) -> Opened:
    """Open the network of a model file at step 0, with rows to show and to train on.

    A table's model needs `rows`, the path of a table; a network that `gn.save` wrote needs a
    built-in table with as many inputs and outputs, by default the first. `member` (from 1) selects
    a network of an ensemble, `wanted` the target of a model of several targets."""
    if model_file.load(path)[1].get("format") == FORMAT:
        if wanted is not None:
            raise TableError(f"{path} is a network that knows no target by name; name it alone")
        return _opened_network(path, rows, member)
    model = load_model(path, wanted)
    if rows is None:
        raise TableError(
            f"{path} holds a network but no rows to show it with; name a table as well: "
            f"--rows TABLE, such as {model.training['table']}"
        )
    refuse, target = _Refusal(str(path)), model.schema.target
    own = PackMember.of(str(path), model.network, member)
    table = read_table(str(rows))
    truth, missing = target.read(model.schema.opened(table))
    known = ~missing & (truth >= 0 if target.classes else ~missing)
    refuse.unless(known.sum() > 1, f"finds no row with a target in {table.label}")
    x = model.schema.encode(model.schema.load(table), np.flatnonzero(known)).x
    y = truth[known] if target.classes else target.standardise(truth[known])
    refuse.unless(
        np.isfinite(y).all(), "predicts a logarithm, which numbers below zero do not have"
    )
    names = tuple(model.schema.inputs)
    made = PageTable(Path(path).stem, x, y.astype(np.float32), names, target.name, target.classes)
    what = f"the network of {path} with {plural(len(x), 'row')} of {rows}"
    if own is None:
        return _at_start(refuse, made, model.network, what)
    return _at_start(refuse, own.on(made, str(path)), own.network, what)


def _at_start(refuse: _Refusal, table: PageTable, network: Module, what: str) -> Opened:
    """Return the state of a network at step 0 of a training with Adam, with as many rows as fit."""
    layers = _layers(refuse, network)
    rows, table = len(table.x), _thin_rows(table)
    _check_size(refuse, table)
    notes = [table.about] if table.about else []
    if len(table.x) < rows:
        notes.append(f"{len(table.x):,} of {plural(rows, 'row')} are shown, spread evenly")
    state = {
        "table": table.name, "layers": layers, "optimizer": "Adam", "lr": 0.001, "batch": 32,
        "loss": "CrossEntropy" if table.classes else "HalfMSE", "seed": 0, "step": 0,
        "initializer": "glorot_uniform", "entries": [_weights(network.W)],
        "digest": _digest(network.W),
    }  # fmt: skip
    return Opened(table, (*notes, f"{what}; training goes on by Adam"), state)


def _thin_rows(table: PageTable) -> PageTable:
    """Return as many rows as fit on the page, spread evenly."""
    rows, most = len(table.x), max(1, MOST_NUMBERS // table.x.shape[1])
    if rows <= most:
        return table
    places = np.linspace(0, rows - 1, most).astype(np.int64)
    held_out = None
    if table.held is not None:
        held_out = tuple(np.flatnonzero(table.held_out[places]).tolist())
    return replace(table, x=table.x[places], y=table.y[places], held=held_out)


def _opened_network(path: str | Path, rows: str | Path | None, member: int | None) -> Opened:
    model, refuse = load(path), _Refusal(str(path))
    own = PackMember.of(str(path), model, member)
    if own is not None:
        model = own.network
    layers = _layers(refuse, model)
    inputs = next(iter(layout_of(model).parameters.values())).shape[0]
    inputs = inputs if own is None else own.inputs(inputs)
    outputs: int = layers[-1]["width"]
    if rows is not None and str(rows).lower() not in TABLES:
        raise TableError(
            f"{path} is a network that reads numbers, and knows nothing of the columns of {rows}; "
            f"name a built-in table, such as --rows {next(iter(TABLES))}, or open your table by "
            "`glassnet play TABLE --target COLUMN` and drop the file on the page"
        )
    tables = [built_in(str(rows))] if rows is not None else [make() for make in TABLES.values()]
    made = next((table for table in tables if _fits(table, inputs, outputs)), None)
    if made is None:
        raise TableError(
            f"{path} takes {plural(inputs, 'input')} to {plural(outputs, 'output')}, which "
            f"{rows or 'no built-in table'} has not; open your table by `glassnet play TABLE "
            "--target COLUMN` and drop the file on the page"
        )
    made = made if own is None else own.on(made, str(path))
    state = {
        "table": made.name, "layers": layers, "optimizer": "SGD", "lr": 0.1, "batch": 10,
        "loss": "CrossEntropy" if outputs > 1 else "HalfMSE", "seed": 0, "step": 0,
        "initializer": "glorot_uniform", "entries": [_weights(model.W)], "digest": _digest(model.W),
    }  # fmt: skip
    note = f"the network of {path} with the rows of {made.name}; training goes on by SGD"
    return Opened(made, (made.about, note) if made.about else (note,), state)


def _fits(table: PageTable, inputs: int, outputs: int) -> bool:
    wanted = {len(table.classes), 1} if len(table.classes) == 2 else {len(table.classes) or 1}
    return table.x.shape[1] == inputs and outputs in wanted


@dataclass(frozen=True)
class _Refusal:
    """Raises GlassnetError for a part of a file that the page cannot show."""

    label: str

    def unless(self, right: Any, what: str) -> None:
        if not right:
            raise GlassnetError(f"{self.label} {what}, which the page cannot show")


def _summary(path: str | Path, values: Mapping[str, Any], steps: int) -> str:
    ended: dict[str, Any] = values.get("ended") or {}
    best = f"; its best epoch was {ended['best_epoch']}" if ended.get("best_epoch") else ""
    return f"the run of {path} at its last checkpoint, step {steps}{best}"


def _layers(refuse: _Refusal, model: Module) -> list[dict[str, Any]]:
    """Return activation and width of each layer; GlassnetError if the page cannot show one."""
    refuse.unless(isinstance(model, nn.Sequential), f"has a {type(model).__name__}")
    refuse.unless(model.dtype == "float32", f"is of {model.dtype}")
    refuse.unless(not layout_of(model).aliases, "has layers that share their weights")
    layers: list[dict[str, Any]] = []
    for part in _parts(model):
        if isinstance(part, nn.Linear):
            refuse.unless(part.bias, "has a Linear without a bias")
            refuse.unless(part.fan_out <= WIDEST, f"has a layer of {part.fan_out} neurons")
            layers.append({"activation": "Identity", "width": part.fan_out})
        else:
            name = type(part).__name__
            known = name in ACTIVATIONS and _same_activation(ACTIVATIONS[name], part)
            refuse.unless(
                known, f"has the layer {part!r}" if len(repr(part)) < 60 else f"has {name}"
            )
            refuse.unless(layers, "begins with an activation")
            alone = layers[-1]["activation"] == "Identity"
            refuse.unless(alone, f"has two activations in a row, the second is {part!r}")
            layers[-1]["activation"] = name
    refuse.unless(0 < len(layers) <= MOST_LAYERS, f"has {plural(len(layers), 'layer')}")
    refuse.unless(layers[-1]["width"] <= CLASSES, f"has {plural(layers[-1]['width'], 'output')}")
    return layers


def _parts(model: Any) -> Sequence[Module]:
    return list(model.parts.values())


def _same_activation(activation: Module, other: Module) -> bool:
    """Return whether two activations are equal except for their widths."""
    return {**as_data(activation), "width": 0} == {**as_data(other), "width": 0}


def _on_menu(refuse: _Refusal, menu: Mapping[str, Any], item: Any, what: str) -> str:
    name = next((name for name, entry in menu.items() if entry == item), None)
    refuse.unless(name, f"has the {what} {item!r}")
    return str(name)


def _rule(refuse: _Refusal, optimizer: Any) -> tuple[str, float, list[dict[str, Any]]]:
    """Return the name of an optimiser, its first learning rate, and the later changes of it."""
    refuse.unless(isinstance(optimizer, Optimizer), f"has the optimiser {optimizer!r}")
    alike = {name: replace(entry, lr=optimizer.lr) for name, entry in OPTIMIZERS.items()}
    rate, changes = _rates(refuse, optimizer.lr)
    return _on_menu(refuse, alike, optimizer, "optimiser"), rate, changes


def _rates(refuse: _Refusal, rate: Any) -> tuple[float, list[dict[str, Any]]]:
    """Return the first learning rate, and the changes at later steps."""
    if isinstance(rate, float | int):
        return float(rate), []
    if isinstance(rate, Constant):
        return float(rate.lr), []
    refuse.unless(isinstance(rate, Switched), f"has the schedule {rate!r}")
    first, before = _rates(refuse, rate.first)
    then, after = _rates(refuse, rate.then)
    refuse.unless(not after, f"has the schedule {rate!r}")
    kept = [change for change in before if change["step"] < rate.step]
    return first, [*kept, {"step": rate.step, "settings": {"lr": then}}]


def _table(
    refuse: _Refusal, name: str, values: Mapping[str, Any], rows: Rows, apart: Rows | None
) -> PageTable:
    """Return a page table of the training rows, followed by the held-out rows."""
    parts = [rows] if apart is None else [rows, apart]
    x = np.concatenate([dense(part.x) for part in parts]).astype(np.float32)
    y = np.concatenate([np.asarray(part.y).reshape(len(part), -1) for part in parts])
    refuse.unless(y.shape[1] == 1, f"has {y.shape[1]} targets")
    held_out = tuple(range(len(rows), len(x)))
    names = [f"x{i + 1}" for i in range(x.shape[1])]
    target, classes = "y", tuple(map(str, range(int(y.max()) + 1))) if y.dtype.kind in "iub" else ()
    source = source_of_fit(refuse.label, dict(values))
    if source is not None:
        schema = schema_of(refuse.label, source)
        names, target, classes = schema.inputs, schema.target.name, schema.target.classes
    elif len(values.get("names") or ()) == x.shape[1]:
        names = values["names"]
    made = PageTable(
        name, x, y[:, 0].astype(np.float32), tuple(names), target, tuple(classes), held_out
    )
    _check_size(refuse, made)
    return made


def _check_size(refuse: _Refusal, table: PageTable) -> None:
    inputs = table.x.shape[1]
    refuse.unless(inputs <= MOST_INPUTS, f"has {plural(inputs, 'input')}")
    refuse.unless(table.x.size <= MOST_NUMBERS, f"has {plural(len(table.x), 'row')}")


def _weights(weights: np.ndarray) -> dict[str, Any]:
    """Return an entry that sets the weights before the first step."""
    data = base64.b64encode(np.asarray(weights, "<f4").tobytes()).decode()
    return {"step": 0, "weights": data}


def _digest(weights: np.ndarray) -> str:
    """Return the first 8 hexadecimal digits of the SHA-256 of the weights, as the page shows
    them."""
    return hashlib.sha256(np.asarray(weights, "<f4").tobytes()).hexdigest()[:8]

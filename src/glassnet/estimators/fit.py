"""The main job: a table goes in; a trained network and its honest score come out.

In: a table and the name of its target. Out: a `TableModel`, and its score on rows that nothing
else has seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import TableError
from glassnet.estimators.network import Architecture, build
from glassnet.estimators.phases import Course, train_in_phases
from glassnet.estimators.recipe import Recipe, default_recipe
from glassnet.estimators.score import Score
from glassnet.estimators.table_model import TableModel
from glassnet.nn.losses import CrossEntropy, HalfMSE
from glassnet.tables.fields import to_plain
from glassnet.tables.kinds import FIXED_KINDS, Column, infer_columns
from glassnet.tables.schema import Design, Schema
from glassnet.tables.split import FEWEST_ROWS, HELD_OUT, VALIDATION, Split, split_rows
from glassnet.tables.table import Table
from glassnet.tables.target import infer_target
from glassnet.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Prepared:
    """A table that is ready to train on."""

    label: str
    columns: list[Column]
    schema: Schema
    split: Split
    truth: NDArray[Any]  # class codes or numbers, for every row of the table
    train: Design
    validation: Design
    held_out: Design
    without_target: int  # rows left out since they have no target
    seed: int


@dataclass(frozen=True)
class Fitted:
    """What came out of a fit."""

    model: TableModel
    score: Score  # on the held-out rows
    course: Course


def prepare(
    table: Table, target: str, *, kinds: Mapping[str, str] | None = None, seed: int = 0
) -> Prepared:
    """Decide what the columns are, divide the rows, learn the encoding from the training rows."""
    kinds = _checked_kinds(table, target, kinds or {})
    goal = infer_target(table, target, kinds.get(target))
    columns = infer_columns(table, [name for name in table.names if name != target], kinds)
    if not any(column.used for column in columns):
        raise TableError(
            f"{table.label} has no column to predict {target!r} from: all are constant, "
            "identifiers or dropped; add columns, or set what they are with --kind"
        )
    truth, missing = goal.read(table)
    rows = np.flatnonzero(~missing)
    split = _split(table, rows, seed, truth[rows] if goal.classes else None)
    schema = Schema.fit(columns, goal.fitted(truth[split.train]), split.train, table.missing)
    cells = {column.name: column.cells for column in columns if column.cells is not None}
    return Prepared(
        table.label,
        columns,
        schema,
        split,
        truth,
        schema.encode(cells, split.train),
        schema.encode(cells, split.validation),
        schema.encode(cells, split.held_out),
        int(missing.sum()),
        seed,
    )


def choose_recipe(prepared: Prepared, *, epochs: int | None = None) -> Recipe:
    """The default recipe for this table, with at most so many epochs."""
    recipe = default_recipe(len(prepared.split.train))
    return recipe if epochs is None else recipe.with_epochs(epochs)


def fit(
    prepared: Prepared,
    recipe: Recipe,
    *,
    seconds: float | None = None,
    threads: int | None = None,
    callbacks: Sequence[Any] = (),
) -> Fitted:
    """Train on the training rows, stop by the validation rows, score on the held-out rows."""
    target, split = prepared.schema.target, prepared.split
    architecture = Architecture(prepared.train.x.shape[1], recipe.hidden, target.outputs)
    network = build(architecture, prepared.seed)
    course = train_in_phases(
        network,
        CrossEntropy() if target.classes else HalfMSE(),
        recipe,
        (prepared.train.x, _goal(prepared, split.train)),
        (prepared.validation.x, _goal(prepared, split.validation)),
        seed=prepared.seed,
        seconds=seconds,
        threads=threads,
        callbacks=callbacks,
    )
    model = TableModel(prepared.schema, architecture, network, {})
    score = model.score(prepared.truth[split.held_out], model.answers(prepared.held_out))
    model.training.update(_record(prepared, recipe, course, score))
    return Fitted(model, score, course)


def fit_table(
    table: Table,
    target: str,
    *,
    kinds: Mapping[str, str] | None = None,
    seed: int = 0,
    epochs: int | None = None,
    seconds: float | None = None,
    threads: int | None = None,
    callbacks: Sequence[Any] = (),
) -> Fitted:
    """Everything in one call, with the default recipe."""
    prepared = prepare(table, target, kinds=kinds, seed=seed)
    recipe = choose_recipe(prepared, epochs=epochs)
    return fit(prepared, recipe, seconds=seconds, threads=threads, callbacks=callbacks)


def _checked_kinds(table: Table, target: str, kinds: Mapping[str, str]) -> Mapping[str, str]:
    table.require(target)
    for name, kind in kinds.items():
        table.require(name)
        allowed = ("number", "category") if name == target else FIXED_KINDS
        if kind not in allowed:
            raise TableError(
                f"column {name!r} cannot be of kind {kind!r}; choose {', '.join(allowed[:-1])} "
                f"or {allowed[-1]}"
            )
    return kinds


def _split(table: Table, rows: NDArray[np.int64], seed: int, classes: NDArray[Any] | None) -> Split:
    if len(rows) >= FEWEST_ROWS:
        split = split_rows(rows, seed, classes)
        if len(split.validation) and len(split.held_out):
            return split
    raise TableError(
        f"{table.label}: {len(rows)} rows with a target are too few, since {HELD_OUT:.0%} are held "
        f"out for the score and {VALIDATION:.0%} of the rest decide when to stop; at least "
        f"{FEWEST_ROWS} rows are needed, and several of each class"
    )


def _goal(prepared: Prepared, rows: NDArray[np.int64]) -> NDArray[Any]:
    """What the network should answer for the rows."""
    truth, target = prepared.truth[rows], prepared.schema.target
    if target.classes:
        return truth.astype(np.int32)
    return target.standardise(truth).astype(np.float32)[:, None]


def _record(prepared: Prepared, recipe: Recipe, course: Course, score: Score) -> dict[str, Any]:
    """What the model file says about its training: no times, so equal fits give equal files."""
    split = prepared.split
    return {
        "glassnet": __version__,
        "table": Path(prepared.label).name,
        "seed": prepared.seed,
        "rows": {
            "train": len(split.train),
            "validation": len(split.validation),
            "held_out": len(split.held_out),
        },
        "recipe": to_plain(recipe),
        "epochs": len(course.loss),
        "best_epoch": course.best_epoch,
        "held_out_score": {
            "metric": score.metric,
            "value": _plain(score.value),
            "standard_error": _plain(score.error),
            "constant": _plain(score.constant),
        },
    }


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None

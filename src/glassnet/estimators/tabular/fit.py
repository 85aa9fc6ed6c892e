"""The main job: a table goes in; a trained network and its honest score come out.

In: a table and the name of its target. Out: a `TableModel`, and a score from rows that the scored
network has not seen in any way. A large table holds out a fifth of its rows for that; a small one
is scored in folds, each row by a network trained without it, and then trains on all its rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.estimators.tabular.baseline import verdict, with_figure, with_linear
from glassnet.estimators.tabular.evaluation import Evaluation, joined
from glassnet.estimators.tabular.examine import (
    ExaminedTable,
    PreparedTable,
    examine,
    fitted_schema,
    prepare,
)
from glassnet.estimators.tabular.fit_record import (
    announced,
    check_fit_room,
    counts,
    described,
    division_json,
    division_of,
    fit_lock,
)
from glassnet.estimators.tabular.fold_choice import FoldChoice
from glassnet.estimators.tabular.network import architecture_of, build, with_column
from glassnet.estimators.tabular.out_of_fold import (
    OutOfFold,
    UnseenOutputs,
    calibrated,
    out_of_fold,
)
from glassnet.estimators.tabular.phases import PhaseHistory, train_in_phases
from glassnet.estimators.tabular.recipe import Recipe, default_recipe
from glassnet.estimators.tabular.rules import AnswerRules, Scoring, checked, crossed, learnt
from glassnet.estimators.tabular.score import Score, score
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.nn.losses import CrossEntropy, HalfMSE
from glassnet.rounding import to_nearest
from glassnet.runs.recording import Recording
from glassnet.serialize import to_plain
from glassnet.tables.divide import SplitOptions
from glassnet.tables.notes import Note
from glassnet.tables.schema import Design, Schema
from glassnet.tables.split import Split
from glassnet.tables.table import Table
from glassnet.training.check import Rows
from glassnet.version import __version__
from glassnet.words import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glassnet.estimators.tabular.baseline import Task

Stage = Callable[[str], None]  # is told what is being trained


@dataclass(frozen=True)
class FittedTable:
    """What came out of a fit."""

    model: TableModel
    score: Score
    course: PhaseHistory  # of the network in the model
    scored_on: str  # which rows the score is of, in words
    remarks: tuple[Note, ...] = ()  # what there is to say about the score
    out_of_fold: OutOfFold | None = None  # what the score is of, where it is taken in folds
    answers: Evaluation | None = None  # for the rows that are scored, where they are still known


@dataclass(frozen=True)
class Settings:
    """What every training run of a fit shares."""

    recipe: Recipe
    seed: int
    threads: int | None
    callbacks: Sequence[Any]
    scoring: Scoring


def choose_recipe(examined: ExaminedTable, *, epochs: int | None = None) -> Recipe:
    """The default recipe for this table, with at most so many epochs."""
    split, groups = examined.split(), examined.groups
    schema = fitted_schema(examined, split)
    outputs, folds = examined.target.outputs, 1 if groups is None else groups.count
    own = schema.own if folds > 1 else 0
    inputs = len(schema.inputs) - own * (folds - 1)
    recipe = default_recipe(len(split.train), inputs, schema.numbers, outputs, folds)
    return recipe if epochs is None else recipe.with_epochs(epochs)


@to_nearest
def fit(
    examined: ExaminedTable,
    recipe: Recipe,
    *,
    seconds: float | None = None,
    threads: int | None = None,
    callbacks: Sequence[Any] = (),
    stage: Stage = lambda text: None,
    record: Recording | None = None,
    scoring: Scoring | None = None,
) -> FittedTable:
    """Train by the recipe, and score as asked for. The record is of the training of the network in
    the model, a run file for each of its phases; nobody else writes them as long as this takes."""
    asked = checked(scoring or Scoring(), examined.target, examined.truth[examined.rows])
    with ExitStack() as held:
        if record is not None:
            if record.lock is None:
                lock = held.enter_context(fit_lock(record.path, len(recipe.learning_rates)))
                record = replace(record, lock=lock)
            check_fit_room(record.path, examined, recipe)
            record = announced(record, examined, recipe, asked)
        settings = Settings(recipe, examined.seed, threads, callbacks, asked)
        return _fit(examined, settings, seconds, stage, record)


def _fit(
    examined: ExaminedTable,
    settings: Settings,
    seconds: float | None,
    stage: Stage,
    record: Recording | None,
) -> FittedTable:
    folds, split = examined.folds(), examined.split()
    found, scored, left = fold_score(examined, settings, seconds, stage)
    stage("all rows" if found else "")
    trained = _train(examined, split, settings, left, record, found)
    model, course = trained.model, trained.course
    if found is None:
        scored = joined(trained.answers)
        plain = scored_by(settings.scoring, scored, model.rules, examined.target.classes)
        target, tasks = model.schema.target, trained.tasks
        found = with_figure(plain, target, tasks) if tasks else with_linear(plain, examined)
    about = {
        "table": Path(examined.table.label).name, "seed": examined.seed, "rows": counts(split),
        "folds": len(folds), "division": division_json(examined.options),
        "test": None if examined.test is None else examined.test.label,
    }  # fmt: skip
    found = replace(found, threshold=model.rules.threshold)
    model.training.update(trained_by(about, settings.recipe, course, found))
    remarks = verdict(found)
    if examined.test is not None:
        remarks += model.assess(examined.test).remarks()
    unseen = trained.out_of_fold
    return FittedTable(model, found, course, scored_on(about, found), remarks, unseen, scored)


def fold_score(
    examined: ExaminedTable, settings: Settings, seconds: float | None, stage: Stage
) -> tuple[Score | None, Evaluation | None, float | None]:
    """The score of a small table, by a network a fold, its rows, and the seconds that are left. No
    score where the last network holds out rows for that, or where networks of all folds learn
    together."""
    folds, left = [] if examined.groups else examined.folds(), seconds
    answers: list[Evaluation] = []
    rules = AnswerRules()
    for number, fold in enumerate(folds):
        stage(f"fold {number + 1} of {len(folds)}")
        share = None if left is None else max(left, 0.0) / (len(folds) + 1 - number)
        trained = _train(examined, fold, settings, share)
        if trained.course.stopped == "interrupted":
            raise KeyboardInterrupt
        left = None if left is None else left - trained.course.seconds
        answers += trained.answers
        rules = trained.model.rules
    if not folds:
        return None, None, left
    scored, classes = joined(answers), examined.target.classes
    found = scored_by(settings.scoring, scored, rules, classes)
    return with_linear(found, examined), scored, left


def scored_by(
    asked: Scoring, answers: Evaluation, rules: AnswerRules, classes: tuple[str, ...]
) -> Score:
    """The score that was asked for."""
    return score(answers, classes, asked.metric, asked.interval, rules.threshold)


@to_nearest
def fit_table(
    table: Table,
    target: str,
    *,
    kinds: Mapping[str, str] | None = None,
    seed: int = 0,
    options: SplitOptions | None = None,
    test: Table | None = None,
    epochs: int | None = None,
    seconds: float | None = None,
    threads: int | None = None,
    callbacks: Sequence[Any] = (),
    scoring: Scoring | None = None,
) -> FittedTable:
    """Everything in one call, with the default recipe."""
    examined = examine(table, target, kinds=kinds, seed=seed, options=options, test=test)
    recipe = choose_recipe(examined, epochs=epochs)
    return fit(
        examined, recipe, seconds=seconds, threads=threads, callbacks=callbacks, scoring=scoring
    )


@dataclass(frozen=True)
class Trained:
    """A network, and what there is to score it by."""

    model: TableModel
    course: PhaseHistory
    answers: tuple[Evaluation, ...] = ()  # for the rows that it has not seen, if there are any
    out_of_fold: OutOfFold | None = None
    tasks: tuple[Task, ...] = ()  # of each fold, what a linear model has to do


def _train(
    examined: ExaminedTable,
    split: Split,
    settings: Settings,
    seconds: float | None,
    record: Recording | None = None,
    found: Score | None = None,
) -> Trained:
    """One network, and its answers for the rows that the split holds out, or of each fold."""
    prepared = prepare(examined, split)
    if record is not None:
        record = described(record, examined, prepared, found)
    training, validation = training_rows(prepared)
    started = network_of(prepared.schema, settings.recipe, settings.seed, training.x)
    choice = choice_of(settings.recipe, validation)
    course = train_in_phases(
        started.network,
        CrossEntropy() if examined.target.classes else HalfMSE(),
        settings.recipe,
        training,
        validation,
        seed=settings.seed,
        seconds=seconds,
        threads=settings.threads,
        callbacks=[*([choice] if choice else []), *settings.callbacks],
        record=record,
    )
    model = replace(started, seen=examined.seen_rows(split))
    tested = examined.test is not None
    units = None if tested else examined.division.units_of(
        split.held_out if choice is None else split.train
    )  # fmt: skip
    done = finished(model, course, choice, training, validation, units, settings.scoring)
    if choice is not None or prepared.held_out is None:
        return done
    answers = done.model.compared(prepared.truth, done.model.answers(prepared.held_out))
    rows = None if tested else split.held_out
    return replace(done, answers=(replace(answers, units=units, rows=rows),))


def finished(
    model: TableModel,
    course: PhaseHistory,
    choice: FoldChoice | None,
    training: Rows,
    validation: Rows,
    units: NDArray[np.int64] | None,
    asked: Scoring,
) -> Trained:
    """A model whose network is trained, calibrated, with its rules; and of folds what it is scored
    by: each row by rules that are learnt from the other folds."""
    if choice is None:
        return Trained(with_rules(asked, calibrated(model, validation, None), validation), course)
    unseen = UnseenOutputs(model.architecture)
    model = calibrated(model, validation, unseen)
    epochs = len(course.loss), course.best_epoch
    found = out_of_fold(model, unseen, choice, training, validation, epochs)
    answers, target = replace(found.answers, units=units), model.schema.target
    model = replace(model, rules=learnt(asked, target, answers))
    found = replace(found, answers=crossed(asked, target, answers))
    return Trained(
        model, course, (found.answers,), found, fold_tasks(model.schema, training, found)
    )


def with_rules(asked: Scoring, model: TableModel, validation: Rows) -> TableModel:
    """The model with rules that are learnt from the rows that decided when to stop."""
    if asked.threshold is None and asked.interval is None:
        return model
    target, y = model.schema.target, validation.y
    truth = y if target.classes else target.truth(y[:, 0])
    answers = model.compared(truth, model.answers(Design(validation.x, {}, {})))
    return replace(model, rules=learnt(asked, target, answers))


def choice_of(recipe: Recipe, validation: Rows) -> FoldChoice | None:
    """What watches the epochs of a fit in folds."""
    if recipe.folds == 1:
        return None
    fold_of = validation.x[:, -1].astype(np.int64)
    return FoldChoice(np.bincount(fold_of, minlength=recipe.folds).tolist())


def fold_tasks(schema: Schema, training: Rows, found: OutOfFold) -> tuple[Task, ...]:
    """For each fold what a linear model learns from, and what it is asked."""
    plain = len(schema.inputs) - schema.statistics
    x, truth = training.x[:, :plain], found.answers.truth
    parts = [found.folds == number for number in range(len(found.epochs))]
    return tuple((x[~part], training.y[~part], x[part], truth[part]) for part in parts)


def training_rows(prepared: PreparedTable) -> tuple[Rows, Rows]:
    """The rows that are trained on, and those that decide when to stop."""
    split, (first, second) = prepared.split, prepared.folds or (None, None)
    return (
        Rows(with_column(prepared.train.x, first), prepared.goals[0], numbers=split.train),
        Rows(
            with_column(prepared.validation.x, second), prepared.goals[1], numbers=split.validation
        ),
    )


def network_of(schema: Schema, recipe: Recipe, seed: int, x: NDArray[Any]) -> TableModel:
    """A model by a recipe, whose network is as it is before its first step over rows x."""
    architecture = architecture_of(schema, recipe)
    return TableModel(schema, architecture, build(architecture, seed, x), {})


def scored_on(about: Mapping[str, Any], found: Score) -> str:
    """The rows that a score is of, in words."""
    options = division_of(dict(about))
    rows, seen = counted(found.rows, "row"), ", which the scored network has not seen"
    if about.get("test") is not None:
        return f"the {rows} of {Path(about['test']).name}"
    if options.order is not None:
        return f"the last {rows} by {options.order!r}{seen if about['folds'] else ''}"
    alone = "" if options.group is None else f" and others of its {options.group!r}"
    if about["folds"]:
        return f"{rows}, each predicted by a network trained without it{alone}"
    apart = "" if options.group is None else f", of other {options.group!r} than those trained on"
    return f"the {found.rows:,} held-out rows{apart}"


def trained_by(
    about: Mapping[str, Any], recipe: Recipe, course: PhaseHistory, found: Score
) -> dict[str, Any]:
    """What the model file says about its training: no times, so equal fits give equal files."""
    return {
        "glassnet": __version__,
        "table": about["table"],
        "seed": about["seed"],
        "rows": about["rows"],
        "recipe": to_plain(recipe),
        **_division(about),
        "epochs": len(course.loss),
        "best_epoch": course.best_epoch,
        "score": {
            "folds": about["folds"],
            "metric": found.metric,
            "value": _finite(found.value),
            "standard_error": _finite(found.error),
            "constant": _finite(found.constant),
            "rows": found.rows,
        },
    }


def _division(about: Mapping[str, Any]) -> dict[str, Any]:
    """How the rows were divided, where that is not by chance alone."""
    options, test = division_of(dict(about)), about.get("test")
    found = {
        "group": options.group, "order": options.order,
        "equal_rows": "together" if options.together else None,
        "test": None if test is None else Path(test).name,
    }  # fmt: skip
    told = {name: value for name, value in found.items() if value is not None}
    return {"division": told} if told else {}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

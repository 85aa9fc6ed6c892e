"""Fit a table: train a network and score it on rows that it was not trained on.

In: a table and the name of its target. Out: a `TableModel`, and a score of rows that the scored
network did not use in any way. For a large table, a fifth of the rows is held out; a small one is
cross-validated, and then the network is trained on all rows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from glassnet.errors import GlassnetError
from glassnet.estimators.tabular.answer_rules import AnswerRules, Scoring, check_scoring
from glassnet.estimators.tabular.averaging import with_gains
from glassnet.estimators.tabular.baseline import (
    linear_answers,
    verdict,
    with_answers,
    with_linear,
)
from glassnet.estimators.tabular.evaluation import Evaluation, join_evaluations
from glassnet.estimators.tabular.examine import ExaminedTable, examine, fitted_schema, prepare
from glassnet.estimators.tabular.finish import RungPlan, Trained, TrainedRung
from glassnet.estimators.tabular.fit_record import (
    announce_fit,
    check_fit_room,
    counts,
    describe_fit,
    division_json,
    division_of,
    fit_lock,
)
from glassnet.estimators.tabular.ladder import Deadline, climb
from glassnet.estimators.tabular.out_of_fold import OutOfFold
from glassnet.estimators.tabular.phases import PhaseHistory
from glassnet.estimators.tabular.recipe import Recipe, default_recipe
from glassnet.estimators.tabular.rung import RungWork, Settings
from glassnet.estimators.tabular.score import Score, score, with_decisions
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.rounding import computed_to_nearest
from glassnet.runs.recording import Recording
from glassnet.serialize import to_plain
from glassnet.tables.divide import SplitOptions
from glassnet.tables.notes import Note
from glassnet.tables.split import Split
from glassnet.tables.table import Table
from glassnet.version import __version__
from glassnet.words import plural

Stage = Callable[[str], None]  # called with the name of what is trained next, "" for the only one


@dataclass(frozen=True)
class FittedTable:
    """The result of a fit."""

    model: TableModel
    score: Score
    course: PhaseHistory  # of the network in the model
    scored_on: str  # which rows the score is of, as text
    remarks: tuple[Note, ...] = ()  # on the score
    out_of_fold: OutOfFold | None = None  # if the networks of all folds are trained together
    answers: Evaluation | None = (
        None  # for the rows that are scored; None if it was recorded before
    )


def choose_recipe(examined: ExaminedTable, *, epochs: int | None = None) -> Recipe:
    """Return the default recipe for this table; `epochs` replaces its maximum number of epochs."""
    split, groups = examined.split(), examined.groups
    schema = fitted_schema(examined, split)
    outputs, folds = examined.target.outputs, 1 if groups is None else groups.count
    per_group = schema.per_group if folds > 1 else 0
    inputs = len(schema.inputs) - per_group * (folds - 1)
    recipe = default_recipe(len(split.train), inputs, schema.numbers, outputs, folds)
    return recipe if epochs is None else recipe.with_epochs(epochs)


@computed_to_nearest
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
    plans: tuple[RungPlan, ...] | None = None,
    later: int = 0,
) -> FittedTable:
    """Train by the recipe, and score with the given options.

    `seconds` is the time limit of everything, also of predictions of `later` rows; more networks
    are trained while there is time. `plans` repeats the networks of an earlier fit. A `record` is
    of one network, the only one then; its training is recorded in a run file per phase, which are
    locked meanwhile. TableError if the scoring does not suit the target, GlassnetError if the plans
    have another number of folds, OutputError if the record cannot be written."""
    asked = check_scoring(scoring or Scoring(), examined.target, examined.truth[examined.rows])
    for plan in plans or ():
        _check_plan(plan, examined)
    with ExitStack() as held:
        if record is not None:
            if record.lock is None:
                lock = held.enter_context(fit_lock(record.path, len(recipe.learning_rates)))
                record = replace(record, lock=lock)
            check_fit_room(record.path, examined, recipe)
            record = announce_fit(record, examined, recipe, asked)
        settings = Settings(
            recipe, examined.seed, threads, callbacks, asked, plans, record is not None
        )
        deadline = None if seconds is None else Deadline(seconds, later)
        return _fit(examined, settings, deadline, stage, record)


def _check_plan(plan: RungPlan, examined: ExaminedTable) -> None:
    folds = 1 if examined.groups is None else examined.groups.count
    if plan.recipe.folds != folds:
        raise GlassnetError(
            f"the model was trained in {plural(plan.recipe.folds, 'fold')}, and the rows of "
            f"{examined.table.label} make {folds}; name its table, with the options of its fit"
        )


def _fit(
    examined: ExaminedTable,
    settings: Settings,
    deadline: Deadline | None,
    stage: Stage,
    record: Recording | None,
) -> FittedTable:
    split = examined.split()
    found, scored, plans = fold_score(examined, settings, deadline, stage)
    stage("all rows" if found else "")
    settings = replace(settings, plans=plans)
    work = _work(examined, split, settings, deadline)
    linear = None if found else linear_answers(work.linear_tasks(), work.prepared.schema.target)
    if record is not None:
        record = describe_fit(record, examined, work.prepared, found)
    trained = _trained(work, deadline, stage, record)
    model, course = trained.model, trained.course
    if found is None:
        assert trained.answers is not None
        scored = trained.answers
        classes, unseen = examined.target.classes, trained.out_of_fold
        plain = score_as_asked(settings.scoring, scored, model.rules, classes, unseen)
        found = with_answers(plain, model.schema.target, linear)
    about = _about(examined, split)
    found = with_decisions(found, model.rules)
    model.training.update(training_summary(about, trained.plan.recipe, course, found))
    if len(trained.rungs) > 1 or any(rung["cut"] for rung in trained.rungs):
        model.training["rungs"] = list(trained.rungs)  # the summary describes one complete network
    remarks = verdict(found)
    if examined.test is not None:
        remarks += model.assess(examined.test).remarks()
    unseen = trained.out_of_fold
    return FittedTable(
        model, found, course, scored_rows_text(about, found), remarks, unseen, scored
    )


def _about(examined: ExaminedTable, split: Split) -> dict[str, Any]:
    """Return the facts of a fit that model file and run file share."""
    return {
        "table": Path(examined.table.label).name, "seed": examined.seed, "rows": counts(split),
        "folds": len(examined.folds()), "division": division_json(examined.options),
        "test": None if examined.test is None else examined.test.label,
    }  # fmt: skip


def fold_score(
    examined: ExaminedTable, settings: Settings, deadline: Deadline | None, stage: Stage
) -> tuple[Score | None, Evaluation | None, tuple[RungPlan, ...] | None]:
    """Return the cross-validated score of a small table, the predictions that it is of, and the
    plans of the rungs if they are known. Score and predictions are None if the last network holds
    out rows for them, or the networks of all folds are trained together. KeyboardInterrupt if
    Ctrl+C ends the training of a fold."""
    folds = [] if examined.groups else examined.folds()
    answers: list[Evaluation] = []
    rules, plans = AnswerRules(), settings.plans
    for number, fold in enumerate(folds):
        stage(f"fold {number + 1} of {len(folds)}")
        share = None if deadline is None else deadline.share(len(folds) + 1 - number)
        work = _work(examined, fold, replace(settings, plans=plans), share)
        trained = _trained(work, share, stage)
        if trained.course.stopped == "interrupted":
            raise KeyboardInterrupt
        assert trained.answers is not None
        answers.append(trained.answers)
        rules = trained.model.rules
        plans = plans if deadline is None else plans or trained.plans
    if not folds:
        return None, None, plans
    scored, classes = join_evaluations(answers), examined.target.classes
    found = score_as_asked(settings.scoring, scored, rules, classes)
    return with_linear(found, examined), scored, plans


def score_as_asked(
    asked: Scoring,
    answers: Evaluation,
    rules: AnswerRules,
    classes: tuple[str, ...],
    unseen: OutOfFold | None = None,
) -> Score:
    """Return the score with the user's options; for the out-of-fold predictions `unseen`, with the
    gain of averaging the networks of all folds."""
    found = score(answers, classes, asked.metric, asked.interval, rules)
    return found if unseen is None else with_gains(found, unseen.gains)


@computed_to_nearest
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
    """Return the fit of a table with the default recipe: `examine` and `fit` in one call, with
    their errors. `seconds` is the time limit of both."""
    start = time.monotonic()
    examined = examine(table, target, kinds=kinds, seed=seed, options=options, test=test)
    recipe = choose_recipe(examined, epochs=epochs)
    seconds = None if seconds is None else seconds - (time.monotonic() - start)
    return fit(
        examined, recipe, seconds=seconds, threads=threads, callbacks=callbacks, scoring=scoring
    )


def _work(
    examined: ExaminedTable, split: Split, settings: Settings, deadline: Deadline | None
) -> RungWork:
    """Return the work of a split: its rows as arrays. With a test table, the deadline reserves the
    time that this took."""
    start = time.monotonic()
    prepared = prepare(examined, split)
    if deadline is not None and examined.test is not None:
        deadline.keep_back(time.monotonic() - start)  # the test table is encoded once more
    return RungWork.of(examined, prepared, settings)


def _trained(
    work: RungWork, deadline: Deadline | None, stage: Stage, record: Recording | None = None
) -> Trained:
    """Train the network of a split, or as many as there is time for, or the known plans; return the
    model with its predictions of the held-out rows, or of each fold. Only one network is
    recorded."""
    settings = work.settings
    first = RungPlan(settings.recipe, settings.seed)
    if settings.plans is not None:
        return work.finished(_repeated(work, settings.plans, deadline, stage))
    if deadline is None or settings.one_network:
        seconds = None if deadline is None else deadline.left()
        return work.finished([work.train(first, seconds, record)])
    return _climbed(work, first, deadline, stage)


def _repeated(
    work: RungWork, plans: Sequence[RungPlan], deadline: Deadline | None, stage: Stage
) -> list[TrainedRung]:
    """Train rungs whose plans are known, while there is time; return at least one."""
    rungs: list[TrainedRung] = []
    for number, plan in enumerate(plans):
        if number:
            stage(f"network {number + 1} of {len(plans)}")
        rung = work.train(plan, None if deadline is None else deadline.left())
        if rung.course.stopped == "interrupted" and rungs:
            rungs[0].course.stopped = "interrupted"
            break
        rungs.append(rung)
        if rung.course.stopped in ("time", "interrupted"):
            rung.course.cut = True  # the networks of the score had other rungs
            break
    return rungs


def _climbed(work: RungWork, first: RungPlan, deadline: Deadline, stage: Stage) -> Trained:
    """Train as many rungs as there is time for, and return their model."""
    settings = work.settings
    made: list[Trained] = []

    def perfect(rungs: list[TrainedRung]) -> bool:
        made[:] = [work.finished(rungs)]
        classes, answers = made[0].model.schema.target.classes, made[0].answers
        if answers is None:
            return False
        return score_as_asked(settings.scoring, answers, made[0].model.rules, classes).perfect

    deadline.answers(work.answer_pace(first), work.scored)
    found = climb(first, deadline, work.pace, work.train, perfect, stage, work.may_choose)
    trained = made[0] if made and len(made[0].rungs) == len(found.rungs) else work.finished(
        found.rungs
    )  # fmt: skip
    return replace(trained, course=replace(trained.course, stopped=found.stopped))


def scored_rows_text(about: Mapping[str, Any], found: Score) -> str:
    """Return a text on the rows of a score; `about` has facts of the fit, see `_about`."""
    options = division_of(dict(about))
    rows, seen = plural(found.rows, "row"), ", which the scored network has not seen"
    if about.get("test") is not None:
        return f"the {rows} of {Path(about['test']).name}"
    if options.order is not None:
        return f"the last {rows} by {options.order!r}{seen if about['folds'] else ''}"
    alone = "" if options.group is None else f" and others of its {options.group!r}"
    if about["folds"]:
        return f"{rows}, each predicted by a network trained without it{alone}"
    apart = "" if options.group is None else f", of other {options.group!r} than those trained on"
    return f"the {found.rows:,} held-out rows{apart}"


def training_summary(
    about: Mapping[str, Any], recipe: Recipe, course: PhaseHistory, found: Score
) -> dict[str, Any]:
    """Return the training summary of the model file as JSON values, without durations, so that
    equal fits give equal files."""
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
    """Return the options of the split, under "division"; empty if it is only random."""
    options, test = division_of(dict(about)), about.get("test")
    found = {
        "group": options.group, "order": options.order,
        "equal_rows": "together" if options.together else None,
        "test": None if test is None else Path(test).name, "weight": options.weights.column,
        "class_weight": options.weights.classes,
    }  # fmt: skip
    given = {name: value for name, value in found.items() if value is not None}
    return {"division": given} if given else {}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

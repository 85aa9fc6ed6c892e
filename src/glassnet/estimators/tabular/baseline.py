"""A linear model on the same inputs, as a baseline for the network.

In: encoded rows with their targets, and rows to predict. Out: the linear model's score, and a note
if the network is no better than it, or than a constant prediction. Ridge regression for numbers;
one-vs-rest logistic regression for classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from glassnet.estimators.tabular.answer_rules import AnswerRules, Scoring, cross_fitted
from glassnet.estimators.tabular.evaluation import Evaluation, join_evaluations
from glassnet.estimators.tabular.examine import ExaminedTable, target_array
from glassnet.estimators.tabular.score import Score
from glassnet.estimators.tabular.table_metrics import applicable, measure, metric_named
from glassnet.tables.notes import Note
from glassnet.tables.table_schema import Schema
from glassnet.tables.target_column import TargetSchema
from glassnet.training.data_checks import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    # inputs and goals to learn from, inputs to answer for, and their truth
    Task = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]

LINEAR = "linear"  # its name among the figures of a score
_PENALTY = 1.0  # on the squares of the weights
_WORK = 3e9  # multiplications
_NEWTON_WORK = 6e9  # of all classes and rounds
_MOST_ROWS = 20_000
_FEWEST_ROWS = 20
_ROUNDS = 8  # of Newton's method
_MOST_CLASSES = 12  # with more, the indicators of the classes are fitted by least squares


@dataclass(frozen=True)
class LinearAnswers:
    """The predictions of linear models and the truth, a pair for each task; `newton` says whether
    those of classes are probabilities rather than scores."""

    parts: list[tuple[NDArray[Any], NDArray[Any]]]
    newton: bool


def with_linear(found: Score, examined: ExaminedTable) -> Score:
    """Return the score with that of a linear model, trained and scored on the same rows; unchanged
    if that would take long, or there are too few rows."""
    tasks, target = linear_tasks(examined)
    return with_figure(found, target, tasks)


def linear_tasks(examined: ExaminedTable) -> tuple[list[Task], TargetSchema]:
    """Return a task for each fold, or for the held-out rows or the test table, and the target. The
    encoding is fitted on the training rows of the first split."""
    truth, splits = examined.truth, examined.folds() or [examined.split()]
    target, rows = examined.target.fitted(truth[splits[0].train]), splits[0].train
    table = examined.table
    schema = Schema.fit(examined.columns, target, rows, table.missing, table.forms)
    cells = {column.name: column.cells for column in examined.columns if column.cells is not None}
    tasks: list[Task] = []
    for split in splits:
        rows = _sample_rows(np.concatenate([split.train, split.validation]), len(schema.inputs))
        if examined.test is None:
            asked, answers = schema.encode(cells, split.held_out).x, truth[split.held_out]
        else:
            design, answers, _ = schema.labelled(examined.test)
            asked = design.x
        tasks.append(
            (schema.encode(cells, rows).x, target_array(target, truth[rows]), asked, answers)
        )
    return tasks, target


def fold_tasks(schema: Schema, training: Rows, folds: int) -> list[Task]:
    """Return for each fold the rows to train on and to predict. The last input of a row is its
    fold. Target statistics, which differ by fold, are left out of the inputs."""
    target, goals, fold_of = schema.target, training.y, training.x[:, -1]
    x = training.x[:, : len(schema.inputs) - schema.statistics]
    truth = goals if target.classes else target.truth(goals[:, 0])
    parts = [fold_of == number for number in range(folds)]
    return [(x[~part], goals[~part], x[part], truth[part]) for part in parts]


def held_out_task(schema: Schema, training: Rows, validation: Rows, asked: Rows) -> Task:
    """Return the task for held-out rows. The training and validation rows are sampled before they
    are copied; target statistics are left out."""
    count, plain = len(training), len(schema.inputs) - schema.statistics
    rows = _sample_rows(np.arange(count + len(validation)), plain)
    first, second = rows[rows < count], rows[rows >= count] - count
    x, goals = (
        np.concatenate([getattr(training, name)[first], getattr(validation, name)[second]])
        for name in ("x", "y")
    )
    return x[:, :plain], goals, asked.x[:, :plain], asked.y


def with_figure(found: Score, target: TargetSchema, tasks: Sequence[Task]) -> Score:
    """Return the score with that of a linear model; unchanged if that would take long, or there are
    too few rows."""
    return with_answers(found, target, linear_answers(tasks, target))


def linear_answers(tasks: Sequence[Task], target: TargetSchema) -> LinearAnswers | None:
    """Return the predictions of linear models, before numbers are restored to their unit, and the
    truth; None if there are too few rows, or so many inputs that they would take long."""
    chosen = [_sample_rows(np.arange(len(x)), x.shape[1]) for x, *_ in tasks]
    if any(len(rows) < _FEWEST_ROWS for rows in chosen):
        return None
    sizes = zip(chosen, tasks, strict=True)
    newton = all(_by_newton(len(rows), x.shape[1], target) for rows, (x, *_) in sizes)
    parts: list[tuple[NDArray[Any], NDArray[Any]]] = []
    with threadpool_limits(1):  # more threads of BLAS wait for each other in busy loops
        for rows, (x, goals, asked, truth) in zip(chosen, tasks, strict=True):
            answers = _answers(_with_ones(x[rows]), goals[rows], _with_ones(asked), target, newton)
            parts.append((answers, truth))
    return LinearAnswers(parts, newton)


def with_answers(found: Score, target: TargetSchema, linear: LinearAnswers | None) -> Score:
    """Return the score with that of the linear predictions, in its figures and as LINEAR among its
    others; unchanged without predictions. A quantile is fitted on the errors in other folds;
    without folds, the score is unchanged, too."""
    asked = Scoring(found.metric)
    if linear is None or (asked.quantile is not None and len(linear.parts) == 1):
        return found
    parts: list[Evaluation] = []
    for fold, (raw, truth) in enumerate(linear.parts):
        answers = raw if target.classes else target.restore(raw)
        folds = np.full(len(truth), fold)
        constant = np.zeros(len(truth), np.int64)
        ordered = target.ordered
        parts.append(Evaluation(truth, answers, constant, folds=folds, ordered=ordered))
    answers = AnswerRules(found.threshold, factors=found.factors or None).applied(
        join_evaluations(parts)
    )
    answers = cross_fitted(asked, target, answers)
    figures = {
        metric.name: measure(metric.name, answers) for metric in applicable(answers, found.metric)
    }
    if target.classes and not linear.newton:  # which have scores, and no probabilities
        figures |= dict.fromkeys(("log_loss", "brier"))
    beside = {
        name: figure if (other := figures.get(name)) is None else replace(figure, linear=other[0])
        for name, figure in found.figures.items()
    }
    main = figures.get(found.metric)
    others = found.others if main is None else {**found.others, LINEAR: main[0]}
    return replace(found, others=others, figures=beside)


def verdict(found: Score) -> tuple[Note, ...]:
    """Return a note if the network is no better than a constant prediction or a linear model, by
    one standard error; else none."""
    sign = metric_named(found.metric).sign
    # what averaging adds is an estimate, and no evidence
    ahead = sign * (found.value - found.averaging - found.constant)
    linear = found.others.get(LINEAR)
    if not math.isfinite(ahead):
        return ()
    if ahead <= found.error:
        text = (
            f"the network is no better than always answering {found.constant_answer}, so the "
            "columns say little about the target, or there are too few rows to learn it"
        )
        way = "look for better columns or more rows before you use it"
        return (Note("no better than a guess", text, "", way, True),)
    if linear is None or not math.isfinite(linear):
        return ()
    behind = sign * (linear - found.value)
    if behind > found.error:
        text = "a linear model of the same inputs is better than this network"
        return (Note("no better than a line", text, "", "prefer the linear model", True),)
    if behind >= 0:
        text = "the network is no better than a linear model of the same inputs"
        way = "which is simpler, and says what each column does"
        return (Note("no better than a line", text, "", way),)
    return ()


def _sample_rows(rows: NDArray[np.int64], inputs: int) -> NDArray[np.int64]:
    """Return evenly spaced rows, few enough that a linear model takes less than a second or two."""
    count = min(len(rows), _MOST_ROWS)
    while count >= _FEWEST_ROWS and float(count) * inputs * min(count, inputs) > _WORK:
        count //= 2
    return rows[:: -(-len(rows) // max(count, 1))]


def _by_newton(rows: int, inputs: int, target: TargetSchema) -> bool:
    """Return whether to fit a logistic regression per class; else the class indicators are fitted
    by least squares, which solves one system for all classes."""
    classes = len(target.classes)
    fits = 1 if classes == 2 else classes
    work = float(rows) * inputs * min(rows, inputs) * fits * _ROUNDS
    return 0 < classes <= _MOST_CLASSES and work <= _NEWTON_WORK


def _with_ones(x: NDArray[Any]) -> Floats:
    """Return x in float64 with a last column of ones."""
    return np.column_stack([x.astype(np.float64), np.ones(len(x))])


def _answers(
    x: Floats, goals: NDArray[Any], asked: Floats, target: TargetSchema, newton: bool
) -> NDArray[Any]:
    """Return predictions for the rows `asked`: standardised numbers [rows], or class probabilities
    [rows, classes]; without Newton's method, class scores."""
    kernel = x @ x.T if x.shape[1] > len(x) else None
    if not target.classes:
        goal = goals.astype(np.float64).reshape(-1)
        weights = _least_squares(x, goal, np.ones(len(x)), kernel)
        return asked @ weights
    if not newton:
        of_classes = (goals[:, None] == np.arange(len(target.classes))).astype(np.float64)
        return np.asarray(asked @ _least_squares(x, of_classes, np.ones(len(x)), kernel))
    scores = np.empty((len(asked), len(target.classes)))
    for code in range(1 if len(target.classes) == 2 else 0, len(target.classes)):
        of_class = (goals == code).astype(np.float64)
        scores[:, code] = asked @ _logistic(x, of_class, np.ones(len(x)), kernel)
    if len(target.classes) == 2:
        scores[:, 0] = -scores[:, 1]
    chances: Floats = 1 / (1 + np.exp(-np.clip(scores, -500.0, 500.0)))
    return chances / chances.sum(axis=1, keepdims=True)


def _least_squares(x: Floats, y: Floats, weight: Floats, kernel: Floats | None) -> Floats:
    """Return the weights of a weighted ridge regression, y [rows] or [rows, goals]. The intercept,
    the last column, has a millionth of the penalty, so that the solution is unique. With more
    columns than rows, the rows' inner products `kernel` are solved, and it has the full penalty."""
    if kernel is not None:
        return x.T @ _shares(y, weight, kernel)
    root = np.sqrt(weight)
    scaled, goal = x * root[:, None], (y.T * root).T
    system = scaled.T @ scaled
    system[np.diag_indices_from(system)] += _PENALTY
    system[-1, -1] -= _PENALTY * (1 - 1e-6)
    return np.asarray(np.linalg.solve(system, scaled.T @ goal), np.float64)


def _shares(y: Floats, weight: Floats, kernel: Floats) -> Floats:
    """Return each row's coefficient: the weights of the ridge regression are the sum of the rows,
    each times its coefficient."""
    root = np.sqrt(weight)
    system = kernel * np.outer(root, root)
    system[np.diag_indices_from(system)] += _PENALTY
    solved = np.asarray(np.linalg.solve(system, (y.T * root).T), np.float64)
    return np.asarray((solved.T * root).T, np.float64)


def _logistic(x: Floats, y: Floats, weight: Floats, kernel: Floats | None) -> Floats:
    """Return the weights of a weighted logistic regression, y 0 or 1, by Newton's method: `_ROUNDS`
    weighted ridge regressions."""
    shares, weights = np.zeros(len(x)), np.zeros(x.shape[1])
    for _ in range(_ROUNDS):
        scores: Floats = np.clip(x @ weights if kernel is None else kernel @ shares, -20.0, 20.0)
        chance: Floats = 1 / (1 + np.exp(-scores))
        spread: Floats = np.maximum(chance * (1 - chance), 1e-4)
        goal: Floats = scores + (y - chance) / spread
        if kernel is None:
            weights = _least_squares(x, goal, weight * spread, None)
        else:
            shares = _shares(goal, weight * spread, kernel)
    return weights if kernel is None else x.T @ shares

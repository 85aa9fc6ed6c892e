"""Compare two models on one table, or a model with another library ("peer") trained on the same
rows.

In: two models of the same target, and a table that has it. Out: a `ModelComparison`: all metrics of
both, and their differences with paired standard errors. Both predict the same rows, so that
variation between rows which affects both cancels: the error of a difference is computed from the
differences of the rows' influences on the two metrics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import TableError
from glassnet.estimators.tabular.answer_rules import AnswerRules
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.peers import Peer, peer_answers
from glassnet.estimators.tabular.table_metrics import (
    applicable,
    main_metric,
    metric_named,
    quantile_metric,
)
from glassnet.rounding import computed_to_nearest
from glassnet.tables.repeats import row_keys, target_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glassnet.estimators.tabular.examine import ExaminedTable
    from glassnet.estimators.tabular.fit_table import FittedTable
    from glassnet.estimators.tabular.table_model import TableModel
    from glassnet.tables.table import Table


@dataclass(frozen=True)
class Difference:
    """A metric of both models, and the first minus the second, with the standard error of that
    difference."""

    metric: str
    first: float
    second: float
    difference: float
    error: float

    @property
    def better(self) -> int:
        """The better model, 1 or 2; 0 if the difference is within two standard errors."""
        if not abs(self.difference) > 2 * self.error:
            return 0
        return 1 if (self.difference > 0) is metric_named(self.metric).greater else 2


@dataclass(frozen=True)
class ModelComparison:
    """The metrics of two models on the same rows, and their differences."""

    target: str
    rows: int
    differences: tuple[Difference, ...]
    main: str  # the metric that the verdict goes by
    seen: tuple[int, int] = (0, 0)  # rows that were in the training of each
    weight: str | None = None  # the column of the rows' weights

    @property
    def verdict(self) -> str:
        """A sentence on which model is better by the main metric."""
        chosen = next(one for one in self.differences if one.metric == self.main)
        title, sure = (
            metric_named(self.main).title,
            abs(chosen.difference) / (chosen.error or math.inf),
        )
        if chosen.better == 0:
            return f"by {title} the two differ by less than two standard errors"
        which = "first" if chosen.better == 1 else "second"
        far = f", {sure:.1f} standard errors apart" if math.isfinite(sure) and sure else ""
        return f"by {title} the {which} is better{far}"

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        return {
            "target": self.target,
            "rows": self.rows,
            "metric": self.main,
            "verdict": self.verdict,
            "weight": self.weight,
            "seen_rows": list(self.seen),
            "figures": {
                difference.metric: {
                    "first": difference.first, "second": difference.second,
                    "difference": difference.difference,
                    "standard_error": difference.error, "better": difference.better,
                }
                for difference in self.differences
            },
        }  # fmt: skip


@computed_to_nearest
def compare_models(
    first: TableModel, second: TableModel, table: Table, weight: str | None = None
) -> ModelComparison:
    """Compare two models on the rows that have a target for both. `weight` is a column of weights
    for the metrics; None: rows count alike. TableError if they predict different columns, or one
    classes and the other numbers, or no row has a target."""
    one, two = first.schema.target, second.schema.target
    if one.name != two.name or bool(one.classes) is not bool(two.classes):
        kinds = ["classes" if side.classes else "numbers" for side in (one, two)]
        raise TableError(
            f"the first model predicts {kinds[0]} of {one.name!r}, the second {kinds[1]} of "
            f"{two.name!r}; name two models of the same target"
        )
    classes = tuple(dict.fromkeys((*one.classes, *two.classes)))
    (rows, answers, seen), (others, other, known) = (
        _answer_rows(model, table, classes, weight) for model in (first, second)
    )
    both = np.intersect1d(rows, others)
    if not len(both):
        raise TableError(f"{table.label}: no row has a target that both models can read")
    answers, other = answers.of(np.isin(rows, both)), other.of(np.isin(others, both))
    levels = first.rules.level, second.rules.level
    return replace(_compared(one.name, answers, other, (seen, known), levels), weight=weight)


def _compared(
    target: str,
    one: Evaluation,
    two: Evaluation,
    seen: tuple[int, int] = (0, 0),
    levels: tuple[float | None, float | None] = (None, None),
) -> ModelComparison:
    """Return the comparison of predictions for the same rows, by the metrics that are defined for
    both; if both predict the same quantile, its loss is the main metric."""
    metrics, main = applicable(one), main_metric(one.given.ndim == 2)
    metrics += [quantile_metric(level) for level in dict.fromkeys(levels) if level is not None]
    if levels[0] is not None and levels[0] == levels[1]:
        main = quantile_metric(levels[0]).name
    each = (_difference(metric.name, one, two) for metric in metrics)
    return ModelComparison(target, len(one.truth), tuple(filter(None, each)), main, seen)


@computed_to_nearest
def compare_with_peer(
    model: TableModel, peer: Peer, training: Table, table: Table, threads: int | None = None
) -> ModelComparison:
    """Compare a model with a peer, trained on the model's training rows, on the rows of a table
    with a target. Both predict means, even if the model predicts a quantile. TableError if fewer
    than half of the model's training rows are in the table `training`."""
    schema, model = model.schema, replace(model, rules=replace(model.rules, quantile=None))
    cells = schema.load(training)
    truth, missing = schema.target.read(schema.opened(training))
    rows = np.flatnonzero(~missing & (truth >= 0) if schema.target.classes else ~missing)
    if model.seen is not None:
        keys = target_keys(row_keys(cells)[rows], truth[rows], schema.target.classes)
        known, seen = model.seen.asked(keys)
        if 2 * seen.sum() < len(model.seen.digests):
            raise TableError(
                f"{training.label} has few or none of the rows that the model was trained on; name "
                "the table of its training"
            )
        rows = rows[seen | ~known]
    found = model.assess(table)
    answers = found.answers
    asked = np.flatnonzero(~schema.target.read(schema.opened(table))[1])
    learnt, classes = (cells, rows, truth[rows]), schema.target.classes
    seed = model.training["seed"]
    given = peer_answers(peer, learnt, (schema.load(table), asked), classes, seed, threads)
    other = _of_peer(answers, given, model.rules)
    return _compared(schema.target.name, answers, other, (found.seen, found.seen))


def _of_peer(answers: Evaluation, given: NDArray[Any], rules: AnswerRules) -> Evaluation:
    """Return the evaluation with the predictions of a peer; of ordered classes it predicts the
    median or mean one if the model does."""
    other = replace(answers, given=given, decided=None, ends=None)
    return AnswerRules(central=rules.central).applied(other)


@computed_to_nearest
def compare_on_table(
    examined: ExaminedTable, fitted: FittedTable, peer: Peer, threads: int | None = None
) -> ModelComparison:
    """Compare a fit with a peer on the same rows: each fold is predicted by a peer trained on the
    other folds, or the held-out rows by a peer trained on the rest."""
    answers, schema = fitted.answers, fitted.model.schema
    assert answers is not None
    cells = {one.name: one.cells for one in examined.columns if one.cells is not None}
    truth, classes, rows = examined.truth, schema.target.classes, answers.rows
    assert rows is not None
    given = np.array(answers.given, np.float64)
    folds = np.zeros(len(rows), np.int64) if answers.folds is None else answers.folds
    for fold in np.unique(folds):
        asked = rows[folds == fold]
        learnt = np.setdiff1d(examined.rows, asked)
        given[folds == fold] = peer_answers(
            peer, (cells, learnt, truth[learnt]), (cells, asked), classes, examined.seed, threads
        )
    other = _of_peer(answers, given, fitted.model.rules)
    return _compared(schema.target.name, answers, other)


def _answer_rows(
    model: TableModel, table: Table, classes: tuple[str, ...], weight: str | None
) -> tuple[NDArray[np.int64], Evaluation, int]:
    """Return the indices of the rows that have a target, their predictions with classes in this
    order, and the number of them that were in training."""
    found = model.assess(table, weight)
    answers, target = found.answers, model.schema.target
    rows = np.flatnonzero(~target.read(model.schema.opened(table))[1])
    if target.classes and target.classes != classes:
        place = np.array([classes.index(name) for name in target.classes])
        given = np.zeros((len(answers.given), len(classes)))
        given[:, place] = answers.given
        codes = np.append(place, -1)  # the code of an unknown class, -1, is the last index
        decided = None if answers.decided is None else place[answers.decided]
        answers = replace(
            answers, given=given, truth=codes[answers.truth], constant=place[answers.constant],
            decided=decided, ordered=False,
        )  # fmt: skip
    return rows, answers, found.seen


def _difference(name: str, one: Evaluation, two: Evaluation) -> Difference | None:
    first, second = (metric_named(name).measure(side) for side in (one, two))
    if first is None or second is None:
        return None
    unit = max(first.unit, second.unit)
    parts = first.influence * (first.unit / unit) - second.influence * (second.unit / unit)
    error = one.error_of(parts) * unit
    return Difference(name, first.value, second.value, first.value - second.value, error)

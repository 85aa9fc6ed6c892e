"""Rules that turn a network's outputs into predictions: the threshold between two classes or the
factors of more, prediction intervals, a quantile instead of the mean. All are fitted on out-of-fold
predictions.

In: the user's options, and out-of-fold predictions. Out: `AnswerRules`, which a model file stores,
and the predictions with each rule applied.

Intervals are split-conformal with normalised residuals (Lei et al. 2018, "Distribution-free
predictive inference for regression", section 5.2), calibrated on out-of-fold predictions as in
cross-conformal prediction (Vovk 2015): y − ŷ is divided by a size of error that depends on ŷ, and
each end is the order statistic that leaves half of the misses beyond it. A quantile is the quantile
of the same normalised residuals.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from glassnet.errors import TableError
from glassnet.estimators.tabular.class_factors import best_factors, decided_by
from glassnet.estimators.tabular.evaluation import Evaluation, join_evaluations
from glassnet.estimators.tabular.ordered_classes import central_class, with_central_constant
from glassnet.estimators.tabular.table_metrics import (
    METRICS,
    Central,
    MetricName,
    main_metric,
    measure,
    metric_named,
    metric_of,
)
from glassnet.serialize import LATER, Length, Within, to_plain
from glassnet.words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

    from glassnet.tables.target_column import TargetSchema

Share = Annotated[float, Within(0.0, 1.0)]
Factors = Annotated[tuple[Annotated[float, Within(0.0, above=True)], ...], Length(3, 1 << 20)]
Level = Annotated[float, Within(0.0, 1.0, above=True)]
AUTO: Literal["auto"] = "auto"
_GRID = 200  # thresholds that are tried, and as many again where the probabilities lie
_BIN = 50  # rows by which a size of error is known
_MOST_BINS = 20


@dataclass(frozen=True)
class Scoring:
    """The user's options for scoring and decisions: the metric, the threshold of the second of two
    classes (`auto`: the best for that metric, or for more classes the best factors), and the
    coverage of prediction intervals."""

    metric: MetricName | None = field(default=None, metadata=LATER)
    threshold: Share | Literal["auto"] | None = field(default=None, metadata=LATER)
    interval: Level | None = field(default=None, metadata=LATER)

    @property
    def tuned(self) -> bool:
        """Whether the threshold or the factors are to be found."""
        return self.threshold == AUTO

    @property
    def rules(self) -> bool:
        """Whether there is a rule besides the most probable class and the mean."""
        found = self.threshold, self.interval, self.quantile, self.central
        return any(own is not None for own in found)

    @property
    def central(self) -> Central | None:
        """Which of ordered classes the metric needs, "median" or "mean"; None for other metrics, or
        with a threshold."""
        central = None if self.metric is None else metric_named(self.metric).central
        return central if self.threshold is None else None

    @property
    def quantile(self) -> float | None:
        """The quantile to predict instead of the mean; None for the mean."""
        return None if self.metric is None else metric_named(self.metric).quantile


@dataclass(frozen=True)
class ErrorSizes:
    """The size of error at each prediction: interpolated from `sizes` at `knots`, and constant
    outside of them. `level` is the share of rows, or the quantile, that a rule is for."""

    level: Level
    knots: Annotated[tuple[float, ...], Length(1, 1000)]
    sizes: Annotated[tuple[Annotated[float, Within(0.0, above=True)], ...], Length(1, 1000)]

    @property
    def is_consistent(self) -> bool:
        """Whether the knots ascend and each has a size."""
        ascending = all(a < b for a, b in itertools.pairwise(self.knots))
        return ascending and len(self.knots) == len(self.sizes)

    def moved(
        self, given: NDArray[np.float64], times: tuple[float, ...], least: float | None
    ) -> NDArray[np.float64]:
        """Return each prediction plus each of `times` the size of error there, float64 [rows,
        times]; none is below `least`."""
        found = given[:, None] + np.interp(given, self.knots, self.sizes)[:, None] * np.array(times)
        return found if least is None else np.maximum(found, least)


@dataclass(frozen=True)
class IntervalRule(ErrorSizes):
    """Maps a prediction to its interval: the prediction plus `low` and `high` times the size of
    error there."""

    low: float
    high: float
    least: float | None = None  # no end is below it

    def check(self) -> None:
        """Raise ValueError if the fields do not match."""
        if not self.is_consistent or self.low > self.high:
            raise ValueError("the knots of the interval do not ascend, or its ends are exchanged")

    def ends(self, given: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the lower and the upper end for each prediction, float64 [rows, 2]."""
        return self.moved(given, (self.low, self.high), self.least)


@dataclass(frozen=True)
class QuantileRule(ErrorSizes):
    """Maps a predicted mean to a quantile: the mean plus `times` the size of error there.
    `constant` is the quantile of all true values."""

    times: float
    constant: float
    least: float | None = None  # no quantile is below it

    def check(self) -> None:
        """Raise ValueError if the fields do not match."""
        if not self.is_consistent or self.level == 1.0:
            raise ValueError("the knots of the quantile do not ascend, or it is 1")

    def of(self, given: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the quantile for each predicted mean."""
        return self.moved(given, (self.times,), self.least)[:, 0]


@dataclass(frozen=True)
class AnswerRules:
    """The rules of a model. `factors` multiply the probabilities of three classes or more before
    the largest one is predicted."""

    threshold: Share | None = field(default=None, metadata=LATER)
    interval: IntervalRule | None = field(default=None, metadata=LATER)
    quantile: QuantileRule | None = field(default=None, metadata=LATER)
    factors: Factors | None = field(default=None, metadata=LATER)
    central: Central | None = field(default=None, metadata=LATER)

    def __bool__(self) -> bool:
        return self != PLAIN_RULES

    @property
    def decides(self) -> bool:
        """Whether a class other than the most probable one may be predicted."""
        return any(own is not None for own in (self.threshold, self.factors, self.central))

    @property
    def level(self) -> float | None:
        """The quantile that is predicted instead of the mean; None for the mean."""
        return None if self.quantile is None else self.quantile.level

    def to_plain(self) -> dict[str, Any]:
        """Return JSON values, without absent rules that older versions do not know."""
        plain = to_plain(self)
        return {k: v for k, v in plain.items() if v is not None or k in ("threshold", "interval")}

    def check_target(self, target: TargetSchema) -> None:
        """Raise ValueError if the rules do not suit the target."""
        if self.threshold is not None and len(target.classes) != 2:
            raise ValueError("it has a threshold, and not two classes")
        if self.factors is not None and len(self.factors) != len(target.classes):
            raise ValueError(
                f"it has {plural(len(self.factors), 'factor')} of classes, and "
                f"{plural(len(target.classes), 'class')}"
            )
        if self.central is not None and not target.ordered:
            raise ValueError("it answers a central class, and its classes have no order")
        if self.interval is not None and target.classes:
            raise ValueError("it has intervals around classes")
        if self.quantile is not None and target.classes:
            raise ValueError("it has a quantile of classes")

    def answered(self, given: NDArray[Any]) -> NDArray[Any]:
        """Return quantiles for predicted means if there is a quantile rule; else `given` itself,
        which are means or probabilities."""
        return given if self.quantile is None else self.quantile.of(given)

    def applied(self, answers: Evaluation) -> Evaluation:
        """Return the evaluation of networks' predictions with the rules applied. The constant
        prediction follows a quantile and a central class, too."""
        if self.decides:
            answers = replace(answers, decided=self.decided(answers.given))
        if self.interval is not None:
            answers = replace(answers, ends=self.interval.ends(answers.given))
        if self.quantile is not None:
            constant = np.full(len(answers.truth), self.quantile.constant)
            answers = replace(answers, given=self.answered(answers.given), constant=constant)
        if self.central is not None:
            answers = with_central_constant(self.central, answers)
        return answers

    def decided(self, probabilities: NDArray[Any]) -> NDArray[np.int64]:
        """Return the code of the predicted class for each row of probabilities [rows, classes]."""
        if self.factors is not None:
            return decided_by(self.factors, probabilities)
        if self.central is not None:
            return central_class(self.central, probabilities)
        if self.threshold is None:
            return probabilities.argmax(axis=1)
        return (probabilities[:, 1] >= np.float32(self.threshold)).astype(np.int64)


PLAIN_RULES = AnswerRules()


def check_scoring(asked: Scoring, target: TargetSchema, truth: NDArray[Any]) -> Scoring:
    """Return the options with the metric's full name, and for F1 and balanced accuracy with an
    automatic threshold (or factors) unless one is given. `truth` has the known targets. TableError
    if an option does not suit the target, or the rows are too few for the interval."""
    classes = bool(target.classes)
    metric = metric_of(asked.metric or main_metric(classes), classes, target.ordered)
    if metric.name == "rmsle" and (truth < 0).any():
        raise TableError(
            f"rmsle needs numbers of 0 or more, and the target {target.name!r} has negative ones; "
            "choose rmse or mae as the metric"
        )
    _check_threshold(asked, target)
    if asked.interval is not None:
        _check_interval(asked.interval, target, len(truth))
    threshold = asked.threshold
    if threshold is None and metric.name in ("f1", "balanced_accuracy"):
        threshold = AUTO
    if threshold == AUTO and not metric.decides:
        two = len(target.classes) == 2
        choices = ", ".join(metric.name for metric in METRICS.values() if metric.decides)
        raise TableError(
            f"a threshold is found for a metric of decisions, and {metric.name} does not depend on "
            f"it; choose {choices} as the metric{', or give the threshold as a number' * two}"
        )
    return replace(asked, metric=None if asked.metric is None else metric.name, threshold=threshold)


def _check_threshold(asked: Scoring, target: TargetSchema) -> None:
    threshold = asked.threshold
    if threshold is None:
        return
    if not target.classes or (len(target.classes) != 2 and threshold != AUTO):
        kind = plural(len(target.classes), "class") if target.classes else "numbers"
        way = "pass auto to find a factor for each class" if target.classes else "leave it out"
        raise TableError(
            f"a threshold lies between two classes, and the target {target.name!r} has {kind}; "
            f"{way}"
        )
    if threshold != AUTO and not 0 < threshold < 1:
        raise TableError(f"the threshold is {threshold}; it is a number between 0 and 1, or auto")


def _check_interval(level: float, target: TargetSchema, rows: int) -> None:
    if target.classes:
        raise TableError(
            f"intervals are of numbers, and the target {target.name!r} has classes, of which the "
            "probabilities are predicted; leave the interval out"
        )
    if not 0 < level < 1:
        raise TableError(f"the interval is {level}; it is a share between 0 and 1, such as 0.9")
    _check_rows(level, rows, rows_for(level) * 5 // 4 + 1)  # four of five folds


def _check_rows(level: float, rows: int, needed: int) -> None:
    if rows < needed:
        raise TableError(
            f"intervals that hold {level:.6g} of the true numbers are learnt from at least "
            f"{plural(needed, 'row')}, and there are {rows:,}; ask for a smaller share, or add "
            "rows"
        )


def rows_for(level: float) -> int:
    """Return the smallest number of predictions to fit intervals of this level on."""
    return math.ceil(2 / (1 - level) - 1e-9) - 1


def learn_rules(asked: Scoring, target: TargetSchema, answers: Evaluation) -> AnswerRules:
    """Return the rules, fitted on predictions for rows that the networks were not trained on;
    TableError if they are too few for the interval."""
    threshold, factors = asked.threshold, None
    metric = asked.metric or main_metric(bool(target.classes))
    if threshold == AUTO and len(target.classes) > 2:
        threshold, factors = None, best_factors(answers.given, answers.truth, metric)
    elif threshold == AUTO:
        threshold = best_threshold(answers, metric)
    interval = None if asked.interval is None else interval_rule(answers, asked.interval)
    quantile = None if asked.quantile is None else quantile_rule(answers, asked.quantile)
    return AnswerRules(threshold, interval, quantile, factors, asked.central)


def cross_fitted(asked: Scoring, target: TargetSchema, answers: Evaluation) -> Evaluation:
    """Return the evaluation with the rules applied that were fitted on the rows of other folds, so
    that a row's truth has no influence on its prediction. Without folds, no rule is applied, except
    that the constant prediction follows a central class."""
    found = by_fold(fold_rules(asked, target, answers), answers)
    if asked.central is not None:
        found = with_central_constant(asked.central, found)
    if asked.quantile is None or answers.folds is None:
        return found
    constant = _quantile(answers.truth, asked.quantile)  # of all rows, as means are
    return replace(found, constant=np.full(len(answers.truth), constant))


def fold_rules(asked: Scoring, target: TargetSchema, answers: Evaluation) -> dict[int, AnswerRules]:
    """Return the rules of each fold, fitted on the rows of the other folds; empty without folds, or
    if there is nothing to fit."""
    folds = answers.folds
    if folds is None or not asked.rules:
        return {}
    return {
        int(fold): learn_rules(asked, target, answers.of(folds != fold))
        for fold in np.unique(folds)
    }


def by_fold(rules: Mapping[int, AnswerRules], answers: Evaluation) -> Evaluation:
    """Return the evaluation with each fold's rules applied to its rows; unchanged without rules or
    folds."""
    if not rules or answers.folds is None:
        return answers
    parts: list[tuple[NDArray[np.int64], Evaluation]] = []
    for fold, own in rules.items():
        places = np.flatnonzero(answers.folds == fold)
        if len(places):
            parts.append((places, own.applied(answers.of(places))))
    order = np.argsort(np.concatenate([places for places, _ in parts]), kind="stable")
    return join_evaluations([found for _, found in parts]).of(order)


def best_threshold(answers: Evaluation, metric: str) -> float:
    """Return the threshold of the second class with the best metric, among about 400 values with
    four decimals; of equally good ones, the one nearest to 0.5."""
    given = answers.given[:, 1].astype(np.float64)
    some = np.quantile(given, np.linspace(0, 1, _GRID + 1))
    tried = np.unique(np.concatenate([np.arange(1, _GRID) / _GRID, some]).round(4))
    tried = tried[(tried > 0) & (tried < 1)]
    values = np.array([_figure_at(answers, metric, float(cut)) for cut in tried])
    best = tried[values >= values.max()]
    return float(best[np.abs(best - 0.5).argmin()])


def _figure_at(answers: Evaluation, metric: str, threshold: float) -> float:
    found = measure(metric, AnswerRules(threshold).applied(answers))
    return -math.inf if found is None else METRICS[metric].sign * found[0]


def interval_rule(answers: Evaluation, level: float) -> IntervalRule:
    """Return intervals fitted on the errors of out-of-fold predictions; TableError if there are too
    few rows. If no true number is negative, no end is."""
    given, errors = answers.given, answers.truth - answers.given
    knots, sizes = _sizes(given, np.abs(errors))
    scaled: Floats = np.sort(errors / np.interp(given, knots, sizes))
    rows, beyond = len(scaled), (1 - level) / 2
    _check_rows(level, rows, rows_for(level))
    place = min(math.ceil((rows + 1) * (1 - beyond) - 1e-9), rows)
    low, high = float(scaled[rows - place]), float(scaled[place - 1])
    least = 0.0 if (answers.truth >= 0).all() else None
    return IntervalRule(level, tuple(knots.tolist()), tuple(sizes.tolist()), low, high, least)


def quantile_rule(answers: Evaluation, level: float) -> QuantileRule:
    """Return the quantile fitted on the errors of out-of-fold predictions: the order statistic at
    (n + 1) · level, linearly interpolated, so that on average this share of new rows is below it;
    with few rows, the smallest or largest error. If no true number is negative, no quantile is."""
    given, errors = answers.given, answers.truth - answers.given
    knots, sizes = _sizes(given, np.abs(errors))
    scaled: Floats = errors / np.interp(given, knots, sizes)
    times, constant = _quantile(scaled, level), _quantile(answers.truth, level)
    least = 0.0 if (answers.truth >= 0).all() else None
    return QuantileRule(level, tuple(knots.tolist()), tuple(sizes.tolist()), times, constant, least)


def _quantile(values: Floats, level: float) -> float:
    return float(np.quantile(values, level, method="weibull"))


def _sizes(given: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """Return ascending knots and the size of errors at each, for predictions and absolute errors:
    means in up to 20 bins of equally many rows; none is below a thousandth of the mean of all."""
    bins = max(1, min(_MOST_BINS, len(given) // _BIN))
    parts = np.array_split(np.argsort(given, kind="stable"), bins)
    knots = np.array([math.fsum(given[part]) / len(part) for part in parts])
    found = np.array([math.fsum(sizes[part]) / len(part) for part in parts])
    found = np.maximum(found, 1e-3 * (math.fsum(found) / len(found) or 1.0))
    first = np.unique(knots, return_index=True)[1]
    return knots[first], found[first]

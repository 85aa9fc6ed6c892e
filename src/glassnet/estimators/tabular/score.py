"""Score predictions: all metrics of a target, each with a standard error; one of them is the
headline.

In: the truth and the predictions. Out: a `Score`, which includes that of a constant prediction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from glassnet.errors import TableError
from glassnet.estimators.tabular.answer_rules import PLAIN_RULES, AnswerRules
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.table_metrics import (
    MetricName,
    applicable,
    main_metric,
    measure,
    metric_named,
)
from glassnet.serialize import LATER, AnyFloat, Name, Total
from glassnet.words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

OTHERS = {True: ("log_loss",), False: ("r2", "mae")}  # in `Score.others`, by whether of classes
_MOST_CLASSES = 50  # of a confusion matrix


@dataclass(frozen=True)
class Figure:
    """The value of a metric with its standard error, and the values of the constant prediction and
    of a linear model, if known."""

    value: AnyFloat
    error: AnyFloat
    constant: AnyFloat | None = None
    linear: AnyFloat | None = None


@dataclass(frozen=True)
class Gain:
    """The correction of a metric, and the factor of its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class Coverage:
    """The coverage of prediction intervals, with a standard error, and their mean width, in the
    unit of the target."""

    level: AnyFloat  # the nominal coverage
    value: AnyFloat
    error: AnyFloat
    width: AnyFloat


@dataclass(frozen=True)
class Score:
    """A metric, its standard error, and the same metric of the constant predictor; `figures` has
    all metrics by name."""

    metric: MetricName
    value: AnyFloat
    error: AnyFloat
    constant: AnyFloat
    constant_answer: Name
    rows: Total
    others: dict[str, AnyFloat]  # values of further figures by name
    figures: dict[str, Figure] = field(default_factory=dict[str, Figure], metadata=LATER)
    confusion: tuple[tuple[Total, ...], ...] = field(default=(), metadata=LATER)  # true × predicted
    coverage: Coverage | None = field(default=None, metadata=LATER)
    threshold: float | None = field(default=None, metadata=LATER)  # of the second of two classes
    factors: tuple[float, ...] = field(default=(), metadata=LATER)  # of more classes
    weight: Name | None = field(default=None, metadata=LATER)  # the column of the rows' weights
    averaging: AnyFloat = field(default=0.0, metadata=LATER)  # its part in the value, see averaging

    @property
    def perfect(self) -> bool:
        """Return whether no score could be better."""
        return self.value == (1.0 if metric_named(self.metric).greater else 0.0)


def score(
    answers: Evaluation,
    classes: tuple[str, ...],
    metric: str | None = None,
    level: float | None = None,
    rules: AnswerRules = PLAIN_RULES,
) -> Score:
    """Return all metrics of these predictions; the headline is accuracy for classes, RMSE for
    numbers, or the given metric. `level` is the nominal coverage of intervals (None: there are
    none); the threshold or factors of `rules` are recorded, not applied. TableError if the headline
    is undefined for these rows."""
    main = metric or main_metric(bool(classes))
    known = figures(answers, metric)
    if main not in known:
        raise TableError(
            f"{main} has no value on {plural(len(answers.truth), 'row')} such as these; choose "
            "another metric, or other rows"
        )
    figure, first = known[main], answers.constant[0]
    found = Score(
        main, figure.value, figure.error, math.nan if figure.constant is None else figure.constant,
        classes[int(first)] if classes else f"{first:.6g}", len(answers.truth),
        {name: known[name].value for name in OTHERS[bool(classes)] if name in known}, known,
        confusion(answers) if classes else (),
        None if level is None else coverage(answers, level),
    )  # fmt: skip
    return with_decisions(found, rules)


def with_decisions(found: Score, rules: AnswerRules) -> Score:
    """Return the score with the threshold or factors of the rules."""
    return replace(found, threshold=rules.threshold, factors=rules.factors or ())


def figures(answers: Evaluation, also: str | None = None) -> dict[str, Figure]:
    """Return all metrics of these predictions that are defined, and a further one, each with that
    of the constant predictor."""
    constant, found = answers.constant_answers(), dict[str, Figure]()
    for metric in applicable(answers, also):
        reached, other = measure(metric.name, answers), measure(metric.name, constant)
        if reached is not None:
            found[metric.name] = Figure(*reached, None if other is None else other[0])
    return found


def confusion(answers: Evaluation) -> tuple[tuple[int, ...], ...]:
    """Return the counts of rows by true and predicted class, [true][predicted]; empty for more than
    50 classes. Rows of an unknown class are left out."""
    count = answers.given.shape[1]
    if count > _MOST_CLASSES:
        return ()
    known = answers.truth >= 0
    places = answers.truth[known] * count + answers.choice[known]
    table = np.bincount(places, minlength=count * count).reshape(count, count)
    return tuple(tuple(row) for row in table.tolist())


def coverage(answers: Evaluation, level: float) -> Coverage | None:
    """Return the coverage of the intervals; None if there are none."""
    if answers.ends is None:
        return None
    low, high = answers.ends.T
    covered = (low <= answers.truth) & (answers.truth <= high)
    if answers.scaled is None:
        value, width = int(covered.sum()) / len(covered), math.fsum(high - low) / len(covered)
        return Coverage(level, value, answers.error_of(covered - value), width)
    weight = answers.scaled
    value, width = (math.fsum(weight * own) / len(covered) for own in (covered, high - low))
    return Coverage(level, value, answers.error_of(weight * (covered - value)), width)


def costs(answers: Evaluation, metric: str = "") -> NDArray[np.float64]:
    """Return the loss of each row, [rows]: −ln of the probability of the true class (taken as 1e-38
    if it is less, or the class is unknown), the squared error, or the quantile loss if `metric` is
    one."""
    if answers.given.ndim == 1:
        level = metric_named(metric).quantile if metric else None
        if level is not None:
            short = np.asarray(answers.truth - answers.given, np.float64)
            return np.maximum(level * short, (level - 1) * short)
        return np.asarray((answers.given - answers.truth) ** 2, np.float64)
    rows = np.arange(len(answers.truth))
    given = answers.given[rows, np.maximum(answers.truth, 0)].astype(np.float64)
    given[answers.truth < 0] = 0.0
    return -np.log(np.maximum(given, np.finfo(np.float32).tiny))

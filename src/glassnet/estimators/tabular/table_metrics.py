"""The metrics of predictions: one record each.

In: an `Evaluation`. Out: the value of a metric and its standard error. The values of `--metric`,
the reports, the table in docs/scores.md and the tests are derived from `METRICS`; in addition there
is a `pinball:Q` for each quantile Q between 0 and 1, whose predictions are quantiles. A measure
returns its value and, for each row, that row's influence on it (mean 0), from which the standard
error follows by the delta method: sd(influence) / √n, with rows of one unit added first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated

import numpy as np

from glassnet.errors import TableError
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.ordered_classes import Central, quadratic_kappa
from glassnet.hints import Option, hint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

QUANTILE = "pinball:"  # and the quantile


class KnownMetric:
    """The names of metrics that a file may have: full names, no aliases."""

    def holds(self, value: str) -> bool:
        """Return whether a text is such a name."""
        level = _quantile_of(value)
        return value in METRICS or (level is not None and value == quantile_metric(level).name)

    def __str__(self) -> str:
        return f"among {', '.join(METRICS)}, {QUANTILE}0.9"


MetricName = Annotated[str, KnownMetric()]


@dataclass(frozen=True)
class Measured:
    """The value of a metric; `influence` is each row's influence on it, in multiples of `unit`, a
    power of two."""

    value: float
    influence: NDArray[np.float64]
    unit: float = 1.0

    def error(self, answers: Evaluation) -> float:
        """Return the standard error of the value."""
        return answers.error_of(self.influence) * self.unit


@dataclass(frozen=True)
class Metric:
    """A metric: its name, its meaning, and its computation, which returns None if it is undefined
    for these rows."""

    name: str
    title: str
    classes: bool  # whether it is of classes, else of numbers
    greater: bool  # whether more is better
    meaning: str
    measure: Callable[[Evaluation], Measured | None]
    decides: bool = False  # whether it depends on where the threshold between two classes lies
    in_unit: bool = False  # whether it has the unit of the target
    quantile: float | None = None  # which quantile is to be answered in place of the mean
    central: Central | None = None  # of ordered classes: which is answered, not the likeliest one

    @property
    def sign(self) -> float:
        return 1.0 if self.greater else -1.0


def main_metric(classes: bool) -> str:
    """Return the name of the default metric."""
    return "accuracy" if classes else "rmse"


def metric_of(name: str, classes: bool, ordered: bool = False) -> Metric:
    """Return the metric of that name or alias for such a target; TableError, with the available
    ones, otherwise."""
    plain, close = name.strip().lower().replace("-", "_"), "".join(name.lower().split())
    plain, level = plain.replace(" ", "_"), _quantile_of(close)
    found = METRICS.get(_ALIASES.get(plain, plain)) if level is None else quantile_metric(level)
    if found is None and close.startswith(QUANTILE) and not classes:
        raise TableError(
            f"the quantile of {name!r} is {close.removeprefix(QUANTILE)!r}; it is a number between "
            f"0 and 1, such as {QUANTILE}0.9"
        )
    if found is None or found.classes is not classes or (found.central and not ordered):
        fitting = [own for own in METRICS.values() if own.classes is classes]
        choices = ", ".join(own.name for own in fitting if ordered or own.central is None)
        choices += "" if classes else f", {QUANTILE}0.9 (or another quantile)"
        target = "classes" if classes else "numbers"
        unknown = classes and found is not None and found.central is not None
        target = "classes without a known order" if unknown else target
        why = "is not a metric" if found is None else f"is not a metric of {target}"
        order = hint("say their order with ", Option("ordered")) if unknown else None
        raise TableError(f"{name!r} {why}; choose {choices}", order)
    return found


def metric_named(name: str) -> Metric:
    """Return the metric with exactly this name; KeyError if there is none."""
    level = _quantile_of(name)
    return METRICS[name] if level is None else quantile_metric(level)


@cache
def quantile_metric(level: float) -> Metric:
    """Return the metric `pinball:Q` for the quantile `level`, between 0 and 1."""
    return Metric(
        f"{QUANTILE}{level!r}", f"pinball at {level:g}", False, False,
        f"quantile loss at {level:g}: mean of {level:g} · what is missing to the true number and "
        f"{1 - level:.12g} · what is beyond it", partial(_pinball_at, level), in_unit=True,
        quantile=level,
    )  # fmt: skip


def _quantile_of(name: str) -> float | None:
    """Return the quantile of `pinball:Q`, or None."""
    try:
        level = float(name.removeprefix(QUANTILE)) if name.startswith(QUANTILE) else math.nan
    except ValueError:
        return None
    return level if 0 < level < 1 else None


# -- of classes ------------------------------------------------------------------------------------


def _accuracy(answers: Evaluation) -> Measured:
    """Return the accuracy, with the binomial standard error unless rows are in units."""
    right = answers.choice == answers.truth
    if answers.weight is not None:
        return _mean_of(right.astype(np.float64), np.arange(len(right)), answers)
    rows, value = len(right), int(right.sum()) / len(right)
    parts = right - value
    if answers.units is None and rows > 1:
        parts *= math.sqrt((rows - 1) / rows)
    return Measured(value, parts)


def _balanced_accuracy(answers: Evaluation) -> Measured | None:
    truth, right, known = answers.truth, answers.choice == answers.truth, answers.truth >= 0
    weight = np.ones(len(truth)) if answers.scaled is None else answers.scaled
    counts = np.bincount(truth[known], weight[known], minlength=answers.given.shape[1])
    present = np.flatnonzero(counts)
    if not len(present):
        return None
    whole = np.where(counts > 0, counts, 1.0)
    recalls = np.bincount(truth[right], weight[right], minlength=len(counts)) / whole
    parts = np.where(
        known, weight * (right - recalls[truth]) * len(truth) / (whole[truth] * len(present)), 0.0
    )
    return Measured(float(recalls[present].mean()), parts)


def _f1(answers: Evaluation) -> Measured | None:
    """Return F1 of the second of two classes; for more classes, the mean over those that occur or
    are predicted; None if there are none."""
    count, choice = answers.given.shape[1], answers.choice
    weight = 1.0 if answers.scaled is None else answers.scaled
    found: list[tuple[float, Floats]] = []
    for code in [1] if count == 2 else range(count):
        true, said = answers.truth == code, choice == code
        both = (weight * (true & said)).mean()
        total = (weight * true).mean() + (weight * said).mean()
        if total or count == 2:
            value = 2 * both / total if total else 0.0
            parts = (2.0 * (true & said) - value * (1.0 * true + said)) / (total or 1.0)
            found.append((float(value), weight * parts))
    return _mean(found)


def _auc(answers: Evaluation) -> Measured | None:
    """Return the area under the ROC curve, with DeLong's standard error."""
    return _one_against_rest(answers, _area)


def _average_precision(answers: Evaluation) -> Measured | None:
    return _one_against_rest(answers, _precision)


def _one_against_rest(
    answers: Evaluation,
    measure: Callable[[Floats, NDArray[np.bool_], Floats | None], tuple[float, Floats]],
) -> Measured | None:
    """Return a measure of the second of two classes; for more classes, the mean over those that
    occur. None if no class has rows both in it and outside of it."""
    given, truth, weight = answers.given, answers.truth, answers.scaled
    some = np.ones(len(truth), bool) if weight is None else weight > 0
    found: list[tuple[float, Floats]] = []
    for code in [1] if given.shape[1] == 2 else range(given.shape[1]):
        true = truth == code
        if 0 < (true & some).sum() < some.sum():
            found.append(measure(given[:, code].astype(np.float64), true, weight))
    return _mean(found)


def _area(scores: Floats, true: NDArray[np.bool_], weight: Floats | None) -> tuple[float, Floats]:
    """Return how often a row of the class has a higher score than another row; and influences."""
    if weight is not None:
        return _weighted_area(scores, true, weight)
    above, below = np.sort(scores[~true]), np.sort(scores[true])
    won = np.empty(len(scores))
    for mask, others, sign in ((true, above, 1.0), (~true, below, -1.0)):
        low = np.searchsorted(others, scores[mask], "left")
        high = np.searchsorted(others, scores[mask], "right")
        share = (low + high) / 2 / len(others)
        won[mask] = share if sign > 0 else 1 - share
    area, part = float(won[true].mean()), float(true.mean())
    parts: Floats = (won - area) / np.where(true, part, 1 - part)
    return area, parts


def _weighted_area(scores: Floats, true: NDArray[np.bool_], weight: Floats) -> tuple[float, Floats]:
    won = np.empty(len(scores))
    for mask in (true, ~true):
        order = np.argsort(scores[~mask], kind="stable")
        others, below = scores[~mask][order], np.append(0.0, np.cumsum(weight[~mask][order]))
        low, high = (np.searchsorted(others, scores[mask], side) for side in ("left", "right"))
        share = (below[low] + below[high]) / 2 / below[-1]
        won[mask] = share if mask is true else 1 - share
    part = float((weight * true).mean())
    area = math.fsum((weight * won)[true]) / len(scores) / part
    return area, weight * (won - area) / np.where(true, part, 1 - part)


def _precision(
    scores: Floats, true: NDArray[np.bool_], weight: Floats | None
) -> tuple[float, Floats]:
    """Return the mean, over the class's rows, of the precision at their score; and influences."""
    counted = np.ones(len(scores)) if weight is None else weight
    places = np.unique(-scores, return_inverse=True)[1].reshape(-1)  # from the highest on
    hits, all_rows = np.bincount(places, counted * true), np.bincount(places, counted)
    taken = np.cumsum(all_rows)
    precision = np.divide(np.cumsum(hits), taken, out=np.zeros(len(taken)), where=taken > 0)
    positive = math.fsum(hits)
    value = math.fsum(hits * precision) / positive
    # a row changes the precision at all scores that are not above its own
    rates = np.divide(hits, taken, out=np.zeros(len(taken)), where=taken > 0)
    later = np.cumsum(rates[::-1])[::-1]
    weighted = np.cumsum((rates * precision)[::-1])[::-1]
    influence = true * (precision[places] - value) + true * later[places] - weighted[places]
    return value, counted * influence * len(true) / positive


def _log_loss(answers: Evaluation) -> Measured | None:
    known = _known(answers)
    if not len(known):
        return None
    given = answers.given[known, answers.truth[known]].astype(np.float64)
    return _mean_of(-np.log(np.maximum(given, np.finfo(np.float32).tiny)), known, answers)


def _brier(answers: Evaluation) -> Measured | None:
    """Return the squared distance between probabilities and truth; for two classes, half of it."""
    known = _known(answers)
    if not len(known):
        return None
    away = answers.given[known].astype(np.float64)
    away[np.arange(len(known)), answers.truth[known]] -= 1.0
    squares = (away**2).sum(axis=1) / (2 if away.shape[1] == 2 else 1)
    return _mean_of(squares, known, answers)


def _mean_of(costs: Floats, known: NDArray[np.int64], answers: Evaluation) -> Measured:
    """Return the (weighted) mean of costs, which are those of the rows `known`."""
    parts = np.zeros(len(answers.truth))
    if answers.weight is None:
        value = math.fsum(costs) / len(known)
        parts[known] = (costs - value) * (len(parts) / len(known))
        return Measured(value, parts)
    weight = answers.weight[known]
    whole = math.fsum(weight)
    value = math.fsum(costs * weight) / whole
    parts[known] = weight * (costs - value) * (len(parts) / whole)
    return Measured(value, parts)


def _known(answers: Evaluation) -> NDArray[np.int64]:
    """Return the indices of the rows with a known class and a weight above 0."""
    known = answers.truth >= 0
    return np.flatnonzero(known if answers.weight is None else known & (answers.weight > 0))


def _mean(found: list[tuple[float, Floats]]) -> Measured | None:
    if not found:
        return None
    values, parts = zip(*found, strict=True)
    return Measured(math.fsum(values) / len(found), np.mean(parts, axis=0))


# -- of ordered classes ----------------------------------------------------------------------------


def _class_distance(answers: Evaluation) -> Measured | None:
    """Return the mean distance between true and predicted code; None without an order or rows."""
    known = _known(answers)
    if not answers.ordered or not len(known):
        return None
    away = np.abs(answers.truth[known] - answers.choice[known]).astype(np.float64)
    return _mean_of(away, known, answers)


def _quadratic_kappa(answers: Evaluation) -> Measured | None:
    """Return quadratic weighted kappa; None without an order, or if it is undefined."""
    known = _known(answers)
    if not answers.ordered or not len(known):
        return None
    weight = None if answers.weight is None else answers.weight[known]
    found = quadratic_kappa(answers.truth[known], answers.choice[known], weight)
    if found is None:
        return None
    parts = np.zeros(len(answers.truth))
    parts[known] = found[1] * (len(parts) / len(known))
    return Measured(found[0], parts)


# -- of numbers ------------------------------------------------------------------------------------


def _rmse(answers: Evaluation) -> Measured:
    return _root_mean_square(answers.given - answers.truth, answers)


def _root_mean_square(errors: Floats, answers: Evaluation) -> Measured:
    """Return the root mean square, with the standard error by the delta method, sd(e²) / (2 · RMSE
    · √n). Errors are scaled by a power of two, which is exact, since e⁴ overflows or underflows for
    e of 1e80 or 1e-80."""
    unit = 2.0 ** (math.frexp(np.abs(errors).max())[1] - 1)
    squares = (errors / unit) ** 2
    mse, parts = _weighted_mean(squares, answers)
    root = math.sqrt(mse)
    return Measured(root * unit, parts / (2 * (root or 1.0)), unit)


def _weighted_mean(values: Floats, answers: Evaluation) -> tuple[float, Floats]:
    """Return the mean over all rows, by the weights if there are any, and each row's influence."""
    weight = answers.scaled
    if weight is None:
        mean = math.fsum(values) / len(values)
        return mean, values - mean
    mean = math.fsum(weight * values) / len(values)
    return mean, weight * (values - mean)


def _mae(answers: Evaluation) -> Measured:
    return Measured(*_weighted_mean(np.abs(answers.given - answers.truth), answers))


def _median_error(answers: Evaluation) -> Measured:
    """Return the median error; its standard error is half the distance between the order statistics
    √n positions apart."""
    if answers.weight is not None:
        return _weighted_median_error(answers, answers.weight)
    sizes = np.sort(np.abs(answers.given - answers.truth))
    rows, value = len(sizes), float(np.median(sizes))
    reach = math.sqrt(rows) / 2
    low, high = max(int(rows / 2 - reach), 0), min(math.ceil(rows / 2 + reach), rows - 1)
    slope = float(sizes[high] - sizes[low]) * rows / max(high - low, 1)
    unsorted = np.abs(answers.given - answers.truth)
    parts = (unsorted > value) - 0.5 * (unsorted != value)
    return Measured(value, (parts - parts.mean()) * slope)


def _weighted_median_error(answers: Evaluation, weight: Floats) -> Measured:
    """As `_median_error`, where a row counts as often as its weight says."""
    sizes, rows = np.abs(answers.given - answers.truth), len(weight)
    order = np.argsort(sizes, kind="stable")
    order = order[weight[order] > 0]
    below, ranked = np.cumsum(weight[order]) / math.fsum(weight), sizes[order]
    middle = int(min(np.searchsorted(below, 0.5), len(ranked) - 1))
    after = min(middle + (below[middle] == 0.5), len(ranked) - 1)
    value = float((ranked[middle] + ranked[after]) / 2)
    reach = math.sqrt(math.fsum(weight**2)) / math.fsum(weight) / 2  # √n places of n apart
    low, high = np.searchsorted(below, (0.5 - reach, 0.5 + reach)).clip(max=len(ranked) - 1)
    slope = float(ranked[high] - ranked[low]) / (float(below[high] - below[low]) or 1.0)
    parts = weight * ((sizes > value) - 0.5 * (sizes != value)) * (rows / math.fsum(weight))
    return Measured(value, (parts - parts.mean()) * slope)


def _r2(answers: Evaluation) -> Measured:
    truth, errors = answers.truth, answers.given - answers.truth
    middle, _ = _weighted_mean(truth, answers)
    distances = (truth - middle) ** 2
    spread, _ = _weighted_mean(distances, answers)
    if not spread:
        return Measured(0.0, np.zeros(len(truth)))
    value = 1 - _weighted_mean(errors**2, answers)[0] / spread
    parts = ((1 - value) * distances - errors**2) / spread
    return Measured(value, parts if answers.scaled is None else answers.scaled * parts)


def _rmsle(answers: Evaluation) -> Measured | None:
    """Return RMSLE; None if a true value is negative. Negative predictions count as 0."""
    if (answers.truth < 0).any():
        return None
    given = np.log1p(np.maximum(answers.given, 0.0))
    return _root_mean_square(given - np.log1p(answers.truth), answers)


def _pinball(answers: Evaluation) -> Measured:
    found = _mae(answers)
    return Measured(found.value / 2, found.influence / 2)


def _pinball_at(level: float, answers: Evaluation) -> Measured:
    """Return the quantile loss (Koenker and Bassett 1978, "Regression quantiles")."""
    short = answers.truth - answers.given
    losses = np.maximum(level * short, (level - 1) * short)
    return Measured(*_weighted_mean(losses, answers))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", True, True,
               "share of rows whose class is right", _accuracy, decides=True),
        Metric("balanced_accuracy", "balanced accuracy", True, True,
               "mean, over the classes, of the share of their rows that are found",
               _balanced_accuracy, decides=True),
        Metric("f1", "F1", True, True,
               "2 · precision · recall / (precision + recall): of two classes for the second in "
               "the order of the alphabet, of more the mean over the classes", _f1, decides=True),
        Metric("auc", "AUC", True, True,
               "area under the ROC curve: how often a row of the class gets a higher probability "
               "than another row; of more than two classes the mean, each against the rest", _auc),
        Metric("average_precision", "average precision", True, True,
               "mean precision at the rows of the class, from the most probable on; of more than "
               "two classes the mean, each against the rest", _average_precision),
        Metric("log_loss", "log-loss", True, False,
               "mean of −ln of the probability of the true class", _log_loss),
        Metric("brier", "Brier score", True, False,
               "mean squared distance between probability and truth; of more than two classes "
               "summed over them", _brier),
        Metric("mae_classes", "class distance", True, False,
               "of ordered classes: mean number of places between the true class and the answered "
               "one", _class_distance, central="median"),
        Metric("quadratic_kappa", "quadratic kappa", True, True,
               "of ordered classes: 1 − mean squared distance of true and answered class / the "
               "same by chance", _quadratic_kappa, central="mean"),
        Metric("rmse", "RMSE", False, False,
               "root of the mean squared error", _rmse, in_unit=True),
        Metric("mae", "mean |e|", False, False,
               "mean absolute error", _mae, in_unit=True),
        Metric("median_error", "median |e|", False, False,
               "median of the absolute errors", _median_error, in_unit=True),
        Metric("r2", "R²", False, True,
               "1 − squared errors / squared distances from the mean", _r2),
        Metric("rmsle", "RMSLE", False, False,
               "root of the mean squared error of ln(1 + y); without a value where a true number "
               "is below 0", _rmsle),
        Metric("pinball", "pinball loss", False, False,
               "quantile loss at the median: half of the mean absolute error", _pinball,
               in_unit=True),
    )
}  # fmt: skip

_ALIASES = {
    "roc_auc": "auc", "logloss": "log_loss", "cross_entropy": "log_loss", "f1_score": "f1",
    "brier_score": "brier", "ap": "average_precision", "pr_auc": "average_precision",
    "root_mean_squared_error": "rmse", "mean_absolute_error": "mae", "r²": "r2",
    "median_absolute_error": "median_error", "qwk": "quadratic_kappa",
    "quadratic_weighted_kappa": "quadratic_kappa",
}  # fmt: skip


def positive_class(classes: tuple[str, ...]) -> str | None:
    """Return the class that F1, AUC and average precision are of: the second of two, else None."""
    return classes[1] if len(classes) == 2 else None


def measure(name: str, answers: Evaluation) -> tuple[float, float] | None:
    """Return a metric by name, with its standard error; None if it is undefined or not finite."""
    found = metric_named(name).measure(answers)
    if found is None or not math.isfinite(found.value):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        return found.value, found.error(answers)


def applicable(answers: Evaluation, also: str | None = None) -> list[Metric]:
    """Return the metrics for such predictions, and a further one if it is given."""
    classes = answers.given.ndim == 2
    found = [
        metric for metric in METRICS.values()
        if metric.classes is classes and (answers.ordered or metric.central is None)
    ]  # fmt: skip
    return found if also is None or also in METRICS else [*found, metric_named(also)]

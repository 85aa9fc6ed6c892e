"""Every metric: figures by scikit-learn, standard errors by the spread of repeated samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from glassnet.cli.options import METRIC_HELP
from glassnet.errors import TableError
from glassnet.estimators.tabular.evaluation import Evaluation, join_evaluations
from glassnet.estimators.tabular.score import costs, figures, score
from glassnet.estimators.tabular.table_metrics import METRICS, KnownMetric, measure, metric_of
from tests.data import ROOT

ROWS = 300


def classes(
    random: np.random.Generator, count: int, digits: int = 8, ordered: bool = False
) -> Evaluation:
    raw = random.normal(size=(ROWS, count))
    raw[:, -1] += 0.3
    truth = (raw + random.normal(size=raw.shape) * 0.8).argmax(axis=1)
    given = np.exp(raw).round(digits)
    given /= given.sum(axis=1, keepdims=True)
    return Evaluation(truth, given, np.zeros(ROWS, int), ordered=ordered)


def numbers(random: np.random.Generator) -> Evaluation:
    truth = random.gamma(4.0, size=ROWS)
    return Evaluation(truth, truth + random.normal(size=ROWS) * 0.5, np.full(ROWS, 4.0))


def of_scikit_learn(answers: Evaluation) -> dict[str, float]:
    m: Any = sklearn_metrics
    truth, given = answers.truth, answers.given
    if given.ndim == 1:
        clipped = np.maximum(given, 0)
        return {
            "rmse": m.root_mean_squared_error(truth, given),
            "mae": m.mean_absolute_error(truth, given),
            "median_error": m.median_absolute_error(truth, given),
            "r2": m.r2_score(truth, given),
            "rmsle": m.root_mean_squared_log_error(truth, clipped),
            "pinball": m.mean_pinball_loss(truth, given),
        }
    two = given.shape[1] == 2
    distances = {
        "mae_classes": m.mean_absolute_error(truth, answers.choice),
        "quadratic_kappa": m.cohen_kappa_score(truth, answers.choice, weights="quadratic"),
    }
    scores, choice = given[:, 1] if two else given, answers.choice
    return {
        "accuracy": m.accuracy_score(truth, choice),
        "balanced_accuracy": m.balanced_accuracy_score(truth, choice),
        "f1": m.f1_score(truth, choice, average="binary" if two else "macro"),
        "auc": m.roc_auc_score(truth, scores, multi_class="ovr"),
        "average_precision": m.average_precision_score(truth, scores),
        "log_loss": m.log_loss(truth, given),
        "brier": ((given - np.eye(given.shape[1])[truth]) ** 2).sum(axis=1).mean() / (1 + two),
        **(distances if answers.ordered else {}),
    }


@pytest.mark.parametrize("digits", [8, 1])  # with ties, too
@pytest.mark.parametrize(("count", "ordered"), [(0, False), (2, False), (3, False), (4, True)])
def test_figures_of_scikit_learn(count: int, ordered: bool, digits: int) -> None:
    random = np.random.default_rng(count)
    answers = classes(random, count, digits, ordered) if count else numbers(random)
    wanted = of_scikit_learn(answers)
    found = figures(answers)
    assert {name: own.value for name, own in found.items()} == pytest.approx(wanted, rel=1e-12)
    fitting = [own for own in METRICS.values() if own.classes is bool(count)]
    assert set(wanted) == {own.name for own in fitting if ordered or own.central is None}


def two(random: np.random.Generator) -> Evaluation:
    return classes(random, 2)


def three(random: np.random.Generator) -> Evaluation:
    return classes(random, 3)


def in_order(random: np.random.Generator) -> Evaluation:
    return classes(random, 4, ordered=True)


@pytest.mark.parametrize("make", [two, three, in_order, numbers])
def test_standard_errors_are_those_of_repeated_samples(make: Callable[..., Evaluation]) -> None:
    random = np.random.default_rng(0)
    samples = [figures(make(random)) for _ in range(400)]
    for name in samples[0]:
        spread = np.std([own[name].value for own in samples])
        assert np.mean([own[name].error for own in samples]) == pytest.approx(spread, rel=0.15), (
            name
        )


def test_by_hand() -> None:
    # Of class 1 are rows 1 and 3, with probabilities 0.8 and 0.4; the others have 0.6 and 0.3.
    # Of the four pairs three are in order. Precision is 1 at 0.8 and 2/3 at 0.4. Answered are
    # 1 1 0 0: one hit, one false alarm, one miss.
    high = np.array([0.8, 0.6, 0.4, 0.3])
    answers = Evaluation(
        np.array([1, 0, 1, 0]), np.column_stack([1 - high, high]), np.zeros(4, int)
    )
    found = score(answers, ("no", "yes"), "auc")
    assert (found.metric, found.value, found.constant) == ("auc", 0.75, 0.5)
    values = {name: own.value for name, own in found.figures.items()}
    assert values["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert (values["f1"], values["balanced_accuracy"], values["accuracy"]) == (0.5, 0.5, 0.5)
    assert found.confusion == ((1, 1), (1, 1))
    assert found.figures["brier"].value == pytest.approx((0.04 + 0.36 + 0.36 + 0.09) / 4)
    # always "no", with the shares of the rows: f1 is 0, log-loss ln 2
    assert found.figures["f1"].constant == 0
    assert found.figures["log_loss"].constant == pytest.approx(math.log(2))


def test_rows_of_one_unit_count_once() -> None:
    """Rows that stand there four times say no more than once."""
    answers = numbers(np.random.default_rng(5))
    four = join_evaluations([answers] * 4)
    units = np.tile(np.arange(ROWS), 4)
    grouped = Evaluation(four.truth, four.given, four.constant, units)
    for name in ("rmse", "mae", "r2", "rmsle"):
        once, own, plain = (measure(name, one) for one in (answers, grouped, four))
        assert once is not None
        assert plain is not None
        assert own == pytest.approx(once, rel=1e-9)
        assert plain[1] == pytest.approx(once[1] / 2, rel=0.01)


@pytest.mark.parametrize("level", [0.05, 0.5, 0.9])
def test_the_loss_of_a_quantile(level: float) -> None:
    answers, name = numbers(np.random.default_rng(2)), f"pinball:{level}"
    m: Any = sklearn_metrics
    wanted = m.mean_pinball_loss(answers.truth, answers.given, alpha=level)
    found = figures(answers, name)
    assert found[name].value == pytest.approx(wanted, rel=1e-12)
    random = np.random.default_rng(0)
    spread = np.std([figures(numbers(random), name)[name].value for _ in range(400)])
    assert found[name].error == pytest.approx(spread, rel=0.2)
    assert metric_of(f"Pinball: {level}", False).name == name
    assert costs(answers, name).mean() == pytest.approx(wanted, rel=1e-12)


def test_what_is_no_quantile() -> None:
    told = "the quantile of 'pinball:90' is '90'; it is a number between 0 and 1"
    with pytest.raises(TableError, match=told):
        metric_of("pinball:90", False)
    with pytest.raises(TableError, match=r"'pinball:0\.9' is not a metric of classes"):
        metric_of("pinball:0.9", True)
    assert KnownMetric().holds("pinball:0.9")
    assert not KnownMetric().holds("pinball:.9")
    assert not KnownMetric().holds("pinball:nan")


def test_what_has_no_figure_is_left_out() -> None:
    below = Evaluation(np.array([-1.0, 2.0]), np.array([0.0, 1.0]), np.zeros(2))
    assert "rmsle" not in figures(below)
    one = Evaluation(np.zeros(3, int), np.full((3, 2), 0.5), np.zeros(3, int))
    assert "auc" not in figures(one)
    with pytest.raises(TableError, match="auc has no value on 3 rows such as these"):
        score(one, ("a", "b"), "auc")


@pytest.mark.parametrize(
    ("name", "of_classes", "wanted"),
    [
        ("roc_auc", True, "auc"),
        ("Log-Loss", True, "log_loss"),
        ("r2", False, "r2"),
    ],
)
def test_names(name: str, of_classes: bool, wanted: str) -> None:
    assert metric_of(name, of_classes).name == wanted
    with pytest.raises(TableError, match="'x' is not a metric; choose "):
        metric_of("x", of_classes)


def test_a_metric_of_the_other_kind() -> None:
    with pytest.raises(TableError, match="'rmse' is not a metric of classes; choose accuracy"):
        metric_of("rmse", True)


def test_names_and_records_agree() -> None:
    assert all(name in METRIC_HELP for name in METRICS)


def test_the_document_has_them_all() -> None:
    text = (ROOT / "docs" / "scores.md").read_text(encoding="utf-8")
    for own in METRICS.values():
        of = "classes" if own.classes else "numbers"
        assert (
            f"| `{own.name}` | {of} | {'more' if own.greater else 'less'} | {own.meaning} |" in text
        )

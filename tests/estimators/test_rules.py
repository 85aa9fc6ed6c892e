"""Thresholds and intervals: learnt from rows that the networks have not seen, kept in the file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from glassnet import TabularClassifier, TabularRegressor, model_file
from glassnet.errors import GlassnetError, ModelFileError, TableError
from glassnet.estimators.tabular.answer_rules import (
    AnswerRules,
    Scoring,
    best_threshold,
    check_scoring,
    cross_fitted,
    interval_rule,
    learn_rules,
    rows_for,
)
from glassnet.estimators.tabular.compare_models import compare_models
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.fit_table import fit_table
from glassnet.estimators.tabular.score import coverage, figures
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.tables.frames import mapping_columns
from glassnet.tables.from_memory import table_of
from glassnet.tables.target_column import TargetSchema
from tests.estimators.tabular_rows import compiled_once

__all__ = ["compiled_once"]  # a fixture

NUMBER, YES = TargetSchema("y"), TargetSchema("y", ("no", "yes"))


def answers_of(high: list[float], truth: list[int]) -> Evaluation:
    given = np.column_stack([1 - np.array(high), high])
    return Evaluation(np.array(truth), given, np.zeros(len(high), int))


def test_the_threshold_by_hand() -> None:
    # From 0.3 on three rows are answered, two of them rightly: F1 = 4/5; from 0.5 on one: 2/3.
    answers = answers_of([0.9, 0.4, 0.35, 0.1], [1, 0, 1, 0])
    found = best_threshold(answers, "f1")
    assert 0.1 < found <= 0.35
    assert found == 0.35  # of equal ones that nearest to a half
    assert AnswerRules(found).decided(answers.given).tolist() == [1, 1, 1, 0]


def noisy(random: np.random.Generator, rows: int) -> Evaluation:
    """Predictions whose errors grow with them and are skewed."""
    given = random.uniform(1, 10, rows)
    truth = given + given * (random.exponential(size=rows) - 1) * 0.2
    return Evaluation(truth, given, np.full(rows, 5.0), folds=random.integers(0, 5, rows))


@pytest.mark.parametrize("level", [0.5, 0.9])
@pytest.mark.parametrize("rows", [60, 1000])
def test_intervals_cover_what_they_say(level: float, rows: int) -> None:
    random, held, said = np.random.default_rng(rows), list[float](), list[float]()
    for _ in range(60):
        rule = interval_rule(noisy(random, rows), level)
        new = AnswerRules(None, rule).applied(noisy(random, 1000))
        found = coverage(new, level)
        assert found is not None
        held.append(found.value)
        own = cross_fitted(Scoring(interval=level), NUMBER, noisy(random, rows))
        reported = coverage(own, level)
        assert reported is not None
        said.append(reported.value)
    assert np.mean(held) == pytest.approx(level, abs=0.02)
    assert np.mean(said) == pytest.approx(level, abs=0.02)


def test_an_interval_by_hand() -> None:
    # 19 errors −9 … 9 around one prediction: of 20 places, half of a tenth lies beyond each end.
    errors = np.arange(-9.0, 10.0)
    answers = Evaluation(20 + errors, np.full(19, 20.0), np.zeros(19))
    rule = interval_rule(answers, 0.9)
    assert rule.ends(np.array([20.0])) == pytest.approx(np.array([[11.0, 29.0]]))
    assert rule.ends(np.array([3.0])) == pytest.approx(np.array([[0.0, 12.0]]))  # no truth below 0
    assert rows_for(0.9) == 19
    with pytest.raises(TableError, match="at least 19 rows, and there are 18"):
        interval_rule(answers.of(np.arange(18)), 0.9)


def test_a_quantile_by_hand() -> None:
    # 19 errors −9 … 9 around one prediction: 0.9 of 20 places is the 18th, 8; the median is 0.
    errors = np.arange(-9.0, 10.0)
    answers = Evaluation(20 + errors, np.full(19, 20.0), np.zeros(19))
    for level, wanted in ((0.9, 28.0), (0.5, 20.0), (0.875, 27.5), (0.999, 29.0)):
        rules = learn_rules(Scoring(f"pinball:{level}"), NUMBER, answers)
        found = rules.applied(answers)
        assert found.given == pytest.approx(np.full(19, wanted))
        assert found.constant == pytest.approx(np.full(19, wanted))
        assert rules.answered(np.array([-30.0]))[0] == 0.0  # no truth below 0
    assert rules.level == 0.999


def test_a_quantile_holds_its_share_and_scores_honestly() -> None:
    random, metric = np.random.default_rng(3), "pinball:0.8"
    held, said, new = list[float](), list[float](), list[float]()
    for _ in range(40):
        known = noisy(random, 300)
        rules = learn_rules(Scoring(metric), NUMBER, known)
        later = rules.applied(noisy(random, 2000))
        held.append(float((later.truth <= later.given).mean()))
        new.append(figures(later, metric)[metric].value)
        said.append(figures(cross_fitted(Scoring(metric), NUMBER, known), metric)[metric].value)
    assert np.mean(held) == pytest.approx(0.8, abs=0.01)
    assert np.mean(said) == pytest.approx(np.mean(new), rel=0.03)


@pytest.mark.parametrize(
    ("asked", "target", "told"),
    [
        (Scoring("rmsle"), NUMBER, "'y' has negative ones"),
        (Scoring(threshold=0.3), NUMBER, "'y' has numbers; leave it out"),
        (
            Scoring(threshold=0.3),
            TargetSchema("y", ("a", "b", "c")),
            "'y' has 3 classes; pass auto",
        ),
        (Scoring(threshold=1.5), YES, "the threshold is 1.5; it is a number between 0 and 1"),
        (Scoring("auc", "auto"), YES, "auc does not depend on it; choose accuracy"),
        (Scoring(interval=0.9), YES, "intervals are of numbers"),
        (Scoring(interval=90.0), NUMBER, "the interval is 90.0; it is a share"),
        (Scoring(interval=0.999), NUMBER, "at least 2,499 rows, and there are 2"),
    ],
)
def test_refusals(asked: Scoring, target: TargetSchema, told: str) -> None:
    with pytest.raises(TableError, match=told):
        check_scoring(asked, target, np.array([-1.0, 2.0]))


def test_f1_finds_a_threshold_unless_one_is_given() -> None:
    truth = np.zeros(2)
    assert check_scoring(Scoring("f1"), YES, truth).threshold == "auto"
    more = TargetSchema("y", ("a", "b", "c"))
    assert check_scoring(Scoring("balanced_accuracy"), more, truth).threshold == "auto"
    assert check_scoring(Scoring(), more, truth).threshold is None
    assert check_scoring(Scoring("f1", 0.5), YES, truth).threshold == 0.5
    assert check_scoring(Scoring(), YES, truth) == Scoring()


# -- through a fit ---------------------------------------------------------------------------------

RANDOM = np.random.default_rng(1)
X = {"a": RANDOM.normal(size=400).tolist(), "b": RANDOM.normal(size=400).tolist()}
Y = (np.array(X["a"]) * 2 + RANDOM.normal(size=400) * np.exp(0.5 * np.array(X["a"]))).tolist()
RARE = ["rare" if y > 2 else "common" for y in Y]


@pytest.fixture(scope="module")
def regressor() -> Any:
    return TabularRegressor(interval=0.8, metric="mae", max_epochs=12).fit(X, Y)


@pytest.fixture(scope="module")
def finder() -> Any:
    return TabularClassifier(metric="f1", max_epochs=8).fit(X, RARE)


def test_intervals_of_an_estimator(regressor: Any, tmp_path: Path) -> None:
    found = regressor.score_
    assert found.metric == "mae"
    assert found.value == found.figures["mae"].value
    assert found.coverage.level == 0.8
    assert found.coverage.value == pytest.approx(0.8, abs=0.06)
    ends, given = regressor.predict_interval(X), regressor.predict(X)
    assert (ends[:, 0] < given).all()
    assert (given < ends[:, 1]).all()
    wide = ends[:, 1] - ends[:, 0]
    low, high = wide[given < -1].mean(), wide[given > 2].mean()
    assert high > 1.3 * low  # where errors are larger
    regressor.save(tmp_path / "m")
    again = TabularRegressor.load(tmp_path / "m")
    assert (again.interval, again.metric) == (0.8, "mae")
    assert (again.predict_interval(X) == ends).all()
    plain = TabularRegressor.from_model(replace(regressor.model_, rules=AnswerRules()))
    with pytest.raises(GlassnetError, match=r"fit it as TabularRegressor\(interval=0.9\)"):
        plain.predict_interval(X)


def test_a_threshold_of_an_estimator(finder: Any, tmp_path: Path) -> None:
    found, threshold = finder.score_, finder.model_.rules.threshold
    assert (found.metric, found.threshold) == ("f1", threshold)
    code = finder.classes_.tolist().index("rare")
    high = finder.predict_proba(X)[:, code] >= np.float32(threshold)
    second = finder.model_.schema.target.classes[1]
    assert second == "rare"
    assert ((finder.predict(X) == "rare") == high).all()
    assert np.sum(found.confusion) == 400
    finder.save(tmp_path / "m")
    again = TabularClassifier.load(tmp_path / "m")
    assert (again.threshold, again.metric) == (threshold, "f1")
    assert (again.predict(X) == finder.predict(X)).all()


@pytest.fixture(scope="module")
def upper() -> Any:
    return TabularRegressor(metric="pinball:0.9", interval=0.8, max_epochs=12).fit(X, Y)


def test_a_quantile_of_an_estimator(upper: Any, regressor: Any, tmp_path: Path) -> None:
    found, given = upper.score_, upper.predict(X)
    assert (found.metric, found.value) == ("pinball:0.9", found.figures["pinball:0.9"].value)
    assert found.value < found.constant
    assert np.mean(given >= np.array(Y)) == pytest.approx(0.9, abs=0.05)
    assert (given > regressor.predict(X)).all()  # the same network's mean
    assert (upper.predict_interval(X) == regressor.predict_interval(X)).all()
    upper.save(tmp_path / "m")
    assert model_file.load(tmp_path / "m")[1]["format_version"] == "5"
    again = TabularRegressor.load(tmp_path / "m")
    assert (again.metric, again.score_.constant_answer) == (found.metric, found.constant_answer)
    assert (again.predict(X) == given).all()


def test_whoever_asks_a_model_of_quantiles_hears_the_same(upper: Any, regressor: Any) -> None:
    given, metric = upper.predict(X), "pinball:0.9"
    table = table_of(mapping_columns({**X, "y": Y}), "X")
    score = upper.model_.evaluate(table)[0]
    m: Any = sklearn_metrics
    wanted = m.mean_pinball_loss(Y, given, alpha=0.9)
    assert (score.metric, score.value) == (metric, pytest.approx(wanted, rel=1e-12))
    assert score.figures["mae"].value == pytest.approx(np.abs(given - Y).mean(), rel=1e-12)
    assert upper.explain_row(X, 7).answer == pytest.approx(given[7], rel=1e-6)
    assert upper.explain(X, Y).metric == metric
    both = compare_models(upper.model_, regressor.model_, table)
    better = {one.metric: one.better for one in both.differences}
    assert (both.main, better[metric], better["rmse"]) == ("rmse", 1, 2)
    assert compare_models(upper.model_, upper.model_, table).main == metric


def test_without_wishes_a_file_is_as_ever(regressor: Any, tmp_path: Path) -> None:
    columns = mapping_columns({**X, "y": Y})
    plain = fit_table(table_of(columns, "X"), "y", epochs=2).model
    plain.save(tmp_path / "plain")
    assert model_file.load(tmp_path / "plain")[1]["format_version"] == "2"
    assert "rules" not in model_file.load(tmp_path / "plain")[1]
    regressor.save(tmp_path / "m")
    assert model_file.load(tmp_path / "m")[1]["format_version"] == "3"


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"threshold": 0.5}, "it has a threshold, and not two classes"),
        ({"threshold": 2}, "rules.threshold is 2"),
        ({"interval": {}}, "rules.interval does not say high"),
        ({"more": 1}, "unknown name 'more'"),
        ({"factors": [1, 2, 3]}, "it has 3 factors of classes, and 0 classes"),
        ({"interval": {"knots": [1, 1], "sizes": [1, 1]}}, "do not ascend"),
        ({"interval": {"low": 3}}, "its ends are exchanged"),
        (
            {"quantile": {"level": 0.9, "knots": [1, 1], "times": 1, "constant": 1, "least": None}},
            "the knots of the quantile do not ascend",
        ),
    ],
)
def test_damaged_rules(regressor: Any, rules: dict[str, Any], told: str, tmp_path: Path) -> None:
    regressor.save(tmp_path / "m")
    tensors, texts = model_file.load(tmp_path / "m")
    known = json.loads(texts["rules"])
    if rules.get("quantile"):
        rules = {"quantile": {**rules["quantile"], "sizes": [1, 1]}}
    if rules.get("interval"):
        rules = {"interval": {**known["interval"], **rules["interval"], "high": 2}}
    model_file.save(tmp_path / "m", tensors, {**texts, "rules": json.dumps(rules)})
    with pytest.raises(ModelFileError, match=told):
        TableModel.load(tmp_path / "m")

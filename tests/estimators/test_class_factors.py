"""Factors of classes: as good as a full search finds, scored honestly, kept in the file."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from glassnet import TabularClassifier, model_file
from glassnet.estimators.tabular.answer_rules import AnswerRules, Scoring, cross_fitted, learn_rules
from glassnet.estimators.tabular.class_factors import best_factors, decided_by
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.table_metrics import measure
from glassnet.tables.frames import mapping_columns
from glassnet.tables.from_memory import table_of
from glassnet.tables.target_column import TargetSchema
from tests.estimators.tabular_rows import compiled_once

__all__ = ["compiled_once"]  # a fixture

THREE = TargetSchema("y", ("a", "b", "c"))
METRICS = ("accuracy", "balanced_accuracy", "f1")


def skewed(random: np.random.Generator, rows: int) -> Evaluation:
    """Calibrated probabilities of three classes, of which two are rare."""
    given = random.dirichlet([6.0, 1.0, 0.5], rows)
    truth = (given.cumsum(axis=1) < random.uniform(size=(rows, 1))).sum(axis=1)
    return Evaluation(truth, given, np.zeros(rows, int), folds=np.arange(rows) % 5)


def figure(metric: str, answers: Evaluation, factors: tuple[float, ...]) -> float:
    found = measure(metric, AnswerRules(factors=factors).applied(answers))
    assert found is not None
    return found[0]


@pytest.mark.parametrize("metric", METRICS)
def test_as_good_as_a_search_of_all(metric: str) -> None:
    answers = skewed(np.random.default_rng(0), 200)
    found = best_factors(answers.given, answers.truth, metric)
    grid = 2.0 ** np.arange(-1, 6.1, 0.25)
    best = max(figure(metric, answers, (1.0, *pair)) for pair in itertools.product(grid, grid))
    assert figure(metric, answers, found) >= best - 0.01
    assert found[0] == 1.0  # of the commonest class


def test_by_hand() -> None:
    # By the largest probability class 2 is never answered; times 0.5 / 0.4 or more it is.
    given = np.array([[0.9, 0.05, 0.05], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.5, 0.1, 0.4]])
    truth = np.array([0, 0, 1, 2])
    found = best_factors(given, truth, "balanced_accuracy")
    assert found[0] == 1.0
    assert 1.25 < found[2] < 8
    assert decided_by(found, given).tolist() == truth.tolist()
    assert best_factors(given[:3], truth[:3], "f1") == (1.0, 1.0, 1.0)  # right as it is


@pytest.mark.parametrize("metric", METRICS[1:])
def test_the_score_is_honest(metric: str) -> None:
    random, asked = np.random.default_rng(5), Scoring(metric, "auto")
    said, new, plain = list[float](), list[float](), list[float]()
    for _ in range(12):
        known, later = skewed(random, 600), skewed(random, 4000)
        own = measure(metric, cross_fitted(asked, THREE, known))
        rules = learn_rules(asked, THREE, known)
        assert own is not None
        assert rules.factors is not None
        said.append(own[0])
        new.append(figure(metric, later, rules.factors))
        plain.append(figure(metric, later, (1.0, 1.0, 1.0)))
    assert np.mean(said) == pytest.approx(np.mean(new), abs=2 * float(np.std(said)) / 12**0.5)
    assert np.mean(new) > np.mean(plain) + 0.05


# -- through a fit ---------------------------------------------------------------------------------

RANDOM = np.random.default_rng(1)
X = {"u": RANDOM.normal(size=400).tolist(), "v": RANDOM.normal(size=400).tolist()}
LEVEL = np.array(X["u"]) + RANDOM.normal(size=400) * 0.8
Y = np.array(["rare", "often", "some"])[np.digitize(LEVEL, [-1.6, 0.8])].tolist()


def test_factors_of_an_estimator(tmp_path: Path) -> None:
    est: Any = TabularClassifier(metric="balanced_accuracy", max_epochs=8).fit(X, Y)
    found, factors = est.score_, est.model_.rules.factors
    assert (found.factors, found.threshold) == (factors, None)
    assert found.value == found.figures["balanced_accuracy"].value
    given = est.predict(X)
    assert (est.classes_[(est.predict_proba(X) * np.array(factors)).argmax(axis=1)] == given).all()
    assert (est.classes_[est.predict_proba(X).argmax(axis=1)] != given).any()
    score = est.model_.evaluate(table_of(mapping_columns({**X, "y": Y}), "X"))[0]
    m: Any = sklearn_metrics
    assert score.value == pytest.approx(m.balanced_accuracy_score(Y, given))
    est.save(tmp_path / "m")
    assert model_file.load(tmp_path / "m")[1]["format_version"] == "5"
    again: Any = TabularClassifier.load(tmp_path / "m")
    assert (again.threshold, again.metric) == ("auto", "balanced_accuracy")
    assert (again.predict(X) == given).all()
    row = int(np.flatnonzero(est.classes_[est.predict_proba(X).argmax(axis=1)] != given)[0])
    told = est.explain_row(X, row)
    assert est.classes_[told.of] == given[row]  # what is explained is what is answered

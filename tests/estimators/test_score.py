"""Scores and their standard errors, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.score import score


def test_accuracy() -> None:
    # Three of four are right; the constant answer 0 is right twice; log loss is the mean of
    # -ln 0.9, -ln 0.6, -ln 0.8 and -ln 0.3.
    given = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
    found = score(Evaluation(np.array([0, 0, 1, 1]), given, np.zeros(4, int)), ("no", "yes"))
    assert (found.metric, found.value, found.rows) == ("accuracy", 0.75, 4)
    assert found.error == math.sqrt(0.75 * 0.25 / 4)
    assert (found.constant, found.constant_answer) == (0.5, "no")
    expected = -(math.log(0.9) + math.log(0.6) + math.log(0.8) + math.log(0.3)) / 4
    assert found.others["log_loss"] == pytest.approx(expected, rel=1e-14)


def test_a_class_that_is_not_known_counts_as_wrong() -> None:
    given = np.array([[0.9, 0.1], [0.9, 0.1]])
    found = score(Evaluation(np.array([0, -1]), given, np.zeros(2, int)), ("a", "b"))
    assert found.value == 0.5
    assert found.others["log_loss"] == pytest.approx(-math.log(0.9))


def test_rmse() -> None:
    # Errors 1, -1, 3: the mean square is 11/3. The squares 1, 1, 9 scatter around it with
    # variance ((8/3)² + (8/3)² + (16/3)²) / 2 = 64/3, so the standard error of the mean square is
    # sqrt(64/9) = 8/3, and that of its root half of it divided by the root.
    truth, given = np.array([1.0, 2.0, 6.0]), np.array([2.0, 1.0, 9.0])
    found = score(Evaluation(truth, given, np.full(3, 4.0)), ())
    assert found.metric == "rmse"
    assert found.value == pytest.approx(math.sqrt(11 / 3), rel=1e-15)
    assert found.error == pytest.approx(8 / 3 / (2 * math.sqrt(11 / 3)), rel=1e-15)
    assert found.constant == pytest.approx(math.sqrt((9 + 4 + 4) / 3), rel=1e-15)
    assert found.constant_answer == "4"
    # About their mean 3 the true values scatter with 4 + 1 + 9 = 14.
    assert found.others == {"r2": pytest.approx(1 - 11 / 14), "mae": pytest.approx(5 / 3)}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("power", [-332, -300, 300, 332])
def test_rmse_in_any_unit(power: int) -> None:
    """From 1e-100 to 1e100, which targets may have; a power of two changes no digit."""
    truth, given = np.array([1.0, 2.0, 6.0]), np.array([2.0, 1.0, 9.5])
    known = score(Evaluation(truth, given, np.full(3, 4.0)), ())
    unit = 2.0**power
    found = score(Evaluation(truth * unit, given * unit, np.full(3, 4.0) * unit), ())
    assert (found.value, found.error) == (known.value * unit, known.error * unit)
    assert found.others == {"r2": known.others["r2"], "mae": known.others["mae"] * unit}


def test_the_standard_error_is_that_of_repeated_samples() -> None:
    random = np.random.default_rng(0)
    sizes = [500] * 2000
    found = [score(Evaluation(np.zeros(n), random.normal(size=n), np.zeros(n)), ()) for n in sizes]
    spread = np.std([one.value for one in found])
    assert np.mean([one.error for one in found]) == pytest.approx(spread, rel=0.05)


def test_perfect_answers() -> None:
    truth = np.array([1.0, 2.0])
    found = score(Evaluation(truth, truth, np.full(2, 1.5)), ())
    assert (found.value, found.error, found.others["r2"]) == (0, 0, 1)

"""Scores by weights of rows: a weight of 3 is three such rows, and scikit-learn agrees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from glassnet.cli import main
from glassnet.errors import TableError
from glassnet.estimators.tabular.compare_models import compare_models
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.fit_table import fit_table
from glassnet.estimators.tabular.score import coverage, figures
from glassnet.tables.frames import mapping_columns
from glassnet.tables.from_memory import table_of
from tests.estimators.tabular_rows import compiled_once

__all__ = ["compiled_once"]  # a fixture
ROWS = 300
QUANTILE = "pinball:0.8"


def drawn(count: int, seed: int = 0) -> Evaluation:
    """Answers for classes, or numbers where there are none; heavier rows have larger errors."""
    random = np.random.default_rng(seed)
    weight = random.integers(1, 5, ROWS).astype(float)
    if not count:
        truth = random.gamma(4.0, size=ROWS)
        given = truth + random.normal(size=ROWS) * 0.2 * weight
        return Evaluation(truth, given, np.full(ROWS, 4.0), weight=weight)
    raw = random.normal(size=(ROWS, count))
    truth = (raw + random.normal(size=raw.shape) * 0.4 * weight[:, None]).argmax(axis=1)
    given = np.exp(raw).round(2)
    given /= given.sum(axis=1, keepdims=True)
    return Evaluation(truth, given, np.zeros(ROWS, int), weight=weight)


@pytest.mark.parametrize("count", [0, 2, 3])
def test_a_weight_is_so_many_rows(count: int) -> None:
    answers = drawn(count)
    assert answers.weight is not None
    times = np.repeat(np.arange(ROWS), answers.weight.astype(int))
    many = replace(answers.of(times), weight=None, units=times)
    also = None if count else QUANTILE
    found, wanted = figures(answers, also), figures(many, also)
    assert set(found) == set(wanted)
    for name, own in found.items():
        assert own.value == pytest.approx(wanted[name].value, rel=1e-12), name
        assert own.constant == pytest.approx(wanted[name].constant, rel=1e-12), name
        near = 0.2 if name == "median_error" else 1e-9
        assert own.error == pytest.approx(wanted[name].error, rel=near), name


@pytest.mark.parametrize("count", [0, 2, 3])
def test_rows_without_weight_do_not_count(count: int) -> None:
    answers = drawn(count)
    some = np.arange(ROWS) % 3 > 0
    assert answers.weight is not None
    left = replace(answers, weight=answers.weight * some)
    for name, own in figures(left).items():
        assert own.value == pytest.approx(figures(answers.of(some))[name].value, rel=1e-12), name


@pytest.mark.parametrize("count", [0, 2, 3])
def test_figures_of_scikit_learn(count: int) -> None:
    m: Any = sklearn_metrics
    answers = replace(drawn(count), weight=np.random.default_rng(1).uniform(0, 3, ROWS))
    by: dict[str, Any] = {"sample_weight": answers.weight}
    truth, given = answers.truth, answers.given
    if not count:
        wanted = {
            "rmse": m.root_mean_squared_error(truth, given, **by),
            "mae": m.mean_absolute_error(truth, given, **by),
            "r2": m.r2_score(truth, given, **by),
            "pinball": m.mean_pinball_loss(truth, given, **by),
            QUANTILE: m.mean_pinball_loss(truth, given, alpha=0.8, **by),
        }
    else:
        two = count == 2
        scores, choice = given[:, 1] if two else given, answers.choice
        wanted = {
            "accuracy": m.accuracy_score(truth, choice, **by),
            "balanced_accuracy": m.balanced_accuracy_score(truth, choice, **by),
            "f1": m.f1_score(truth, choice, average="binary" if two else "macro", **by),
            "log_loss": m.log_loss(truth, given, **by),
        }
        if two:  # of more classes scikit-learn's mean over them is another one with weights
            wanted["auc"] = m.roc_auc_score(truth, scores, **by)
            wanted["average_precision"] = m.average_precision_score(truth, scores, **by)
    found = figures(answers, None if count else QUANTILE)
    assert {name: found[name].value for name in wanted} == pytest.approx(wanted, rel=1e-9)


def test_coverage_counts_weights() -> None:
    answers = drawn(0).of(np.arange(4))
    ends = np.column_stack([answers.truth - 1, answers.truth + np.array([1, 2, 3, -0.5])])
    found = coverage(replace(answers, ends=ends, weight=np.array([1.0, 1.0, 2.0, 4.0])), 0.9)
    assert found is not None
    assert (found.value, found.width) == (0.5, pytest.approx((2 + 3 + 8 + 2) / 8))


# -- through a model -------------------------------------------------------------------------------

RANDOM = np.random.default_rng(1)
X = {"a": RANDOM.normal(size=120).tolist(), "w": RANDOM.uniform(0, 3, 120).tolist()}
Y = (np.array(X["a"]) * 2 + RANDOM.normal(size=120)).tolist()


def test_a_column_of_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = table_of(mapping_columns({**X, "y": Y}), "X")
    model = fit_table(table, "y", kinds={"w": "drop"}, epochs=3).model
    score = model.assess(table, "w").score
    given = model.predict(table).values
    wanted = np.average((given - np.array(Y)) ** 2, weights=X["w"]) ** 0.5
    assert (score.value, score.weight) == (pytest.approx(wanted, rel=1e-12), "w")
    assert model.assess(table).score.value != score.value
    both = compare_models(model, model, table, "w")
    assert (both.differences[0].first, both.weight) == (score.value, "w")
    with pytest.raises(TableError, match="of 'a', which is to give the weights"):
        model.assess(table, "a")
    model.save(tmp_path / "m.safetensors")
    rows = zip(X["a"], X["w"], Y, strict=True)
    lines = ["a,w,y", *(",".join(map(repr, row)) for row in rows)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    with pytest.raises(SystemExit) as ended:
        main(
            ["evaluate", str(tmp_path / "m.safetensors"), str(tmp_path / "t.csv"), "--weight", "w"]
        )
    assert ended.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "120 rows of" in told
    assert "weighted by 'w'" in told

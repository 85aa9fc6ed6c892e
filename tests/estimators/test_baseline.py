"""A linear model beside the network: its figure by other programs, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from glassnet.estimators.tabular.baseline import LINEAR, verdict, with_figure
from glassnet.estimators.tabular.fit_table import fit_table
from glassnet.estimators.tabular.score import Score
from glassnet.tables.read_table import read_table
from glassnet.tables.target_column import TargetSchema


def scored(metric: str, value: float, constant: float, linear: float, error: float = 0.01) -> Score:
    return Score(metric, value, error, constant, "yes", 100, {LINEAR: linear})  # type: ignore[arg-type]


def figure(target: TargetSchema, x: np.ndarray, y: np.ndarray, split: int) -> float:
    goals = y if target.classes else target.standardise(y)[:, None]
    plain = Score("accuracy" if target.classes else "rmse", 1.0, 0.1, 2.0, "0", len(x) - split, {})
    task = x[:split], goals[:split], x[split:], y[split:]
    return with_figure(plain, target, [task]).others[LINEAR]


@pytest.mark.parametrize("shape", [(200, 5), (60, 90)])
def test_ridge_as_scikit_learn_has_it(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=shape).astype(np.float32)
    y = x[:, 0] * 3 + random.normal(size=len(x)) + 7
    split = len(x) * 2 // 3
    target = TargetSchema("y").fitted(y[:split])
    ridge = Ridge(alpha=1.0).fit(x[:split], target.standardise(y[:split]))
    answers = target.restore(ridge.predict(x[split:]))
    wanted = np.sqrt(np.mean((answers - y[split:]) ** 2))
    # beyond as many columns as rows the intercept is penalised, which moves the figure a little
    assert figure(target, x, y, split) == pytest.approx(wanted, rel=1e-5 if shape[1] < 10 else 0.1)


@pytest.mark.parametrize("classes", [2, 3])
def test_logistic_as_scikit_learn_has_it(classes: int) -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(600, 4)).astype(np.float32)
    raw = x[:, :classes] * 2 + random.normal(size=(600, classes))
    y = raw.argmax(axis=1).astype(np.int32)
    target = TargetSchema("y", tuple("abc"[:classes]))
    wanted = LogisticRegression().fit(x[:400], y[:400]).score(x[400:], y[400:])
    assert figure(target, x, y, 400) == pytest.approx(wanted, abs=0.011)


@pytest.mark.parametrize(
    ("score", "rules"),
    [
        (scored("accuracy", 0.9, 0.5, 0.8), []),
        (scored("accuracy", 0.505, 0.5, 0.5), ["no better than a guess"]),
        (scored("accuracy", 0.4, 0.5, 0.9), ["no better than a guess"]),
        (scored("accuracy", 0.9, 0.5, 0.95), ["no better than a line"]),
        (scored("accuracy", 0.9, 0.5, 0.905), ["no better than a line"]),
        (scored("rmse", 1.0, 2.0, 1.5), []),
        (scored("rmse", 2.0, 2.0, 1.5), ["no better than a guess"]),
        (scored("rmse", 1.0, 2.0, 0.5), ["no better than a line"]),
        (scored("rmse", 1.0, 2.0, float("nan")), []),
        (scored("rmse", float("inf"), 2.0, 1.0), []),
    ],
)
def test_the_verdict(score: Score, rules: list[str]) -> None:
    assert [note.rule for note in verdict(score)] == rules


def test_a_fit_says_it(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    x, coin = random.normal(size=(300, 3)), random.integers(0, 2, 300)
    lines = [f"{a},{b},{c},{'ht'[d]}" for (a, b, c), d in zip(x, coin, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,y", *lines]) + "\n")
    fitted = fit_table(read_table(tmp_path / "t.csv"), "y", epochs=20)
    assert fitted.score.others[LINEAR] == pytest.approx(0.5, abs=0.1)
    assert fitted.remarks[0].rule == "no better than a guess"


def test_a_wide_table_takes_a_moment() -> None:
    random = np.random.default_rng(3)
    x = random.normal(size=(80, 5000)).astype(np.float32)
    y = x[:, 0].astype(np.float64)
    assert np.isfinite(figure(TargetSchema("y").fitted(y), x, y, 60))

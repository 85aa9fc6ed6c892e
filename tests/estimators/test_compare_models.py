"""Two models on one table: figures of both, and differences whose errors are paired."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from glassnet.errors import GlassnetError, TableError
from glassnet.estimators.tabular import peers
from glassnet.estimators.tabular.compare_models import (
    compare_models,
    compare_on_table,
    compare_with_peer,
)
from glassnet.estimators.tabular.examine import examine
from glassnet.estimators.tabular.fit_table import choose_recipe, fit, fit_table
from glassnet.estimators.tabular.peers import Peer, peer_of
from glassnet.tables.read_table import read_table
from tests.cli.command import glassnet, here
from tests.estimators.tabular_rows import compiled_once
from tests.estimators.test_explain import RANDOM, model_of, table

__all__ = ["compiled_once"]  # a fixture


def shifted(model: Any, by: float) -> Any:
    """The model whose answers are larger by so much."""
    target = model.schema.target
    return replace(
        model, schema=replace(model.schema, target=replace(target, mean=target.mean + by))
    )


def test_by_hand() -> None:
    """Of y = ŷ + e the second model errs by e − 1 throughout: |e| and |e − 1| in each row."""
    model = model_of(2)
    x = RANDOM.normal(size=(300, 2)).astype(np.float32)
    noise = RANDOM.normal(size=300)
    opened = table(x, y=(model.predict(table(x)).values + noise).tolist())
    found = compare_models(model, shifted(model, 1.0), opened)
    assert (found.rows, found.main) == (300, "rmse")
    by_name = {own.metric: own for own in found.differences}
    one, two = np.abs(noise), np.abs(noise - 1)
    mae = by_name["mae"]
    assert mae.difference == pytest.approx((one - two).mean(), abs=1e-6)
    assert mae.error == pytest.approx((one - two).std(ddof=1) / math.sqrt(300), rel=1e-5)
    assert by_name["rmse"].better == 1
    assert found.verdict.startswith("by RMSE the first is better")
    again = compare_models(model, model, opened)
    assert all((own.difference, own.error, own.better) == (0, 0, 0) for own in again.differences)
    assert again.verdict == "by RMSE the two differ by less than two standard errors"


def test_models_of_other_targets_are_not_compared() -> None:
    opened = table(RANDOM.normal(size=(30, 2)), y=RANDOM.normal(size=30).tolist())
    with pytest.raises(TableError, match="the first model predicts numbers of 'y', the second cla"):
        compare_models(model_of(2), model_of(2, classes=True), opened)


def test_classes_go_by_their_names() -> None:
    one = model_of(2, classes=True)
    target = replace(one.schema.target, classes=("yes", "no"))
    two = replace(one, schema=replace(one.schema, target=target))  # says the opposite
    x = RANDOM.normal(size=(200, 2)).astype(np.float32)
    chosen = one.predict(table(x)).values
    found = compare_models(one, two, table(x, y=chosen.tolist()))
    accuracy = next(own for own in found.differences if own.metric == "accuracy")
    assert (accuracy.first, accuracy.second, accuracy.better) == (1.0, 0.0, 1)


def test_the_command(tmp_path: Path) -> None:
    x = RANDOM.normal(size=(120, 2)).round(3)
    lines = [f"{a},{b},{round(2 * a + b, 3)}" for a, b in x.tolist()]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    for name, epochs in (("short", 1), ("long", 12)):
        model = fit_table(read_table(tmp_path / "t.csv"), "y", epochs=epochs).model
        model.save(tmp_path / f"{name}.safetensors")
    asked = ("compare", "short.safetensors", "long.safetensors")
    result = glassnet(*asked, "t.csv", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "by RMSE the second is better" in result.stdout
    assert "120 of 120 rows were in the training" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    found = json.loads(glassnet(*asked, "t.csv", "--json", folder=tmp_path).stdout)
    assert found["figures"]["rmse"]["better"] == 2
    without = glassnet(*asked, folder=tmp_path)
    assert without.returncode == 2
    assert "name the table to compare them on" in without.stderr
    wrong = glassnet("compare", "t.csv", "long.safetensors", "t.csv", folder=tmp_path)
    assert wrong.returncode == 2
    assert "t.csv is not a run file" in wrong.stderr


# -- others' models --------------------------------------------------------------------------------


def mixed_table(path: Path, rows: int = 120, shift: float = 0.0) -> Path:
    """A number with gaps, a category, and a target that both decide."""
    random = np.random.default_rng(rows)
    a, kind = random.normal(size=rows) + shift, random.integers(0, 3, rows)
    lines = [
        f"{'' if n % 10 == 0 else f'{a[n]:.4f}'},{'uvw'[kind[n]]},{a[n] + 2 * kind[n]:.4f},"
        f"{'up' if a[n] + kind[n] > 1 else 'down'}"
        for n in range(rows)
    ]
    path.write_text("\n".join(["a,kind,y,c", *lines, ""]))
    return path


class Mean:
    """A peer that answers the mean of what it has learnt, or the shares of classes, and keeps what
    it was shown."""

    def __init__(self) -> None:
        self.learnt: list[np.ndarray] = []
        self.asked: list[np.ndarray] = []

    def fit(self, x: np.ndarray, goals: np.ndarray) -> None:
        self.learnt.append(np.column_stack([x, goals]))
        self.mean, self.classes_ = goals.mean(), np.unique(goals)
        self.shares = np.array([(goals == one).mean() for one in self.classes_])

    def predict(self, x: np.ndarray) -> np.ndarray:
        self.asked.append(x)
        return np.full(len(x), self.mean)

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        return np.tile(self.shares, (len(x), 1))


def test_a_peer_learns_the_other_folds(tmp_path: Path) -> None:
    path = mixed_table(tmp_path / "t.csv")
    examined = examine(read_table(path), "y", kinds={"c": "drop"})
    fitted = fit(examined, choose_recipe(examined, epochs=2))
    model = Mean()
    found = compare_on_table(examined, fitted, Peer("mean", "none", lambda *_: model))
    truth = examined.truth
    assert [len(one) for one in model.learnt] == [96] * 5
    assert fitted.answers is not None
    folds = fitted.answers.folds
    assert folds is not None
    errors = np.concatenate([truth[folds == k] - truth[folds != k].mean() for k in range(5)])
    rmse = next(one for one in found.differences if one.metric == "rmse")
    assert rmse.second == pytest.approx(math.sqrt((errors**2).mean()))
    # of the networks of one fold, as the peer has one model a fold
    assert rmse.first == pytest.approx(fitted.score.value - fitted.score.averaging)
    # numbers as they are, gaps as NaN, categories as codes in the order of the alphabet
    first = np.vstack([model.learnt[0][:, :2], model.asked[0]])
    assert np.isnan(first[:, 0]).sum() == 12
    assert set(first[:, 1]) == {0.0, 1.0, 2.0}


def test_a_peer_learns_the_rows_of_the_model(tmp_path: Path) -> None:
    train, other = mixed_table(tmp_path / "a.csv"), mixed_table(tmp_path / "b.csv", 60, 5.0)
    model = fit_table(read_table(train), "c", kinds={"y": "drop"}, epochs=2).model
    mean = Mean()
    peer = Peer("mean", "none", lambda *_: mean)
    both = tmp_path / "both.csv"  # rows that the model has not seen are not learnt
    both.write_text(train.read_text() + other.read_text().partition("\n")[2])
    found = compare_with_peer(model, peer, read_table(both), read_table(other))
    # six rows of the other table, which have no number, equal rows of the model's
    assert (found.rows, found.main, len(mean.learnt[0])) == (60, "accuracy", 126)
    accuracy = next(one for one in found.differences if one.metric == "accuracy")
    truth = [line.rpartition(",")[2] for line in other.read_text().split()[1:]]
    common = ("down", "up")[int(np.argmax(mean.shares))]
    assert accuracy.second == pytest.approx(np.mean([one == common for one in truth]))
    with pytest.raises(TableError, match=r"b.csv has few or none of the rows"):
        compare_with_peer(model, peer, read_table(other), read_table(other))


@pytest.mark.parametrize("name", ["forest", "boosting"])
@pytest.mark.parametrize("target", ["y", "c"])
def test_peers_of_scikit_learn(name: str, target: str, tmp_path: Path) -> None:
    path = mixed_table(tmp_path / "t.csv")
    asked = ("compare", path, "-t", target, "--with", name, "--threads", "1", "--json")
    found = here(*asked, folder=tmp_path)
    assert found.returncode == 0, found.stderr
    figures = json.loads(found.stdout)["peers"][name]["figures"]
    score = "rmse" if target == "y" else "accuracy"
    constant = 1.8 if target == "y" else 0.5
    better = (
        figures[score]["second"] < constant if target == "y" else figures[score]["second"] > 0.7
    )
    assert better, figures[score]


def test_a_peer_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(peers, "import_module", gone)
    with pytest.raises(GlassnetError, match="pip install lightgbm"):
        peer_of("LightGBM")
    assert peer_of("forest").title == "random forest"
    with pytest.raises(GlassnetError, match="choose lightgbm, catboost, boosting, forest"):
        peer_of("xgboost")


@pytest.mark.parametrize("name", ["lightgbm", "catboost"])
def test_peers_of_others(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    path = mixed_table(tmp_path / "t.csv", 400)
    examined = examine(read_table(path), "y", kinds={"c": "drop"})
    fitted = fit(examined, choose_recipe(examined, epochs=2))
    found = compare_on_table(examined, fitted, peer_of(name), threads=1)
    rmse = next(one for one in found.differences if one.metric == "rmse")
    assert rmse.second < 1.2


def test_how_the_command_is_used_with_a_peer(tmp_path: Path) -> None:
    path = mixed_table(tmp_path / "t.csv", 40)
    fit_table(read_table(path), "y", epochs=1).model.save(tmp_path / "m")
    for wrong, text in (
        (("m", path, "--with", "forest"), "--train TABLE"),
        ((path, "--with", "forest"), "-t COLUMN"),
        (("m", "m", "--train", path), "--train goes with --with"),
        (("m",), "name two run files"),
    ):
        found = here("compare", *wrong, folder=tmp_path)
        assert found.returncode == 2
        assert text in " ".join(found.stderr.split())
    good = here("compare", "m", path, "--with", "forest", "--train", path, folder=tmp_path)
    assert good.returncode == 0, good.stderr
    assert "B  random forest" in good.stdout
    assert "40 of 40 rows were in the training of B" in good.stdout


def test_ctrl_c_while_the_network_trains_ends_the_comparison(tmp_path: Path) -> None:
    path = mixed_table(tmp_path / "t.csv", 40)
    found = fit_table(read_table(path), "y", epochs=1)
    broken = replace(found, course=replace(found.course, stopped="interrupted"))
    with mock.patch("glassnet.estimators.tabular.fit_table.fit", return_value=broken):
        result = here("compare", path, "-t", "y", "--with", "forest", folder=tmp_path)
    assert (result.returncode, result.stdout) == (130, "")

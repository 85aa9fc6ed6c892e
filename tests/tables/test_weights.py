"""Weights of rows and classes: what they are, that they count in the training, and where not."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from glassnet import TabularClassifier, TabularRegressor
from glassnet.errors import TableError
from glassnet.estimators.tabular.answer_rules import Scoring
from glassnet.estimators.tabular.examine import examine, prepare
from glassnet.estimators.tabular.fit_resume import recorded_fit, resume_fit
from glassnet.estimators.tabular.fit_table import choose_recipe, fit
from glassnet.estimators.tabular.rung import RungWork, Settings
from glassnet.runs.recording import Recording
from glassnet.tables.divide import SplitOptions
from glassnet.tables.read_table import read_table
from glassnet.tables.weights import WeightOptions
from tests.cli.command import here

ROWS = 90


def write(path: Path, weights: str = "") -> Path:
    """Rows of weight 5 say y = a, all others y = −a; a third is of class 'rare'."""
    random = np.random.default_rng(5)
    a = random.normal(size=ROWS)
    heavy = random.integers(0, 2, ROWS)
    names = ["rare" if n % 3 == 0 else "usual" for n in range(ROWS)]
    lines = [
        f"{a[n]:.5f},{5 if heavy[n] else 0},{a[n] if heavy[n] else -a[n]:.5f},{names[n]}"
        for n in range(ROWS)
    ]
    if weights:
        lines[3] = lines[3].replace(",5,", f",{weights},").replace(",0,", f",{weights},")
    path.write_text("\n".join(["a,w,y,c", *lines, ""]))
    return path


def of(path: Path, asked: WeightOptions, target: str = "c") -> Any:
    return examine(read_table(path), target, options=SplitOptions(weights=asked)).weights


def test_weights_by_column_and_class(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv")
    table = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding=None)
    by_column = of(path, WeightOptions("w"))
    np.testing.assert_array_equal(by_column, table["w"])
    np.testing.assert_allclose(
        of(path, WeightOptions(classes="balanced")), compute_sample_weight("balanced", table["c"])
    )
    both = of(path, WeightOptions("w", {"rare": 3.0}))
    np.testing.assert_array_equal(both, table["w"] * np.where(table["c"] == "rare", 3.0, 1.0))
    assert of(path, WeightOptions()) is None


@pytest.mark.parametrize(
    ("asked", "target", "text"),
    [
        (WeightOptions(classes={"rarer": 2.0}), "c", "no such class"),
        (WeightOptions(classes={"rare": -2.0}), "c", "is not a weight"),
        (WeightOptions(classes="balanced"), "y", "this one is a number"),
        (WeightOptions("v"), "c", "has no column 'v'"),
        (WeightOptions("c"), "c", "cannot give the weights"),
        (WeightOptions(classes={"rare": 0, "usual": 0}), "c", "all rows are zero"),
    ],
)
def test_what_is_no_weight(tmp_path: Path, asked: Any, target: str, text: str) -> None:
    with pytest.raises(TableError, match=text):
        of(write(tmp_path / "t.csv"), asked, target)


@pytest.mark.parametrize("cell", ["-1", "", "much"])
def test_every_row_needs_one(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "t.csv"
    write(path)
    lines = path.read_text().split("\n")
    a, _, rest = lines[4].split(",", 2)
    lines[4] = f"{a},{cell},{rest}"
    path.write_text("\n".join(lines))
    with pytest.raises(TableError, match=r"row 4 of 'w'.*from 0 on"):
        of(path, WeightOptions("w"))


def test_rows_of_weight_0_do_not_count(tmp_path: Path) -> None:
    """The light rows say the opposite of the heavy ones."""
    path = write(tmp_path / "t.csv")
    X = {"a": np.genfromtxt(path, delimiter=",", skip_header=1, usecols=0)}
    rows = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=(1, 2))
    est = TabularRegressor(max_epochs=40).fit(X, rows[:, 1], sample_weight=rows[:, 0])
    slope = np.polyfit(X["a"], est.predict(X), 1)[0]
    assert slope > 0.5
    assert list(est.columns_) == ["a"]
    plain = TabularRegressor(max_epochs=40).fit(X, rows[:, 1])
    assert abs(np.polyfit(X["a"], plain.predict(X), 1)[0]) < 0.5
    named = TabularRegressor(max_epochs=40).fit(
        {**X, "w": rows[:, 0]}, rows[:, 1], sample_weight="w"
    )
    assert named.model_.network.W.tobytes() == est.model_.network.W.tobytes()


def test_a_class_that_counts_more_is_answered_more_often() -> None:
    random = np.random.default_rng(0)
    X, y = random.normal(size=(120, 2)), np.where(np.arange(120) % 4, "no", "yes")  # by chance
    plain = TabularClassifier(max_epochs=10).fit(X, y)
    heavy = TabularClassifier(max_epochs=10, class_weight={"yes": 9}).fit(X, y)
    balanced = TabularClassifier(max_epochs=10, class_weight="balanced").fit(X, y)
    means = [est.predict_proba(X)[:, 1].mean() for est in (plain, balanced, heavy)]
    # shares 1/4, 1/2 and 9/12 of the weights
    assert means[0] < 0.35 < 0.42 < means[1] < 0.58 < 0.65 < means[2]
    assert heavy.score_.rows == 120  # each counts once
    assert heavy.score_.value == pytest.approx(0.25, abs=0.15)


def test_classes_that_are_numbers_go_by_their_value() -> None:
    y = np.tile([0, 1], 20)
    found = [
        TabularClassifier(max_epochs=2, class_weight=weights).fit(np.arange(40.0)[:, None], y)
        for weights in ({0: 1, 1: 5}, {0.0: 1, 1.0: 5})
    ]
    assert found[0].model_.network.W.tobytes() == found[1].model_.network.W.tobytes()


def test_weights_reach_the_arrays_in_their_order(tmp_path: Path) -> None:
    examined = examine(
        read_table(write(tmp_path / "t.csv")), "y", kinds={"c": "drop"},
        options=SplitOptions(weights=WeightOptions("w")),
    )  # fmt: skip
    recipe = choose_recipe(examined)
    settings = Settings(recipe, 0, None, (), Scoring())
    work = RungWork.of(examined, prepare(examined, examined.split()), settings)
    for rows in (work.training, work.validation):
        assert rows.weight is not None
        a, y = rows.x[:, 0], rows.y[:, 0]
        same = np.corrcoef(a[rows.weight > 0], y[rows.weight > 0])[0, 1]
        assert same > 0.9


def test_the_command_and_its_record(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv")
    (tmp_path / "w.json").write_text(json.dumps({"rare": 2.0, "usual": 1}))
    shared = ("fit", path, "-t", "c", "--weight", "w", "--epochs", "3")
    one = here(*shared, "--class-weight", "rare=2,usual=1", "-o", "a", "--record", "r.glass",
               folder=tmp_path)  # fmt: skip
    assert one.returncode == 0, one.stderr
    two = here(*shared, "--class-weight", "w.json", "-o", "b", folder=tmp_path)
    assert two.returncode == 0, two.stderr
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    for wrong in ("rare", "rare=much", "gone.json"):
        refused = here(*shared, "--class-weight", wrong, folder=tmp_path)
        assert refused.returncode == 2
        assert "balanced" in refused.stderr
    checked = here("check", "r.glass", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_fit_with_weights_goes_on(tmp_path: Path) -> None:
    path, options = write(tmp_path / "t.csv"), SplitOptions(weights=WeightOptions("w", "balanced"))
    examined = examine(read_table(path), "c", options=options)
    recipe = choose_recipe(examined, epochs=6)
    whole = fit(examined, recipe)

    class Ends:
        def epoch_end(self, run: Any) -> None:
            if run.epoch == 2:
                signal.raise_signal(signal.SIGINT)

    source = {"table": str(path), "model": str(tmp_path / "m"), "missing": [], "kinds": {}}
    place = tmp_path / "r.glass"
    ended = fit(examined, recipe, callbacks=[Ends()], record=Recording(place, source))
    assert ended.course.stopped == "interrupted"
    recorded = recorded_fit(place)
    assert recorded is not None
    again = resume_fit(recorded)
    again.model.save(tmp_path / "a")
    whole.model.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()

"""From a table to a model and back: what is learnt, that the score is honest, and equal bits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glassnet import model_file
from glassnet.errors import ModelFileError, TableError
from glassnet.estimators.tabular.examine import examine
from glassnet.estimators.tabular.fit_table import FittedTable, choose_recipe, fit, fit_table
from glassnet.estimators.tabular.table_model import TableModel, softmax
from glassnet.tables import split
from glassnet.tables.read_table import read_table
from glassnet.version import numerics_version

ROWS = 2500  # enough for a fifth of them to be held out, where folds do not learn together


def write(path: Path, rows: int = ROWS, change: dict[int, str] | None = None) -> Path:
    """y = 3a − 2b + 10 (c is red) + noise; `change` replaces lines by row number."""
    random = np.random.default_rng(1)
    a, b, noise = random.normal(size=(3, rows))
    red = random.integers(0, 2, rows)
    y = 3 * a - 2 * b + 10 * red + 0.1 * noise
    lines = [f"{a[n]:.6f},{b[n]:.6f},{'red' if red[n] else 'blue'},{y[n]:.6f}" for n in range(rows)]
    for row, line in (change or {}).items():
        lines[row] = line
    path.write_text("a,b,c,y\n" + "\n".join(lines) + "\n")
    return path


def fitted(path: Path, target: str = "y", **options: int) -> FittedTable:
    return fit_table(read_table(path), target, **{"epochs": 12, **options})


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FittedTable]:
    path = write(tmp_path_factory.mktemp("fit") / "t.csv")
    return path, fitted(path)


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FittedTable]:
    """A table so large that a part of it is held out; here that begins with fewer rows."""
    path = write(tmp_path_factory.mktemp("parted") / "t.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "PACKED", 0)
        return path, fitted(path)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FittedTable]:
    """Classes from a small table."""
    path = write(tmp_path_factory.mktemp("small") / "t.csv", rows=300)
    return path, fitted(path, "c", epochs=40)


def test_it_learns(plain: tuple[Path, FittedTable]) -> None:
    score = plain[1].score
    assert score.rows == ROWS
    # The noise alone makes 0.1; a constant makes sqrt(9 + 4 + 25), about 6.2.
    assert score.value < 0.5
    assert score.constant == pytest.approx(6.2, abs=0.4)
    assert score.others["r2"] > 0.99


def test_the_held_out_rows_change_nothing_but_the_score(
    parted: tuple[Path, FittedTable], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split, "PACKED", 0)
    path, first = parted
    assert first.score.rows == ROWS // 5
    held_out = examine(read_table(path), "y").split().held_out
    change = {int(row): f"{900 + row},-900,blue,12345" for row in held_out}
    other = fitted(write(tmp_path / "t.csv", change=change))
    assert other.model.network.W.tobytes() == first.model.network.W.tobytes()
    assert other.model.schema == first.model.schema
    assert other.course.validation_loss == first.course.validation_loss
    assert other.score.value > 1000


def test_equal_fits_give_equal_files(plain: tuple[Path, FittedTable], tmp_path: Path) -> None:
    path, first = plain
    first.model.save(tmp_path / "first")
    for name, options in (("again", {}), ("threads", {"threads": 2}), ("seed", {"seed": 1})):
        fitted(path, **options).model.save(tmp_path / name)
    content = {name: (tmp_path / name).read_bytes() for name in ("first", "again", "threads")}
    assert content["first"] == content["again"] == content["threads"]
    assert (tmp_path / "seed").read_bytes() != content["first"]


def test_a_model_file_needs_nothing_else(plain: tuple[Path, FittedTable], tmp_path: Path) -> None:
    path, first = plain
    first.model.save(tmp_path / "m")
    loaded = TableModel.load(tmp_path / "m")
    assert loaded.schema == first.model.schema
    table = read_table(path)
    before, after = first.model.predict(table), loaded.predict(table)
    assert before.values.tobytes() == after.values.tobytes()
    assert loaded.training["score"]["value"] == first.score.value
    again, _ = loaded.evaluate(read_table(path, sql="SELECT * FROM data LIMIT 9"))
    assert again.rows == 9


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("format", "glassnet table model", "something else"),
        ("format_version", "2", "99"),
        ("network", '"relu"', '"os.system"'),
        ("network", '"float32"', '"float99"'),
        ("network", "64", "-64"),
        ("network", "64", "65"),
        ("network", "64", "1000000000"),
        ("network", '"members": ', '"members": 1'),
        ("network", '"folds": 5', '"folds": 7'),
        ("network", '"numbers": 3', '"numbers": 2'),
        ("network", '"temperature": ', '"temperature": -'),
        ("schema", '"number"', '"pickle"'),
        ("schema", '"scale"', '"scales"'),
        ("schema", "{", "["),
        ("numerics_version", str(numerics_version), "two"),
    ],
)
def test_a_sealed_file_that_makes_no_sense_is_refused(
    small: tuple[Path, FittedTable], tmp_path: Path, key: str, old: str, new: str
) -> None:
    path = tmp_path / "m"
    small[1].model.save(path)
    tensors, texts = model_file.load(path)
    del texts["sha256"]
    assert old in texts[key]
    model_file.save(path, tensors, {**texts, key: texts[key].replace(old, new)})
    with pytest.raises(ModelFileError, match=str(path)):
        TableModel.load(path)


def test_weights_that_are_not_finite_are_refused(
    small: tuple[Path, FittedTable], tmp_path: Path
) -> None:
    small[1].model.save(tmp_path / "m")
    tensors, texts = model_file.load(tmp_path / "m")
    del texts["sha256"]
    name = next(name for name in tensors if name.endswith("memberlinear1.bias"))
    bias = np.full_like(tensors[name], np.nan)
    model_file.save(tmp_path / "m", {**tensors, name: bias}, texts)
    with pytest.raises(ModelFileError, match="not finite"):
        TableModel.load(tmp_path / "m")


def test_a_small_table_is_scored_row_by_row(small: tuple[Path, FittedTable]) -> None:
    found = small[1]
    assert found.score.rows == 300
    assert found.score.value > 0.97
    assert found.model.training["score"]["folds"] == 5
    assert found.model.training["rows"] == {"train": 300, "validation": 300, "held_out": 0}


def test_a_time_limit_is_kept(tmp_path: Path) -> None:
    found = fit_table(read_table(write(tmp_path / "t.csv", rows=300)), "y", seconds=0.02)
    assert found.course.stopped == "time"
    assert found.score.rows == 300


def test_probabilities_are_those_of_the_classes(small: tuple[Path, FittedTable]) -> None:
    prediction = small[1].model.predict(read_table(small[0]))
    assert prediction.classes == ("blue", "red")
    assert prediction.probabilities is not None
    np.testing.assert_allclose(prediction.probabilities.sum(axis=1), 1, rtol=1e-6)
    chosen = np.array(prediction.classes)[prediction.probabilities.argmax(axis=1)]
    assert prediction.values.tolist() == chosen.tolist()


def test_softmax_by_hand() -> None:
    # Scores ln 1, ln 2, ln 5 give 1/8, 2/8, 5/8, wherever zero lies; far apart, all goes to one.
    scores = np.log(np.array([[1.0, 2.0, 5.0]])) + 700
    np.testing.assert_allclose(softmax(scores), [[1 / 8, 2 / 8, 5 / 8]], rtol=1e-6)
    assert softmax(np.array([[-3e38, 3e38]], np.float32)).tolist() == [[0, 1]]


def test_unseen_cells_are_counted(plain: tuple[Path, FittedTable], tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text('extra,c,b,a\n1,green,1,2\n1,red,,3\n1,"",1,1\n')
    prediction = plain[1].model.predict(read_table(path))
    assert prediction.unknown == {"c": 1}
    assert prediction.missing == {"b": 1, "c": 1}
    assert np.isfinite(prediction.values).all()


def test_rows_without_a_target_are_left_out(tmp_path: Path) -> None:
    change = dict.fromkeys(range(0, 300, 10), "1,1,red,")
    found = examine(read_table(write(tmp_path / "t.csv", rows=300, change=change)), "y")
    assert found.without_target == 30
    rows = [*found.split().train, *found.split().validation]
    assert not set(rows) & set(range(0, 300, 10))


@pytest.mark.parametrize(
    ("text", "target", "part"),
    [
        ("x,y\n" + "1,a\n2,b\n" * 4, "y", "8 rows with a target are too few"),
        ("x,y\n" + "".join(f"{n},{n // 2}\n" for n in range(12)), "y", "several of each"),
        ("x,y\n" + "1,a\n1,b\n" * 20, "y", "no column to predict 'y' from"),
        ("y\n" + "a\nb\n" * 20, "y", "no column to predict 'y' from"),
    ],
)
def test_a_table_that_cannot_be_learnt_from_is_refused(
    tmp_path: Path, text: str, target: str, part: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=part):
        examine(read_table(path), target)


@pytest.mark.parametrize(
    ("kinds", "part"),
    [
        ({"a": "float"}, "cannot be of kind 'float'"),
        ({"z": "drop"}, "no column 'z'"),
        ({"y": "drop"}, "choose number, category or ordered"),
    ],
)
def test_kinds_are_checked(
    small: tuple[Path, FittedTable], kinds: dict[str, str], part: str
) -> None:
    with pytest.raises(TableError, match=part):
        examine(read_table(small[0]), "y", kinds=kinds)


def test_the_record_of_the_training_is_json(plain: tuple[Path, FittedTable]) -> None:
    training = plain[1].model.training
    assert json.loads(json.dumps(training)) == training
    assert training["rows"] == {"train": ROWS, "validation": ROWS, "held_out": 0}


def test_the_record_of_rows_held_out(parted: tuple[Path, FittedTable]) -> None:
    assert parted[1].model.training["rows"] == {"train": 1600, "validation": 400, "held_out": 500}


def test_each_row_is_scored_by_networks_that_have_not_seen_it(
    small: tuple[Path, FittedTable], tmp_path: Path
) -> None:
    """Labels without any meaning are guessed no better than by chance, however well the network
    has learnt them by heart."""
    path = tmp_path / "t.csv"
    random = np.random.default_rng(3)
    x, label = random.normal(size=(200, 2)), random.integers(0, 2, 200)
    lines = [f"{a},{b},{'red' if c else 'blue'}" for (a, b), c in zip(x, label, strict=True)]
    path.write_text("a,b,c\n" + "\n".join(lines) + "\n")
    examined = examine(read_table(path), "c")
    recipe = replace(choose_recipe(examined, epochs=60), patience=60)
    found = fit(examined, recipe)
    assert found.score.rows == 200
    assert abs(found.score.value - 0.5) < 4 * found.score.error


def test_a_model_of_an_earlier_version_predicts_as_it_did(tmp_path: Path) -> None:
    """One network, as it was written before there were packs; worked out by hand."""
    columns = [
        {"name": "a", "centre": 1.0, "scale": 2.0, "flag": False, "kind": "number"},
        {"name": "b", "levels": ["x", "y"], "flag": False, "rare": False, "average": [0.5, 0.5],
         "kind": "category"},
    ]  # fmt: skip
    target = {"name": "t", "classes": [], "numeric": False, "mean": 10.0, "scale": 4.0, "common": 0}
    recipe = {"hidden": [], "learning_rates": [0.1], "batch_size": 8, "epochs": 9, "patience": 2,
              "rest": 1}  # fmt: skip
    score = {"folds": 0, "metric": "rmse", "value": 1.0, "standard_error": 0.1, "constant": 2.0}
    training = {
        "glassnet": "0.1", "table": "t.csv", "seed": 0,
        "rows": {"train": 6, "validation": 2, "held_out": 2}, "recipe": recipe, "epochs": 3,
        "best_epoch": 2, "score": score,
    }  # fmt: skip
    texts = {
        "format": "glassnet table model", "format_version": "1", "numerics_version": "1",
        "network": json.dumps({"inputs": 3, "hidden": [], "outputs": 1, "activation": "relu",
                               "dtype": "float32"}),
        "schema": json.dumps({"version": 1, "target": target, "columns": columns, "missing": []}),
        "training": json.dumps(training),
    }  # fmt: skip
    weight = np.array([[1.0], [0.25], [-0.5]], np.float32)
    bias = np.array([0.5], np.float32)
    model_file.save(tmp_path / "m", {"linear1.weight": weight, "linear1.bias": bias}, texts)
    path = tmp_path / "p.csv"
    path.write_text("b,a\nx,1\ny,1\n")
    found = TableModel.load(tmp_path / "m").predict(read_table(path))
    # a is in the middle, so 0; the scores are 0.25 + 0.5 and −0.5 + 0.5, times 4 plus 10
    assert found.values.tolist() == [13.0, 10.0]

"""A step of a fit of a table: numbers have the names of its columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.cli import main
from glassnet.cli.resume import run_arrays
from glassnet.errors import DivergenceError
from glassnet.inspect.class_answers import probabilities
from glassnet.inspect.input_names import input_names, output_names
from glassnet.tables import split
from glassnet.training.data_checks import Rows
from tests.estimators import older

CITIES = ("Oslo", "Rome", "<b>Ulm")


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.fixture
def fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return people(tmp_path, monkeypatch)


def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """People with an age and a city, who buy or do not."""
    monkeypatch.setattr(split, "FOLDS", 2)
    lines = [f"{20 + i % 50},{CITIES[i % 3]},{'yes' if i % 4 else 'no'}" for i in range(120)]
    table = tmp_path / "people.csv"
    table.write_text("\n".join(["age,city,buys", *lines]) + "\n")
    path, model = tmp_path / "run.glass", tmp_path / "m.safetensors"
    assert run("fit", table, "-t", "buys", "--epochs", "2", "--record", path, "-o", model) == 0
    return path


def test_inputs_and_outputs_have_their_names(fitted: Path) -> None:
    step = gn.open_step(fitted)
    assert step.inputs == ("age", *(f"city={city}" for city in sorted(CITIES)), "fold")
    assert step.outputs[:3] == ("buys=no [0]", "buys=yes [0]", "buys=no [1]")
    assert step.prediction.shape[1] == len(step.outputs)
    assert set(step.x[:, 1:-1].ravel().tolist()) == {0.0, 1.0}  # one of the cities each


def test_classes_have_their_names_and_probabilities(
    fitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = gn.open_step(fitted)
    assert step.classes == ("no", "yes")
    each = step.prediction.astype(float).reshape(len(step.rows), -1, 2)
    wanted = (np.exp(each) / np.exp(each).sum(axis=2, keepdims=True)).mean(axis=1)
    found = probabilities(step)
    assert found is not None
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    capsys.readouterr()
    assert run("step", fitted) == 0
    told = capsys.readouterr().out
    first = "yes" if step.rows[0] % 4 else "no"
    better = int(wanted[0, 1] > wanted[0, 0])
    answer = f"{step.classes[better]} {wanted[0, better]:.2f}"
    assert f"row {step.rows[0]} is {first}; its probabilities are {answer}, " in told
    lines = told.split("rows with the largest gradients")[1].splitlines()[2:]
    rows = [line.split() for line in lines if line.startswith("row ")]
    assert all(row[3] == ("yes" if int(row[1]) % 4 else "no") for row in rows)


def test_a_neuron_shows_the_names_of_its_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    older.use(monkeypatch)
    fitted = people(tmp_path, monkeypatch)
    step = gn.open_step(fitted)
    capsys.readouterr()
    layer = step.layers[0].name
    assert run("step", fitted, "--neuron", f"{layer}[0]") == 0
    told = capsys.readouterr().out
    row = next(line for line in told.split("\n") if line.startswith("city=Rome"))
    rome = step.inputs.index("city=Rome")
    assert row.split()[1] == str(step.x[0, rome])
    assert run("step", fitted, "--html", "--neuron", f"{layer}[0]") == 0
    page = capsys.readouterr().out
    assert "<td>city=&lt;b&gt;Ulm</td>" in page
    assert "<th>city=&lt;b&gt;Ulm</th>" in page
    assert "<th>buys=yes</th>" in page
    assert "<b>" not in page
    assert run("step", fitted, "--json", "--neuron", f"{layer}[0]") == 0
    told = json.loads(capsys.readouterr().out)
    assert tuple(told["inputs"]) == step.inputs
    assert tuple(told["neuron"]["names"]) == step.inputs


def test_without_a_table_they_have_numbers(tmp_path: Path) -> None:
    x = np.ones((4, 2))
    path, loss = tmp_path / "run.glass", gn.losses.HalfMSE()
    model = gn.nn.Sequential(gn.nn.Linear(2, 2))
    gn.train(model, x, x, loss=loss, optimizer=gn.optim.SGD(0.1), epochs=1, record=path)
    step = gn.open_step(path)
    assert (step.inputs, step.outputs) == (("x[0]", "x[1]"), ("ŷ[0]", "ŷ[1]"))


def test_names_that_do_not_fit_are_not_used() -> None:
    for source in (None, {"schema": {"version": 99}}, {"schema": 3}, {"table": "t.csv"}):
        assert input_names({"source": source}, 2) == ("x[0]", "x[1]")
        assert output_names({"source": source}, 1) == ("ŷ[0]",)


def test_columns_of_streamed_files() -> None:
    stream = {"path": ["a.parquet"], "target": "price", "features": ["area", "rooms"]}
    values = {"source": {"streams": {"training": stream}}}
    assert input_names(values, 2) == ("area", "rooms")
    assert input_names(values, 3) == ("x[0]", "x[1]", "x[2]")
    assert output_names(values, 1) == ("price",)
    assert output_names(values, 2) == ("ŷ[0]", "ŷ[1]")


@pytest.mark.parametrize("held", [True, False], ids=["held", "from the table"])
@pytest.mark.parametrize("query", [False, True], ids=["table", "query"])
def test_rows_have_their_numbers_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: bool, query: bool
) -> None:
    monkeypatch.setattr(split, "FOLDS", 2)
    if not held:
        monkeypatch.setattr("glassnet.runs.recorder.SMALL", 10)
        monkeypatch.setattr("glassnet.estimators.tabular.fit_record.SMALL", 10)
    # a column counts the rows from 1000 on; every seventh row has no target
    lines = [f"{1000 + i},{i % 5},{'' if i % 7 == 0 else i % 11}" for i in range(120)]
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["place,other,y", *lines]) + "\n")
    path, model = tmp_path / "run.glass", tmp_path / "m.safetensors"
    first = 1000
    how: list[str | Path] = []
    if query:
        first = 1020
        how = ["--sql", "SELECT * FROM data WHERE place >= 1020"]
    asked = ["--epochs", "2", "--kind", "place=number", "--kind", "y=number"]
    assert run("fit", table, "-t", "y", *how, *asked, "--record", path, "-o", model) == 0

    def check(x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> None:
        places = first + rows
        known = np.where((places - 1000) % 7 == 0, np.nan, (places - 1000) % 11)
        assert np.isfinite(known).all()
        assert np.argsort(x).tolist() == np.argsort(places).tolist()
        slope = np.ptp(y) / np.ptp(known)  # standardised: equal up to a line
        np.testing.assert_allclose(y - y.min(), (known - known.min()) * slope, atol=1e-4)

    given = run_arrays(str(path), str(table), trust=True) if query or not held else {}
    step = gn.open_step(path, epoch=2, **given)
    check(step.x[:, 0], step.y[:, 0], step.rows)
    row = int(step.rows[3])
    assert row in gn.open_step(path, epoch=1, row=row, **given).rows
    assert set(_entries(path, given)[0].rows) == set(gn.open_step(path, **given).rows)
    assert run("resume", path, *([table] if given else []), "--epochs", "3", "-o", model) == 0
    step = gn.open_step(path, epoch=3, **given)
    check(step.x[:, 0], step.y[:, 0], step.rows)


def _entries(path: Path, given: dict[str, Any]) -> Any:
    return gn.open_ledger(path, "infolds1.inner.memberlinear1.weight[0,0,0]", **given).entries


def test_a_row_that_ends_a_fit_is_named_by_its_number_in_the_table() -> None:
    rows = Rows(
        np.array([[1.0], [3e38], [2.0]], "float32"),
        np.ones((3, 1), "float32"),
        numbers=np.array([4, 117, 9]),
    )
    model = gn.nn.Sequential(gn.nn.Linear(1, 1))
    model.W = 10.0
    with pytest.raises(DivergenceError, match=r"row 117") as caught:
        gn.train(
            model, rows, loss=gn.losses.HalfMSE(), optimizer=gn.optim.SGD(0.1), epochs=1,
            batch_size=3,
        )  # fmt: skip
    assert caught.value.row == 117

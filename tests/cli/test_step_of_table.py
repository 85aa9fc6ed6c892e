"""A step of a fit of a table: numbers have the names of its columns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import glassnet as gn
from glassnet.cli import main
from glassnet.inspect.columns import input_names, output_names
from glassnet.tables import split

CITIES = ("Oslo", "Rome", "<b>Ulm")


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.fixture
def fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """People with an age and a city, who buy or do not."""
    monkeypatch.setattr(split, "FOLDS", 2)
    lines = [f"{20 + i % 50},{CITIES[i % 3]},{'yes' if i % 4 else 'no'}" for i in range(120)]
    table = tmp_path / "people.csv"
    table.write_text("\n".join(["age,city,buys", *lines]) + "\n")
    path, model = tmp_path / "run.glass", tmp_path / "m.safetensors"
    assert run("fit", table, "-t", "buys", "--epochs", "2", "--record", path, "-o", model) == 0
    return path


def test_inputs_and_outputs_have_their_names(
    fitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = gn.open_step(fitted)
    assert step.inputs == ("age", *(f"city={city}" for city in sorted(CITIES)))
    assert step.outputs == ("buys=no", "buys=yes")
    assert set(step.x[:, 1:].ravel().tolist()) == {0.0, 1.0}  # one of the cities each
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

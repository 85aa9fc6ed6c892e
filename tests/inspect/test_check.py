"""The checks pass on a sound model and run, and notice planted faults."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import glassnet as gn
from glassnet.cli import main
from glassnet.graph.op import OPS
from glassnet.inspect.check import check_model, check_run
from glassnet.training.record_file import Checkpoint, RunFile, put_checkpoint
from tests.record.common import data, train


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert isinstance(left.value.code, int)
    return left.value.code


def test_a_sound_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=3)
    findings = check_run(path)
    assert [own.ok for own in findings] == [True] * 3
    assert findings[2].compared == 3 * (3 * 5 + 5 + 5 * 2 + 2)  # W, m and v of Adam
    assert status("check", str(path)) == 0
    assert "steps of epochs 1 to 3 against the record" in capsys.readouterr().out


def test_one_bit_of_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=3)
    with RunFile.append(path) as file, file.change() as database:
        state = file.checkpoint(3)
        weights = state.arrays["W"].copy()
        weights[4] = np.nextafter(weights[4], np.float32(9))
        put_checkpoint(database, Checkpoint(3, {**state.arrays, "W": weights}, state.notes))
    assert [own.ok for own in check_run(path)] == [True, True, False]
    assert status("check", str(path), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["ok"]
    assert told["checks"][2]["detail"] == "W"


def test_a_run_with_one_checkpoint_is_not_called_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=3)
    with RunFile.append(path) as file, file.change() as database:
        database.execute("DELETE FROM checkpoint WHERE epoch > 0")
    *_, steps = check_run(path)
    assert (steps.ok, steps.checked, steps.compared) == (False, False, 0)
    assert status("check", str(path)) == 1
    told = capsys.readouterr().out
    assert "not checked: steps against the record" in told
    assert "glassnet resume" in told
    assert "WRONG" not in told


def test_a_difference_that_is_no_number_is_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=3)
    with RunFile.append(path) as file, file.change() as database:
        state = file.checkpoint(3)
        weights = np.full_like(state.arrays["W"], np.nan)
        put_checkpoint(database, Checkpoint(3, {**state.arrays, "W": weights}, state.notes))
    assert status("check", str(path), "--json") == 1
    assert json.loads(capsys.readouterr().out)["checks"][2]["worst"] == "nan"


def test_a_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = data(10)
    model = gn.nn.Sequential(gn.nn.Linear(3, 2), gn.nn.Tanh(), dtype="float64")
    assert all(own.ok for own in check_model(model, x))
    wrong = replace(OPS["tanh"], vjp=lambda g, y, x: (g * (1.0 - y),))
    monkeypatch.setitem(OPS, "tanh", wrong)
    monkeypatch.setattr("glassnet.nn.activations.ops.tanh", wrong)
    gradients, compiled = check_model(model, x)
    assert (gradients.ok, compiled.ok) == (False, True)
    assert "wrong" in gradients.detail


def test_a_model_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = data(60)
    table, model = tmp_path / "t.csv", tmp_path / "m.safetensors"
    lines = [f"{a},{b},{c}" for (a, b), c in zip(x[:, :2], y[:, 0], strict=True)]
    table.write_text("\n".join(["a,b,c", *lines]) + "\n")
    assert status("fit", str(table), "-t", "c", "--epochs", "2", "-o", str(model)) == 0
    capsys.readouterr()
    assert status("check", str(model)) == 2
    assert status("check", str(model), str(table)) == 0
    assert capsys.readouterr().out.count(" ok") == 2

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
from glassnet.inspect.proofs import check_model, check_run
from glassnet.runs.file import Checkpoint, RunFile, put_checkpoint
from tests.record.common import data, seldom, train


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.fixture(autouse=True)
def few_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    seldom(monkeypatch)


def test_a_sound_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=3)
    findings = check_run(path)
    assert all(own.ok for own in findings)
    sizes = {"linear1.weight": 15, "linear1.bias": 5, "linear2.weight": 10, "linear2.bias": 2}
    gradients = {own.what: own.compared for own in findings if "differences" in own.what}
    for name, size in (sizes | {"x": 48, "y": 32}).items():  # 16 rows
        assert gradients[f"dL/d{name} against differences"] == size
    assert len(gradients) == 6
    compiled = next(own for own in findings if own.what.startswith("gradients, compiled"))
    assert compiled.compared == 32 + 48 + 32
    assert findings[-1].compared == 3 * 32  # W, m and v of Adam
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
    *others, steps = check_run(path)
    assert all(own.ok for own in others)
    assert not steps.ok
    assert status("check", str(path), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["ok"]
    assert told["checks"][-1]["detail"] == "W"


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
    assert json.loads(capsys.readouterr().out)["checks"][-1]["worst"] == "nan"


def test_a_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = data(10)
    model = gn.nn.Sequential(gn.nn.Linear(3, 2), gn.nn.Tanh(), dtype="float64")
    assert all(own.ok for own in check_model(model, x))
    wrong = replace(OPS["tanh"], vjp=lambda g, ans, x: (g * (1.0 - ans),))
    monkeypatch.setitem(OPS, "tanh", wrong)
    monkeypatch.setattr("glassnet.nn.activations.ops.tanh", wrong)
    found = {own.what: own for own in check_model(model, x)}
    assert not found["d output/dlinear1.weight against differences"].ok
    assert "wrong" in found["d output/dlinear1.weight against differences"].detail
    assert found["gradients, compiled against interpreter"].ok  # both do the same wrong thing
    assert found["output, compiled against interpreter"].ok


PACK = "infolds1.inner"  # where the networks of a model of a table lie


@pytest.fixture
def fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """A model and its table: two classes, a class of which the model knows nothing, a gap."""
    x, y = data(60)
    names = ["high" if c > 0 else "low" for c in y[:, 0]]
    lines = [f"{a},{b},{c}" for (a, b), c in zip(x[:, :2], names, strict=True)]
    table, model = tmp_path / "t.csv", tmp_path / "m.safetensors"
    table.write_text("\n".join(["a,b,c", *lines]) + "\n")
    assert status("fit", str(table), "-t", "c", "--epochs", "2", "-o", str(model)) == 0
    table.write_text("\n".join(["a,b,c", "1,2,other", "3,4,", *lines]) + "\n")
    capsys.readouterr()
    return str(model), str(table)


def test_a_model_file(fitted: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    model, table = fitted
    assert status("check", model) == 2
    assert "name a table too" in capsys.readouterr().err
    assert status("check", model, table) == 0
    told = capsys.readouterr().out
    for name in ("piecewiseembedding1.slope", "batchensemble1.weight", "memberlinear1.bias"):
        assert f"dL/d{PACK}.{name} against differences" in told
    assert told.count(" ok") == 15 + 2


def test_a_table_without_the_target(
    fitted: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    model, table = fitted
    lines = Path(table).read_text().splitlines()
    Path(table).write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n")
    assert status("check", model, table) == 0
    assert f"d output/d{PACK}.memberlinear1.bias against differences" in capsys.readouterr().out


def test_a_planted_error(
    fitted: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A slope of relu that is 1.01 everywhere is found, and where it matters."""
    wrong = replace(OPS["relu"], vjp=lambda g, ans, x: (g * 1.01,))
    monkeypatch.setitem(OPS, "relu", wrong)
    monkeypatch.setattr("glassnet.nn.activations.ops.relu", wrong)
    assert status("check", *fitted, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    verdicts = {own["what"]: own["verdict"] for own in told["checks"]}
    assert not told["ok"]
    assert verdicts[f"dL/d{PACK}.batchensemble1.weight against differences"] == "WRONG"
    last = f"dL/d{PACK}.memberlinear1.weight against differences"
    assert verdicts[last] == "ok"  # behind the last relu
    assert status("check", *fitted) == 1
    assert "<- wrong" in capsys.readouterr().out

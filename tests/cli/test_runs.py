"""`glassnet step`, `glassnet resume` and `glassnet runs`."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

import glassnet as gn
from glassnet.cli import main
from glassnet.runs import recorder
from tests.record.common import data, sha, train


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert isinstance(left.value.code, int)
    return left.value.code


def test_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=2)
    step = gn.open_step(path, epoch=2, batch=3)
    assert run("step", str(path), "--epoch", "2", "--batch", "3", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["epoch"], told["batch"], told["step"], told["L"]) == (2, 3, 6, step.L)
    assert told["rows"] == step.rows.tolist()
    assert run("step", str(path), "--row", "7", "--neuron", "linear1[0]") == 0
    assert "linear1[0] for row 7" in capsys.readouterr().out
    assert run("step", str(path), "--weight", "linear2.bias[1]") == 0
    assert "w after" in capsys.readouterr().out
    assert run("step", str(path), "--epoch", "9") == 2
    assert "epochs 1 to 2" in capsys.readouterr().err
    assert run("step", str(tmp_path / "none")) == 2


def test_resume_with_data_that_the_file_does_not_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = train(epochs=5)
    monkeypatch.setattr(recorder, "SMALL", 0)
    path, arrays = tmp_path / "run.glass", tmp_path / "data.npz"
    train(path, epochs=3)
    x, y = data()
    np.savez(arrays, x=x, y=y)
    assert run("resume", str(path), "--epochs", "5") == 1
    assert "does not hold its data" in capsys.readouterr().err
    assert run("resume", str(path), str(tmp_path / "none.npz")) == 2
    capsys.readouterr()
    assert run("resume", str(path), str(arrays), "--epochs", "5", "--json") == 0
    assert json.loads(capsys.readouterr().out)["sha256"] == sha(whole)


def test_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("runs", str(tmp_path)) == 0
    assert "no run files" in capsys.readouterr().out
    _, history = train(tmp_path / "a.glass", epochs=2)
    (tmp_path / "notes.txt").write_text("not a run")
    assert run("runs", str(tmp_path), "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)["runs"]
    assert (told["done"], told["epochs"], told["state"]) == (2, 2, "epochs")
    assert told["loss"] == history.loss[-1]
    assert run("runs", str(tmp_path / "none")) == 2


def test_runs_says_which_it_cannot_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path / "a.glass", epochs=2)
    content = (tmp_path / "a.glass").read_bytes()
    (tmp_path / "half.glass").write_bytes(content[: len(content) // 2])
    later = tmp_path / "later.glass"
    later.write_bytes(content)
    with sqlite3.connect(later) as database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    assert run("runs", str(tmp_path)) == 0
    told = capsys.readouterr()
    assert told.out.count("\n") == 2
    damaged, newer = told.err.splitlines()
    assert "half.glass is damaged" in damaged
    assert "restore it from a copy" in damaged
    assert "later.glass has format 9" in newer

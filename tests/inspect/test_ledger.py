"""The ledger of a weight: start and updates lead to the recorded weight, to the bit."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.cli import main
from glassnet.errors import GlassnetError
from glassnet.inspect import ledger
from glassnet.inspect.ledger import open_ledger
from glassnet.inspect.ledger_view import as_json, blocks
from glassnet.inspect.render.text import as_text
from glassnet.runs.file import Checkpoint, RunFile, put_checkpoint, put_result
from tests.record.common import HALF, data, often, train

WEIGHT, PLACE = "linear1.weight[2,3]", (2, 3)
OPTIMIZERS = (gn.optim.SGD(0.1), gn.optim.Adam(0.01), gn.optim.SGD(0.1, momentum=0.9))


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_start_and_updates_end_at_the_recorded_weight(optimizer: Any, tmp_path: Path) -> None:
    """Checkpoints at the start and the end only; sums of fractions round nothing."""
    path = tmp_path / "run.glass"
    model, _ = train(path, epochs=4, optimizer=optimizer, batch_size=16)
    own = open_ledger(path, WEIGHT)
    assert [(e.epoch, e.batch) for e in own.entries] == [
        (epoch, batch) for epoch in range(1, 5) for batch in range(1, 6)
    ]
    total = Fraction(float(own.start)) + sum(Fraction(float(e.update)) for e in own.entries)
    end = model.parameters()["linear1.weight"][PLACE]
    assert np.float32(float(total)).tobytes() == end.tobytes()
    assert float(total) == float(end)
    assert own.end.tobytes() == end.tobytes()
    assert own.is_verified
    assert [epoch for epoch, _, _ in own.recorded] == [4]


def test_each_update_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=2, optimizer=gn.optim.SGD(0.1), batch_size=16)
    own = open_ledger(path, WEIGHT)
    before = own.start
    for entry in own.entries:
        assert entry.before.tobytes() == before.tobytes()
        assert entry.after == before - np.float32(0.1) * entry.slope
        before = entry.after


def test_each_update_with_memory_by_hand(tmp_path: Path) -> None:
    """From the lines of the ledger alone: v ← 0.9·v + g, w ← w − η·(g + 0.9·v)."""
    path = tmp_path / "run.glass"
    nesterov = gn.optim.SGD(0.1, momentum=0.9, nesterov=True)
    train(path, epochs=2, optimizer=nesterov, batch_size=16)
    own, mu, v = open_ledger(path, WEIGHT), np.float32(0.9), np.float32(0.0)
    for entry, said in zip(own.entries, as_json(own)["entries"], strict=True):
        v = mu * v + entry.slope
        assert entry.memory["v"].tobytes() == v.tobytes()
        assert entry.after == entry.before - entry.lr * (entry.slope + mu * v)
        assert said["memory"] == {"v": float(v)}
        assert f"  {v!s}  " in as_text(blocks(own))
    assert "  v after  " in as_text(blocks(own))


def test_memory_agrees_with_the_opened_steps(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    rms = gn.optim.RMSprop(0.01, centered=True, momentum=0.5, average=0.9)
    train(path, epochs=2, optimizer=rms, batch_size=16)
    for entry in open_ledger(path, WEIGHT, epoch=2).entries:
        step = gn.open_step(path, epoch=2, batch=entry.batch)
        assert list(entry.memory) == ["v", "mean", "b"]
        for slot, own in entry.memory.items():
            assert step.memory[f"{slot}.linear1.weight"][1][PLACE].tobytes() == own.tobytes()


def test_it_agrees_with_the_opened_steps(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=3, batch_size=16)
    own = open_ledger(path, WEIGHT, epoch=2)
    assert [(e.epoch, e.batch) for e in own.entries] == [(2, b) for b in range(1, 6)]
    for entry in own.entries:
        step = gn.open_step(path, epoch=entry.epoch, batch=entry.batch)
        weights = step.parameters["linear1.weight"]
        assert weights.slope is not None
        assert weights.slope[PLACE].tobytes() == entry.slope.tobytes()
        assert weights.after[PLACE].tobytes() == entry.after.tobytes()
        assert step.lr == entry.lr


def test_a_changed_record_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    often(monkeypatch)
    path = tmp_path / "run.glass"
    train(path, epochs=3)
    assert [epoch for epoch, _, _ in open_ledger(path, WEIGHT).recorded] == [1, 2, 3]
    with RunFile.append(path) as file, file.change() as database:
        state = file.checkpoint(2)
        weights = state.arrays["W"].copy()
        weights[2 * 5 + 3] = np.nextafter(weights[2 * 5 + 3], np.float32(9))
        put_checkpoint(database, Checkpoint(2, {**state.arrays, "W": weights}, state.notes))
    assert not open_ledger(path, WEIGHT).is_verified
    assert open_ledger(path, "linear1.weight[2,2]").is_verified
    assert status("step", str(path), "--ledger", WEIGHT) == 1
    assert "OTHER" in capsys.readouterr().out


def test_the_limit_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=3, batch_size=16)
    monkeypatch.setattr(ledger, "MOST", 7)
    own = open_ledger(path, WEIGHT)
    assert (len(own.entries), own.updates) == (7, 15)
    assert "the first 7 of 15 updates" in as_text(blocks(own))
    assert "the first 7 of 15 updates" in as_json(own)["note"]
    assert as_json(open_ledger(path, WEIGHT, epoch=3))["note"] is None


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.glass"
    model, _ = train(path, epochs=2, batch_size=16)
    assert status("step", str(path), "--ledger", WEIGHT) == 0
    told = capsys.readouterr().out
    end = model.parameters()["linear1.weight"][PLACE]
    assert f"the file's checkpoint after epoch 2: {end!s}, the same bits" in told
    assert status("step", str(path), "--ledger", WEIGHT, "--epoch", "2", "--json") == 0
    own = json.loads(capsys.readouterr().out)
    assert (len(own["entries"]), own["end"], own["same"]) == (5, float(end), True)
    assert status("step", str(path), "--ledger", WEIGHT, "--epoch", "1") == 0
    assert "not verified: no checkpoint" in capsys.readouterr().out
    for wrong in (["--weight", WEIGHT], ["--html", "--json"], ["--row", "1"], ["--epoch", "3"]):
        assert status("step", str(path), "--ledger", WEIGHT, *wrong) == 2
    assert status("step", str(path), "--ledger", "linear1.weight[2,]") == 2
    with pytest.raises(GlassnetError, match="epochs 1 to 2 are recorded"):
        open_ledger(path, WEIGHT, epoch=3)


def test_what_each_row_added(tmp_path: Path) -> None:
    """The rows' parts are those of the opened step, and add up to ∂L/∂w."""
    path = tmp_path / "run.glass"
    train(path, epochs=2, batch_size=16)
    own = gn.open_ledger(path, WEIGHT)
    for entry in own.entries:
        step = gn.open_step(path, epoch=entry.epoch, batch=entry.batch)
        assert entry.rows.tolist() == step.rows.tolist()
        assert entry.parts is not None
        assert entry.parts.tobytes() == step.pulls.of_weight("linear1.weight", PLACE).tobytes()
        assert entry.parts.sum(dtype=float) == pytest.approx(entry.slope, rel=1e-4, abs=1e-6)
    line = next(line for line in as_text(blocks(own)).split("\n") if line.startswith("1      1 "))
    first = own.entries[0]
    assert first.parts is not None
    most = int(np.argmax(np.abs(first.parts)))
    assert f"  {first.rows[most]}: {first.parts[most]:.3g}, " in line
    entries = as_json(own)["entries"]
    assert entries[0]["rows"] == first.rows.tolist()
    assert np.float32(entries[0]["slope_of_rows"]).tobytes() == first.parts.tobytes()


@pytest.mark.parametrize("stop", [False, True], ids=["to the end", "early"])
def test_the_mean_of_the_weights(stop: bool, tmp_path: Path) -> None:
    """mean ← 0.9·mean + 0.1·w from 0, over 1 − 0.9ᵗ: in fractions from the updates alone, and the
    model that training left has the ledger's end."""
    path = tmp_path / "run.glass"
    optimizer = gn.optim.SGD(0.1, average=0.9)
    scores = iter([3.0, 2.0, 5.0, 6.0, 7.0])  # the best is epoch 2
    stopping = [gn.callbacks.EarlyStopping(2, score=lambda model: next(scores))] if stop else []
    settings: Any = {"optimizer": optimizer, "batch_size": 16, "callbacks": stopping}
    model, history = train(path, epochs=4, **settings)
    own = open_ledger(path, WEIGHT)
    mean = Fraction(0)
    for steps, entry in enumerate(own.entries, 1):
        mean = Fraction(9, 10) * mean + Fraction(1, 10) * Fraction(float(entry.after))
        wanted = float(mean / (1 - Fraction(9, 10) ** steps))
        assert float(entry.mean) == pytest.approx(wanted, rel=1e-5)
        assert entry.mean != entry.after or steps == 1
    end = model.parameters()["linear1.weight"][PLACE]
    best = 2 if stop else 4
    assert history.best_epoch == (2 if stop else None)
    of_epoch = own.entries[5 * best - 1]
    assert of_epoch.mean.tobytes() == end.tobytes()
    assert own.left is not None
    assert own.left[0] == best
    assert own.is_verified
    text = as_text(blocks(own))
    assert f"the run's result, of epoch {best}: {end!s}, the same bits" in text
    assert f"end: {own.end!s}, the running mean that the model has" in text
    assert f"end of the steps: {own.entries[-1].after!s}" in text
    assert as_json(own)["entries"][3]["mean"] == float(own.entries[3].mean)
    if not stop:
        assert own.end.tobytes() == end.tobytes()


def test_another_model_in_the_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=2, optimizer=gn.optim.SGD(0.1, average=0.9))
    assert open_ledger(path, WEIGHT).is_verified
    with RunFile.append(path) as file, file.change() as database:
        put_result(database, file.checkpoint(2).arrays["W"])  # the weights, not their mean
    own = open_ledger(path, WEIGHT)
    assert not own.is_verified
    assert "OTHER" in as_text(blocks(own))


def test_a_weight_that_no_gradient_trains(tmp_path: Path) -> None:
    """BatchNorm's running mean: 0.9·old + 0.1·batch's, with no gradient and no rows' parts."""
    x, y = data(16)
    model = gn.nn.Sequential(gn.nn.BatchNorm(3), gn.nn.Linear(3, 2), seed=1, dtype="float64")
    path = tmp_path / "run.glass"
    sgd = gn.optim.SGD(0.1, average=0.5)
    gn.train(model, x, y, loss=HALF, optimizer=sgd, epochs=2, batch_size=16, record=path)
    own = open_ledger(path, "batchnorm1.mean[1]")
    seen = x[:, 1].mean()
    np.testing.assert_allclose(
        [e.after for e in own.entries], [0.1 * seen, 0.19 * seen], rtol=1e-12
    )
    assert [(e.slope, e.parts, e.mean) for e in own.entries] == [(None, None, None)] * 2
    assert own.is_verified
    assert own.end == model.parameters()["batchnorm1.mean"][1]
    assert open_ledger(path, "linear1.bias[0]").coupled == "batchnorm1"
    assert "rows influence each other" in as_text(blocks(open_ledger(path, "linear1.bias[0]")))


def test_html_and_notebooks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=2, batch_size=16)
    assert status("step", str(path), "--ledger", WEIGHT, "--html") == 0
    page = capsys.readouterr().out
    assert page.startswith("<!doctype html>")
    own = gn.open_ledger(path, WEIGHT)
    for shown in (page, own._repr_html_()):
        assert all(f"<td>{e.after!s}</td>" in shown for e in own.entries)
        assert "the same bits" in shown

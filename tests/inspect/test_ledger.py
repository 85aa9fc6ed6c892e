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
from glassnet.inspect.life import as_json, blocks
from glassnet.inspect.text import told
from glassnet.training.record_file import Checkpoint, RunFile, put_checkpoint
from tests.record.common import often, train

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
    assert own.same
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
    assert not open_ledger(path, WEIGHT).same
    assert open_ledger(path, "linear1.weight[2,2]").same
    assert status("step", str(path), "--ledger", WEIGHT) == 1
    assert "OTHER" in capsys.readouterr().out


def test_the_limit_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=3, batch_size=16)
    monkeypatch.setattr(ledger, "MOST", 7)
    own = open_ledger(path, WEIGHT)
    assert (len(own.entries), own.updates) == (7, 15)
    assert "the first 7 of 15 updates" in told(blocks(own))
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
    assert "compared with nothing" in capsys.readouterr().out
    for wrong in (["--weight", WEIGHT], ["--html", "--json"], ["--row", "1"], ["--epoch", "3"]):
        assert status("step", str(path), "--ledger", WEIGHT, *wrong) == 2
    assert status("step", str(path), "--ledger", "linear1.weight[2,]") == 2
    with pytest.raises(GlassnetError, match="epochs 1 to 2 are recorded"):
        open_ledger(path, WEIGHT, epoch=3)

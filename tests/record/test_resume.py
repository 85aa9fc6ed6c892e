"""An interrupted run, gone on with, ends with the bits of one that was not interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import GlassnetError, ModelFileError, TrainingError
from glassnet.inspect.ledger import open_ledger
from glassnet.ops import philox
from glassnet.runs.file import RunFile
from tests.record.common import HALF, data, network, often, sha, train


class Pull(gn.callbacks.Callback):
    """Ends the run after some epochs, as Ctrl-C does."""

    reason = "interrupted"

    def __init__(self, after: int) -> None:
        self.after = after

    def epoch_end(self, run: Any) -> bool:
        return run.epoch == self.after


SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": gn.optim.SGD(0.1, momentum=0.9)},
    "adam": {},
    "mean": {"optimizer": gn.optim.Adam(0.01, average=0.9)},
    "plateau": {"optimizer": gn.optim.Adam(gn.optim.ReduceOnPlateau(0.05, patience=1))},
    "cosine": {"optimizer": gn.optim.Adam(gn.optim.Cosine(0.01))},
    "fraction": {"validation": 0.25},
    "unshuffled": {"shuffle": False, "batch_size": 9},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_same_bits(name: str, tmp_path: Path) -> None:
    whole, history = train(epochs=9, **SETTINGS[name])
    path = tmp_path / "run.glass"
    _, first = train(path, epochs=9, callbacks=[Pull(4)], **SETTINGS[name])
    assert len(first.loss) == 4
    model, rest = gn.resume(path, *data())
    assert sha(model) == sha(whole)
    assert rest.loss == history.loss
    assert rest.validation_loss == history.validation_loss
    with RunFile.read(path) as file:
        assert file.history()[0] == history.loss


def test_weights_and_validation_data(tmp_path: Path) -> None:
    weight = 0.5 + philox.uniform(70, 2)
    validation = tuple(part[:20] for part in data(90))
    path = tmp_path / "run.glass"
    extra = {"sample_weight": weight, "validation": validation}
    whole, history = train(epochs=5, **extra)
    train(path, epochs=5, callbacks=[Pull(2)], **extra)
    for wrong in ({}, {"sample_weight": weight}, {"validation": validation}):
        with pytest.raises(TrainingError, match="pass"):
            gn.resume(path, *data(), **wrong)
    model, rest = gn.resume(path, *data(), **extra)
    assert sha(model) == sha(whole)
    assert rest.validation_loss == history.validation_loss


def test_early_stopping_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often(monkeypatch)
    settings = {"validation": 0.3, "optimizer": gn.optim.Adam(0.1)}
    whole, history = train(epochs=60, callbacks=[gn.callbacks.EarlyStopping(4)], **settings)
    assert history.stopped == "early"
    path = tmp_path / "run.glass"
    stop = len(history.loss) - 2
    callbacks = [gn.callbacks.EarlyStopping(4), Pull(stop)]
    train(path, epochs=60, callbacks=callbacks, **settings)
    model, rest = gn.resume(path, *data())
    assert sha(model) == sha(whole)
    assert (rest.stopped, rest.best_epoch) == ("early", history.best_epoch)
    again, same = gn.resume(path, *data())  # nothing is left to do
    assert sha(again) == sha(whole)
    assert (same.loss, same.best_epoch) == (history.loss, history.best_epoch)


def test_an_error_in_the_middle_of_an_epoch_loses_only_that_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often(monkeypatch)
    whole, _ = train(epochs=7, batch_size=5)

    class Trip(gn.callbacks.Callback):
        def overdue(self, run: Any) -> bool:
            if run.steps_done > 50:
                raise KeyboardInterrupt
            return False

    path = tmp_path / "run.glass"
    _, history = train(path, epochs=7, batch_size=5, callbacks=[Trip()])
    assert history.stopped == "interrupted"
    model, _ = gn.resume(path, *data())
    assert sha(model) == sha(whole)


def test_a_finished_run_can_be_made_longer(tmp_path: Path) -> None:
    whole, history = train(epochs=9)
    path = tmp_path / "run.glass"
    train(path, epochs=5)
    model, rest = gn.resume(path, *data(), epochs=9)
    assert sha(model) == sha(whole)
    assert rest.loss == history.loss


def test_fewer_epochs_than_are_done_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    _, history = train(path, epochs=6)
    for stop in (4, 5):
        with pytest.raises(GlassnetError, match=f"epochs={stop} is less than the 6 epochs"):
            gn.resume(path, *data(), epochs=stop)
    assert gn.resume(path, *data(), epochs=6)[1].loss == history.loss
    with RunFile.read(path) as file:
        assert file.history()[0] == history.loss


def test_an_epoch_whose_validation_loss_is_no_number_keeps_its_place(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=3, validation=0.3)
    with RunFile.append(path) as file:
        before = file.history()[1]
        with file.change() as database:
            line = (2, 0.5, float("nan"))
            database.execute("INSERT OR REPLACE INTO history VALUES (?, ?, ?)", line)
        after = file.history()[1]
    assert (after[0], after[2]) == (before[0], before[2])
    assert np.isnan(after[1])


def test_other_data_are_refused_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=6, callbacks=[Pull(3)])
    x, y = data()
    x[40, 1] = np.nextafter(np.float32(x[40, 1]), np.float32(9))
    with pytest.raises(TrainingError, match="other training data"):
        gn.resume(path, x, y)
    with pytest.raises(TrainingError, match="other training data"):
        gn.resume(path, x[::-1], y[::-1])
    _, history = gn.resume(path, x, y, other_data=True)
    assert len(history.loss) == 6


def test_code_is_brought_by_the_caller(tmp_path: Path) -> None:
    def shifted(z: Any) -> Any:
        return z + 1.0

    def net() -> gn.nn.Sequential:
        return gn.nn.Sequential(gn.nn.Linear(3, 2), shifted, seed=1)

    x, y = data()
    settings: Any = {"loss": HALF, "optimizer": gn.optim.SGD(0.1), "epochs": 4}
    whole, broken = net(), net()
    gn.train(whole, x, y, **settings)
    path = tmp_path / "run.glass"
    gn.train(broken, x, y, record=path, callbacks=[Pull(2)], **settings)
    with pytest.raises(TrainingError, match="shifted"):
        gn.resume(path, x, y)
    with pytest.raises(TrainingError, match="not the model"):
        gn.resume(path, x, y, model=network())
    model, _ = gn.resume(path, x, y, model=net())
    assert sha(model) == sha(whole)


@dataclass(frozen=True)
class Signs(gn.optim.Optimizer):
    """w ← w − η·sign(g)."""

    def update(self, w: Any, g: Any, memory: Any, now: Any) -> Any:
        return w - now.lr * gn.ops.sign(g), {}


def test_an_optimiser_is_brought_by_the_caller(tmp_path: Path) -> None:
    path, (x, y) = tmp_path / "run.glass", data()
    settings: Any = {"loss": HALF, "optimizer": Signs(0.01), "epochs": 4}
    whole, broken = network(), network()
    gn.train(whole, x, y, **settings)
    gn.train(broken, x, y, record=path, callbacks=[Pull(2)], **settings)
    with pytest.raises(TrainingError, match=r"optimizer contains Signs, .* optimizer=…, in Python"):
        gn.resume(path)
    with pytest.raises(TrainingError, match="not the optimizer"):
        gn.resume(path, optimizer=gn.optim.SGD(0.01))
    own = gn.open_step(path, epoch=2, optimizer=Signs(0.01)).parameters["linear1.weight"]
    assert own.slope is not None
    assert np.array_equal(own.after, own.before - np.float32(0.01) * np.sign(own.slope))
    entry = open_ledger(path, "linear1.bias[0]", epoch=2, optimizer=Signs(0.01)).entries[0]
    assert abs(entry.update) == pytest.approx(0.01, rel=1e-4)
    model, _ = gn.resume(path, optimizer=Signs(0.01))
    assert sha(model) == sha(whole)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="does not exist"):
        gn.resume(tmp_path / "run.glass", *data())

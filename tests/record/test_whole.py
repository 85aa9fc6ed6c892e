"""Run files of random search and L-BFGS: an ended run goes on to the bits of a whole one."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import TrainingError
from glassnet.inspect.proofs import check_run
from glassnet.runs.file import Checkpoint, RunFile, put_checkpoint
from glassnet.training.full_batch import FullBatchTrainer
from glassnet.training.history import History
from tests.record.common import HALF, data, often, sha
from tests.record.test_resume import Pull

SEARCHES = {
    "far": gn.optim.RandomSearch(0.5),
    "near": gn.optim.RandomSearch(0.1, near=True),
    "lbfgs": gn.optim.LBFGS(),
    "decay": gn.optim.LBFGS(memory=3, weight_decay=0.01),
}


def network() -> gn.nn.Sequential:
    return gn.nn.Sequential(gn.nn.Linear(3, 5), gn.nn.Tanh(), gn.nn.Linear(5, 2), seed=3)


def train(name: str, path: Any = None, epochs: int = 12, **settings: Any) -> tuple[Any, Any]:
    model = network()
    settings = {"seed": 5, "validation": 0.3, **settings}
    history = gn.train(
        model, *data(), loss=HALF, optimizer=SEARCHES[name], epochs=epochs, record=path, **settings
    )
    return model, history


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("each", [True, False])
def test_the_same_bits(
    name: str, each: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a checkpoint after every epoch, or only one at the beginning and one at the end."""
    if each:
        often(monkeypatch)
    whole, history = train(name)
    path = tmp_path / "run.glass"
    _, first = train(name, path, callbacks=[Pull(5)])
    assert len(first.loss) == 5
    model, rest = gn.resume(path)
    assert sha(model) == sha(whole)
    assert (rest.loss, rest.validation_loss) == (history.loss, history.validation_loss)
    assert rest.stopped == history.stopped
    with RunFile.read(path) as file:
        assert file.history() == (history.loss, history.validation_loss)
        result = file.result()
        assert result is not None
        assert result.tobytes() == whole.W.tobytes()
    again, same = gn.resume(path)  # nothing is left to do
    assert (sha(again), same.loss) == (sha(whole), history.loss)


@pytest.mark.parametrize("name", ["near", "lbfgs"])
def test_made_longer(name: str, tmp_path: Path) -> None:
    whole, history = train(name, epochs=12)
    path = tmp_path / "run.glass"
    train(name, path, epochs=4)
    model, rest = gn.resume(path, epochs=12)
    assert (sha(model), rest.loss) == (sha(whole), history.loss)


@pytest.mark.parametrize("name", ["near", "lbfgs"])
def test_early_stopping_goes_on_where_it_was(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often(monkeypatch)
    stopping = {"epochs": 200, "validation": 0.5}
    whole, history = train(name, callbacks=[gn.callbacks.EarlyStopping(3)], **stopping)
    assert history.stopped == "early"
    path = tmp_path / "run.glass"
    callbacks = [gn.callbacks.EarlyStopping(3), Pull(len(history.loss) - 2)]
    train(name, path, callbacks=callbacks, **stopping)
    model, rest = gn.resume(path)
    assert sha(model) == sha(whole)
    assert (rest.stopped, rest.best_epoch) == ("early", history.best_epoch)


def test_a_run_that_has_converged_is_over(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    model = gn.nn.Sequential(gn.nn.Linear(3, 2), dtype="float64")
    x, y = data()
    solver = gn.optim.LBFGS(tolerance=1e-9)
    history = gn.train(model, x, y, loss=HALF, optimizer=solver, epochs=99, record=path)
    assert history.stopped == "converged"
    again, same = gn.resume(path, epochs=500)
    assert (same.stopped, same.loss) == ("converged", history.loss)
    np.testing.assert_array_equal(again.W, model.W)


def planted(path: Path, what: str) -> None:
    """One bit of what an earlier epoch left is another."""
    with RunFile.append(path) as file, file.change() as database:
        if what == "loss":
            line = (np.nextafter(file.history()[0][2], 9.0), 3)
            database.execute("UPDATE history SET loss = ? WHERE epoch = ?", line)
        else:
            state = file.checkpoint(99)
            weights = state.arrays["W"].copy()
            weights[0] = np.nextafter(weights[0], np.float32(9))
            put_checkpoint(database, Checkpoint(state.epoch, {"W": weights}, state.notes))


@pytest.mark.parametrize("what", ["loss", "weights"])
def test_other_iterations_are_refused_and_the_file_is_left(what: str, tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train("lbfgs", path, callbacks=[Pull(5)])
    planted(path, what)
    with RunFile.read(path) as file:
        before = file.history(), file.values()["ended"], file.epochs()
    with pytest.raises(TrainingError, match="one machine and one version of SciPy"):
        gn.resume(path)
    with RunFile.read(path) as file:
        assert (file.history(), file.values()["ended"], file.epochs()) == before


def test_ctrl_c_while_epochs_are_done_again_ends_the_check(tmp_path: Path) -> None:
    path, stopped = tmp_path / "run.glass", History(stopped="interrupted")
    train("lbfgs", path, epochs=6)
    with (
        mock.patch.object(FullBatchTrainer, "train", return_value=stopped),
        pytest.raises(KeyboardInterrupt),
    ):
        check_run(path)


@pytest.mark.parametrize("name", ["near", "lbfgs"])
def test_check_does_the_epochs_again(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(name, path, epochs=6)
    *_, epochs = check_run(path)
    assert (epochs.ok, epochs.what) == (True, "epochs 1 to 6 against the record")
    planted(path, "weights")
    *_, epochs = check_run(path)
    assert (epochs.ok, epochs.detail.partition(";")[0]) == (False, "W")
    assert ("one version of SciPy only" in epochs.detail) == (name == "lbfgs")
    assert 0 < epochs.worst < 1e-6


@pytest.mark.parametrize("name", ["near", "lbfgs"])
def test_there_is_no_step_to_open(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(name, path, epochs=2)
    with pytest.raises(TrainingError, match=r"has no steps to open.*glassnet check"):
        gn.open_step(path)

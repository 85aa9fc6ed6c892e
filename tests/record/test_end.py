"""What a run file holds is somebody's work: it is not replaced, and a run that has stopped early
goes on, or says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import OutputError, TrainingError
from glassnet.runs.recording import Recording
from tests.cli.command import glassnet
from tests.record.common import HALF, data, sha, train

X, Y = data()


def against(patience: int) -> dict[str, Any]:
    """Validation data that get worse as the network learns."""
    stopping = gn.callbacks.EarlyStopping(patience)
    return {"validation": (X, -3 * Y), "callbacks": [stopping], "epochs": 40}


def test_a_run_that_stopped_early_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    model, first = train(path, **against(3))
    done = len(first.loss)
    assert (first.stopped, done) == ("early", first.best_epoch + 3)
    again, same = gn.resume(path)  # nothing is left to do
    assert (sha(again), same.loss) == (sha(model), first.loss)
    again, more = gn.resume(path, epochs=60)
    assert len(more.loss) == done + 3  # no better: a new patience, and the best weights are kept
    assert more.loss[:done] == first.loss
    assert (more.best_epoch, sha(again)) == (first.best_epoch, sha(model))


def test_it_goes_on_without_early_stopping_to_the_bits_of_a_run_without_it(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    _, first = train(path, **against(3))
    whole, wanted = train(epochs=len(first.loss) + 5, validation=(X, -3 * Y))
    model, history = gn.resume(path, epochs=len(first.loss) + 5, callbacks=[])
    assert (sha(model), history.loss) == (sha(whole), wanted.loss)


def test_a_run_that_has_converged_says_so(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    model = gn.nn.Sequential(gn.nn.Linear(3, 2), dtype="float64")
    settings: Any = {"loss": HALF, "optimizer": gn.optim.LBFGS(), "epochs": 200}
    history = gn.train(model, X, Y, record=path, **settings)
    assert history.stopped == "converged"
    again, same = gn.resume(path, epochs=300)
    assert (same.stopped, same.loss, sha(again)) == ("converged", history.loss, sha(model))
    found = glassnet("resume", path, "--epochs", "300", folder=tmp_path)
    assert found.stdout.splitlines()[-1] == "nothing was left to do (converged)"


def test_the_command_line_goes_on_or_says_so(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    _, first = train(path, **against(3))
    done = len(first.loss)
    found = glassnet("resume", path, folder=tmp_path)
    assert found.returncode == 0
    assert "nothing was left to do (no more progress); " in found.stdout
    assert f"--epochs {2 * done} goes on" in found.stdout
    found = glassnet("resume", path, "--epochs", "300", folder=tmp_path)
    assert found.returncode == 0
    assert f"{done + 3} epochs, loss" in found.stdout


def test_a_run_is_not_replaced_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    model, _ = train(path, epochs=2)
    before = path.read_bytes()
    text = r"run.glass holds a run already \(2 epochs, finished\)(.|\n)*name(.|\n)*overwrite=True"
    for record in (path, str(path), Recording(path)):
        with pytest.raises(OutputError, match=text):
            train(record, epochs=3)
    assert path.read_bytes() == before
    _, history = train(path, epochs=3, overwrite=True)
    assert gn.resume(path)[1].loss == history.loss
    train(Recording(path, overwrite=True), epochs=4)
    assert len(gn.resume(path)[1].loss) == 4
    with pytest.raises(TrainingError, match="overwrite=True without record="):
        train(epochs=1, overwrite=True)
    with pytest.raises(TrainingError, match="record=3: wanted the path"):
        train(3, epochs=1)
    assert np.isfinite(model.W).all()


def test_an_unfinished_run_points_at_resume(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"

    def broken(run: Any) -> None:
        if run.epoch == 2:
            raise KeyboardInterrupt

    train(path, epochs=5, callbacks=[broken])
    text = r"\(\d of 5 epochs, unfinished\)(.|\n)*`glassnet resume \S*run.glass`"
    with pytest.raises(OutputError, match=text):
        train(path, epochs=5)


def test_what_a_dead_writer_left_is_no_run(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    path.touch()
    train(path, epochs=1)
    assert len(gn.resume(path)[1].loss) == 1


def test_an_estimator_does_not_replace_a_run(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    estimator = gn.MLPRegressor(
        hidden_layer_sizes=(3,), max_iter=9, record=path, tol=1e9, n_iter_no_change=1
    ).fit(X, Y)
    with pytest.raises(OutputError, match=r"holds a run already(.|\n)*os.remove"):
        estimator.fit(X, Y)

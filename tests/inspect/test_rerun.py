"""A run from one of its steps on with other settings: before it the bits of the parent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import nn
from glassnet.errors import GlassnetError, OutputError, TrainingError

X = np.random.default_rng(7).normal(size=(20, 3)).astype(np.float32)
Y = (X @ [1.0, -2.0, 0.5]).astype(np.float32)
EACH = 4  # steps of an epoch


def network() -> Any:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.1), nn.Linear(4, 1))


HOW: dict[str, Any] = {"loss": gn.losses.HalfMSE(), "epochs": 4, "batch_size": 5}


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    gn.train(network(), X, Y, optimizer=gn.optim.SGD(0.05, 0.9), record=tmp_path / "a", **HOW)
    return tmp_path / "a"


def steps(path: Path, **where: Any) -> list[Any]:
    return list(gn.replay(path, **where))


def test_before_the_step_all_bits_are_the_parents_and_after_it_the_rate_is_another(
    parent: Path, tmp_path: Path
) -> None:
    """From step 7 on, the third of epoch 2: w ← w − 0.001·v with the velocity of before."""
    model, history = gn.rerun(parent, from_step=7, lr=0.001, record=tmp_path / "b")
    old, new = steps(parent), steps(tmp_path / "b")
    assert [own.lr for own in new] == [0.05] * 6 + [0.001] * 10
    for a, b in zip(old[:6], new[:6], strict=True):
        assert (a.after.tobytes(), a.loss) == (b.after.tobytes(), b.loss)
    moved = [own.before.astype(float) - own.after for own in (old[6], new[6])]
    assert np.allclose(moved[0] / 50, moved[1], rtol=0.01, atol=1e-7)
    assert new[-1].after.tobytes() == model.W.tobytes()
    assert len(history.loss) == 4
    opened = gn.open_step(tmp_path / "b", epoch=2, batch=3)
    assert opened.parameters["linear1.weight"].after.tobytes() == (
        new[6].parameters["linear1.weight"].tobytes()
    )
    first = gn.compare(parent, tmp_path / "b").first
    assert first is not None
    assert first.step == 7


def test_it_is_the_run_that_a_change_of_rate_by_hand_gives(parent: Path, tmp_path: Path) -> None:
    """From the first step of epoch 3 on: two epochs, then two with another rate."""
    again, _ = gn.rerun(parent, from_step=2 * EACH + 1, lr=0.01, record=tmp_path / "b")
    model = network()
    half = gn.train(model, X, Y, optimizer=gn.optim.SGD(0.05, 0.9), **{**HOW, "epochs": 2})
    gn.train(model, X, Y, optimizer=gn.optim.SGD(0.01, 0.9), after=half, **{**HOW, "epochs": 2})
    assert again.W.tobytes() == model.W.tobytes()


def test_a_schedule_before_the_step_keeps_its_plan(tmp_path: Path) -> None:
    optimizer = gn.optim.Adam(gn.optim.Cosine(0.01))
    gn.train(network(), X, Y, optimizer=optimizer, record=tmp_path / "a", **HOW)
    gn.rerun(tmp_path / "a", from_step=6, lr=0.02, epochs=6, record=tmp_path / "b")
    old, new = steps(tmp_path / "a"), steps(tmp_path / "b")
    assert len(new) == 6 * EACH
    assert [own.lr for own in old[:5]] == [own.lr for own in new[:5]]
    assert [own.after.tobytes() for own in old[:5]] == [own.after.tobytes() for own in new[:5]]


def test_another_batch_size_from_an_epoch_on(parent: Path, tmp_path: Path) -> None:
    with pytest.raises(GlassnetError, match="from_step=5 or from_step=9"):
        gn.rerun(parent, from_step=6, batch_size=10, record=tmp_path / "b")
    assert not (tmp_path / "b").exists()
    model, history = gn.rerun(parent, from_step=9, batch_size=10, record=tmp_path / "b")
    old = steps(parent, stop=8)[-1]
    new = steps(tmp_path / "b", start=2 * 2 + 1)
    assert new[0].before.tobytes() == old.after.tobytes()
    assert (len(new), len(new[0].rows), len(history.loss)) == (4, 10, 4)
    assert new[-1].after.tobytes() == model.W.tobytes()
    with pytest.raises(
        GlassnetError, match=r"goes on from .*a, which has trained its epochs 1 to 2"
    ):
        gn.open_step(tmp_path / "b", epoch=2)
    for open_earlier in (
        lambda: gn.open_ledger(tmp_path / "b", "linear1.weight[0,0]", epoch=2),
        lambda: gn.play(tmp_path / "b", output=tmp_path / "page.html", show=False),
        lambda: gn.replay(tmp_path / "b"),
    ):
        with pytest.raises(
            GlassnetError, match=r"b goes on from .*a, which has trained its epochs"
        ):
            open_earlier()
    ledger = gn.open_ledger(tmp_path / "b", "linear1.weight[0,0]")
    assert (ledger.first_epoch, len(ledger.entries)) == (3, 4)
    assert "4 updates, epochs 3 to 4" in str(ledger)


def test_another_optimiser_keeps_what_it_can(parent: Path, tmp_path: Path) -> None:
    model, _ = gn.rerun(parent, from_step=5, optimizer=gn.optim.Adam(0.01), record=tmp_path / "b")
    new = steps(tmp_path / "b", start=5)
    assert new[0].before.tobytes() == steps(parent, stop=4)[-1].after.tobytes()
    assert new[-1].after.tobytes() == model.W.tobytes()


def test_the_child_can_be_resumed_and_run_again_itself(parent: Path, tmp_path: Path) -> None:
    gn.rerun(parent, from_step=7, lr=0.01, record=tmp_path / "b")
    gn.rerun(tmp_path / "b", from_step=12, lr=0.001, record=tmp_path / "c")
    assert [own.lr for own in steps(tmp_path / "c")] == [0.05] * 6 + [0.01] * 5 + [0.001] * 5
    model, history = gn.resume(tmp_path / "c", epochs=5)
    assert len(history.loss) == 5
    assert steps(tmp_path / "c")[-1].after.tobytes() == model.W.tobytes()


def test_early_stopping_goes_on(tmp_path: Path) -> None:
    stop = gn.callbacks.EarlyStopping(patience=50)
    gn.train(network(), X, Y, optimizer=gn.optim.SGD(0.05), record=tmp_path / "a",
             validation=0.25, callbacks=[stop], **HOW)  # fmt: skip
    _, history = gn.rerun(tmp_path / "a", from_step=4, lr=0.01, record=tmp_path / "b")
    assert history.best_epoch == 1 + int(np.argmin(history.validation_loss))


def test_the_command(parent: Path, tmp_path: Path) -> None:
    from tests.cli.command import here

    options = ("--from-step", "7", "--lr", "0.01", "--record")
    done = here("rerun", "a", *options, "b", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4 epochs, loss ")
    again, _ = gn.rerun(parent, from_step=7, lr=0.01, record=tmp_path / "c")
    assert steps(tmp_path / "b")[-1].after.tobytes() == again.W.tobytes()
    assert here("rerun", "a", *options, "b", folder=tmp_path).returncode == 2


def test_a_list_of_runs_shows_the_parent(parent: Path, tmp_path: Path) -> None:
    from tests.cli.command import here

    gn.rerun(parent, from_step=7, lr=0.01, record=tmp_path / "b")
    text = here("runs", ".", folder=tmp_path).stdout
    assert f"from {parent}, step 7" in text
    assert "SGD lr 0.05, then 0.01" in text


def test_what_is_refused(parent: Path, tmp_path: Path) -> None:
    b = tmp_path / "b"
    for wrong in ({"from_step": 0, "lr": 1.0}, {"from_step": 18, "lr": 1.0}, {"from_step": 3},
                  {"from_step": 3, "lr": -1.0}, {"from_step": 5, "batch_size": 0},
                  {"from_step": 5, "lr": 0.1, "optimizer": gn.optim.SGD(0.1)}):  # fmt: skip
        with pytest.raises(GlassnetError):
            gn.rerun(parent, record=b, **wrong)
        assert not b.exists()
    gn.rerun(parent, from_step=3, lr=0.1, record=b)
    with pytest.raises(OutputError, match="holds a run already"):
        gn.rerun(parent, from_step=3, lr=0.1, record=b)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_fit_of_an_estimator_is_refused(tmp_path: Path) -> None:
    gn.MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, record=tmp_path / "a").fit(X, Y)
    with pytest.raises(TrainingError, match="to_network"):
        gn.rerun(tmp_path / "a", from_step=1, lr=0.1, record=tmp_path / "b")


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_recorded_run_is_not_written_over(
    overwrite: bool, parent: Path, tmp_path: Path
) -> None:
    """By its own name, by a link to it, or as a part of it."""
    before = parent.read_bytes()
    (tmp_path / "link").symlink_to(parent)
    os.link(parent, tmp_path / "hard")
    for name in ("a", "link", "hard"):
        with pytest.raises(OutputError, match="is read by this command"):
            gn.rerun(parent, from_step=5, lr=0.01, record=tmp_path / name, overwrite=overwrite)
    for ending in ("-wal", "-shm", "-journal", "-lock"):
        with pytest.raises(OutputError, match="would be taken for a part of a"):
            gn.rerun(parent, from_step=5, lr=0.01, record=f"{parent}{ending}", overwrite=overwrite)
    assert parent.read_bytes() == before
    assert {own.name for own in tmp_path.iterdir()} == {"a", "link", "hard"}

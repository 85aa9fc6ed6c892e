"""A run once more: the weights of every step, the bits of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import nn
from glassnet.errors import GlassnetError, TrainingError

X = np.random.default_rng(3).normal(size=(22, 3)).astype(np.float32)
Y = (X @ [1.0, -2.0, 0.5]).astype(np.float32)
OPTIMISERS = {
    "sgd": gn.optim.SGD(0.05),
    "adam with a mean of weights": gn.optim.Adam(gn.optim.Cosine(0.01), average=0.9),
    "by the losses so far": gn.optim.SGD(gn.optim.ReduceOnPlateau(0.05, patience=1), 0.9),
}


def train(path: Path, optimizer: Any = None, **settings: Any) -> tuple[Any, list[np.ndarray]]:
    """A run of 5 epochs of 4 steps, and the weights after every epoch, as a callback sees them."""
    seen: list[np.ndarray] = []
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.2), nn.Linear(4, 1))
    how: dict[str, Any] = {
        "loss": gn.losses.HalfMSE(), "optimizer": optimizer or OPTIMISERS["sgd"], "epochs": 5,
        "batch_size": 6, "record": path, "callbacks": lambda run: seen.append(run.model.W.copy()),
    }  # fmt: skip
    gn.train(model, X, Y, **{**how, **settings})
    return model, seen


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_step_has_the_bits_of_the_opened_step(name: str, tmp_path: Path) -> None:
    train(tmp_path / "r", OPTIMISERS[name])
    steps = list(gn.replay(tmp_path / "r"))
    assert [own.step for own in steps] == list(range(1, 21))
    for own in steps[::3]:
        opened = gn.open_step(tmp_path / "r", epoch=own.epoch, batch=own.batch)
        assert (opened.step, opened.L, float(opened.lr)) == (
            own.step, own.loss, float(np.float32(own.lr)),
        )  # fmt: skip
        assert opened.rows.tolist() == own.rows.tolist()
        before = np.concatenate([w.before.ravel() for w in opened.parameters.values()])
        assert own.before.tobytes() == before.tobytes()
        for parameter, weights in opened.parameters.items():
            assert own.parameters[parameter].tobytes() == weights.after.tobytes()


def test_epochs_end_with_what_callbacks_saw(tmp_path: Path) -> None:
    model, seen = train(tmp_path / "r")
    ends = [own for own in gn.replay(tmp_path / "r") if own.batch == 4]
    assert [own.after.tobytes() for own in ends] == [own.tobytes() for own in seen]
    assert ends[-1].after.tobytes() == model.W.tobytes()


def test_some_of_the_steps(tmp_path: Path) -> None:
    train(tmp_path / "r")
    every = {own.step: own for own in gn.replay(tmp_path / "r")}
    for start, stop, each in ((1, None, 1), (3, 17, 5), (20, 20, 1), (4, 9, 1), (2, None, 18)):
        found = list(gn.replay(tmp_path / "r", start=start, stop=stop, every=each))
        assert [own.step for own in found] == list(range(start, (stop or 20) + 1, each))
        for own in found:
            assert own.before.tobytes() == every[own.step].before.tobytes()
            assert own.after.tobytes() == every[own.step].after.tobytes()
            assert own.rows.tolist() == every[own.step].rows.tolist()
    assert list(gn.replay(tmp_path / "r", start=21)) == []


def test_arrays_are_the_callers_own(tmp_path: Path) -> None:
    train(tmp_path / "r")
    first, second = list(gn.replay(tmp_path / "r", stop=2))
    assert first.after.tobytes() == second.before.tobytes()
    assert first.before.tobytes() != first.after.tobytes()
    assert repr(first) == f"<step 1: epoch 1, batch 1, loss {first.loss:.6g}>"


def test_rows_held_out_and_shuffled_are_numbered_in_the_users_data(tmp_path: Path) -> None:
    train(tmp_path / "r", validation=0.5)
    rows = np.concatenate([own.rows for own in gn.replay(tmp_path / "r", stop=2)])
    held = np.setdiff1d(np.arange(22), rows)
    assert len(rows) == len(set(rows.tolist())) == 11
    assert len(held) == 11


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_fit_of_an_estimator(tmp_path: Path) -> None:
    est = gn.MLPClassifier((4,), max_iter=4, batch_size=8, record=tmp_path / "r", random_state=1)
    est.fit(X, Y > 0)
    steps = list(gn.replay(tmp_path / "r"))
    assert len(steps) == 4 * 3
    last = steps[-1].parameters
    assert last["linear1.weight"].tobytes() == np.ascontiguousarray(est.coefs_[0]).tobytes()
    opened = gn.open_step(tmp_path / "r", epoch=2, batch=3)
    assert opened.parameters["linear2.weight"].after.tobytes() == (
        steps[5].parameters["linear2.weight"].tobytes()
    )


def test_a_stream(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = {f"x{i}": X[:, i] for i in range(3)} | {"y": Y}
    pq.write_table(pa.table(table), tmp_path / "d.parquet")
    model = nn.Sequential(nn.Linear(3, 1))
    rows = gn.stream(tmp_path / "d.parquet", target="y")
    gn.train(model, rows, loss=gn.losses.MSE(), optimizer=gn.optim.SGD(0.05), epochs=2,
             batch_size=5, record=tmp_path / "r")  # fmt: skip
    *_, last = gn.replay(tmp_path / "r")
    assert last.after.tobytes() == model.W.tobytes()


def test_what_cannot_be_replayed_is_said(tmp_path: Path) -> None:
    train(tmp_path / "r")
    for wrong in ({"start": 0}, {"every": 0}, {"stop": 25}, {"start": 1.5}):
        with pytest.raises(GlassnetError):
            gn.replay(tmp_path / "r", **wrong)  # at once, not at the first step
    train(tmp_path / "l", gn.optim.LBFGS())
    with pytest.raises(TrainingError, match="no steps"):
        gn.replay(tmp_path / "l")

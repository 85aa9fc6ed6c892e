"""Row numbers are those of the data that the user gave, whatever was held out of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import GlassnetError

X = np.arange(40.0)[:, None] / 10
Y = np.sin(X)


def test_rows_of_a_part_are_numbered_as_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    model = gn.nn.Sequential(gn.nn.Linear(1, 3), gn.nn.Tanh(), gn.nn.Linear(3, 1))
    gn.train(
        model, X, Y, loss=gn.losses.HalfMSE(), optimizer=gn.optim.SGD(0.1), epochs=2,
        batch_size=8, validation=0.5, seed=3, record=path,
    )  # fmt: skip
    seen: set[int] = set()
    for batch in (1, 2, 3):
        step = gn.open_step(path, batch=batch)
        np.testing.assert_array_equal(step.x, X[step.rows].astype("float32"))
        np.testing.assert_array_equal(step.y, Y[step.rows].astype("float32"))
        assert f"row {step.rows[0]} " in str(step)
        seen |= set(step.rows.tolist())
    assert len(seen) == 20
    row = max(seen)
    assert row >= 20
    assert row in gn.open_step(path, row=row, epoch=2).rows
    other = next(iter(set(range(40)) - seen))
    with pytest.raises(GlassnetError, match=f"row={other} is not among the 20 rows"):
        gn.open_step(path, row=other)
    entries = gn.open_ledger(path, "linear1.weight[0,0]", epoch=1).entries
    assert set(np.concatenate([own.rows for own in entries]).tolist()) == seen


def test_rows_of_an_estimator_with_early_stopping(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    settings: dict[str, Any] = {"hidden_layer_sizes": (3,), "max_iter": 3, "random_state": 0}
    gn.MLPRegressor(
        early_stopping=True, validation_fraction=0.5, tol=1e9, n_iter_no_change=1, record=path,
        solver="sgd", **settings,
    ).fit(X, Y[:, 0])  # fmt: skip
    step = gn.open_step(path)
    np.testing.assert_allclose(step.x, X[step.rows], rtol=1e-6)
    np.testing.assert_allclose(step.y[:, 0], Y[step.rows, 0], rtol=1e-6)
    assert max(step.rows) >= 20


def test_columns_of_a_frame_keep_their_names(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "run.glass"
    frame = pandas.DataFrame({"width": X[:, 0], "height": X[:, 0] ** 2})
    settings: dict[str, Any] = {"loss": gn.losses.HalfMSE(), "optimizer": gn.optim.SGD(0.01)}
    model = gn.nn.Sequential(gn.nn.Linear(2, 1))
    gn.train(model, frame, Y, epochs=1, validation=0.5, record=path, **settings)
    assert gn.open_step(path).inputs == ("width", "height")
    assert gn.open_step(model, frame, Y, **settings).inputs == ("width", "height")


def test_a_step_without_a_run() -> None:
    """The numbers of the step that gn.Step takes; the model stays as it is."""
    model = gn.nn.Sequential(gn.nn.Linear(1, 3), gn.nn.Tanh(), gn.nn.Linear(3, 1))
    settings: dict[str, Any] = {"loss": gn.losses.HalfMSE(), "optimizer": gn.optim.Adam(0.1)}
    before = model.W.copy()
    step = gn.open_step(model, X, Y, **settings)
    np.testing.assert_array_equal(model.W, before)
    loss = gn.Step(model, **settings)(X, Y)
    assert loss == step.L
    for name, own in model.parameters().items():
        np.testing.assert_array_equal(step.parameters[name].after, own)
    with pytest.raises(GlassnetError, match=r"right: gn.open_step\(model, x, y"):
        gn.open_step(model, X, Y)

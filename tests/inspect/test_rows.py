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

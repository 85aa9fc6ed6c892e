"""Pictures with matplotlib: what is drawn are the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import GlassnetError

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
matplotlib.use("Agg")

RNG = np.random.default_rng(1)
X = RNG.normal(size=(40, 2)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.float32)[:, None]


@pytest.fixture(autouse=True)
def closed() -> Any:
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def model(outputs: int = 1) -> gn.nn.Sequential:
    return gn.nn.Sequential(gn.nn.Linear(2, 5), gn.nn.Tanh(), gn.nn.Linear(5, outputs), seed=2)


def lines(ax: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {own.get_label(): own.get_data() for own in ax.get_lines()}


def test_an_activation_and_its_derivative() -> None:
    found = lines(gn.plot.activation(gn.nn.Tanh(), -2, 3))
    z, a = found["a = f(z)"]
    np.testing.assert_allclose(a, np.tanh(z), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found["f′(z)"][1], 1 - np.tanh(z) ** 2, rtol=1e-4, atol=1e-6)
    assert (z[0], z[-1]) == (-2, 3)


def test_a_learnt_activation_of_several_neurons() -> None:
    own = gn.nn.ParametricSigmoid(width=3)
    z, a = lines(gn.plot.activation(own))["a = f(z)"]
    np.testing.assert_allclose(a, 1 / (1 + np.exp(-z.astype(float))), rtol=1e-5)


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_boundary(outputs: int) -> None:
    own = model(outputs)
    ax = gn.plot.boundary(own, X, Y, side=20)
    assert len(ax.collections) >= 3  # the field, and the rows of two kinds
    assert ax.get_xlim()[0] < X[:, 0].min()


def test_a_boundary_over_two_of_several_inputs() -> None:
    """What the function is asked: the chosen inputs vary, the others are their medians."""
    wide = RNG.normal(size=(30, 4))
    asked: list[np.ndarray] = []

    def answer(rows: np.ndarray) -> np.ndarray:
        asked.append(rows)
        return rows[:, 3] - rows[:, 1]

    gn.plot.boundary(answer, wide, wide[:, 0], inputs=(3, 1), side=5)
    (rows,) = asked
    np.testing.assert_array_equal(rows[:, 0], np.full(25, np.median(wide[:, 0])))
    assert len(np.unique(rows[:, 3])) == len(np.unique(rows[:, 1])) == 5


@pytest.mark.parametrize("inputs", [(0, 0), (0, 2), (-1, 0)])
def test_inputs_that_are_not_there(inputs: tuple[int, int]) -> None:
    with pytest.raises(GlassnetError, match="two different columns of 2"):
        gn.plot.boundary(model(), X, Y, inputs=inputs)


def test_a_landscape_with_paths() -> None:
    """In its middle is the present loss; the model stays as it is; a path ends in the middle."""
    own, loss = model(), gn.losses.HalfMSE()
    step = gn.Step(own, loss=loss, optimizer=gn.optim.SGD(0.5), seed=0)
    path = [own.W.copy()]
    for _ in range(5):
        step(X, Y)
        path.append(own.W.copy())
    before = own.W.copy()
    ax = gn.plot.landscape(own, X, Y, loss=loss, paths={"SGD": path}, side=5)
    np.testing.assert_array_equal(own.W, before)
    across, up = lines(ax)["SGD"]
    assert (across[-1], up[-1]) == pytest.approx((0, 0), abs=1e-9)
    assert str(ax.get_title()).startswith("loss from")


def test_the_same_seed_draws_the_same_landscape() -> None:
    own, loss = model(), gn.losses.HalfMSE()
    shown = [
        gn.plot.landscape(own, X, Y, loss=loss, side=3, seed=seed).get_title() for seed in (4, 4, 5)
    ]
    assert shown[0] == shown[1] != shown[2]


def test_histories() -> None:
    settings: dict[str, Any] = {"loss": gn.losses.HalfMSE(), "epochs": 4, "validation": 0.25}
    runs = {
        name: gn.train(model(), X, Y, optimizer=rule, **settings)
        for name, rule in (("SGD", gn.optim.SGD(0.1)), ("Adam", gn.optim.Adam(0.1)))
    }
    found = lines(gn.plot.history(runs))
    assert set(found) == {
        "SGD loss", "SGD validation loss", "Adam loss", "Adam validation loss",
    }  # fmt: skip
    np.testing.assert_array_equal(found["Adam loss"][1], runs["Adam"].loss)
    assert gn.plot.history(runs["SGD"], log=True).get_yscale() == "log"
    with pytest.raises(GlassnetError, match="no epoch"):
        gn.plot.history(type(runs["SGD"])())


def test_a_ledger(tmp_path: Path) -> None:
    own = model()
    settings: dict[str, Any] = {"loss": gn.losses.HalfMSE(), "optimizer": gn.optim.SGD(0.1)}
    gn.train(own, X, Y, epochs=2, batch_size=10, record=tmp_path / "run", **settings)
    found = gn.open_ledger(tmp_path / "run", "linear1.weight[0,0]")
    ax = gn.plot.ledger(found)
    (line,) = ax.get_lines()
    assert line.get_data()[1][-1] == pytest.approx(float(own.W[0]))
    assert len(line.get_data()[0]) == 1 + 2 * 4


def test_axes_that_are_given_are_drawn_on() -> None:
    from matplotlib import pyplot

    ax = pyplot.subplots()[1]
    assert gn.plot.activation(gn.nn.ReLU(), ax=ax) is ax
    assert len(pyplot.get_fignums()) == 1


def test_without_matplotlib_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib
    import sys

    import glassnet.plot as plot

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'glassnet\[plot\]'"):
        importlib.reload(plot)

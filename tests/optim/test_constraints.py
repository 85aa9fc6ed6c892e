"""L1, weights that are not negative, bounds on norms: single steps by NumPy, ends by SciPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import nnls

import glassnet as gn
from glassnet.describe import as_data, from_data
from glassnet.errors import GlassnetError
from glassnet.inspect.render import text
from tests.optim.common import START, X, Y, slope, trajectory

optim = gn.optim
Group = optim.Group
HALF = gn.losses.HalfMSE()


def shrunk(w: np.ndarray, by: float) -> np.ndarray:
    return np.sign(w) * np.maximum(np.abs(w) - by, 0)


def bounded(w: np.ndarray, norm: float) -> np.ndarray:
    table = w.reshape(3, 2)
    return (table * (norm / np.maximum(np.linalg.norm(table, axis=0), norm))).ravel()


RULES = [
    lambda **more: optim.SGD(0.1, **more),
    lambda **more: optim.SGD(0.1, momentum=0.9, nesterov=True, **more),
    lambda **more: optim.Adam(0.1, **more),
    lambda **more: optim.AdamW(0.1, weight_decay=0.3, **more),
    lambda **more: optim.RMSprop(0.1, centered=True, **more),
    lambda **more: optim.Adagrad(0.1, **more),
    lambda **more: optim.Muon(0.1, **more),
]


@pytest.mark.parametrize("rule", RULES)
def test_what_is_done_after_the_rule(rule: Any) -> None:
    """One step of each rule, and then the group's formulas, in their order."""
    plain = trajectory(rule(), 1)[0]
    group = Group("*", lr=1.0, l1=2.0)
    np.testing.assert_allclose(trajectory(rule(groups=[group]), 1)[0], shrunk(plain, 0.2))
    group = Group("*", nonnegative=True)
    np.testing.assert_allclose(trajectory(rule(groups=[group]), 1)[0], np.maximum(plain, 0))
    group = Group("*", max_norm=0.7)
    np.testing.assert_allclose(trajectory(rule(groups=[group]), 1)[0], bounded(plain, 0.7))
    group = Group("*", l1=1.0, nonnegative=True, max_norm=0.3)
    wanted = bounded(np.maximum(shrunk(plain, 0.1), 0), 0.3)
    np.testing.assert_allclose(trajectory(rule(groups=[group]), 1)[0], wanted)


def test_the_learning_rate_of_the_group_and_of_the_schedule() -> None:
    group = Group("*", lr=0.5, l1=0.4)
    found = trajectory(optim.SGD(optim.Exponential(0.2, 0.5), groups=[group]), 3)
    w = START
    for k in range(3):
        rate = 0.5 * 0.2 * 0.5**k
        w = shrunk(w - rate * slope(w), rate * 0.4)
        np.testing.assert_allclose(found[k], w, rtol=1e-12)


def test_l1_ends_at_the_lasso() -> None:
    """Of uncorrelated columns the solution is the shrunk solution of least squares."""
    q, _ = np.linalg.qr(X)
    x, l1 = q * np.sqrt(8), 0.15
    network = gn.nn.Sequential(gn.nn.Linear(3, 2, bias=False), dtype="float64")
    optimizer = optim.SGD(0.5, groups=[Group("*.weight", l1=l1)])
    gn.train(network, x, Y, loss=HALF, optimizer=optimizer, epochs=200, batch_size=8)
    wanted = shrunk(x.T @ Y / 8, l1)
    np.testing.assert_allclose(network.W, wanted.ravel(), atol=1e-12)
    zeros = wanted == 0
    assert zeros.any()
    assert not zeros.all()
    assert (network.W.reshape(3, 2)[zeros] == 0).all()  # exactly


def test_weights_that_are_not_negative_end_at_non_negative_least_squares() -> None:
    optimizer = optim.SGD(0.2, groups=[Group("*", nonnegative=True)])
    found = trajectory(optimizer, 2000)[-1].reshape(3, 2)
    for column in range(2):
        np.testing.assert_allclose(found[:, column], nnls(X, Y[:, column])[0], atol=1e-9)
    assert (found == 0).any()


def test_a_bound_on_norms_holds_after_every_step() -> None:
    found = trajectory(optim.Adam(0.3, groups=[Group("*", max_norm=0.5)]), 30)
    norms = np.linalg.norm(found.reshape(30, 3, 2), axis=1)
    assert (norms <= 0.5 * (1 + 1e-12)).all()
    assert norms.max() == pytest.approx(0.5)


def test_a_vector_has_one_norm_and_other_parameters_are_left_alone() -> None:
    def made() -> Any:
        layers = gn.nn.Linear(3, 4), gn.nn.Tanh(), gn.nn.Linear(4, 2)
        return gn.nn.Sequential(*layers, dtype="float64")

    plain, bound = made(), made()
    for network, groups in ((plain, []), (bound, [Group("linear1.bias", max_norm=1e-3)])):
        step = gn.Step(network, loss=HALF, optimizer=optim.SGD(0.5, groups=groups))
        step(X, Y)
    a, b = plain.parameters(), bound.parameters()
    own = a["linear1.bias"]
    np.testing.assert_allclose(b["linear1.bias"], own * 1e-3 / np.linalg.norm(own), rtol=1e-10)
    for name in set(a) - {"linear1.bias"}:
        assert (a[name] == b[name]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_recorded_resumed_opened_and_by_halves(tmp_path: Path, dtype: str) -> None:
    groups = [
        Group("linear1.weight", l1=0.3, max_norm=1.5),
        Group("linear2.weight", lr=0.5, nonnegative=True),
    ]
    optimizer = optim.SGD(optim.Exponential(0.1), momentum=0.9, groups=groups, average=0.5)

    def made() -> Any:
        layers = gn.nn.Linear(3, 4), gn.nn.Tanh(), gn.nn.Linear(4, 2)
        return gn.nn.Sequential(*layers, dtype=dtype)

    whole, part, run = made(), made(), tmp_path / "run.glass"
    given: dict[str, Any] = {"loss": HALF, "optimizer": optimizer, "batch_size": 3}
    gn.train(whole, X, Y, **given, epochs=6)
    gn.train(part, X, Y, **given, epochs=3, record=run)
    gn.resume(run, epochs=6, model=part)
    assert part.W.tobytes() == whole.W.tobytes()
    step = gn.open_step(run, epoch=4, batch=2)
    assert step.optimizer == optimizer
    told = str(text.weight(step, "linear1.weight[1,2]"))
    assert "w ← sign(w)·max(|w| − " in told
    assert "·0.3, 0): l1, a proximal step" in told
    assert "w ← w·min(1, 1.5/‖w‖): max_norm, with the norm of linear1.weight[:, 2]" in told
    assert "w ← max(w, 0): nonnegative" in text.weight(step, "linear2.weight[0,1]")
    assert (step.parameters["linear2.weight"].after >= 0).all()
    halves, steps = made(), made()
    plan: dict[str, Any] = {"loss": HALF, "optimizer": optim.Adam(0.1, groups=groups)}
    one, two = gn.Step(steps, **plan), gn.Step(halves, **plan)
    for _ in range(4):
        one(X, Y)
        two.apply(two.gradients(X, Y))
    assert steps.W.tobytes() == halves.W.tobytes()


def test_described_for_files() -> None:
    """And files of earlier versions, which do not name these settings, are read."""
    old = {"class": "Group", "pattern": "*.bias", "lr": 2.0, "decay": 1.0}
    assert from_data(old, (Group,)) == Group("*.bias", lr=2.0)
    new = optim.SGD(0.1, groups=[Group("*", l1=0.5, max_norm=2.0, nonnegative=True)])
    assert from_data(as_data(new), (optim.SGD,)) == new


def test_a_weight_that_is_not_finite_stays_so() -> None:
    """Or a training that diverges would look like one that does not."""
    network = gn.nn.Sequential(gn.nn.Linear(3, 2, bias=False))
    groups = [Group("*", nonnegative=True, l1=0.1, max_norm=1.0)]
    step = gn.Step(network, loss=HALF, optimizer=optim.SGD(1e30, groups=groups))
    with pytest.raises(gn.errors.TrainingError, match="finite"):
        step(X * 1e18, Y)


def test_what_cannot_be_used() -> None:
    with pytest.raises(GlassnetError, match=r"Group\(l1=-1\.0\)"):
        Group("*", l1=-1.0)
    with pytest.raises(GlassnetError, match=r"Group\(max_norm=0\): use above 0"):
        Group("*", max_norm=0)
    with pytest.raises(GlassnetError, match="use True or False"):
        Group("*", nonnegative="yes")  # pyright: ignore[reportArgumentType]
    with pytest.raises(GlassnetError, match="with lr=0 weights stay as they are"):
        Group("*", lr=0, l1=1.0)

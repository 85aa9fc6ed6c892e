"""The two halves of a step: gradients, and an update by gradients of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import ShapeError, TrainingError

optim = gn.optim
X = np.random.default_rng(0).normal(size=(24, 3))
Y = np.random.default_rng(1).normal(size=(24, 2))
LOSS = gn.losses.MSE()


def network(*, norm: bool = False, dropout: float = 0.0, dtype: str = "float32") -> Any:
    layers: list[Any] = [gn.nn.Linear(3, 5)]
    layers += [gn.nn.BatchNorm(5)] if norm else []
    layers += [gn.nn.Tanh()] + ([gn.nn.Dropout(dropout)] if dropout else [])
    return gn.nn.Sequential(*layers, gn.nn.Linear(5, 2), seed=3, dtype=dtype)


def made(model: Any, optimizer: Any, **more: Any) -> gn.Step:
    return gn.Step(model, loss=LOSS, optimizer=optimizer, steps=6, steps_per_epoch=2, **more)


OPTIMIZERS = [
    optim.SGD(0.1),
    optim.SGD(optim.Cosine(0.1), momentum=0.9, nesterov=True, clip_norm=0.5),
    optim.Adam(0.01, amsgrad=True, weight_decay=0.1, maximize=True),
    optim.AdamW(optim.Warmup(optim.OneCycle(0.02), steps=3), clip_norm=1.0),
    optim.RMSprop(0.01, centered=True, groups=[optim.Group("*.bias", lr=0.5)]),
    optim.Adagrad(optim.StepDecay(0.1, every=1)),
    optim.Muon(0.01, clip_norm=1.0),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda own: type(own).__name__)
def test_a_step_is_its_two_halves(optimizer: Any) -> None:
    whole, halves = (network(norm=True, dropout=0.3) for _ in range(2))
    step, own = made(whole, optimizer), made(halves, optimizer)
    for k in range(6):
        weight = X[:, 0] ** 2 if k % 2 else None
        loss = step(X, Y, weight)
        found, gradient = own.value_and_grad(X, Y, weight)
        assert found == loss
        assert own.count == k
        own.apply(gradient)
    for name, value in step.state().items():
        assert np.asarray(value).tobytes() == np.asarray(own.state()[name]).tobytes(), name
    with pytest.raises(TrainingError, match="all of the steps=6"):
        own.gradients(X, Y)
    with pytest.raises(TrainingError, match="all of the steps=6"):
        own.apply(gradient)


def test_the_gradient_is_that_of_value_and_grad() -> None:
    model = network(dtype="float64")
    loss, gradient = gn.value_and_grad(LOSS)(model, X, Y)
    before = model.W.copy()
    found, own = made(model, optim.Adam()).value_and_grad(X, Y)
    assert found == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(own, gradient, rtol=1e-10)
    assert (before == model.W).all()


def test_a_batch_in_parts_of_one_size() -> None:
    """Dropout too: rows of later parts are later rows of the batch."""
    model = network(dropout=0.4, dtype="float64")
    step = made(model, optim.SGD(0.1))
    parts = [step.gradients(X[i : i + 8], Y[i : i + 8]) for i in range(0, 24, 8)]
    whole = made(model, optim.SGD(0.1)).gradients(X, Y)
    np.testing.assert_allclose(sum(parts) / len(parts), whole, rtol=1e-10, atol=1e-14)
    other = network(dropout=0.4, dtype="float64")
    step.apply(sum(parts) / len(parts))
    made(other, optim.SGD(0.1))(X, Y)
    np.testing.assert_allclose(model.W, other.W, rtol=1e-12)
    # after an update the rows are counted anew
    assert not np.allclose(step.gradients(X[:8], Y[:8]), parts[0])
    step.apply(whole)
    assert step._seen == 0


def test_a_batch_norm_follows_every_part() -> None:
    model = network(norm=True, dtype="float64")
    step = made(model, optim.SGD(0.1))
    hidden = X[:8] @ model.parameters()["linear1.weight"] + model.parameters()["linear1.bias"]
    step.gradients(X[:8], Y[:8])
    wanted = 0.9 * 0.0 + 0.1 * hidden.mean(0)
    np.testing.assert_allclose(model.parameters()["batchnorm1.mean"], wanted, rtol=1e-10)


def test_by_hand() -> None:
    model = network(dtype="float64")
    before, gradient = model.W.copy(), np.linspace(-1, 1, model.W.size)
    step = made(model, optim.SGD(0.25))
    step.apply(gradient)
    np.testing.assert_allclose(model.W, before - 0.25 * gradient, rtol=1e-14)
    assert step.count == 1
    before = model.W.copy()
    norm = np.sqrt((gradient**2).sum())
    made(model, optim.SGD(0.25, clip_norm=0.5)).apply(gradient)
    wanted = before - 0.25 * gradient * 0.5 / (norm + 1e-6)
    np.testing.assert_allclose(model.W, wanted, rtol=1e-12)


def test_arrays_by_name() -> None:
    model = network(dtype="float64")
    before = {name: value.copy() for name, value in model.parameters().items()}
    step = made(model, optim.SGD(0.5))
    step.apply({"linear2.bias": [1.0, 2.0]})
    after = model.parameters()
    assert after["linear2.bias"].tolist() == (before["linear2.bias"] - [0.5, 1.0]).tolist()
    for name in set(before) - {"linear2.bias"}:
        assert (after[name] == before[name]).all()


def test_what_is_no_gradient_changes_nothing() -> None:
    model = network()
    step = made(model, optim.Adam(0.01))
    before = step.state()
    with pytest.raises(ShapeError, match=r"shape \(3,\); wanted that of model.W, \(32,\)"):
        step.apply(np.ones(3))
    with pytest.raises(ShapeError, match=r"there is no parameter 'w'; there are linear1.weight"):
        step.apply({"w": np.ones(3)})
    with pytest.raises(ShapeError, match=r"by linear2.bias has shape \(3,\), wanted \(2,\)"):
        step.apply({"linear2.bias": np.ones(3)})
    with pytest.raises(ShapeError, match=r"right: loss, gradient = step.value_and_grad"):
        step.apply(step.value_and_grad(X, Y))
    gradient = step.gradients(X, Y)
    gradient[2] = np.nan
    with pytest.raises(TrainingError, match=r"linear1.weight is nan at \[0, 2\]; nothing"):
        step.apply(gradient)
    with pytest.raises(TrainingError, match=r"a parameter left the finite range in step 1"):
        made(model, optim.SGD(1e30)).apply(np.full(32, 1e30))
    for name, value in before.items():
        assert (np.asarray(value) == step.state()[name]).all(), name


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    model = network(norm=True)
    step = made(model, optim.SGD(0.1))
    before = model.W.copy()
    with pytest.raises(TrainingError, match="the loss became inf in step 1"):
        step.gradients(X, 1e30 * Y)
    assert (before == model.W).all()


def test_restored_within_an_accumulation() -> None:
    model = network(dropout=0.4)
    step = made(model, optim.SGD(0.1))
    state, first = step.state(), step.gradients(X[:8], Y[:8])
    step.restore(state)
    assert step.gradients(X[:8], Y[:8]).tobytes() == first.tobytes()

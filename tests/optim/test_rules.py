"""Optimisers against transcriptions of their papers in NumPy, in float64, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import GlassnetError
from tests.optim.common import START, STEPS, model, slope, trajectory

Steps = Iterator[np.ndarray]


def sgd(lr: float, mu: float = 0.0, nesterov: bool = False, dampening: float = 0.0) -> Steps:
    w, v = START.copy(), None
    while True:
        g = slope(w)
        v = g.copy() if v is None else mu * v + (1 - dampening) * g
        w = w - lr * (g + mu * v if nesterov else v if mu else g)
        yield w


def adam(
    lr: float, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, decay: float = 0.0,
    decoupled: bool = False, amsgrad: bool = False,
) -> Steps:  # fmt: skip
    w, m, v, top, t = START.copy(), 0.0, 0.0, 0.0, 0
    while True:
        t += 1
        g = slope(w)
        if decoupled:
            w = w - lr * decay * w
        else:
            g = g + decay * w
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        top = np.maximum(top, v)
        v_hat = (top if amsgrad else v) / (1 - b2**t)
        w = w - lr * (m / (1 - b1**t)) / (np.sqrt(v_hat) + eps)
        yield w


def rmsprop(
    lr: float, alpha: float = 0.99, eps: float = 1e-8, mu: float = 0.0, centered: bool = False
) -> Steps:
    w, v, mean, b = START.copy(), 0.0, 0.0, 0.0
    while True:
        g = slope(w)
        v = alpha * v + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        spread = v - mean**2 if centered else v
        b = mu * b + g / (np.sqrt(spread) + eps)
        w = w - lr * b
        yield w


def adagrad(lr: float, lr_decay: float = 0.0, initial: float = 0.0) -> Steps:
    w, s, t = START.copy(), initial, 0
    while True:
        g = slope(w)
        s = s + g**2
        w = w - lr / (1 + t * lr_decay) * g / (np.sqrt(s) + 1e-10)
        t += 1
        yield w


def muon(
    lr: float, mu: float = 0.95, nesterov: bool = True, steps: int = 5, decay: float = 0.01,
    match_rms: bool = True,
) -> Steps:  # fmt: skip
    """For the weight of 3 rows and 2 columns, whose fan_in is 3."""
    w, m = START.copy().reshape(3, 2), np.zeros((3, 2))
    while True:
        g = slope(w.ravel()).reshape(3, 2)
        m = mu * m + (1 - mu) * g
        x = (1 - mu) * g + mu * m if nesterov else m
        x = x / np.linalg.norm(x)
        for _ in range(steps):
            gram = x.T @ x
            x = 3.4445 * x - 4.7750 * x @ gram + 2.0315 * x @ gram @ gram
        size = 0.2 * 3**0.5 if match_rms else 1.0
        w = w * (1 - lr * decay) - lr * size * x
        yield w.ravel()


optim = gn.optim
CASES: list[tuple[Any, Steps]] = [
    (optim.SGD(0.1), sgd(0.1)),
    (optim.SGD(0.1, momentum=0.9), sgd(0.1, 0.9)),
    (optim.SGD(0.1, momentum=0.9, nesterov=True), sgd(0.1, 0.9, True)),
    (optim.SGD(0.1, momentum=0.9, dampening=0.5), sgd(0.1, 0.9, False, 0.5)),
    (optim.Adam(0.1), adam(0.1)),
    (optim.Adam(0.1, beta1=0.5, beta2=0.9, eps=1e-3), adam(0.1, 0.5, 0.9, 1e-3)),
    (optim.Adam(0.1, beta1=0.0), adam(0.1, 0.0)),
    (optim.Adam(0.1, weight_decay=0.3), adam(0.1, decay=0.3)),
    (optim.Adam(0.1, amsgrad=True, beta2=0.5), adam(0.1, b2=0.5, amsgrad=True)),
    (optim.AdamW(0.1, weight_decay=0.3), adam(0.1, decay=0.3, decoupled=True)),
    (optim.AdamW(0.1), adam(0.1, decay=0.01, decoupled=True)),
    (optim.RMSprop(0.05), rmsprop(0.05)),
    (optim.RMSprop(0.05, alpha=0.5, momentum=0.5), rmsprop(0.05, 0.5, mu=0.5)),
    (optim.RMSprop(0.05, alpha=0.8, centered=True), rmsprop(0.05, 0.8, centered=True)),
    (optim.Adagrad(0.5), adagrad(0.5)),
    (optim.Muon(0.1), muon(0.1)),
    (
        optim.Muon(0.01, momentum=0.5, nesterov=False, steps=3, weight_decay=0.3, match_rms=False),
        muon(0.01, 0.5, False, 3, 0.3, False),
    ),
    (optim.Muon(0.1, matrices=()), adam(0.1, decay=0.01, decoupled=True)),
    (optim.Adagrad(0.5, lr_decay=0.1, initial=0.2), adagrad(0.5, 0.1, 0.2)),
]


@pytest.mark.parametrize(("optimizer", "wanted"), CASES, ids=[str(c[0]) for c in CASES])
def test_trajectory(optimizer: Any, wanted: Steps) -> None:
    steps = [next(wanted) for _ in range(STEPS)]
    np.testing.assert_allclose(trajectory(optimizer), steps, rtol=1e-10, atol=1e-11)


def test_muon_turns_matrices_and_leaves_the_others_to_adamw() -> None:
    """After a first step from zero the singular values of a matrix are near η·s; vectors, single
    columns and parameters that are not named have moved by η everywhere."""
    nn, rate = gn.nn, 0.01
    network = nn.Sequential(
        nn.Linear(4, 4), nn.Repeat(2), nn.BatchEnsemble(4, 8, 2, groups=2), nn.Tanh(),
        nn.MemberLinear(8, 1, 2), nn.Average(2), dtype="float64",
    )  # fmt: skip
    before = {name: value.copy() for name, value in network.parameters().items()}
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 4)), rng.normal(size=32)
    patterns = ("batchensemble1.weight", "memberlinear1.weight")
    optimizer = optim.Muon(rate, weight_decay=0.0, matrices=patterns, steps=12)
    gn.train(network, x, y, loss=gn.losses.HalfMSE(), optimizer=optimizer, epochs=1, batch_size=32)
    moved = {name: value - before[name] for name, value in network.parameters().items()}
    for matrix in moved.pop("batchensemble1.weight"):
        values = np.linalg.svd(matrix, compute_uv=False) / (rate * 0.2 * 8**0.5)
        assert (values > 0.5).sum() == 4
        assert values.max() < 1.3
    assert len(moved) == 7
    for name, change in moved.items():
        np.testing.assert_allclose(np.abs(change), rate, rtol=1e-3, err_msg=name)


@pytest.mark.parametrize("optimizer", [c[0] for c in CASES], ids=str)
def test_every_rule_works_in_float32(optimizer: Any) -> None:
    wanted = trajectory(optimizer, 20)
    np.testing.assert_allclose(trajectory(optimizer, 20, "float32"), wanted, rtol=1e-4, atol=1e-4)


def test_float32_follows_float64() -> None:
    """The bias correction keeps its digits: 1 − 0.999ᵗ is 0.001 at first."""
    steps = [w for _, w in zip(range(STEPS), adam(0.1), strict=False)]
    np.testing.assert_allclose(
        trajectory(gn.optim.Adam(0.1), dtype="float32"), steps, rtol=2e-5, atol=2e-5
    )


def test_weight_decay_is_the_gradient_of_a_penalty() -> None:
    w = START.copy()
    for _ in range(3):
        w = w - 0.1 * (slope(w) + 0.5 * w)
    found = trajectory(gn.optim.SGD(0.1, weight_decay=0.5), 3)[-1]
    np.testing.assert_allclose(found, w, rtol=1e-12)


@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_clipping_by_the_norm_of_all_gradients(limit: float) -> None:
    w = START.copy()
    for _ in range(3):
        g = slope(w)
        w = w - 0.1 * g * min(1.0, limit / (np.sqrt((g**2).sum()) + 1e-6))
    found = trajectory(gn.optim.SGD(0.1, clip_norm=limit), 3)[-1]
    np.testing.assert_allclose(found, w, rtol=1e-12)
    assert 0.5 < np.linalg.norm(slope(START)) < 100  # one limit is above, one below


def train(network: Any, optimizer: Any, epochs: int = 1) -> Any:
    x, y = np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([1.0, -1.0])
    return gn.train(
        network, x, y, loss=gn.losses.HalfMSE(), optimizer=optimizer, epochs=epochs,
        validation=(x, y),
    )  # fmt: skip


def two_layers() -> gn.nn.Sequential:
    return gn.nn.Sequential(gn.nn.Linear(2, 3), gn.nn.Tanh(), gn.nn.Linear(3, 1), dtype="float64")


def test_groups_have_their_own_rate_and_decay() -> None:
    plain, grouped = two_layers(), two_layers()
    first = plain.W.copy()
    train(plain, gn.optim.SGD(0.1))
    groups = [gn.optim.Group("linear1.*", lr=0.0), gn.optim.Group("*.bias", lr=0.5)]
    train(grouped, gn.optim.SGD(0.1, groups=groups))
    step, own = plain.W - first, grouped.W - first
    np.testing.assert_array_equal(own[:9], 0.0)  # the first match counts
    np.testing.assert_allclose(own[9:12], step[9:12], rtol=1e-12)
    np.testing.assert_allclose(own[12:], 0.5 * step[12:], rtol=1e-12)


def test_a_group_without_decay() -> None:
    plain, grouped = two_layers(), two_layers()
    for network in (plain, grouped):
        network.W = 1.0
    train(plain, gn.optim.SGD(0.1))
    train(grouped, gn.optim.SGD(0.1, weight_decay=2.0, groups=[gn.optim.Group("*.bias", decay=0)]))
    by_decay = {name: w - plain.parameters()[name] for name, w in grouped.parameters().items()}
    np.testing.assert_allclose(by_decay["linear1.weight"], -0.1 * 2.0, rtol=1e-12)
    np.testing.assert_array_equal(by_decay["linear1.bias"], 0.0)


def test_a_group_that_matches_nothing() -> None:
    with pytest.raises(GlassnetError, match=r"linear1.weight, linear1.bias"):
        train(two_layers(), gn.optim.SGD(0.1, groups=[gn.optim.Group("hidden*")]))


def test_the_average_of_the_weights() -> None:
    w, mean, raw = START.copy(), np.zeros(6), []
    for t in range(1, 6):
        w = w - 0.1 * slope(w)
        mean = 0.8 * mean + 0.2 * w
        raw.append(mean / (1 - 0.8**t))
    found = trajectory(gn.optim.SGD(0.1, average=0.8), 5)
    np.testing.assert_allclose(found, raw, rtol=1e-12)


def test_validation_and_early_stopping_see_the_average() -> None:
    network = model()
    seen: list[float] = []
    x = np.eye(3)
    y = np.zeros((3, 2))

    class Watch(gn.callbacks.Callback):
        def epoch_end(self, run: Any) -> None:
            seen.append(float((network.W**2).sum() / 6))

    history = gn.train(
        network, x, y, loss=gn.losses.HalfMSE(), optimizer=gn.optim.SGD(0.1, average=0.9),
        epochs=4, validation=(x, y), callbacks=[Watch()],
    )  # fmt: skip
    assert history.validation_loss == pytest.approx(seen, rel=1e-12)
    assert (network.W**2).sum() / 6 == pytest.approx(seen[-1], rel=1e-12)


def test_divergence_with_an_average_leaves_finite_weights() -> None:
    network = model("float32")
    with pytest.raises(gn.errors.TrainingError):
        gn.train(
            network, np.eye(3) * 1e3, np.zeros((3, 2)), loss=gn.losses.HalfMSE(),
            optimizer=gn.optim.SGD(10.0, average=0.9), epochs=100,
        )  # fmt: skip
    assert np.isfinite(network.W).all()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: optim.SGD(lr=0.0),
        lambda: optim.SGD(lr=-1.0),
        lambda: optim.SGD(lr=float("nan")),
        lambda: optim.SGD(lr="fast"),
        lambda: optim.SGD(momentum=1.0),
        lambda: optim.SGD(nesterov=True),
        lambda: optim.SGD(momentum=0.9, dampening=0.1, nesterov=True),
        lambda: optim.SGD(weight_decay=-1.0),
        lambda: optim.SGD(clip_norm=0.0),
        lambda: optim.SGD(average=1.0),
        lambda: optim.Adam(beta1=1.0),
        lambda: optim.Adam(eps=-1e-8),
        lambda: optim.RMSprop(alpha=2.0),
        lambda: optim.Adagrad(lr_decay=-0.1),
        lambda: optim.Muon(momentum=1.0),
        lambda: optim.Muon(steps=0),
        lambda: optim.Muon(steps=100),
        lambda: optim.Group("*", lr=-1.0),
        lambda: optim.RandomSearch(scale=0.0),
        lambda: optim.LBFGS(memory=0),
    ],
)
def test_wrong_settings(wrong: Callable[[], Any]) -> None:
    with pytest.raises(GlassnetError, match=r"use|right|above"):
        wrong()


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda w, g, now: w - now.lr * g, r"right: return w - now\.lr \* g, \{\}"),
        (lambda w, g, now: (w, g, now), "wanted the new parameter and its new memory"),
        (lambda w, g, now: (w, None), "wanted a dict with what `slots` names"),
        (lambda w, g, now: (w, {"m": g}), r"wanted a dict with what `slots` names: \[\]"),
    ],
    ids=["parameter alone", "three", "no memory", "unknown slot"],
)
def test_a_rule_of_ones_own_that_returns_something_else(result: Any, message: str) -> None:
    class Own(optim.Optimizer):
        def update(self, w: Any, g: Any, memory: Any, now: Any) -> Any:
            return result(w, g, now)

    with pytest.raises(GlassnetError, match=message):
        gn.train(
            model("float64"), np.eye(3), np.zeros((3, 2)),
            loss=gn.losses.HalfMSE(), optimizer=Own(0.1), epochs=1,
        )  # fmt: skip

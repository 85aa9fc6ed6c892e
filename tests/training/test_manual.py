"""One step a call: the bits of gn.train, states, schedules, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import GlassnetError, ShapeError, TrainingError
from glassnet.training.batch_order import Order
from glassnet.training.step_runner import weighted_mean
from glassnet.training.stepper import Step
from tests.training.common import HALF, SGD, data, network

optim = gn.optim
X, Y = data(23)
SIZE, EPOCHS, SEED = 5, 4, 7  # batches of 5, 5, 5, 5 and 3
STEPS = 5 * EPOCHS
OPTIMIZERS = {
    "sgd": SGD,
    "momentum": optim.SGD(0.05, momentum=0.9),
    "adam": optim.Adam(0.01),
    "cosine": optim.Adam(optim.Cosine(0.01)),
    "decay": optim.SGD(optim.StepDecay(0.1, every=2)),
    "warmup": optim.AdamW(optim.Warmup(optim.OneCycle(0.02), steps=6)),
}


def made(model: Any, optimizer: Any = SGD, **settings: Any) -> Step:
    return gn.Step(model, loss=HALF, optimizer=optimizer, **settings)


def batches(seed: int | None) -> list[np.ndarray]:
    order = Order(len(X), SIZE, seed)
    return [rows for epoch in range(EPOCHS) for part in order.parts(epoch) for rows in part]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_bits_of_train(name: str, shuffle: bool, dtype: str, weighted: bool) -> None:
    weight = 1 + X[:, 0] ** 2 if weighted else None
    known, own = network(dtype=dtype), network(dtype=dtype)
    first = own.W.tobytes()
    history = gn.train(
        known, X, Y, loss=HALF, optimizer=OPTIMIZERS[name], epochs=EPOCHS, batch_size=SIZE,
        shuffle=shuffle, seed=SEED, sample_weight=weight,
    )  # fmt: skip
    step = made(own, OPTIMIZERS[name], steps=STEPS, steps_per_epoch=5)
    losses: list[float] = []
    weights: list[float] = []
    for rows in batches(SEED if shuffle else None):
        part = None if weight is None else weight[rows]
        losses.append(step(X[rows], Y[rows], part))
        weights.append(len(rows) if part is None else float(part.astype(dtype).sum(dtype=float)))
    assert own.W.tobytes() == known.W.tobytes() != first
    found = [
        weighted_mean(np.array(losses[i : i + 5], dtype), np.array(weights[i : i + 5]))
        for i in range(0, STEPS, 5)
    ]
    if weighted:  # the sums of weights are taken in another way
        np.testing.assert_allclose(found, history.loss, rtol=1e-12)
    else:
        assert found == history.loss
    assert step.count == STEPS


def test_a_step_by_hand() -> None:
    model = gn.nn.Sequential(gn.nn.Linear(1, 1), dtype="float64")
    model.W[...] = [2.0, 1.0]  # ŷ = 2x + 1
    step = made(model, optim.SGD(0.5))
    loss = step(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]))  # errors 2 and 1
    assert loss == (4 + 1) / 4
    np.testing.assert_array_equal(model.W, [2.0 - 0.5 * (2 + 2) / 2, 1.0 - 0.5 * (2 + 1) / 2])


def test_dropout_is_keyed_by_the_row_within_the_batch() -> None:
    def dropping() -> Any:
        return gn.nn.Sequential(gn.nn.Linear(3, 16), gn.nn.Dropout(0.5), gn.nn.Linear(16, 2))

    def stepped(seed: int) -> np.ndarray:
        model = dropping()
        step = made(model, seed=seed)
        for _ in range(3):
            step(X, Y)
        return model.W

    known = dropping()
    gn.train(known, X, Y, loss=HALF, optimizer=SGD, epochs=3, batch_size=99, shuffle=False, seed=3)
    assert stepped(3).tobytes() == known.W.tobytes()
    assert stepped(4).tobytes() != known.W.tobytes()


def test_a_batch_size_is_prepared_once() -> None:
    step = made(network())
    with mock.patch.object(
        Step, "_prepare_call", autospec=True, side_effect=Step._prepare_call
    ) as spy:  # pyright: ignore
        for rows in batches(1):
            step(X[rows], Y[rows])
    assert spy.call_count == 2  # of 5 rows and of 3


@pytest.mark.parametrize("name", ["momentum", "cosine"])
def test_a_restored_state_goes_on_with_the_same_bits(name: str, tmp_path: Path) -> None:
    def loop(step: Step, parts: list[np.ndarray]) -> list[float]:
        return [step(X[rows], Y[rows]) for rows in parts]

    whole, first, second = (network(seed=i) for i in (0, 0, 5))
    optimizer, parts = OPTIMIZERS[name], batches(1)
    losses = loop(made(whole, optimizer, steps=STEPS), parts)
    begun = made(first, optimizer, steps=STEPS)
    loop(begun, parts[:9])
    np.savez(tmp_path / "state.npz", **begun.state())
    loop(begun, parts[9:11])  # a state is a copy
    other = made(second, optimizer, steps=STEPS)
    other(X[:2], Y[:2])
    with np.load(tmp_path / "state.npz") as state:
        other.restore(state)
    assert other.count == 9
    assert loop(other, parts[9:]) == losses[9:]
    assert second.W.tobytes() == whole.W.tobytes()


def test_what_a_state_holds() -> None:
    step = made(network(), optim.SGD(0.1, momentum=0.9))
    state = step.state()
    slot = next(iter(step.optimizer.slots()))
    names = [f"{slot}.{name}" for name in step.model.parameters()]
    assert list(state) == ["count", "W", *names]
    assert all(not state[name].any() for name in names)
    step(X, Y)
    assert all(step.state()[name].any() and not state[name].any() for name in names)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"W": None}, TrainingError, r"the state has count, .*has count, W, "),
        ({"count": -1}, TrainingError, "count=-1; wanted a whole number"),
        ({"count": 1.5}, TrainingError, r"count=1.5; wanted"),
        ({"W": np.zeros(3)}, ShapeError, r"W in the state is float64 \(3,\); .* float64 \(26,\)"),
        ({"W": np.zeros(26, "float32")}, ShapeError, "W in the state is float32"),
        ({"more": 1}, TrainingError, "the state has count, W, .*more"),
    ],
)
def test_a_wrong_state_changes_nothing(change: Any, error: type[Exception], text: str) -> None:
    step = made(network(), optim.Adam())
    step(X, Y)
    before = step.state()
    state = {**made(network(seed=1), optim.Adam()).state(), **change}
    with pytest.raises(error, match=text):
        step.restore({k: v for k, v in state.items() if v is not None})
    for name, value in step.state().items():
        np.testing.assert_array_equal(value, before[name])


def test_divergence_leaves_everything_as_before_the_step() -> None:
    step = made(network(), optim.SGD(1e200, momentum=0.5))
    step(X, Y)  # large weights, the loss of which is infinite
    before = step.state()
    with pytest.raises(TrainingError, match=r"inf in step 2; .*restored(.|\n)*lr=1e\+199"):
        step(X, Y)
    assert step.count == 1
    for name, value in step.state().items():
        np.testing.assert_array_equal(value, before[name])
        assert np.isfinite(value).all()


def test_weights_that_are_no_longer_finite_are_seen_in_their_step() -> None:
    step = made(network(dtype="float32"), optim.SGD(1e30))
    first = step.model.W.copy()
    with pytest.raises(TrainingError, match=r"a parameter left .* step 1; (.|\n)*scale x"):
        step(X * 1e8, Y * 1e10)
    np.testing.assert_array_equal(step.model.W, first)


def test_an_interrupted_step_changes_nothing() -> None:
    step = made(network(), optim.Adam())
    step(X, Y)
    before = step.state()
    with (
        mock.patch("glassnet.training.stepper.finite", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        step(X, Y)
    for name, value in step.state().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"optimizer": optim.SGD(optim.Cosine())}, TrainingError, r"gn.Step\(..., steps=1000\)"),
        ({"optimizer": optim.SGD(optim.OneCycle())}, TrainingError, "steps=1000"),
        ({"optimizer": optim.SGD(optim.Warmup(optim.Cosine()))}, TrainingError, "steps=1000"),
        ({"optimizer": optim.SGD(optim.Exponential())}, TrainingError, "steps_per_epoch=100"),
        ({"optimizer": optim.SGD(optim.ReduceOnPlateau())}, TrainingError, "losses of epochs"),
        ({"optimizer": optim.SGD(average=0.9)}, TrainingError, r"mean \+= 0.1"),
        ({"optimizer": optim.LBFGS()}, TrainingError, "has no steps"),
        ({"optimizer": "adam"}, TrainingError, "is not an optimiser"),
        ({"loss": "mse"}, ShapeError, "is not a loss"),
        ({"steps": 0}, TrainingError, "steps=0; wanted a whole number"),
        ({"seed": "a"}, TrainingError, "seed='a'; wanted a whole number"),
        ({"steps_per_epoch": 1.5}, TrainingError, "steps_per_epoch=1.5"),
        ({"threads": 0}, GlassnetError, "0 threads"),
    ],
)
def test_wrong_settings(settings: Any, error: type[Exception], text: str) -> None:
    arguments: dict[str, Any] = {"loss": HALF, "optimizer": SGD, **settings}
    with pytest.raises(error, match=text):
        gn.Step(network(), **arguments)


@pytest.mark.parametrize(
    ("x", "y", "weight", "error", "text"),
    [
        (X[:, :2], Y, None, ShapeError, r"x has shape \(23, 2\)"),
        (X, Y[:5], None, ShapeError, "x has 23 rows and y has 5"),
        (X * np.nan, Y, None, TrainingError, "nan in row 0, column 0"),
        (X, Y, np.ones(3), ShapeError, "wanted one number a row"),
    ],
)
def test_wrong_batches(x: Any, y: Any, weight: Any, error: type[Exception], text: str) -> None:
    step = made(network())
    first = step.model.W.copy()
    with pytest.raises(error, match=text):
        step(x, y, weight)
    assert step.count == 0
    np.testing.assert_array_equal(step.model.W, first)


def test_no_more_steps_than_planned() -> None:
    step = made(network(), optim.SGD(optim.Cosine()), steps=2)
    step(X, Y)
    step(X, Y)
    with pytest.raises(TrainingError, match="steps=2 that were planned are done"):
        step(X, Y)
    assert step.count == 2


def test_the_learning_rate_can_be_set() -> None:
    own, known = network(), network()
    step = made(own, optim.SGD(0.1, momentum=0.9))
    first, second = made(known, optim.SGD(0.1, momentum=0.9)), None
    step(X, Y)
    first(X, Y)
    step.lr = 0.03
    assert step.lr == 0.03
    assert step.optimizer == optim.SGD(0.03, momentum=0.9)
    second = made(known, optim.SGD(0.03, momentum=0.9))
    second.restore(first.state())
    assert step(X, Y) == second(X, Y)
    step.optimizer = optim.SGD(optim.InverseScaling(0.1), momentum=0.9)
    assert step.lr == pytest.approx(0.1 / np.sqrt(3))
    assert own.W.tobytes() == known.W.tobytes()


@pytest.mark.parametrize(
    ("name", "value", "error", "text"),
    [
        ("lr", -1.0, GlassnetError, "lr is a number above 0"),
        ("lr", optim.Cosine(), TrainingError, "steps=1000"),
        ("optimizer", optim.Adam(), TrainingError, r"compiled for SGD(.|\n)*step.lr = 0.01"),
        ("optimizer", optim.SGD(momentum=0.9), TrainingError, "only the learning rate"),
        ("optimizer", "adam", TrainingError, "is not an optimiser"),
        ("loss", gn.losses.MSE(), TrainingError, r"step.loss = … would change nothing"),
        ("model", network(), TrainingError, "step.model"),
        ("seed", 3, TrainingError, "step.seed"),
        ("threads", 1, TrainingError, "step.threads"),
        ("learning_rate", 1.0, TrainingError, "lr, optimizer, count, steps, steps_per_epoch can"),
    ],
)
def test_what_cannot_be_set(name: str, value: Any, error: type[Exception], text: str) -> None:
    step = made(network())
    with pytest.raises(error, match=text):
        setattr(step, name, value)
    assert (step.lr, step.optimizer) == (0.1, SGD)

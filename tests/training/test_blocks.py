"""Epochs of small data, several at a time: bits, losses and ends of epochs one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import DivergenceError
from glassnet.run.interrupt import Interrupt
from glassnet.training.epoch_blocks import EpochBlocks, exact
from glassnet.training.step_runner import EpochCalls
from glassnet.training.trainer import Trainer
from tests.training.common import HALF, data

optim = gn.optim
X, Y = data(50)
SGD = optim.SGD(0.05, momentum=0.9)


def network(dtype: str = "float32", *more: Any) -> Any:
    layers = gn.nn.Linear(X.shape[1], 5), gn.nn.Tanh(), *more, gn.nn.Linear(5, Y.shape[1])
    return gn.nn.Sequential(*layers, seed=2, dtype=dtype)


def one_by_one() -> Any:
    return mock.patch.object(EpochBlocks, "of", return_value=None)


@contextmanager
def counted() -> Iterator[list[int]]:
    """How many epochs each call of compiled code had."""
    seen: list[int] = []
    real = EpochCalls.run

    def run(own: EpochCalls, epoch: int, count: int = 1) -> None:
        seen.append(count)
        real(own, epoch, count)

    with mock.patch.object(EpochCalls, "run", run):
        yield seen


GAPS = np.where(np.arange(50)[:, None] % 7 == 0, np.nan, Y)
CASES: dict[str, dict[str, Any]] = {
    "a smaller last batch": {"batch_size": 16},
    "batches of one size": {"batch_size": 10},
    "one batch": {"batch_size": 50},
    "as they lie": {"batch_size": 16, "shuffle": False},
    "weights": {"batch_size": 16, "sample_weight": np.linspace(0, 1, 50)},
    "a schedule": {"batch_size": 10, "optimizer": optim.Adam(optim.Cosine(0.01))},
    "missing labels": {"y": GAPS, "loss": gn.losses.MSE(missing="skip"), "batch_size": 16},
}
WATCHED: dict[str, dict[str, Any]] = {
    "a callback": {"batch_size": 16, "callbacks": [lambda run: None]},
    "validation": {"batch_size": 10, "validation": (X[:20], Y[:20])},
    "a part held out": {"batch_size": 8, "validation": 0.3, "callbacks": [lambda run: None]},
    "patience": {"validation": 0.3, "callbacks": [gn.callbacks.EarlyStopping(3)]},
}
ALONE: dict[str, dict[str, Any]] = {
    "rates by losses": {"optimizer": optim.SGD(optim.ReduceOnPlateau(0.05, patience=1))},
    "a mean of the weights": {"optimizer": optim.SGD(0.05, average=0.9)},
}


def train(model: Any, y: Any = Y, **given: Any) -> Any:
    given = {"loss": HALF, "optimizer": SGD, "epochs": 70, **given}
    return gn.train(model, X, y, **given)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*CASES, *WATCHED, *ALONE])
def test_the_bits_of_epochs_one_by_one(name: str, dtype: str) -> None:
    given = {**CASES, **WATCHED, **ALONE}[name]
    known, own = network(dtype, gn.nn.Dropout(0.2)), network(dtype, gn.nn.Dropout(0.2))
    with one_by_one():
        first = train(known, **given)
    with counted() as seen:
        second = train(own, **given)
    assert own.W.tobytes() == known.W.tobytes()
    assert second.loss == first.loss
    assert second.validation_loss == first.validation_loss
    assert (second.stopped, second.evaluations) == (first.stopped, first.evaluations)
    assert sum(seen) == (0 if name in ALONE else len(first.loss))
    assert (max(seen, default=0) > 1) == (name in CASES)


def test_a_long_training_goes_on_where_a_shorter_one_ended() -> None:
    whole, own = network(), network()
    train(whole, epochs=90)
    history = train(own, epochs=41)
    train(own, epochs=49, after=history)
    assert own.W.tobytes() == whole.W.tobytes()


@pytest.mark.parametrize("callbacks", [[], [lambda run: None]])
def test_a_training_that_diverges_says_the_same(callbacks: Any) -> None:
    rising = optim.SGD(optim.Exponential(1e-3, 3.0))
    found: list[tuple[str, bytes, list[float]]] = []
    for way in (one_by_one(), counted()):
        model = network()
        with way, pytest.raises(DivergenceError) as error:
            train(model, optimizer=rising, callbacks=callbacks)
        assert error.value.history is not None
        found.append((str(error.value), model.W.tobytes(), error.value.history.loss))
    assert found[0] == found[1]
    assert len(found[0][2]) > 3


def test_ctrl_c_ends_it_after_a_call_and_it_can_go_on() -> None:
    whole, own = network(), network()
    train(whole, epochs=64)
    real, calls = EpochCalls.run, list[int]()

    def run(steps: EpochCalls, epoch: int, count: int = 1) -> None:
        real(steps, epoch, count)
        calls.append(count)
        if len(calls) == 2:
            interrupts[0].seen = True

    interrupts: list[Interrupt] = []
    made = Interrupt.__enter__

    def entered(interrupt: Interrupt) -> Interrupt:
        interrupts.append(interrupt)
        return made(interrupt)

    with (
        mock.patch.object(EpochCalls, "run", run),
        mock.patch.object(Interrupt, "__enter__", entered),
    ):
        history = train(own, epochs=64)
    assert history.stopped == "interrupted"
    assert len(history.loss) == sum(calls) < 64
    train(own, epochs=64 - sum(calls), after=history)
    assert own.W.tobytes() == whole.W.tobytes()


@pytest.mark.parametrize("callbacks", [[], [lambda run: None]])
def test_a_second_ctrl_c_leaves_the_numbers_of_the_last_epoch_counted(callbacks: Any) -> None:
    model, whole = network(), network()
    real, calls = EpochCalls.run, list[int]()

    def run(steps: EpochCalls, epoch: int, count: int = 1) -> None:
        if len(calls) == 2:
            model.W[::2] = 7.0
            raise KeyboardInterrupt
        calls.append(count)
        real(steps, epoch, count)

    with mock.patch.object(EpochCalls, "run", run):
        history = train(model, callbacks=callbacks)
    assert (history.stopped, len(history.loss)) == ("interrupted", sum(calls))
    train(whole, epochs=sum(calls))
    assert model.W.tobytes() == whole.W.tobytes()


def test_a_callback_that_changes_what_the_loss_refers_to_is_seen() -> None:
    beta = [1.0]

    def loss(p: Any, y: Any) -> Any:
        return gn.ops.sum(gn.ops.square(p - y), 1) * beta[0]

    def change(run: Any) -> None:
        beta[0] = 1.0 + run.epoch

    found: list[bytes] = []
    for way in (one_by_one(), counted()):
        beta[0], model = 1.0, network()
        with way:
            train(model, loss=loss, callbacks=[change], epochs=4)
        found.append(model.W.tobytes())
    assert found[0] == found[1]


def test_large_data_are_taken_epoch_by_epoch() -> None:
    x = np.zeros((40_000, X.shape[1]), "float32")
    model, taken = network(), list[int]()
    real = Trainer.one_epoch

    def one(descent: Trainer, course: Any) -> None:
        taken.append(1)
        real(descent, course)

    with mock.patch.object(Trainer, "one_epoch", one):
        gn.train(
            model, x, np.zeros((40_000, Y.shape[1])), loss=HALF, optimizer=SGD, epochs=2,
            batch_size=10_000,
        )  # fmt: skip
    assert len(taken) == 2


def test_sums_that_are_called_exact_are() -> None:
    """Of numbers near each other, of any sign; not of those that are far apart, nor with a 0."""
    rng = np.random.default_rng(4)
    weights = np.array([32.0] * 30 + [17.0])
    for apart in (1.0, 1e3, 1e6, 1e12):
        for scale in (1e-41, 1e-30, 1.0, 1e25):
            losses = rng.standard_normal((3, 31)) * apart ** rng.random((3, 31)) * scale
            single = losses.astype(np.float32)
            if exact(single, weights.sum()):
                got = (single.astype(float) @ weights).tolist()
                assert got == [
                    math.fsum(line) for line in (single.astype(float) * weights).tolist()
                ]
            else:
                assert apart > 1.0 or scale < 1e-40
    near = np.linspace(0.5, 2.0, 31, dtype=np.float32)
    assert exact(near, 1000.0)
    assert not exact(np.append(near, np.float32(1e-9)), 1000.0)
    assert not exact(np.append(near, np.float32(0)), 1000.0)
    assert not exact(near.astype(float), 1000.0)

"""Training as a whole: what it does to a model, what it returns, when it stops."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.ops import philox
from glassnet.training import Callback, value_and_grad
from glassnet.training.batch_order import SHUFFLE
from tests.training.common import HALF, SGD, data, network


def test_xor_is_learnt() -> None:
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    model = gn.nn.Sequential(gn.nn.Linear(2, 4), gn.nn.Sigmoid(), gn.nn.Linear(4, 1), seed=1)
    history = gn.train(model, x, y, loss=HALF, optimizer=gn.optim.Adam(lr=0.1), epochs=400)
    assert (model(x)[:, 0].round() == y).all()
    assert history.loss[-1] < 1e-3
    assert len(history.loss) == 400


@pytest.mark.parametrize("batch_size", [1, 7, 23, 100])
def test_without_shuffling_it_is_a_loop_over_slices(batch_size: int) -> None:
    x, y = data()
    model, by_hand = network(), network()
    losses: list[float] = []
    for _ in range(3):
        total = 0.0
        for start in range(0, 23, batch_size):
            part = slice(start, start + batch_size)
            loss, gradient = value_and_grad(HALF)(by_hand, x[part], y[part])
            by_hand.W -= 0.1 * gradient
            total += loss * len(x[part])
        losses.append(total / 23)
    history = gn.train(
        model, x, y, loss=HALF, optimizer=SGD, epochs=3, batch_size=batch_size, shuffle=False
    )
    np.testing.assert_allclose(model.W, by_hand.W, rtol=1e-12)
    assert history.loss == pytest.approx(losses, rel=1e-12)


def test_shuffling_is_a_keyed_permutation() -> None:
    x, y = data()
    model, by_hand = network(), network()
    for epoch in range(2):
        order = philox.permutation(23, 5, SHUFFLE, epoch)
        gn.train(
            by_hand, x[order], y[order], loss=HALF, optimizer=SGD, epochs=1,
            batch_size=4, shuffle=False,
        )  # fmt: skip
    gn.train(model, x, y, loss=HALF, optimizer=SGD, epochs=2, batch_size=4, seed=5)
    np.testing.assert_array_equal(model.W, by_hand.W)


def test_the_same_seed_gives_the_same_bits() -> None:
    x, y = data(200)

    def weights(seed: int, threads: int | None = None) -> np.ndarray:
        model = network(dtype="float32")
        gn.train(
            model, x, y, loss=HALF, optimizer=gn.optim.Adam(), epochs=3, seed=seed, threads=threads
        )
        return model.W

    np.testing.assert_array_equal(weights(1), weights(1, threads=2))
    assert (weights(1) != weights(2)).any()


def test_weights_of_rows_are_repetitions() -> None:
    x, y = data(6)
    weight = np.array([1.0, 2.0, 0.0, 3.0, 1.0, 1.0])
    rows = np.repeat(np.arange(6), weight.astype(int))
    weighted, repeated = network(), network()
    options: dict[str, Any] = {"loss": HALF, "optimizer": SGD, "epochs": 2, "batch_size": 100}
    first = gn.train(weighted, x, y, sample_weight=weight, **options)
    second = gn.train(repeated, x[rows], y[rows], **options)
    np.testing.assert_allclose(weighted.W, repeated.W, rtol=1e-12)
    assert first.loss == pytest.approx(second.loss, rel=1e-12)


def test_the_epoch_loss_counts_weights_over_batches() -> None:
    x, y = data(5)
    weight = np.array([1.0, 4.0, 0.0, 0.0, 2.0])
    model = network()
    # with a tiny rate all steps see nearly the same weights: L = Σ wᵢ Lᵢ / Σ wᵢ
    each = 0.5 * ((model(x) - y) ** 2).sum(axis=1)
    history = gn.train(
        model, x, y, loss=HALF, optimizer=gn.optim.SGD(lr=1e-12), epochs=1, batch_size=2,
        sample_weight=weight, shuffle=False,
    )  # fmt: skip
    assert history.loss == [pytest.approx((each * weight).sum() / 7, rel=1e-9)]


def test_the_validation_loss_is_that_of_the_model_after_the_epoch() -> None:
    x, y = data(40)
    model = network()
    seen: list[float] = []

    class Watch(Callback):
        def epoch_end(self, run: Any) -> None:
            seen.append(float(0.5 * ((model(x[30:]) - y[30:]) ** 2).sum(axis=1).mean()))

    history = gn.train(
        model, x[:30], y[:30], loss=HALF, optimizer=SGD, epochs=3,
        validation=(x[30:], y[30:]), callbacks=[Watch()],
    )  # fmt: skip
    assert history.validation_loss == pytest.approx(seen, rel=1e-12)


def test_validation_of_many_rows_goes_in_parts() -> None:
    x, y = data(2 * 4096 + 5)
    model = network()
    history = gn.train(
        model, x[:8], y[:8], loss=HALF, optimizer=SGD, epochs=1, validation=(x, y, x[:, 0] ** 2)
    )
    each = 0.5 * ((model(x) - y) ** 2).sum(axis=1)
    wanted = (each * x[:, 0] ** 2).sum() / (x[:, 0] ** 2).sum()
    assert history.validation_loss == [pytest.approx(wanted, rel=1e-12)]


def test_a_fraction_is_held_out() -> None:
    x, y = data(50)
    model, by_hand = network(), network()
    history = gn.train(model, x, y, loss=HALF, optimizer=SGD, epochs=2, validation=0.2, seed=3)
    order = philox.permutation(50, 3, SHUFFLE + 1)
    held_out, kept = np.sort(order[:10]), np.sort(order[10:])
    other = gn.train(
        by_hand, x[kept], y[kept], loss=HALF, optimizer=SGD, epochs=2, seed=3,
        validation=(x[held_out], y[held_out]),
    )  # fmt: skip
    np.testing.assert_array_equal(model.W, by_hand.W)
    assert history.validation_loss == other.validation_loss


def test_nothing_is_compiled_twice() -> None:
    x, y = data()
    model = network()
    options: dict[str, Any] = {"loss": HALF, "epochs": 1, "validation": (x, y)}
    gn.train(model, x, y, optimizer=gn.optim.Adam(lr=1e-3), **options)
    known = len(model.programs)
    gn.train(model, x[:9], y[:9], optimizer=gn.optim.Adam(lr=1e-2), batch_size=4, **options)
    assert len(model.programs) == known == 2
    gn.train(model, x, y, optimizer=gn.optim.Adam(beta1=0.5), **options)
    assert len(model.programs) == known + 1


def test_steps_are_counted_while_they_run() -> None:
    x, y = data(23)
    seen: list[tuple[int, int, int]] = []

    class Watch(Callback):
        def epoch_end(self, run: Any) -> None:
            seen.append((run.epoch, run.steps_done, run.steps_total))

    gn.train(network(), x, y, loss=HALF, optimizer=SGD, epochs=2, batch_size=5, callbacks=[Watch()])
    assert seen == [(1, 5, 10), (2, 10, 10)]


def test_times_are_measured() -> None:
    x, y = data()
    start = time.perf_counter()
    history = gn.train(network(), x, y, loss=HALF, optimizer=SGD, epochs=2)
    passed = time.perf_counter() - start
    assert 0 < history.compile_seconds < passed
    assert 0 < history.train_seconds < passed

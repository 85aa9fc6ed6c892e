"""The search for a learning rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import TrainingError
from glassnet.ops import philox
from glassnet.training import find_lr
from tests.training.common import HALF, data, network


def search(**changes: Any) -> Any:
    x, y = data(400)
    options: dict[str, Any] = {"loss": HALF, "optimizer": gn.optim.SGD(), **changes}
    return find_lr(options.pop("model", network()), x, y, **options)


def test_rates_grow_evenly_and_end_where_it_gets_worse() -> None:
    found = search(low=1e-4, high=1e4, steps=100)
    ratios = np.diff(np.log(found.rates))
    np.testing.assert_allclose(ratios, np.log(1e8) / 99, rtol=1e-9)
    assert found.rates[0] == 1e-4
    assert len(found.rates) == len(found.losses) < 100
    assert max(found.losses) <= 4 * min(found.losses)


def test_the_suggestion_trains_well() -> None:
    x, y = data(400)
    model = network()
    before = HALF(model(x), y)
    lr = search().suggestion
    history = gn.train(model, x, y, loss=HALF, optimizer=gn.optim.SGD(lr), epochs=5)
    assert 1e-3 < lr < 3
    assert history.loss[-1] < 0.5 * before


def test_the_model_is_left_as_it_was() -> None:
    model = network()
    before = model.W.copy()
    first = search(model=model, optimizer=gn.optim.Adam(average=0.9))
    np.testing.assert_array_equal(model.W, before)
    assert search(model=model, optimizer=gn.optim.Adam(average=0.9)) == first


def test_the_first_steps_are_those_of_training() -> None:
    x, y = data(400)
    found = search(low=1e-300, high=1.0, steps=13)
    model = network()
    history = gn.train(model, x, y, loss=HALF, optimizer=gn.optim.SGD(1e-300), epochs=1)
    # with a rate of next to nothing the losses are those of the batches; smoothed, the first is
    # itself, and the mean of the epoch is near
    assert found.losses[0] == pytest.approx(history.loss[0], rel=0.5)


def test_more_steps_than_an_epoch_has() -> None:
    assert len(search(low=1e-9, high=1e-8, steps=40).losses) == 40  # an epoch has 13


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"low": 1.0, "high": 0.1}, "0 < low < high"),
        ({"low": 0.0}, "0 < low < high"),
        ({"steps": 0}, "steps=0"),
    ],
)
def test_wrong_settings(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(TrainingError, match=text):
        search(**changes)


def test_a_loss_out_of_range() -> None:
    model = network(dtype="float32")
    model.W = 3e38
    with pytest.raises(TrainingError, match="first step is not a finite number"):
        search(model=model)


@pytest.mark.parametrize("seed", range(6))
def test_where_the_loss_never_falls_none_is_suggested(seed: int) -> None:
    """Labels are noise, and rates are too small to learn anything: the least loss is chance."""
    x = data(400)[0]
    y = philox.normal(800, 7 + seed).reshape(400, 2)
    settings: dict[str, Any] = {"loss": HALF, "optimizer": gn.optim.SGD(), "seed": seed}
    found = find_lr(network(), x, y, low=1e-6, high=1e-4, batch_size=8, **settings)
    assert found.suggestion is None
    assert "no learning rate found: between 1e-06 and 0.0001" in str(found)


def test_where_it_only_grows_none_is_suggested() -> None:
    """At its minimum a network can only get worse."""
    x = data(400)[0]
    model = gn.nn.Sequential(gn.nn.Linear(3, 2), dtype="float64")
    y = model(x) + philox.normal(800, 3).reshape(400, 2)
    gn.train(model, x, y, loss=HALF, optimizer=gn.optim.LBFGS(), epochs=50)
    found = find_lr(model, x, y, loss=HALF, optimizer=gn.optim.SGD(), low=1e-3, batch_size=8)
    assert found.suggestion is None


def test_a_rate_is_found_at_different_scales() -> None:
    for scale in (0.01, 1.0, 100.0):
        x, y = data(400)
        found = find_lr(network(), x, y * scale, loss=HALF, optimizer=gn.optim.Adam())
        assert found.suggestion is not None
        assert str(found) == f"lr={found.suggestion:.2g}"

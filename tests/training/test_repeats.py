"""What a second training of the same network repeats, and how it is said."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import nn

X = np.random.default_rng(0).normal(size=(50, 2)).astype("float32")
Y = X @ np.array([3.0, -2.0], "float32")
STILL = {"loss": gn.losses.MSE(), "optimizer": gn.optim.SGD(1e-12), "epochs": 1}


def network(*between: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), *between, nn.Linear(3, 1))


def said(calls: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        calls()
    return [str(own.message) for own in caught]


def test_a_second_training_with_the_same_seed_says_once_what_it_repeats() -> None:
    model, losses = network(nn.Dropout(0.5)), []

    def loop() -> None:
        for _ in range(4):
            losses.extend(gn.train(model, X, Y, **STILL).loss)

    (message,) = said(loop)
    assert losses[0] == losses[3]  # the weights hardly move: the masks were the same
    assert "seed=0" in message
    assert "after=history" in message
    assert "same orders of rows, the same masks of dropout" in message
    assert "optimiser" not in message.partition("\n")[0]  # SGD remembers nothing


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"batch_size": 50, "optimizer": gn.optim.Adam(0.01)}, "without memory"),
        ({"shuffle": False, "optimizer": gn.optim.SGD(0.01, momentum=0.9)}, "without memory"),
        ({"batch_size": 10}, "orders of rows"),
    ],
)
def test_each_thing_that_comes_again_is_named(settings: dict[str, Any], what: str) -> None:
    model = network()
    gn.train(model, X, Y, **{**STILL, **settings})
    with pytest.warns(UserWarning, match=what):
        gn.train(model, X, Y, **{**STILL, **settings})


def test_what_repeats_nothing_says_nothing() -> None:
    model = network()
    gn.train(model, X, Y, **STILL)
    gn.train(model, X, Y, **STILL, seed=1)
    gn.train(model, X, Y, **STILL, batch_size=16)
    history = gn.train(model, X, Y, **STILL, seed=2)
    gn.train(model, X, Y, **STILL, seed=2, after=history)
    gn.train(copy.deepcopy(model), X, Y, **STILL, seed=2)
    model.W[...] = 0.5  # begun anew on purpose
    gn.train(model, X, Y, **STILL, seed=2)
    whole = network()
    for _ in range(3):  # all rows, one step an epoch, no memory: nothing to repeat
        gn.train(whole, X, Y, **STILL, batch_size=50)


def test_ten_trainings_after_each_other_are_one_of_ten_epochs() -> None:
    settings = {**STILL, "optimizer": gn.optim.Adam(0.01)}
    parts, whole = network(nn.Dropout(0.2)), network(nn.Dropout(0.2))
    history = None
    for _ in range(10):
        history = gn.train(parts, X, Y, **settings, after=history)
    gn.train(whole, X, Y, **{**settings, "epochs": 10})
    assert np.array_equal(parts.W, whole.W)

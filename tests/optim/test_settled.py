"""Inputs that are 0 from some step on: what is remembered of them becomes 0, not denormal."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest

import glassnet as gn
from glassnet.optim.scikit import flush_weight
from tests.engine.check import numbers

# with the name of the momentum
RULES = [
    (gn.optim.SGD(lr=0.01, momentum=0.9), "v"),
    (gn.optim.Adam(lr=0.01), "m"),
    (gn.optim.RMSprop(lr=0.01, alpha=0.9, momentum=0.9), "b"),
]
TINY = np.finfo(np.float32).tiny


def memory_after(optimizer: Any, steps: int) -> dict[str, np.ndarray]:
    """What is remembered of two inputs, the second of which is 0 for so many steps."""
    model = gn.nn.Sequential(gn.nn.Linear(2, 1))
    x, y = numbers("float32", 4, 2), numbers("float32", 4, 1)
    step = gn.Step(model, loss=gn.losses.HalfMSE(), optimizer=optimizer)
    step(x, y)
    x[:, 1] = 0.0
    for _ in range(steps):
        step(x, y)
    state = step.state()
    return {slot: state[f"{slot}.linear1.weight"] for slot in optimizer.slots()}


def denormal(x: np.ndarray) -> np.ndarray:
    return (np.abs(x) > 0) & (np.abs(x) < TINY)


@pytest.mark.parametrize(("optimizer", "slot"), RULES, ids=["SGD", "Adam", "RMSprop"])
def test_momentum_ends_at_zero(optimizer: Any, slot: str) -> None:
    """0.9¹²⁰⁰ is 10⁻⁵⁵; but 0.9 of the smallest denormal number is rounded to itself."""
    kept = memory_after(optimizer, 1200)
    assert kept[slot][1, 0] == 0
    assert not any(denormal(part).any() for part in kept.values())


def test_without_settling_denormal_numbers_stay() -> None:
    with mock.patch("glassnet.optim.sgd.flush_denormals", lambda memory: memory):
        kept = memory_after(gn.optim.SGD(lr=0.01, momentum=0.89), 1200)
    assert denormal(kept["v"][1, 0])


def test_weights_whose_squares_are_no_normal_numbers_become_0() -> None:
    w = np.array([3.0, 2.0**-64, -(2.0**-63), np.nan, -np.inf, -0.0], np.float32)
    found = gn.compile(flush_weight)(w)
    np.testing.assert_array_equal(found, [3.0, 0.0, -(2.0**-63), np.nan, -np.inf, 0.0])
    tiny = np.array([2.0**-512, 2.0**-511])
    np.testing.assert_array_equal(gn.compile(flush_weight)(tiny), [0.0, 2.0**-511])

"""Layers that users write: classes, frozen dataclasses, initialisers, plain functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops
from glassnet.errors import GlassnetError, ShapeError
from glassnet.nn import Module, Parameter, Scope
from tests.nn.common import HALF

nn = gn.nn


class Scale(Module):
    """A factor for each column, and how often it was used in training."""

    def __init__(self, width: int, power: float = 1.0) -> None:
        self.width, self.power = width, power

    def takes(self) -> int:
        return self.width

    def declared(self) -> dict[str, Parameter]:
        return {
            "factor": Parameter((self.width,), "ones"),
            "steps": Parameter((1,), trained=False),
        }

    def build(self, x: Any, parameters: Scope) -> Any:
        if parameters.training:
            parameters.update("steps", parameters["steps"] + 1.0)
        return x * parameters["factor"] ** self.power


def test_a_module_of_a_user() -> None:
    model = nn.Sequential(Scale(2, 2.0), nn.Linear(2, 1), dtype="float64")
    model.parameters()["scale1.factor"][...] = [2, 3]
    model.parameters()["linear1.weight"][...] = [[1], [1]]
    assert model([[1.0, 1.0]]) == 4 + 9
    gn.train(
        model, np.eye(2), np.ones(2), loss=HALF, optimizer=gn.optim.SGD(0.1), epochs=3,
        batch_size=1,
    )  # fmt: skip
    assert model.parameters()["scale1.steps"] == 6
    with pytest.raises(GlassnetError, match="fixed"):
        model[0].width = 3
    with pytest.raises(ShapeError, match="neighbours must agree"):
        nn.Sequential(nn.Linear(3, 3), Scale(2))


@dataclass(frozen=True, eq=False)
class Shift(Module):
    """A dataclass, frozen by itself."""

    width: int
    start: Any = "zeros"

    def declared(self) -> dict[str, Parameter]:
        return {"shift": Parameter((self.width,), self.start)}

    def build(self, x: Any, parameters: Scope) -> Any:
        return x + parameters["shift"]


def test_a_frozen_dataclass_is_a_module() -> None:
    model = nn.Sequential(Shift(2), dtype="float64")
    model.W = [1, 2]
    np.testing.assert_array_equal(model([[0.0, 0.0]]), [[1, 2]])


def test_an_initialiser_of_a_user() -> None:
    def count(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
        return 100.0 * seed + 10 * stream + np.arange(shape[0])

    model = nn.Sequential(nn.Linear(1, 1), Shift(3, count), seed=7)
    np.testing.assert_array_equal(model.W[2:], [720, 721, 722])
    with pytest.raises(ShapeError, match=r"shift1.shift gave shape \(2,\); wanted \(3,\)"):
        _ = nn.Sequential(Shift(3, lambda shape, seed, stream: np.ones(2))).W


def test_a_function_is_a_layer() -> None:
    def double(z: Any) -> Any:
        return z * 2.0

    model = nn.Sequential(nn.Linear(1, 1), double, dtype="float64")
    model.W = [3, 1]
    assert repr(model) == "Sequential(Linear(1, 1), double)"
    assert model([[1.0]]) == 8
    with pytest.raises(ShapeError, match="one row for every row"):
        nn.Sequential(ops.sum)([[1.0]])

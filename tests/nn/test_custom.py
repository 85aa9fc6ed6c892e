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

    def input_width(self) -> int:
        return self.width

    def parameter_specs(self) -> dict[str, Parameter]:
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

    def parameter_specs(self) -> dict[str, Parameter]:
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


# -- widths, found by building ---------------------------------------------------------------------


class Projection(Module):
    def __init__(self, fan_in: int, fan_out: int) -> None:
        self.fan_in, self.fan_out = fan_in, fan_out

    def parameter_specs(self) -> dict[str, Parameter]:
        return {"w": Parameter((self.fan_in, self.fan_out), "glorot_uniform")}

    def build(self, x: Any, parameters: Scope) -> Any:
        return x @ parameters["w"]


class Saying(Projection):
    def input_width(self) -> int:
        return self.fan_in

    def output_width(self, width: int | None) -> int:
        return self.fan_out


class Halves(Module):
    def build(self, x: Any, parameters: Scope) -> Any:
        return x[:, : x.shape[1] // 2] + x[:, x.shape[1] // 2 :]


class Doubled(Module):
    def build(self, x: Any, parameters: Scope) -> Any:
        return x * 2.0


@pytest.mark.parametrize("kind", [Projection, Saying])
def test_a_layer_that_changes_the_width_needs_no_more_than_its_result(kind: Any) -> None:
    x = np.arange(8.0).reshape(4, 2)
    for layers, taken in (
        ([kind(2, 3), nn.Linear(3, 1)], None if kind is Projection else 2),
        ([nn.Linear(2, 4), kind(4, 3), nn.Tanh(), nn.Linear(3, 1)], 2),
        ([nn.Linear(2, 4), Halves(), nn.Linear(2, 1)], 2),
        ([nn.Linear(2, 4), nn.Residual(Halves(), kind(2, 4)), nn.Linear(4, 1)], 2),
        ([nn.Parallel(kind(2, 3), nn.Linear(2, 1)), nn.Linear(4, 1)], 2),
        ([Doubled(), kind(2, 3)], None if kind is Projection else 2),
        ([Doubled(), nn.Linear(2, 1)], 2),
    ):
        model = nn.Sequential(*layers, dtype="float64")
        assert model.input_width() == taken
        outputs = model(x).shape[1]
        np.testing.assert_array_equal(model(x), _through(model, x))
        gn.train(
            model, x, np.ones((4, outputs)), loss=HALF, optimizer=gn.optim.SGD(0.01), epochs=2,
            batch_size=2,
        )  # fmt: skip
        np.testing.assert_array_equal(model(x), _through(model, x))


def _through(model: Any, x: Any) -> Any:
    for layer in model:
        x = layer(x)
    return x


def test_a_width_that_does_not_fit_is_told_of_the_layer_that_it_is_about() -> None:
    with pytest.raises(
        ShapeError, match=r"layer 3, Linear\(5, 1\), takes 5 numbers a row, but layer 2"
    ):
        nn.Sequential(nn.Linear(2, 4), Projection(4, 3), nn.Linear(5, 1))
    with pytest.raises(ShapeError, match=r"in projection1"):
        nn.Sequential(nn.Linear(2, 4), Projection(5, 3), nn.Linear(3, 1))(np.ones((1, 2)))
    with pytest.raises(ShapeError, match="neighbours must agree"):
        nn.Sequential(nn.Linear(2, 4), Saying(5, 3))


class Nothing(Module):
    def build(self, x: Any, parameters: Scope) -> Any:
        x * 2.0


class Arrays(Module):
    def build(self, x: Any, parameters: Scope) -> Any:
        return np.ones((4, 2))


class Whole(Module):
    def build(self, x: Any, parameters: Scope) -> Any:
        return ops.sum(x)


class Undeclared(Module):
    def build(self, x: Any, parameters: Scope) -> Any:
        return x * parameters["scale"]


class Forward(Module):
    def forward(self, x: Any) -> Any:
        return x


class Shapes(Module):
    def parameter_specs(self) -> Any:
        return {"w": (2, 3)}

    def build(self, x: Any, parameters: Scope) -> Any:
        return x @ parameters["w"]


class Listed(Shapes):
    def parameter_specs(self) -> Any:
        return [Parameter((2, 3))]


class Short(Module):
    def build(self, x: Any) -> Any:  # type: ignore[override]
        return x


class NotAModule:
    def forward(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Nothing, r"Nothing gave None for f32\[n,2\].*\n.*\n  right: return"),
        (Arrays, r"Arrays gave an array of shape \(4, 2\).*\n.*\n  right: x \* 2.0, written with"),
        (Whole, r"Whole gave .* for f32\[n,2\].*\n  wrong: ops.sum\(x\)\n  right: .*keepdims"),
        (
            Undeclared,
            r"there is no parameter 'scale'; declared are none\n  right: def parameter_specs",
        ),
        (
            Forward,
            r"(?s)does not define build.*wrong: def forward.*right: def build\(self, x",
        ),
        (
            Shapes,
            r"parameter_specs gives \(2, 3\) for 'w', which is not a Parameter\n  right: return",
        ),
        (Listed, r"parameter_specs gives \[Parameter.*by name\n  right"),
        (Short, r"Short.build takes self, x; a layer gets .*\n  right: def build\(self, x, param"),
        (NotAModule, r"NotAModule is not a layer\n.*\n  right: class Block\(gn.nn"),
    ],
)
def test_a_class_that_is_not_a_layer_yet_is_told_what_is_missing(kind: Any, said: str) -> None:
    with pytest.raises((GlassnetError, NotImplementedError), match=said):
        nn.Sequential(kind(), nn.Linear(2, 1))(np.ones((4, 2)))


def test_methods_by_their_former_names_work_and_warn() -> None:
    with pytest.warns(DeprecationWarning, match=r"Former\.declared is now called parameter_specs"):

        class Former(Module):
            def declared(self) -> dict[str, Parameter]:
                return {"scale": Parameter((2,), "ones")}

            def build(self, x: Any, parameters: Scope) -> Any:
                return x * parameters["scale"]

    layer = Former()
    assert layer.parameters()["scale"].tolist() == [1.0, 1.0]
    with pytest.warns(DeprecationWarning, match=r"Linear\.takes is now called input_width"):
        assert gn.nn.Linear(3, 2).takes() == 3  # type: ignore[attr-defined]

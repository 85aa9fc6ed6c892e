"""What describes networks, losses and optimisers for files: every class of ours, by itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import nn
from glassnet.describe import KNOWN, CodeError, DescriptionError, as_data, contains_part, from_data
from glassnet.graph.op import Value
from glassnet.nn.module import Module

LAYERS: dict[str, Any] = {
    "ELU": nn.ELU(0.5), "GELU": nn.GELU(), "SELU": nn.SELU(), "Average": nn.Average(2, True),
    "BatchEnsemble": nn.BatchEnsemble(3, 2, 4), "BatchNorm": nn.BatchNorm(3, 0.2, 1e-3),
    "Blend": nn.Blend(nn.Tanh(), 0.5, 3), "Columns": nn.Columns(0, 2), "Dropout": nn.Dropout(0.25),
    "Embedding": nn.Embedding((3, 4), 2, unknown=True), "Identity": nn.Identity(),
    "LayerNorm": nn.LayerNorm(3, 1e-4), "LeakyReLU": nn.LeakyReLU(0.2),
    "Linear": nn.Linear(2, 3, bias=False), "Mish": nn.Mish(), "Neuron": nn.Neuron(3, nn.Tanh()),
    "PReLU": nn.PReLU(0.1, 4), "Parallel": nn.Parallel(nn.Linear(2, 3), nn.Columns(1)),
    "ParametricSigmoid": nn.ParametricSigmoid(2.0, 1.0, False, 3),
    "Periodic": nn.Periodic(2, 3, 0.5), "PiecewiseLinear": nn.PiecewiseLinear([[0, 1], [1, 2, 4]]),
    "RMSNorm": nn.RMSNorm(3), "ReLU": nn.ReLU(), "Repeat": nn.Repeat(2),
    "Residual": nn.Residual(nn.Linear(3, 3), nn.ReLU()), "SiLU": nn.SiLU(),
    "Sequential": nn.Sequential(nn.Linear(2, 1), seed=3, dtype="float64"),
    "Sigmoid": nn.Sigmoid(), "Softmax": nn.Softmax(), "Softplus": nn.Softplus(),
    "Heaviside": nn.Heaviside(),
    "Tanh": nn.Tanh(), "PiecewiseEmbedding": nn.PiecewiseEmbedding(2, 3, 4, 1, 2),
    "PeriodicEmbedding": nn.PeriodicEmbedding(2, 3, 4, 1, 2),
    "GroupInputs": nn.GroupInputs(2, 1, 3),
    "MemberLinear": nn.MemberLinear(3, 2, 2),
    "InFolds": nn.InFolds(nn.Sequential(nn.Repeat(4), nn.MemberLinear(3, 1, 4)), 4, 2, True),
}  # fmt: skip


def again(item: Any, *families: type, **kwargs: Any) -> Any:
    text = json.dumps(as_data(item, with_code=bool(kwargs)))
    return from_data(json.loads(text), families or (Module,), **kwargs)


def test_every_layer_that_has_a_name_is_tried() -> None:
    ours = {kind.__name__ for kind in KNOWN.values() if issubclass(kind, Module)}
    assert ours == set(LAYERS)
    assert ours | {"Function", "Module", "Parameter", "Scope"} == {*nn.__all__} - {"fit_start"}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_has_all_its_settings_again(name: str) -> None:
    layer, found = LAYERS[name], again(LAYERS[name])
    assert type(found) is type(layer)
    assert as_data(found) == as_data(layer)
    assert repr(found) == repr(layer)
    assert (found.input_width(), found.output_width(found.input_width())) == (
        layer.input_width(),
        layer.output_width(layer.input_width()),
    )
    assert {n: p.shape for n, p in found.parameter_specs().items()} == {
        n: p.shape for n, p in layer.parameter_specs().items()
    }


def test_a_layer_that_got_another_name_is_found_by_the_former_one() -> None:
    assert type(from_data({"class": "Step"}, [Module])) is nn.Heaviside
    assert as_data(nn.Heaviside()) == {"class": "Heaviside"}
    with pytest.warns(DeprecationWarning, match=r"gn\.nn\.Step is now called gn\.nn\.Heaviside"):
        former = nn.__getattr__("Step")
    assert former is nn.Heaviside
    with pytest.raises(AttributeError, match="has no name 'SGD'"):
        nn.__getattr__("SGD")  # files know this class, but it is of another module


def test_settings_are_those_of_the_constructor_by_name() -> None:
    assert nn.Linear(2, 3).get_config() == {
        "fan_in": 2, "fan_out": 3, "bias": True, "initializer": "glorot_uniform",
    }  # fmt: skip
    assert as_data(nn.Columns(0, 2)) == {"class": "Columns", "chosen": [0, 2]}
    assert as_data(gn.losses.Quantile((0.1, 0.9)))["q"] == [0.1, 0.9]
    assert as_data(nn.Embedding(np.array([3, 4]), 2))["categories"] == {
        "array": [3, 4], "dtype": "int64",
    }  # fmt: skip
    assert again(nn.Embedding(np.array([3, 4]), 2)).sizes == (3, 4)


def test_what_stands_twice_is_one_object_again() -> None:
    tied = nn.Linear(3, 3)
    found = again(nn.Sequential(tied, nn.Tanh(), nn.Residual(tied)))
    assert found[2][0] is found[0]


class Doubled(Module):
    def __init__(self, size: int, *others: Any, by: float = 2.0, **more: Any) -> None:
        self.size, self.by, self.more, self.others = size, by, more, others
        self.hidden = nn.Linear(size, size)

    def build(self, x: Value, parameters: Any) -> Value:
        return self.hidden(x) * self.by


@dataclass(eq=False)
class Shifted(Module):
    table: Any
    inner: Module

    def build(self, x: Value, parameters: Any) -> Value:
        return self.inner(x) + np.asarray(self.table, x.dtype)


class Wide(nn.Sequential):
    def __init__(self, size: int) -> None:
        super().__init__(nn.Linear(size, 2 * size), nn.ReLU(), seed=size)


def test_a_class_of_the_users_is_described_by_what_it_was_made_with() -> None:
    own = nn.Sequential(
        Doubled(3, 7, nn.Tanh(), by=3.0, note="a", table={"b": np.array([1, 2])}),
        Shifted(np.array([1.5, 2.0, 0.0]), nn.Identity()),
        Wide(3),
    )
    text = json.dumps(as_data(own, with_code=True))
    assert as_data(own)["layers"][0] == {"code": "Doubled"}
    code = {"Doubled": Doubled, "Shifted": Shifted, "Wide": Wide}
    found = from_data(json.loads(text), (Module,), code=code)
    assert (found[0].size, found[0].by, found[0].more["note"]) == (3, 3.0, "a")
    assert found[0].others[0] == 7
    assert isinstance(found[0].others[1], nn.Tanh)
    assert found[0].more["table"]["b"].tolist() == [1, 2]
    assert found[1].table.tolist() == [1.5, 2.0, 0.0]
    assert (found[2].seed, len(found[2])) == (3, 2)
    assert found.W.tobytes() == own.W.tobytes()
    with pytest.raises(CodeError, match="contains Doubled, which is custom code"):
        from_data(json.loads(text), (Module,))


def test_a_function_that_drew_first_values_is_not_needed() -> None:
    layer = nn.Linear(2, 3, initializer=lambda shape, seed, stream: np.ones(shape))
    assert again(layer).initializer == "glorot_uniform"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (7, "is 7, no object"),
        ({"class": "system"}, "does not have"),
        ({"class": "Module"}, "does not have"),
        ({"class": "FunctionLoss", "f": "print"}, "does not have"),
        ({"class": "MSE"}, "MSE where Module belongs"),
        ({"class": "Linear", "fan_in": True, "fan_out": 2}, "fan_in is True"),
        ({"class": "Linear", "fan_in": 2}, "cannot be made"),
        ({"class": "Linear", "fan_in": 2, "fan_out": 2, "more": 1}, "cannot be made"),
        ({"class": "Linear", "fan_in": 2, "fan_out": {"class": "Tanh"}}, "is a whole number"),
        ({"class": "Sequential", "layers": 3}, "cannot be made"),
        ({"class": "Sequential", "layers": [{"same": 0}]}, "refers to the shared layer"),
        ({"class": "Sequential", "layers": [{"same": True}]}, "refers to the shared layer"),
        ({"class": "Embedding", "categories": {"array": [[1], []], "dtype": "int64"}}, "an array"),
        ({"class": "Embedding", "categories": {"array": [1], "dtype": "object"}}, "does not have"),
        ({"code": "os.system"}, "custom code"),
    ],
)  # fmt: skip
def test_a_description_that_cannot_be_used_says_why(data: Any, words: str) -> None:
    with pytest.raises((DescriptionError, gn.nn.module.GlassnetError), match=words):  # type: ignore[attr-defined]
        from_data(data, (Module,))


def test_parts_that_double_and_double_are_refused_at_once() -> None:
    """Thirty lines that mean 2³⁰ layers."""
    data: Any = {"class": "Tanh"}
    for _ in range(30):
        data = {"class": "Sequential", "layers": [data, {"same": 0}]}
    inner, place = data, 0
    while "layers" in inner:  # the second part is the first one again, which begins one later
        place += 1
        inner["layers"][1]["same"] = place
        inner = inner["layers"][0]
    with pytest.raises(DescriptionError, match="more than 65,536 parts"):
        from_data(data, (Module,))


def test_an_older_description_lacks_settings_that_came_later() -> None:
    old = {"class": "MSE"}
    assert contains_part(old, as_data(gn.losses.MSE()))
    assert contains_part({"class": "SGD", "lr": 0.3}, as_data(gn.optim.SGD(0.3)))
    assert not contains_part({"class": "SGD", "lr": 0.3}, as_data(gn.optim.SGD(0.3, 0.9)))
    assert not contains_part({"class": "SGD"}, as_data(gn.optim.SGD(0.3)))


def test_a_part_is_found_wherever_it_stands() -> None:
    data = as_data(nn.Sequential(nn.Residual(nn.Linear(2, 2)), nn.Tanh()))
    assert contains_part(data, as_data(nn.Linear(2, 2)))
    assert contains_part(data, data)
    assert not contains_part(data, as_data(nn.Linear(2, 3)))

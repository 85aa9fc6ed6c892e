"""One unit opened: what is written of it, worked out as written, gives the numbers of the step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import nn
from glassnet.inspect.opened_step import OpenStep
from glassnet.inspect.render import text
from tests.record.common import HALF, data


def opened(path: Path, *layers: Any, outputs: int = 1, optimizer: Any = None) -> OpenStep:
    x, y = data(16)
    model = layers[0] if len(layers) == 1 else nn.Sequential(*layers, seed=2, dtype="float64")
    gn.train(model, x, y[:, :outputs], loss=HALF, optimizer=optimizer or gn.optim.SGD(0.3),
             epochs=3, batch_size=8, record=path)  # fmt: skip
    return gn.open_step(path, epoch=3, batch=2)


def worked_out(line: str) -> float:
    return float(eval(line.replace("·", "*"), {"__builtins__": {}}, {}))


def test_a_neuron_is_its_sum_and_what_comes_of_it(tmp_path: Path) -> None:
    """z = x W + b, a = σ(z), ∂L/∂a = (a − y)/n, ∂L/∂z = ∂L/∂a·a(1 − a), ∂L/∂W = xᵀ ∂L/∂z."""
    step = opened(tmp_path / "run.glass", nn.Neuron(3), nn.Identity())
    weight, bias = (step.parameters[f"neuron1.{own}"] for own in ("weight", "bias"))
    total, squashed = step.layer("neuron1.linear"), step.layer("neuron1")
    z = step.x @ weight.before + bias.before
    a = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(total.result, z, rtol=1e-13)
    np.testing.assert_allclose(squashed.result, a, rtol=1e-13)
    np.testing.assert_array_equal(squashed.given, total.result)
    np.testing.assert_allclose(squashed.derivative, a * (1 - a), rtol=1e-13)
    np.testing.assert_allclose(squashed.slope, (a - step.y) / 8, rtol=1e-12)
    np.testing.assert_allclose(total.slope, squashed.slope * a * (1 - a), rtol=1e-12)
    np.testing.assert_allclose(weight.slope, step.x.T @ total.slope, rtol=1e-11)
    told = text.overview(step)
    assert told.index("── neuron1.linear: Linear(3, 1) of x\nz\n") < told.index(
        "── neuron1: Neuron(3, Sigmoid()) of neuron1.linear\na\n"
    )
    assert told.count("∂L/∂neuron1.weight\n") == 1


@pytest.mark.parametrize("network", [(nn.Neuron(3), nn.Identity()), (nn.Neuron(3),)], ids=str)
def test_a_neuron_asked_for_shows_every_number(network: Any, tmp_path: Path) -> None:
    step = opened(tmp_path / "run.glass", *network)
    name = "neuron1" if len(network) > 1 else "neuron"
    own = name + "." if len(network) > 1 else ""
    told = text.neuron(step, f"{name}[0]")
    total = step.layer(f"{name}.linear")
    terms = told.split("\n")[2].removeprefix("  = ")
    z = total.result[0, 0]
    assert worked_out(terms) == pytest.approx(float(z), rel=1e-6)
    assert f"z  = {z!s}\na  = Sigmoid() = {step.layer(name).result[0, 0]!s}" in told
    assert f"∂L/∂z = ∂L/∂a·∂a/∂z of {name}[0]" in told
    assert re.search(r"^∂L/∂a = ", told, re.M)
    x, back = total.given[0, 1], total.slope[0, 0]
    given = f"({x!s})" if x < 0 else str(x)
    assert f"·{given} = {back * x!s}" in told
    assert re.search(r"^row +∂L/∂z·x$", text.weight(step, f"{own}weight[1,0]"), re.M)


def network() -> tuple[Any, ...]:
    return (
        nn.Linear(3, 3), nn.Identity(), nn.Residual(nn.Linear(3, 3), nn.Tanh()),
        nn.Parallel(nn.Linear(3, 1), nn.Sequential(nn.Linear(3, 2), nn.Softplus()), nn.Neuron(3)),
        nn.Residual(nn.Residual(nn.Linear(4, 4))), nn.Neuron(4, nn.ParametricSigmoid(2.0)),
    )  # fmt: skip


def test_every_way_back_adds_up(tmp_path: Path) -> None:
    """Skips and branches as well: the terms that are written for ∂L by a unit give that number."""
    step = opened(tmp_path / "run.glass", *network())
    seen = 0
    for layer in step.layers[:-1]:
        for unit in range(layer.result.shape[1]):
            told = text.neuron(step, f"{layer.name}[{unit}]", at=3).split("\n\n")[
                -1 if layer.letter == "a" else 0
            ]
            lines = told.split("\n")
            at = next(i for i, line in enumerate(lines) if line.startswith(f"∂L/∂{layer.letter}"))
            terms = next(line for line in lines[at:] if line.startswith("  = "))
            assert worked_out(terms[4:]) == pytest.approx(float(layer.slope[3, unit]), rel=1e-9)
            assert " of " in lines[at]
            seen += 1
    assert seen == sum(own.result.shape[1] for own in step.layers[:-1])


def test_what_joins_others_says_of_what_it_is_made(tmp_path: Path) -> None:
    step = opened(tmp_path / "run.glass", *network())
    skip, inner = step.layer("identity1").result, step.layer("residual1.tanh1").result
    a = step.layer("residual1").result[0, 1]
    told = text.neuron(step, "residual1[1]")
    assert "a  = x + f(x) = identity1[1] + residual1.tanh1[1]\n" in told
    left, right = (f"({n})" if n < 0 else f"{n}" for n in (skip[0, 1], inner[0, 1]))
    assert f"   = {left} + {right} = {a}\n" in told
    assert skip[0, 1] + inner[0, 1] == a
    told = text.neuron(step, "parallel1[2]")
    own = step.layer("parallel1.sequential1.softplus1").result[0, 1]
    assert f"a  = parallel1.sequential1.softplus1[1] = {own}\n" in told
    assert "\nz  =" not in told


@pytest.mark.parametrize(
    ("layer", "name", "whole"),
    [
        (nn.Sequential(nn.Linear(3, 1), nn.ParametricSigmoid(4.0, width=1)),
         "sequential1.parametricsigmoid1", "sequential1.parametricsigmoid1.{}"),
        (nn.Neuron(3, nn.ParametricSigmoid(4.0)), "neuron1", "neuron1.activation.{}"),
    ],
    ids=["layer", "neuron"],
)  # fmt: skip
def test_a_learnt_activation_is_told_with_the_numbers_it_has_now(
    layer: Any, name: str, whole: str, tmp_path: Path
) -> None:
    step = opened(tmp_path / "run.glass", layer, nn.Identity())
    slope, shift = (step.parameters[whole.format(n)].before[0] for n in ("slope", "shift"))
    assert slope != 4.0
    told = text.neuron(step, f"{name}[0]")
    assert f"with slope = {slope}, shift = {shift}, as learnt so far" in told
    z, a = (float(re.search(rf"^{n}  = .*?([\d.e-]+)$", told, re.M)[1]) for n in "za")  # type: ignore[index]
    assert a == pytest.approx(1 / (1 + np.exp(-slope * (z - shift))), rel=1e-12)


def test_only_a_weighted_sum_is_called_z(tmp_path: Path) -> None:
    step = opened(tmp_path / "run.glass", nn.Linear(3, 2), nn.BatchNorm(2), nn.Linear(2, 1))
    told = text.overview(step)
    assert re.search(r"── batchnorm1: .* of linear1\na\n", told)
    assert "── linear2: Linear(2, 1) of batchnorm1\nz\n" in told
    assert "\na  = BatchNorm(" in text.neuron(step, "batchnorm1[0]")

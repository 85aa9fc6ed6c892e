"""Activations against closed forms, their derivatives against differences, and their limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops
from glassnet.errors import GlassnetError, ShapeError
from glassnet.nn import Module
from glassnet.testing import check_grads, compare
from glassnet.training import value_and_grad

nn = gn.nn
Z = [-30.0, -3.0, -1.0, -0.25, 0.0, 0.25, 1.0, 3.0, 30.0]


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def softplus(z: float) -> float:
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def elu(z: float, alpha: float = 1.0) -> float:
    return z if z > 0 else alpha * math.expm1(z)


CASES: list[tuple[Module, Callable[[float], float]]] = [
    (nn.Identity(), lambda z: z),
    (nn.Heaviside(), lambda z: 1.0 if z > 0 else 0.0),
    (nn.Sigmoid(), sigmoid),
    (nn.ParametricSigmoid(2.0, 0.5), lambda z: sigmoid(2 * (z - 0.5))),
    (nn.ParametricSigmoid(-1.0, 3.0, learn=False), lambda z: sigmoid(3 - z)),
    (nn.ParametricSigmoid(0.5, 1.0, width=9), lambda z: sigmoid(0.5 * (z - 1))),
    (nn.Tanh(), math.tanh),
    (nn.Softplus(), softplus),
    (nn.ReLU(), lambda z: max(z, 0.0)),
    (nn.LeakyReLU(), lambda z: z if z > 0 else 0.01 * z),
    (nn.LeakyReLU(0.3), lambda z: z if z > 0 else 0.3 * z),
    (nn.PReLU(), lambda z: z if z > 0 else 0.25 * z),
    (nn.PReLU(width=9), lambda z: z if z > 0 else 0.25 * z),
    (nn.ELU(), elu),
    (nn.ELU(0.5), lambda z: elu(z, 0.5)),
    (nn.SELU(), lambda z: 1.0507009873554805 * elu(z, 1.6732632423543772)),
    (nn.GELU(), lambda z: z * 0.5 * (1 + math.erf(z / math.sqrt(2)))),
    (nn.SiLU(), lambda z: z * sigmoid(z)),
    (nn.Mish(), lambda z: z * math.tanh(softplus(z))),
    (nn.Blend(), lambda z: max(z, 0.0)),
    (nn.Blend(nn.Tanh(), amount=0.25), lambda z: z + 0.25 * (math.tanh(z) - z)),
    (nn.Blend(nn.PReLU(0.5), amount=2.0, width=9), lambda z: z if z > 0 else 0.0),
    (nn.Blend(ops.square, amount=0.5), lambda z: 0.5 * (z + z * z)),
]
IDS = [str(case[0]) for case in CASES]


def wide(module: Module) -> gn.nn.Sequential:
    return nn.Sequential(module, dtype="float64")


@pytest.mark.parametrize(("module", "formula"), CASES, ids=IDS)
def test_values(module: Module, formula: Callable[[float], float]) -> None:
    found = wide(module)(np.array([Z]))[0]
    np.testing.assert_allclose(found, [formula(z) for z in Z], rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize(("module", "formula"), CASES, ids=IDS)
def test_derivatives(module: Module, formula: Callable[[float], float]) -> None:
    x = np.array([Z]) + 0.01  # beside the kinks, not on them
    assert check_grads(wide(module), x).ok
    assert compare(nn.Sequential(module), x.astype("float32")).ok


SMOOTH_AT_0 = [
    (nn.Sigmoid(), 0.25), (nn.Tanh(), 1.0), (nn.Softplus(), 0.5), (nn.GELU(), 0.5),
    (nn.SiLU(), 0.5), (nn.Mish(), 0.6), (nn.ELU(), 1.0),
]  # fmt: skip


@pytest.mark.parametrize(("module", "slope"), SMOOTH_AT_0, ids=[str(c[0]) for c in SMOOTH_AT_0])
def test_the_derivative_at_0_where_branches_meet(module: Module, slope: float) -> None:
    slopes = gn.grad(lambda x: ops.sum(module.build(x, nn.Scope({}))))(np.zeros((1, 1)))
    assert slopes[0, 0] == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("module", "formula"), CASES, ids=IDS)
def test_extreme_numbers_give_no_nan(
    module: Module, formula: Callable[[float], float], dtype: str
) -> None:
    if isinstance(module, nn.Blend) and not isinstance(module.f, Module):
        pytest.skip("a square overflows")
    x = np.array([[-3e38, -1e30, -100.0, -1e-40, -0.0, 0.0, 1e-40, 100.0, 3e38]], dtype)
    model = nn.Sequential(module.astype(dtype), dtype=dtype)
    assert not np.isnan(model(x)).any()
    slopes = gn.grad(lambda x: ops.sum(model(x) * 1e-3))(x)
    assert np.isfinite(slopes).all()


def test_softmax() -> None:
    found = wide(nn.Softmax())(np.array([[0.0, math.log(2), math.log(5)], [1e300, 0.0, -1e300]]))
    np.testing.assert_allclose(found, [[1 / 8, 2 / 8, 5 / 8], [1, 0, 0]], rtol=1e-14)
    assert check_grads(wide(nn.Softmax()), [[0.5, -1.0, 2.0]]).ok


def test_the_sigmoid_in_float32_keeps_its_tail() -> None:
    found = nn.Sequential(nn.Sigmoid())(np.array([[-80.0]]))
    assert found[0, 0] == pytest.approx(math.exp(-80), rel=1e-6)


def test_a_step_says_that_it_cannot_be_trained() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Heaviside(), nn.Linear(2, 1))
    x, y = np.eye(2), np.ones(2)
    with pytest.raises(GlassnetError, match=r"use Sigmoid\(\)"):
        gn.train(model, x, y, loss=gn.losses.HalfMSE(), optimizer=gn.optim.SGD(), epochs=1)
    _, slopes = value_and_grad(gn.losses.HalfMSE())(model, x, y)
    np.testing.assert_array_equal(slopes[:6], 0.0)
    assert (slopes[6:] != 0).any()


def test_learnt_parameters_are_named() -> None:
    model = nn.Sequential(
        nn.Linear(2, 3), nn.ParametricSigmoid(width=3), nn.PReLU(), nn.Blend(nn.PReLU(), width=3)
    )
    names = [n for n in model.parameters() if not n.startswith("linear")]
    assert names == [
        "parametricsigmoid1.slope", "parametricsigmoid1.shift", "prelu1.slope", "blend1.amount",
        "blend1.f.slope",
    ]  # fmt: skip
    assert model.parameters()["parametricsigmoid1.slope"].shape == (3,)
    assert model.parameters()["prelu1.slope"].shape == (1,)
    assert nn.Sequential(nn.ParametricSigmoid(learn=False)).W.size == 0


def test_parameters_are_learnt() -> None:
    x = np.linspace(-3, 3, 50)[:, None]
    y = 1 / (1 + np.exp(-2.0 * (x - 0.5)))
    model = nn.Sequential(nn.ParametricSigmoid(), dtype="float64")
    gn.train(
        model, x, y, loss=gn.losses.HalfMSE(), optimizer=gn.optim.LBFGS(tolerance=1e-12), epochs=200
    )
    np.testing.assert_allclose(model.W, [2.0, 0.5], rtol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: nn.ParametricSigmoid(width=0),
        lambda: nn.PReLU(width=-1),
        lambda: nn.Blend(width=0),
        lambda: nn.Blend("relu"),
        lambda: nn.Sequential(nn.Linear(2, 3), nn.PReLU(width=4)),
    ],
)
def test_wrong_widths(wrong: Callable[[], Any]) -> None:
    with pytest.raises(ShapeError):
        wrong()


INF, NAN = float("inf"), float("nan")
SPECIAL = [
    # z, σ(z), ln(1 + eᶻ)
    (-INF, 0.0, 0.0),
    (-3e38, 0.0, 0.0),
    (-0.0, 0.5, math.log(2)),
    (0.0, 0.5, math.log(2)),
    (3e38, 1.0, 3e38),
    (INF, 1.0, INF),
    (NAN, NAN, NAN),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values_of_sigmoid_and_softplus(dtype: str) -> None:
    z = np.array([[row[0] for row in SPECIAL]], dtype)
    for place, layer in ((1, nn.Sigmoid()), (2, nn.Softplus())):
        found = nn.Sequential(layer, dtype=dtype)(z)[0]
        wanted = np.array([row[place] for row in SPECIAL], dtype)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)

"""Layers, one row worked out by hand each, and their derivatives against differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import ShapeError
from glassnet.testing import check_grads, compare
from tests.nn.common import HALF, model

nn = gn.nn


def test_linear() -> None:
    network = model(
        nn.Linear(2, 3), linear1__weight=[[1, 2, 3], [4, 5, 6]], linear1__bias=[0, 1, 2]
    )
    np.testing.assert_array_equal(network([[10.0, 1.0]]), [[14, 26, 38]])
    assert model(nn.Linear(2, 3, bias=False)).W.size == 6


def test_neuron() -> None:
    # w·x + b = 2·1 − 1·3 + 1 = 0, and the sigmoid of 0 is ½
    neuron = model(nn.Neuron(2), neuron1__weight=[[2], [-1]], neuron1__bias=1)
    assert neuron([[1.0, 3.0]]) == 0.5
    linear = model(nn.Neuron(2, nn.Identity()), neuron1__weight=[[2], [-1]], neuron1__bias=1)
    assert linear([[5.0, 3.0]]) == 8.0
    learnt = model(nn.Neuron(2, nn.ParametricSigmoid()))
    assert list(learnt.parameters())[2:] == ["neuron1.activation.slope", "neuron1.activation.shift"]


def test_residual_adds() -> None:
    network = model(
        nn.Residual(nn.Linear(2, 2, bias=False)), residual1__linear1__weight=[[0, 1], [2, 0]]
    )
    np.testing.assert_array_equal(network([[3.0, 5.0]]), [[3 + 10, 5 + 3]])


def test_parallel_puts_side_by_side() -> None:
    network = model(
        nn.Parallel(nn.Columns(1), nn.ReLU(), nn.Sequential(nn.Columns(0, 2), lambda x: x * 10.0))
    )
    np.testing.assert_array_equal(network([[-1.0, 2.0, 3.0]]), [[2, 0, 2, 3, -10, 30]])


def test_columns() -> None:
    x = [[0.0, 1.0, 2.0, 3.0]]
    np.testing.assert_array_equal(model(nn.Columns(1, 2))(x), [[1, 2]])
    np.testing.assert_array_equal(model(nn.Columns(3, 0, 3))(x), [[3, 0, 3]])


def test_embedding() -> None:
    table = [[1, 2], [3, 4], [5, 6]]
    network = model(nn.Embedding(3, 2), embedding1__weight=table)
    np.testing.assert_array_equal(network([[2], [0], [1]]), [[5, 6], [1, 2], [3, 4]])
    several = model(
        nn.Embedding((3, 2), 2), embedding1__weight1=table, embedding1__weight2=[[7, 8], [9, 0]]
    )
    np.testing.assert_array_equal(several([[1, 1]]), [[3, 4, 9, 0]])


@pytest.mark.parametrize("value", [3, -1, 1.6, np.nan, np.inf, -np.inf, 1e20, -0.5])
def test_a_number_that_is_not_a_category_is_an_error(value: float) -> None:
    x = np.array([[0.0, 1.0], [9.0, 2.0], [9.0, value]])
    networks = [
        model(nn.Columns(1), nn.Embedding(3, 1)),
        model(nn.Parallel(nn.Columns(0), nn.Sequential(nn.Columns(1), nn.Embedding(3, 1)))),
        model(nn.Identity(), nn.Embedding((10, 3), 2)),
    ]
    for network in networks:
        wanted = rf"x has {value:g} in row 2, column 1, where Embedding takes .* 0 to 2"
        with pytest.raises(ShapeError, match=wanted.replace("+", r"\+")):
            network(x)
        if np.isfinite(value):
            with pytest.raises(ShapeError, match=f"validation {wanted}".replace("+", r"\+")):
                gn.train(
                    network, x[:2], network(x[:2]), loss=HALF, optimizer=gn.optim.SGD(0.1),
                    epochs=1, validation=(x, np.zeros((3, network.gives(2) or 1))),
                )  # fmt: skip


def test_unknown_categories_have_a_row_of_their_own() -> None:
    network = model(nn.Embedding(2, 1, unknown=True), embedding1__weight=[[1], [2], [7]])
    found = network([[0], [1], [2], [-1], [np.nan], [np.inf]])
    np.testing.assert_array_equal(found, [[1], [2], [7], [7], [7], [7]])


def test_a_wrong_category_that_the_network_computes_is_not_hidden() -> None:
    network = model(lambda x: x + 1.0, nn.Embedding(3, 1), embedding1__weight=[[1], [2], [3]])
    np.testing.assert_array_equal(network([[0], [1], [2]]), [[2], [3], [np.nan]])


def test_an_embedding_learns_its_own_rows_only() -> None:
    network = model(nn.Embedding(3, 1))
    before = network.W.copy()
    gn.train(
        network,
        [[0], [2], [2]],
        [1.0, 2.0, 4.0],
        loss=HALF,
        optimizer=gn.optim.SGD(0.5),
        epochs=400,
    )
    # the least half squared error is at the mean of each category's labels
    np.testing.assert_allclose(network.W[[0, 2]], [1.0, 3.0], rtol=1e-6)
    assert network.W[1] == before[1]


def test_periodic() -> None:
    network = model(nn.Periodic(2, 2), periodic1__frequency=[[0.25, 0.5], [1.0, 0.0]])
    found = network([[1.0, 0.125]])
    # feature 0: sin(π/2), sin(π), cos(π/2), cos(π); feature 1: sin(π/4), sin 0, cos(π/4), cos 0
    root = math.sqrt(0.5)
    np.testing.assert_allclose(found, [[1, 0, 0, -1, root, 0, root, 1]], atol=1e-15)


def test_periodic_starts_with_sigma() -> None:
    w = nn.Sequential(nn.Periodic(20, 50, sigma=3.0), dtype="float64").W
    assert np.std(w) == pytest.approx(3.0, rel=0.1)


def test_piecewise_linear() -> None:
    layer = nn.PiecewiseLinear([[0, 1, 3], [10, 20]])
    found = model(layer)([[-1.0, 15.0], [0.5, 0.0], [2.0, 30.0], [4.0, 10.0]])
    # bins 0…1 and 1…3 of feature 0, 10…20 of feature 1; the ends are open
    wanted = [[-1, 0, 0.5], [0.5, 0, -1], [1, 0.5, 2], [1, 1.5, 0]]
    np.testing.assert_array_equal(found, wanted)


def test_piecewise_linear_of_data() -> None:
    x = np.array([[0.0, 5], [1, 5], [2, 5], [3, 5], [4, 5], [10, 5], [20, 5], [30, 5], [40, 5]])
    layer = nn.PiecewiseLinear.of(x, bins=4)
    assert layer.edges == ((0, 2, 4, 20, 40), (5, 6))  # a constant column still has a bin
    assert layer.gives(2) == 5
    for wrong in ([[1.0]], [[1.0, 1.0]], [[2.0, 1.0]]):
        with pytest.raises(ShapeError, match="ascending"):
            nn.PiecewiseLinear(wrong)
    with pytest.raises(ShapeError, match="finite"):
        nn.PiecewiseLinear.of([[np.nan]])


def test_layer_norm() -> None:
    # mean 2, variance 2/3; with eps = 1/3 the divisor is 1
    network = model(nn.LayerNorm(3, eps=1 / 3), layernorm1__scale=[1, 2, 3], layernorm1__shift=5)
    np.testing.assert_allclose(network([[1.0, 2.0, 3.0]]), [[4, 5, 8]], rtol=1e-14)


def test_rms_norm() -> None:
    # the mean square of 1, 7 is 25; with eps = 0 the divisor is 5
    network = model(nn.RMSNorm(2, eps=0.0), rmsnorm1__scale=[1, 10])
    np.testing.assert_allclose(network([[1.0, 7.0]]), [[0.2, 14]], rtol=1e-14)


def test_batch_norm_in_training_and_after() -> None:
    x = np.array([[1.0], [2.0], [6.0]])
    network = model(nn.BatchNorm(1, momentum=0.5, eps=0.0))
    # batch: mean 3, variance (4 + 1 + 9)/3 = 14/3, with n − 1: 7
    z = (x - 3) / math.sqrt(14 / 3)
    history = gn.train(network, x, np.zeros(3), loss=HALF, optimizer=gn.optim.SGD(1e-300), epochs=1)
    assert history.loss[0] == pytest.approx((z**2).sum() / 6, rel=1e-14)
    parts = network.parameters()
    assert parts["batchnorm1.mean"][0] == pytest.approx(0.5 * 0 + 0.5 * 3)
    assert parts["batchnorm1.variance"][0] == pytest.approx(0.5 * 1 + 0.5 * 7)
    np.testing.assert_allclose(network(x), (x - 1.5) / 2, rtol=1e-14)


def test_batch_norm_of_a_single_row() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm(3))
    gn.train(
        network, [[1.0, 2.0]], [[1.0, 2.0, 3.0]], loss=HALF, optimizer=gn.optim.SGD(), epochs=3
    )
    assert np.isfinite(network.W).all()


def test_no_gradient_moves_running_figures() -> None:
    network = model(nn.Linear(2, 2), nn.BatchNorm(2))
    x = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]])
    _, slopes = gn.value_and_grad(HALF)(network, x, np.ones((3, 2)))
    np.testing.assert_array_equal(slopes[-4:], 0.0)
    assert (slopes[:-4] != 0.0).all()
    alone = model(nn.BatchNorm(2))
    optimizer = gn.optim.Adam(0.1, weight_decay=1.0, average=0.5)
    gn.train(alone, x, x, loss=HALF, optimizer=optimizer, epochs=1)
    seen = alone.parameters()["batchnorm1.mean"]
    np.testing.assert_allclose(seen, 0.1 * x.mean(axis=0), rtol=1e-14)


def test_members_share_weights() -> None:
    network = model(
        nn.Repeat(2), nn.BatchEnsemble(2, 1, 2),
        batchensemble1__weight=[[1], [2]], batchensemble1__r=[[1, 1], [3, -1]],
        batchensemble1__s=[[1], [10]], batchensemble1__bias=[[0], [5]],
    )  # fmt: skip
    # x = (3, 4): member 0: 3 + 8 = 11; member 1: (9 − 8) · 10 + 5 = 15
    np.testing.assert_array_equal(network([[3.0, 4.0]]), [[11, 15]])


def test_members_are_averaged() -> None:
    np.testing.assert_array_equal(model(nn.Average(2))([[1.0, 2.0, 5.0, 10.0]]), [[3, 6]])
    # the softmax of (0, ln 3) is (¼, ¾), that of (0, 0) is (½, ½): the mean is (3/8, 5/8)
    found = model(nn.Average(2, probabilities=True))([[0.0, math.log(3), 0.0, 0.0]])
    np.testing.assert_allclose(found, np.log([[3 / 8, 5 / 8]]), rtol=1e-14)


def test_in_training_every_member_has_its_own_loss() -> None:
    x, y = np.array([[1.0, -1.0]]), np.array([2.0])
    network = model(nn.Repeat(2), nn.BatchEnsemble(2, 1, 2), nn.Average(2))
    members = model(nn.Repeat(2), nn.BatchEnsemble(2, 1, 2))
    members.W = network.W
    own = members(x)[0]
    history = gn.train(network, x, y, loss=HALF, optimizer=gn.optim.SGD(1e-300), epochs=1)
    assert history.loss[0] == pytest.approx(((own - 2) ** 2 / 2).mean(), rel=1e-14)


X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5], [-2.0, 1.0, 0.75]])
CHECKED: list[Any] = [
    nn.Linear(3, 2), nn.Neuron(3), nn.Residual(nn.Linear(3, 3), nn.Tanh()),
    nn.Parallel(nn.Linear(3, 2), nn.Columns(0)), nn.Columns(2, 0), nn.LayerNorm(3),
    nn.RMSNorm(3), nn.BatchNorm(3), nn.Periodic(3, 2, 0.3), nn.PiecewiseLinear.of(X + 0.1, 2),
    nn.Sequential(nn.Repeat(2), nn.BatchEnsemble(3, 2, 2), nn.Average(2)),
    nn.Sequential(nn.Repeat(2), nn.BatchEnsemble(3, 2, 2), nn.Average(2, True)),
]  # fmt: skip


@pytest.mark.parametrize("layer", CHECKED, ids=str)
def test_derivatives_and_compiled_code(layer: Any) -> None:
    network = model(layer)
    assert check_grads(network, X).ok
    assert compare(network, X).ok
    assert compare(nn.Sequential(layer), X.astype("float32")).ok


def test_derivatives_by_an_embedding() -> None:
    network = model(nn.Embedding((3, 4), 2))
    x = np.array([[0.0, 3.0], [2.0, 1.0], [2.0, 3.0]]) + 0.2  # whole numbers are where it jumps
    assert check_grads(network, x).ok


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: nn.Linear(0, 3), "fan_in is a whole number, 1 or more"),
        (lambda: nn.Linear(2, 3, initializer="glorot"), "glorot_uniform"),
        (lambda: nn.Residual(nn.Linear(4, 8)), "right: Residual"),
        (lambda: nn.Parallel(), "no branch"),
        (lambda: nn.Parallel(nn.Linear(2, 1), nn.Linear(3, 1)), "branches take 2 and 3"),
        (lambda: nn.Columns(), "numbers from 0"),
        (lambda: nn.Columns(-1), "numbers from 0"),
        (lambda: nn.Columns(0, 5).gives(3), "column 5 of rows of 3"),
        (lambda: nn.Embedding(0, 3), "1 or more"),
        (lambda: nn.Dropout(1.0), "less than 1"),
        (lambda: nn.BatchEnsemble(2, 0, 3), "1 or more"),
        (lambda: nn.Average(3).gives(4), "not the same for every member"),
    ],
)
def test_wrong_settings(wrong: Callable[[], Any], text: str) -> None:
    with pytest.raises((ShapeError, gn.errors.GlassnetError), match=text):
        wrong()

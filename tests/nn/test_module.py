"""Modules: a fixed structure, numbers in one vector, computing on arrays and building nodes."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops
from glassnet.errors import GlassnetError, ShapeError
from tests.nn.common import HALF

nn = gn.nn


def network(dtype: str = "float32", seed: int = 0) -> gn.nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1), dtype=dtype, seed=seed)


# -- numbers -------------------------------------------------------------------------------------


def test_w_holds_every_parameter_in_order() -> None:
    model = network()
    parts = model.parameters()
    assert list(parts) == ["linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"]
    assert [part.shape for part in parts.values()] == [(2, 3), (3,), (3, 1), (1,)]
    np.testing.assert_array_equal(np.concatenate([p.ravel() for p in parts.values()]), model.W)
    assert model.W.dtype == np.float32
    assert network("float64").W.dtype == np.float64


def test_parameters_are_views() -> None:
    model = network()
    model.parameters()["linear1.weight"][1, 2] = 7
    assert model.W[5] == 7
    model.W[5] = 8
    assert model.parameters()["linear1.weight"][1, 2] == 8


def test_w_can_be_assigned_and_changed_in_place() -> None:
    model = network()
    block = model.W
    model.W = np.arange(13)
    assert model.W is block
    np.testing.assert_array_equal(block, np.arange(13))
    model.W -= 1
    model.W *= 2
    assert model.W is block
    np.testing.assert_array_equal(block, 2 * (np.arange(13) - 1))
    model.W = 0.5
    assert (block == 0.5).all()
    with pytest.raises(ShapeError, match=r"13 parameters; the new values have shape \(12,\)"):
        model.W = np.zeros(12)


def test_a_single_layer_has_w_too() -> None:
    layer = nn.Linear(2, 1)
    layer.W = [1, 2, 3]
    layer.W -= 1
    assert layer([[10.0, 100.0]]) == 0 * 10 + 1 * 100 + 2


def test_a_change_of_w_shows_in_the_next_call() -> None:
    model = network()
    x = np.ones((3, 2))
    before = model(x)
    model.W = 0
    assert (before != 0).all()
    np.testing.assert_array_equal(model(x), 0)


def test_seeds_decide_the_first_numbers() -> None:
    np.testing.assert_array_equal(network().W, network().W)
    assert (network().W[:6] != network(seed=1).W[:6]).all()
    np.testing.assert_allclose(network("float64").W, network().W, rtol=1e-7)
    parts = network().parameters()
    np.testing.assert_array_equal(parts["linear1.bias"], 0)
    assert (parts["linear1.weight"][0] != parts["linear2.weight"][:, 0]).all()


# -- the structure -------------------------------------------------------------------------------


def test_the_structure_is_fixed() -> None:
    model, layer = network(), nn.Linear(2, 3)
    for target, name in ((model, "parts"), (model, "new"), (layer, "fan_out")):
        with pytest.raises(GlassnetError, match="structure of a module is fixed"):
            setattr(target, name, 5)
    with pytest.raises(GlassnetError, match="cannot be deleted"):
        del layer.fan_out


def test_the_summary() -> None:
    assert network().summary().splitlines() == [
        "Sequential(Linear(2, 3), Tanh(), Linear(3, 1))",
        "linear1.weight  (2, 3)   6",
        "linear1.bias    (3,)     3",
        "linear2.weight  (3, 1)   3",
        "linear2.bias    (1,)     1",
        "all                     13",
    ]


def test_layers_can_be_reached() -> None:
    model = network()
    assert len(model) == 3
    assert model[1].__class__ is nn.Tanh
    assert [type(part).__name__ for part in model] == ["Linear", "Tanh", "Linear"]


def test_layers_of_one_kind_are_numbered() -> None:
    inner = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    names = list(nn.Sequential(inner, nn.Linear(2, 1), nn.Residual(nn.Linear(1, 1))).parameters())
    assert names[0] == "sequential1.linear1.weight"
    assert names[2] == "sequential1.linear2.weight"
    assert names[4:] == [
        "linear1.weight", "linear1.bias", "residual1.linear1.weight", "residual1.linear1.bias"
    ]  # fmt: skip


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_independent(again: Any) -> None:
    model = network()
    x = np.ones((2, 2))
    wanted = model(x)
    gn.train(model, x, x[:, :1], loss=HALF, optimizer=gn.optim.SGD(1e-9), epochs=1)
    model.W[...] = network().W
    other = again(model)
    np.testing.assert_array_equal(other(x), wanted)
    other.W = 0
    np.testing.assert_array_equal(model(x), wanted)
    np.testing.assert_array_equal(other(x), 0)
    other.parameters()["linear2.bias"][...] = 4
    np.testing.assert_array_equal(other(x), 4)


# -- computing -----------------------------------------------------------------------------------


def by_hand(model: gn.nn.Sequential, x: np.ndarray) -> np.ndarray:
    p = {name: w.astype(float) for name, w in model.parameters().items()}
    a = np.tanh(x @ p["linear1.weight"] + p["linear1.bias"])
    return a @ p["linear2.weight"] + p["linear2.bias"]


@pytest.mark.parametrize("rows", [0, 1, 5, 64, 65, 4096, 4097, 9000])
def test_any_number_of_rows(rows: int) -> None:
    model = network("float64")
    x = np.linspace(-2, 2, 2 * rows).reshape(rows, 2)
    np.testing.assert_allclose(model(x), by_hand(model, x), rtol=1e-13, atol=1e-15)
    assert model(x).shape == (rows, 1)


def test_a_row_does_not_depend_on_the_rows_around_it() -> None:
    model = network()
    x = np.linspace(-2, 2, 2 * 5000).reshape(5000, 2)
    every = model(x)
    for row in (0, 17, 4095, 4096, 4999):
        np.testing.assert_array_equal(model(x[row : row + 1])[0], every[row])
        np.testing.assert_array_equal(model(x[row]), every[row])


def test_results_are_not_overwritten_by_the_next_call() -> None:
    model = network()
    first = model(np.ones((2, 2)))
    kept = first.copy()
    model(np.zeros((2, 2)))
    np.testing.assert_array_equal(first, kept)


def test_any_numbers_are_taken() -> None:
    model = network("float64")
    wanted = by_hand(model, np.array([[1.0, 2.0]]))
    for x in ([[1, 2]], np.array([[1, 2]], np.int8), np.array([[1, 2]], np.float32),
              np.array([[1.0, 2.0], [0, 0]])[::2], np.asfortranarray([[1.0, 2.0]])):  # fmt: skip
        np.testing.assert_allclose(model(x), wanted, rtol=1e-14)


def test_threads_may_share_a_model() -> None:
    model = network()
    x = np.random.default_rng(0).standard_normal((8, 50, 2))
    wanted = [model(part) for part in x]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(50):
            if (model(x[i]) != wanted[i]).any():
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_gradient_by_x() -> None:
    model = network("float64")
    x = np.array([[0.5, -1.0]])
    slope = gn.grad(lambda x: ops.sum(model(x)))(x)
    step = 1e-6 * np.eye(2)
    wanted = [(model(x + h) - model(x - h))[0, 0] / 2e-6 for h in step]
    np.testing.assert_allclose(slope[0], wanted, rtol=1e-8)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (np.ones((2, 3)), r"rows of 2 numbers, \[rows, 2\]; got an array of shape \(2, 3\)"),
        (np.ones(3), r"shape \(3,\)"),
        (3.0, r"shape \(\)"),
        (np.ones((1, 1, 2)), r"shape \(1, 1, 2\)"),
        ([["a", "b"]], "takes numbers"),
    ],
)
def test_what_does_not_fit(x: Any, text: str) -> None:
    with pytest.raises(ShapeError, match=text):
        network()(x)


def test_a_network_that_takes_any_width() -> None:
    model = nn.Sequential(nn.ReLU(), dtype="float64")
    np.testing.assert_array_equal(model([[-1.0, 2.0, 3.0]]), [[0, 2, 3]])
    np.testing.assert_array_equal(model([[-1.0, 2.0]]), [[0, 2]])
    assert "f64[n,3]" in str(model.graph(3))
    with pytest.raises(ShapeError, match=r"model.graph\(width=3\)"):
        model.graph()

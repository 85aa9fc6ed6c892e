"""A part and the whole have the same numbers, wherever they are reached from; shared layers are
one set of numbers."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops
from glassnet.errors import GlassnetError, ShapeError
from glassnet.nn import Module, Parameter
from tests.nn.common import HALF

nn = gn.nn
X = np.random.default_rng(0).standard_normal((20, 2)).astype("float32")
Y = (X @ np.array([[3.0], [-2.0]], "float32")).astype("float32")
COPIES = [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]


def train(model: Module, x: Any = X, y: Any = Y, epochs: int = 2) -> None:
    gn.train(model, x, y, loss=HALF, optimizer=gn.optim.SGD(0.1), epochs=epochs, batch_size=10)


def through(layers: Iterable[Any], x: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


def same(a: Any, b: Any) -> None:
    np.testing.assert_array_equal(a, b)


# -- parts are views -----------------------------------------------------------------------------


def test_layers_one_by_one_are_the_network_before_and_after_training() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    same(through(model, X), model(X))
    train(model)
    same(through(model, X), model(X))
    assert (model.W[:9] == model[0].W).all()
    assert np.shares_memory(model[0].W, model.W)


def test_a_part_that_is_changed_changes_the_whole_and_the_other_way_round() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1), dtype="float64")
    model(X)
    model[0].W[:] = 0
    same(model(X), np.broadcast_to(model.parameters()["linear2.bias"], (20, 1)))
    model.parameters()["linear1.bias"][...] = 2
    same(model[0](X), np.full((20, 3), 2.0))
    model["linear1"].parameters()["weight"] = 1.0
    np.testing.assert_allclose(model[0](X), X.sum(1, keepdims=True) + np.full(3, 2.0), rtol=1e-6)


@pytest.mark.parametrize("seen", [False, True], ids=["fresh", "used before"])
def test_an_encoder_in_an_autoencoder_is_trained(seen: bool) -> None:
    encoder = nn.Sequential(nn.Linear(2, 1))
    if seen:
        encoder(X)
    whole = nn.Sequential(encoder, nn.Linear(1, 2))
    before = encoder.W.copy()
    train(whole, X, X)
    assert (before != encoder.W).all()
    assert whole[0] is encoder
    same(whole.W[:3], encoder.W)
    same(through(whole, X), whole(X))
    same(encoder(X), whole[:1](X))
    train(encoder)
    same(through(whole, X), whole(X))
    same(whole.W[:3], encoder.W)


def test_what_was_trained_goes_into_another_network() -> None:
    whole = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 2))
    train(whole, X, X)
    other = nn.Sequential(whole[0], nn.Linear(1, 3))
    same(other[0].W, whole.W[:3])
    same(through(other, X), other(X))
    train(other, X, np.ones((20, 3), "float32"))
    same(whole.W[:3], other.W[:3])
    same(through(whole, X), whole(X))


def test_numbers_that_exist_stay_and_the_others_are_drawn() -> None:
    layer = nn.Linear(2, 3)
    layer.W = np.arange(9)
    model = nn.Sequential(layer, nn.Tanh(), nn.Linear(3, 1), seed=5)
    alone = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1), seed=5)
    same(model.W[:9], np.arange(9))
    same(model.W[9:], alone.W[9:])  # each parameter has its own stream of random numbers
    with pytest.raises(ShapeError, match=r"linear1.weight has numbers in float32 already"):
        nn.Sequential(layer, dtype="float64")
    wide = nn.Linear(2, 1)
    nn.Sequential(wide, dtype="float64")(X)
    assert nn.Sequential(wide, nn.Tanh()).W.dtype == np.float64
    narrow = nn.Sequential(wide.astype(np.float32), nn.Tanh())
    same(narrow.W, wide.W.astype("float32"))
    assert narrow(X).dtype == narrow[0](X).dtype == np.float32
    narrow.W = 0
    assert (wide.W[:2] != 0).all()


def test_a_slice_is_a_view() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    first, last = model[:2], model[2:]
    same(last(first(X)), model(X))
    train(model)
    same(last(first(X)), model(X))
    first.W[:] = 1
    assert (model.W[:9] == 1).all()
    assert np.shares_memory(first.W, model.W)
    same(model[-1].W, model.W[9:])
    with pytest.raises(IndexError, match="3 is not a part; there are 0 to 2: linear1, tanh1"):
        model[3]


def test_branches_and_neurons_are_views() -> None:
    residual = nn.Residual(nn.Linear(2, 2), nn.Tanh())
    parallel = nn.Parallel(nn.Linear(2, 1), nn.Columns(0))
    blend = nn.Blend(nn.PReLU(0.5))
    model = nn.Sequential(residual, parallel, blend, nn.Neuron(2))
    train(model)
    same(through(model, X), model(X))
    same(residual.W, model.W[:6])
    same(residual[0].W, model.W[:6])
    same(parallel[0].W, model.W[6:9])
    same(blend.inner.W, model.parameters()["blend1.f.slope"])
    same(model[3].linear(model[:3](X)), model.activations(X)["neuron1.linear"])


def test_a_tanh_first_reads_what_the_network_reads() -> None:
    wide = X.astype("float64") + 1e-9
    for dtype in ("float32", "float64"):
        model = nn.Sequential(nn.Tanh(), nn.Linear(2, 1), dtype=dtype)
        same(through(model, wide), model(wide))
        assert model[0](wide).dtype == dtype


@pytest.mark.parametrize("again", COPIES)
def test_copies_share_among_themselves_only(again: Any) -> None:
    whole = nn.Sequential(nn.Sequential(nn.Linear(2, 1)), nn.Linear(1, 2))
    other = nn.Sequential(whole[0], nn.Linear(1, 3))
    train(whole, X, X)
    whole_copy, other_copy, part = again((whole, other, whole[0]))
    same(whole_copy(X), whole(X))
    same(other_copy(X), other(X))
    whole_copy.W[:] = 1
    same(np.asarray(other_copy.W)[:3], 1)
    same(part.W, 1)
    assert (whole.W != 1).all()
    lone = again(whole[0])
    same(lone.W, whole[0].W)
    assert lone.W.base is None or lone.W.base.size == 3  # not the numbers of the whole
    fresh = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    same(again(fresh[1]).W, fresh.W[6:])


def test_a_shallow_copy_has_the_same_numbers() -> None:
    model = nn.Sequential(nn.Linear(2, 1))
    other = copy.copy(model)
    train(other)
    same(other.W, model.W)
    assert np.shares_memory(other.W, model.W)


def test_every_layers_output_by_name() -> None:
    inner = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    model = nn.Sequential(inner, nn.Residual(nn.Linear(2, 2)), nn.Linear(2, 1), dtype="float64")
    found = model.activations(X)
    assert list(found) == [
        "sequential1.linear1", "sequential1.tanh1", "sequential1",
        "residual1.linear1", "residual1", "linear1",
    ]  # fmt: skip
    p = model.parameters()
    z = X.astype(float) @ p["sequential1.linear1.weight"] + p["sequential1.linear1.bias"]
    np.testing.assert_allclose(found["sequential1.linear1"], z, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found["sequential1"], np.tanh(z), rtol=1e-12, atol=1e-15)
    same(found["linear1"], model(X))
    assert model.activations(X[0])["linear1"].shape == (1,)
    assert list(nn.Linear(2, 1).activations(X)) == ["linear"]
    assert model.activations(X[:0])["linear1"].shape == (0, 1)


# -- W of numbers that lie in several places -----------------------------------------------------


def scattered() -> tuple[Any, Any]:
    first = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1), dtype="float64")
    first.W = [1, 2, 3, 4]
    second = nn.Sequential(nn.Linear(1, 1), first[0], dtype="float64")
    second.W = [5, 6, 7, 8]
    return first, second


def test_a_vector_in_several_places_reads_and_writes_through() -> None:
    first, second = scattered()
    same(first.W, [7, 8, 3, 4])
    second.W[2] = 10
    second.W[3:] += 1
    second.W[1:3] *= 2  # across the places
    same(first.W, [20, 9, 3, 4])
    same(second.W, [5, 12, 20, 9])
    second.W -= 1
    held = second.W
    first.W[0] = 0
    same(held, [4, 11, 0, 8])  # reads anew
    held.fill(3)
    held[[0, 1]] = [1, 2]
    same(second.W, [1, 2, 3, 3])
    assert (held.size, held.shape, held.dtype, len(held)) == (4, (4,), np.float64, 4)
    same(held + np.ones(4), [2, 3, 4, 4])
    same(np.concatenate([held, [0]]), [1, 2, 3, 3, 0])
    assert float(np.sum(held)) == held.sum() == 9
    with pytest.raises(ValueError, match="read-only"):
        held.reshape(2, 2)[0, 0] = 1
    with pytest.raises(ShapeError, match="4 parameters"):
        second.W = np.zeros(3)


def test_scattered_networks_train_as_others_do() -> None:
    alone = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    parts = [copy.deepcopy(alone)[0], nn.Tanh(), copy.deepcopy(alone)[2]]
    for part in parts:
        part(np.zeros((1, 2 if part is parts[0] else 3)))
    joined = nn.Sequential(*parts)
    assert type(joined.W) is not np.ndarray
    train(alone, epochs=3)
    train(joined, epochs=3)
    same(joined.W, alone.W)
    step = gn.Step(joined, loss=HALF, optimizer=gn.optim.Adam(0.01))
    other = gn.Step(alone, loss=HALF, optimizer=gn.optim.Adam(0.01))
    assert step(X, Y) == other(X, Y)
    same(joined.W, alone.W)
    value, slope = gn.value_and_grad(HALF)(joined, X, Y)
    wanted, theirs = gn.value_and_grad(HALF)(alone, X, Y)
    assert value == wanted
    same(slope, theirs)


# -- shared layers -------------------------------------------------------------------------------


def test_the_same_layer_twice_is_one_set_of_numbers() -> None:
    layer = nn.Linear(2, 2, bias=False)
    model = nn.Sequential(layer, nn.Tanh(), layer, dtype="float64")
    assert model.W.size == 4
    assert list(model.parameters()) == ["linear1.weight"]
    w = model.parameters()["linear1.weight"]
    x = X[:5].astype(float)
    np.testing.assert_allclose(model(x), np.tanh(x @ w) @ w, rtol=1e-12)
    same(through(model, x), model(x))
    y = np.ones((5, 2))
    # L = 1/(2n) Σ (tanh(xW)W − y)²: the gradients of both places add
    a = np.tanh(x @ w)
    d = (a @ w - y) / 5
    wanted = a.T @ d + x.T @ ((d @ w.T) * (1 - a**2))
    _, slope = gn.value_and_grad(HALF)(model, x, y)
    np.testing.assert_allclose(slope, wanted.ravel(), rtol=1e-10)
    assert gn.check_grads(HALF, model, x, y).ok


def test_layers_shared_across_branches_and_depths() -> None:
    layer = nn.Linear(2, 2)
    model = nn.Sequential(
        nn.Parallel(nn.Sequential(layer, nn.Tanh()), nn.Residual(layer)), nn.Linear(4, 2), layer
    )
    assert list(model.parameters()) == [
        "parallel1.sequential1.linear1.weight", "parallel1.sequential1.linear1.bias",
        "linear1.weight", "linear1.bias",
    ]  # fmt: skip
    train(model, X, X)
    same(through(model, X), model(X))
    same(model[2].W, model.W[:6])
    assert gn.check_grads(HALF, model, X[:3], X[:3], tolerance=1e-5).ok


def test_a_running_mean_that_is_shared_moves_twice_a_step() -> None:
    norm = nn.BatchNorm(1)
    model = nn.Sequential(norm, norm, nn.Linear(1, 1), dtype="float64")
    x = np.array([[0.0], [2.0], [4.0], [6.0]])
    gn.train(
        model, x, x, loss=HALF, optimizer=gn.optim.SGD(1e-12), epochs=1, batch_size=4
    )  # fmt: skip
    # means of the batch: 3, then 0 of what is normalised already
    np.testing.assert_allclose(model.parameters()["batchnorm1.mean"], [0.9 * 0.3], rtol=1e-6)


def test_two_networks_of_one_list_of_layers_share() -> None:
    layers = [nn.Linear(2, 2), nn.Tanh()]
    first, second = nn.Sequential(*layers), nn.Sequential(*layers, nn.Linear(2, 1), seed=3)
    train(first, X, X)
    same(second[0].W, first.W)
    same(through(second, X), second(X))


# -- layers inside functions and classes ---------------------------------------------------------


def test_a_layer_that_a_function_calls_is_trained() -> None:
    layer = nn.Linear(2, 3)
    model = nn.Sequential(lambda x: ops.tanh(layer(x)), nn.Linear(3, 1), dtype="float64")
    assert next(iter(model.parameters())) == "function1.linear1.weight"
    assert model.W.size == 9 + 4
    before = layer.W.copy()
    train(model)
    assert (before != layer.W).all()
    w = layer.parameters()
    hidden = np.tanh(X @ w["weight"] + w["bias"])
    np.testing.assert_allclose(model(X), model[1](hidden), rtol=1e-6)
    assert gn.check_grads(HALF, model, X[:3], Y[:3]).ok


GLOBAL = nn.Linear(2, 2)
SEVERAL = [nn.Linear(2, 2), nn.Linear(5, 5)]


class Holder:
    def __init__(self) -> None:
        self.layer, self.other = nn.Linear(2, 2), nn.Linear(2, 2)

    def __call__(self, x: Any) -> Any:
        return ops.tanh(self.layer(x))

    def method(self, x: Any) -> Any:
        return self(x) + self.other(x)


def helper(x: Any) -> Any:
    return GLOBAL(x) * 2.0


def with_default(x: Any, layer: Any = nn.Linear(2, 2)) -> Any:  # noqa: B008
    return layer(x)


@pytest.mark.parametrize(
    ("function", "size"),
    [
        (lambda x: GLOBAL(x), 6),
        (lambda x: helper(x), 6),
        (lambda x: SEVERAL[0](x), 6),
        (with_default, 6),
        (Holder(), 6),
        (Holder().method, 12),
        (lambda x: nn.Sequential(GLOBAL, nn.Tanh())(x), 6),
        (lambda x: x @ GLOBAL.parameters()["weight"], 6),
    ],
)  # fmt: skip
def test_wherever_a_function_has_its_layers_from(function: Any, size: int) -> None:
    model = nn.Sequential(function, nn.Linear(2, 1))
    assert model.W.size == size + 3
    before = model.W.copy()
    train(model)
    assert (before != model.W).sum() >= model.W.size - 2  # a bias that is not used stays
    same(through(model, X), model(X))


def test_a_function_may_use_a_layer_of_the_network() -> None:
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, lambda x: layer(x), nn.Linear(2, 1))
    assert model.W.size == 6 + 3
    train(model)
    same(through(model, X), model(X))


def test_a_layer_that_is_found_too_late_is_an_error() -> None:
    made: list[Any] = []
    model = nn.Sequential(lambda x: made[0](x), nn.Linear(2, 1))
    made.append(nn.Linear(2, 2))
    with pytest.raises(GlassnetError, match="is not a part of it, so that it would not be trained"):
        train(model)
    fresh = nn.Sequential(lambda x: nn.Linear(2, 2)(x), nn.Linear(2, 1))
    with pytest.raises(GlassnetError, match="would not be trained"):
        fresh(X)


class Block(Module):
    """Parts as attributes, as in PyTorch."""

    def __init__(self, width: int) -> None:
        self.hidden = nn.Linear(width, 3)
        self.layers = [nn.Tanh(), nn.Linear(3, width)]

    def build(self, x: Any, parameters: Any) -> Any:
        y = self.hidden(x)
        for layer in self.layers:
            y = layer(y)
        return y + x


class Older(Module):
    """A part whose parameters are declared by hand."""

    def __init__(self) -> None:
        self.inner = nn.Linear(2, 2)

    def parameter_specs(self) -> dict[str, Parameter]:
        own = {f"inner.{name}": p for name, p in self.inner.parameter_specs().items()}
        return {**own, "scale": Parameter((2,), "ones")}

    def build(self, x: Any, parameters: Any) -> Any:
        return self.inner.build(x, parameters.under("inner")) * parameters["scale"]


def test_modules_among_the_attributes_of_a_class_are_its_parts() -> None:
    block = Block(2)
    names = ["hidden.weight", "hidden.bias", "layers1.weight", "layers1.bias"]
    assert list(block.parameters()) == names
    model = nn.Sequential(block, nn.Linear(2, 1))
    assert list(model.parameters())[:4] == [f"block1.{name}" for name in names]
    train(model)
    same(through(model, X), model(X))
    same(block.hidden.W, model.W[:9])
    expected = X + block.layers[1](np.tanh(block.hidden(X)))
    np.testing.assert_allclose(block(X), expected, rtol=1e-5, atol=1e-6)
    train(block, X, X)  # a network by itself, too
    same(block.hidden.W, model.W[:9])


def test_parts_that_are_declared_by_hand_are_views() -> None:
    model = nn.Sequential(Older(), nn.Linear(2, 1))
    assert list(model.parameters())[:3] == [
        "older1.scale", "older1.inner.weight", "older1.inner.bias"
    ]  # fmt: skip
    train(model)
    inner = model[0].inner
    np.testing.assert_allclose(
        model[0](X), inner(X) * model.parameters()["older1.scale"], rtol=1e-6
    )


# -- parameters by name --------------------------------------------------------------------------


def test_parameters_are_set_by_name() -> None:
    model = nn.Sequential(nn.Linear(2, 1))
    model.parameters()["linear1.weight"] = [[1.0], [2.0]]
    same(model.W, [1, 2, 0])
    held = model.parameters()
    held["linear1.bias"] += 3
    held |= {"linear1.weight": 5}
    same(model.W, [5, 5, 3])
    with pytest.raises(ShapeError, match=r"linear1.weight has shape \(2, 1\); the new values have"):
        model.parameters()["linear1.weight"] = np.zeros((1, 2))
    with pytest.raises(ShapeError, match="dtype <U1"):
        model.parameters()["linear1.bias"] = "a"
    with pytest.raises(KeyError, match=r"wieght is not a parameter; there are linear1\.weight"):
        model.parameters()["wieght"] = 1
    with pytest.raises(GlassnetError, match="structure of a module is fixed"):
        del model.parameters()["linear1.weight"]
    same(model.W, [5, 5, 3])

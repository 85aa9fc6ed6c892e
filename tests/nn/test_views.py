"""Parts are views of the whole: for networks of many forms, at every moment of their life."""

from __future__ import annotations

import copy
import functools
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import nn, ops
from glassnet.errors import GlassnetError
from glassnet.nn import Module

X = np.random.default_rng(0).standard_normal((20, 2)).astype("float32")
Y = (X @ np.array([[3.0], [-2.0]], "float32")).astype("float32")
LOSS = gn.losses.MSE()


def fit(model: Module, **changed: Any) -> Any:
    given: dict[str, Any] = {"optimizer": gn.optim.SGD(0.01), "epochs": 2, "batch_size": 10}
    given["seed"] = len(vars(model).setdefault("_fits", []))  # another one for each fit
    vars(model)["_fits"].append(changed)
    return gn.train(model, X, Y, loss=LOSS, **(given | changed))


def through(layers: Any, x: Any) -> Any:
    return functools.reduce(lambda value, layer: layer(value), layers, x)


# -- networks ------------------------------------------------------------------------------------


def nested() -> Module:
    inner = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), nn.Linear(3, 2))
    return nn.Sequential(nn.Sequential(inner, nn.Tanh()), nn.Linear(2, 1))


def branches() -> Module:
    parallel = nn.Parallel(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), nn.Residual(nn.Linear(2, 2)))
    return nn.Sequential(nn.Residual(nn.Linear(2, 2), nn.Tanh()), parallel, nn.Linear(4, 1))


def tied() -> Module:
    layer = nn.Linear(2, 2)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Residual(layer), nn.Linear(2, 1))


def tied_by_hand() -> Module:
    """The decoder is the encoder transposed."""
    encoder = nn.Linear(2, 3)
    decoder = lambda h: h @ encoder.parameters()["weight"].T  # noqa: E731
    return nn.Sequential(encoder, nn.Tanh(), decoder, nn.Linear(2, 1))


def with_functions() -> Module:
    layer, other = nn.Linear(2, 2), nn.Linear(2, 1)
    held = {"layers": [layer]}
    inner = nn.Sequential(lambda x: ops.tanh(layer(x)), nn.Residual(lambda x: layer(x) * 0.5))
    return nn.Sequential(inner, functools.partial(_call, held), lambda x: other(x))


def _call(held: dict[str, Any], x: Any) -> Any:
    return held["layers"][0](x)


class Block(Module):
    def __init__(self) -> None:
        self.first = nn.Linear(2, 2)
        self.rest = [nn.Tanh(), self.first]

    def build(self, x: Any, parameters: Any) -> Any:
        return through([self.first, *self.rest], x)


def blocks() -> Module:
    block = Block()
    return nn.Sequential(block, nn.Residual(block.first), nn.Linear(2, 1))


def used_before() -> Module:
    """Its parts had numbers already, in two places, and it is in another network."""
    first, second = nn.Sequential(nn.Linear(2, 2)), nn.Linear(2, 1)
    first(X), second(X)
    model = nn.Sequential(first, nn.Tanh(), second)
    return nn.Sequential(model, nn.Linear(1, 1))[0]  # type: ignore[return-value]


def normalised() -> Module:
    return nn.Sequential(nn.BatchNorm(2), nn.Linear(2, 4), nn.PReLU(), nn.Linear(4, 1))


NETWORKS = [
    nested, branches, tied, tied_by_hand, with_functions, blocks, used_before, normalised,
]  # fmt: skip


# -- moments -------------------------------------------------------------------------------------


def fresh(make: Callable[[], Module], tmp_path: Path) -> Module:
    return make()


def trained(make: Callable[[], Module], tmp_path: Path) -> Module:
    model = make()
    parts = list(walk(model))  # taken out before
    fit(model)
    assert [id(part) for part in walk(model)] == [id(part) for part in parts]
    return model


def stepped(make: Callable[[], Module], tmp_path: Path) -> Module:
    model = make()
    step = gn.Step(model, loss=LOSS, optimizer=gn.optim.Adam(0.01))
    step(X, Y)
    step.apply(step.gradients(X, Y))
    return model


def copied(make: Callable[[], Module], tmp_path: Path) -> Module:
    model = make()
    fit(model)
    again = copy.deepcopy(model)
    apart(model, again)
    return again


def pickled(make: Callable[[], Module], tmp_path: Path) -> Module:
    model = make()
    fit(model)
    try:
        again = pickle.loads(pickle.dumps(model))
    except (AttributeError, pickle.PicklingError):
        pytest.skip("Python does not pickle functions without a name")
    apart(model, again)
    return again


def in_another_dtype(make: Callable[[], Module], tmp_path: Path) -> Module:
    model = make()
    fit(model)
    other = model.astype("float64")
    assert other.W.dtype == np.float64
    np.testing.assert_array_equal(other.W, np.asarray(model.W))
    return other


def resumed(make: Callable[[], Module], tmp_path: Path) -> Module:
    fit(make(), record=tmp_path / "run.glass")
    model = make()
    gn.resume(tmp_path / "run.glass", epochs=3, model=model)
    wanted = make()
    fit(wanted, epochs=3)
    np.testing.assert_array_equal(np.asarray(model.W), np.asarray(wanted.W))
    return model


def stopped_early(make: Callable[[], Module], tmp_path: Path) -> Module:
    model = make()
    fit(model, validation=0.3, callbacks=[gn.callbacks.EarlyStopping(1)], epochs=9)
    return model


def diverged(make: Callable[[], Module], tmp_path: Path) -> Module:
    model = make()
    with pytest.raises(GlassnetError, match="became"):
        fit(model, optimizer=gn.optim.SGD(1e30), epochs=9)
    return model


def by_lbfgs(make: Callable[[], Module], tmp_path: Path) -> Module:
    model = make()
    if model.parameters().keys() & {"batchnorm1.mean"}:
        pytest.skip("L-BFGS takes no layer that changes itself")
    fit(model, optimizer=gn.optim.LBFGS(), batch_size=20)
    return model


MOMENTS = [
    fresh, trained, stepped, copied, pickled, in_another_dtype, resumed, stopped_early, diverged,
    by_lbfgs,
]  # fmt: skip


def apart(model: Module, again: Module) -> None:
    """A copy has the same numbers at first, and from then on its own."""
    np.testing.assert_array_equal(again(X), model(X))
    assert again.W.size == model.W.size
    before = model(X)
    fit(again)
    np.testing.assert_array_equal(model(X), before)
    assert (again(X) != before).any()


# -- what must hold --------------------------------------------------------------------------------


def walk(model: Module) -> Iterator[Module]:
    yield model
    for part in model.children().values():
        yield from walk(part)


def consistent(model: Module) -> None:
    """Every part computes with the numbers of the whole, read by name and by place."""
    whole = model(X)
    assert whole.shape == (20, 1)
    np.testing.assert_array_equal(through(model, X), whole)
    for cut in range(1, len(model)):  # type: ignore[arg-type]
        np.testing.assert_array_equal(model[cut:](model[:cut](X)), whole)  # type: ignore[index]
    last = list(model.activations(X).values())[-1]
    np.testing.assert_array_equal(last, whole)
    named, seen = model.parameters(), set[str]()
    for name, part in model.children().items():
        for own, array in part.parameters().items():
            if f"{name}.{own}" in named:  # the others are shared with a part before
                assert np.shares_memory(array, named[f"{name}.{own}"])
                seen.add(f"{name}.{own}")
    assert seen == set(named)


def changing(model: Module) -> None:
    """What is set in a part is set in the whole, and the other way round."""
    parts = [part for part in walk(model) if part.W.size and part is not model]
    for part in parts:
        part.W[...] = 0.25
        flat = np.concatenate([own.ravel() for own in part.parameters().values()])
        assert (flat == 0.25).all()
    assert (np.asarray(model.W) == 0.25).all()
    consistent(model)
    model.W = np.linspace(-1, 1, model.W.size)
    consistent(model)
    model.W[...] = 0.5
    assert all((np.asarray(part.W) == 0.5).all() for part in parts)


# a third of all pairs: every network at three or four moments, every moment with two or three
CASES = [
    (make, moment)
    for i, make in enumerate(NETWORKS)
    for j, moment in enumerate(MOMENTS)
    if (i + j) % 3 == 0
]


@pytest.mark.parametrize(("make", "moment"), CASES)
def test_parts_are_views(make: Any, moment: Any, tmp_path: Path) -> None:
    model = moment(make, tmp_path)
    consistent(model)
    fit(model)
    consistent(model)
    changing(model)
    other = nn.Sequential(*list(model)[:-1], nn.Linear(model[-1].input_width() or 2, 1))  # type: ignore[call-overload, index]
    fit(other)
    consistent(other)
    consistent(model)


def test_networks_of_estimators() -> None:
    """The network of an estimator is a copy; its parts are views of it."""
    own = gn.MLPRegressor(hidden_layer_sizes=(4, 3), max_iter=3, random_state=0, tol=0)
    with pytest.warns(UserWarning, match="hasn't converged"):
        own.fit(X, Y.ravel())
    model = own.to_network()
    np.testing.assert_allclose(model(X).ravel(), own.predict(X), rtol=1e-6)
    consistent(model)
    fit(model)
    consistent(model)
    changing(model)
    part = own.to_network()[0]
    np.testing.assert_allclose(
        part(X), X @ own.coefs_[0] + own.intercepts_[0], rtol=1e-5, atol=1e-6
    )


def test_a_copied_function_that_calls_another_layer_by_then(tmp_path: Path) -> None:
    held = [nn.Linear(2, 1)]
    model = nn.Sequential(lambda x: held[0](x))
    model(X)
    again = copy.deepcopy(model)
    held[0] = nn.Linear(2, 1, bias=False)
    with pytest.raises(GlassnetError, match="calls other layers than it did when the network was"):
        again(X)


def test_a_saved_network_keeps_what_is_shared(tmp_path: Path) -> None:
    for make in (nested, branches, tied, used_before, normalised):
        model = make()
        fit(model)
        gn.save(model, tmp_path / f"{make.__name__}.safetensors")
        again = gn.load(tmp_path / f"{make.__name__}.safetensors")
        np.testing.assert_array_equal(again(X), model(X))
        assert again.W.size == model.W.size
        consistent(again)
        fit(again)
        consistent(again)
        changing(again)

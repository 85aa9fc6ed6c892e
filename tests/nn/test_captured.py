"""What a traced function refers to may change: it is an input, or its change is noticed."""

from __future__ import annotations

import array
import dataclasses
import functools
import random
import sys
import types
import warnings
from collections import OrderedDict, UserDict, deque
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import nn, ops
from glassnet.errors import ShapeError
from glassnet.nn import Module
from glassnet.optim.optimizer import Optimizer

ONE = np.ones(1)
X = np.random.default_rng(0).standard_normal((20, 2)).astype("float32")
Y = (X @ np.array([[3.0], [-2.0]], "float32")).astype("float32")
SQUARES = float(np.mean(np.square(Y, dtype=float)))  # what `squares` gives where ŷ = 0
SMALL = gn.optim.SGD(1e-9)


def same(a: Any, b: Any) -> None:
    np.testing.assert_allclose(np.asarray(a, float), b, rtol=1e-6)


# -- ways in which a function has a number, and how it is set --------------------------------------

GLOBAL = 1.0


class Box:
    shared = 1.0

    def __init__(self) -> None:
        self.k, self.inner = 1.0, types.SimpleNamespace(k=1.0, items=[1.0])

    @property
    def read(self) -> float:
        return self.k


class Derived(Box):
    pass


class Slotted:
    __slots__ = ("k",)


@dataclasses.dataclass
class Data:
    k: float = 1.0


def set_global(value: float) -> None:
    globals()["GLOBAL"] = value


def cell() -> Any:
    k = 1.0

    def to(value: float) -> None:
        nonlocal k
        k = value

    return (lambda z: z * k), to


def attribute(owner: Any, name: str, get: Callable[[Any], Any]) -> Any:
    return (lambda z: z * get(owner)), lambda value: setattr(owner, name, value)


def item(owner: Any, key: Any) -> Any:
    return (lambda z: z * float(owner[key])), lambda value: owner.__setitem__(key, value)


def slotted() -> Any:
    owner = Slotted()
    owner.k = 1.0
    return attribute(owner, "k", lambda own: own.k)


def of_function() -> Any:
    def f(z: Any) -> Any:
        return z * f.k

    f.k = 1.0  # type: ignore[attr-defined]
    return f, lambda value: setattr(f, "k", value)


def of_default() -> Any:
    held = np.array(1.0)

    def f(z: Any, scale: Any = held) -> Any:
        return z * scale

    return f, lambda value: held.__setitem__(..., value)


def in_context() -> Any:
    var = ContextVar("var", default=1.0)
    return (lambda z: z * var.get()), lambda value: var.set(value)


def inherited() -> Any:
    kind = type("Kind", (Box,), {"shared": 1.0, "__module__": __name__})
    owner = type("Below", (kind,), {"__module__": __name__})()
    return (lambda z: z * owner.shared), lambda value: setattr(kind, "shared", value)


def shadowed() -> Any:
    owner = Derived()
    return (lambda z: z * owner.shared), lambda value: setattr(owner, "shared", value)


def partial() -> Any:
    held = [1.0]
    f = functools.partial(lambda z, own: z * own[0], own=held)
    return f, lambda value: held.__setitem__(0, value)


def deep() -> Any:
    box = Box()

    def inner(z: Any) -> Any:
        return z * box.inner.items[0]

    return gn.compile(lambda z: inner(z)), lambda value: box.inner.items.__setitem__(0, value)


WAYS: dict[str, Callable[[], Any]] = {
    "a closure": cell,
    "a global": lambda: ((lambda z: z * GLOBAL), set_global),
    "a list": lambda: item([1.0], 0),
    "a dict": lambda: item({"a": 1.0}, "a"),
    "an ordered dict": lambda: item(OrderedDict(a=1.0), "a"),
    "another mapping": lambda: item(UserDict(a=1.0), "a"),
    "a deque": lambda: item(deque([1.0]), 0),
    "an array": lambda: item(np.array([1.0]), 0),
    "an array of whole numbers": lambda: item(np.array([1]), 0),
    "an array of the standard library": lambda: item(array.array("d", [1.0]), 0),
    "bytes": lambda: item(bytearray([1]), 0),
    "an attribute": lambda: attribute(Box(), "k", lambda own: own.k),
    "a property": lambda: attribute(Box(), "k", lambda own: own.read),
    "an attribute by its name": lambda: attribute(Box(), "k", lambda own: getattr(own, "k")),  # noqa: B009
    "an attribute among all": lambda: attribute(Box(), "k", lambda own: vars(own)["k"]),
    "an attribute of a dataclass": lambda: attribute(Data(), "k", lambda own: own.k),
    "a slot": slotted,
    "a function's attribute": of_function,
    "a default": of_default,
    "a variable of a context": in_context,
    "an attribute of a class above": inherited,
    "an attribute in place of the class's": shadowed,
    "a partial": partial,
    "a list of an attribute of an object in a compiled function": deep,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_number_that_changed_is_noticed(way: str) -> None:
    f, to = WAYS[way]()
    try:
        value, slope = gn.compile(f), gn.grad(lambda z: ops.sum(f(z)))
        each = gn.derivative(f)
        for number in (1.0, 3.0, 3.0, 2.0):
            to(int(number) if "bytes" in way else number)
            same(value(ONE), [number])
            same(value(np.ones(2)), [number, number])
            same(slope(ONE), [number])
            same(each(ONE), [number])
    finally:
        set_global(1.0)


@pytest.mark.parametrize("way", WAYS)
def test_a_callback_that_changes_what_a_loss_refers_to(way: str) -> None:
    f, to = WAYS[way]()
    model = nn.Sequential(nn.Linear(2, 1))
    model.W = 0
    try:
        history = gn.train(
            model, X, Y, loss=lambda p, y: f(ops.sum(ops.square(p - y), 1)), optimizer=SMALL,
            epochs=4, batch_size=10, callbacks=[lambda run: to(0) if run.epoch == 2 else None],
        )  # fmt: skip
    finally:
        set_global(1.0)
    same(history.loss[:2], [SQUARES, SQUARES])
    assert history.loss[2:] == [0.0, 0.0]


def test_arrays_of_another_dtype_take_that_of_the_network() -> None:
    """float64 is what NumPy makes, float32 what networks compute in."""
    for held in (np.array([2.0]), np.array(2.0), np.array([2])):
        model = nn.Sequential(nn.Linear(2, 1), lambda z, held=held: z * held)
        assert model(X).dtype == np.float32
        same(model(X), 2 * model[0](X))
        value, _ = gn.value_and_grad(lambda p, y, held=held: ops.sum(p * held, 1))(model, X, Y)
        same(value, np.mean(4 * model[0](X)))


def test_data_frames_and_series() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0]})
    column = pandas.Series([1.0, 2.0])
    for f, to in (
        (
            gn.compile(lambda z: z * frame["a"].to_numpy()),
            lambda: frame.__setitem__("a", [5.0, 6.0]),
        ),
        (gn.compile(lambda z: z * column.to_numpy()), lambda: column.iloc.__setitem__(0, 5.0)),
    ):
        same(f(np.ones(2)), [1, 2])
        to()
        assert f(np.ones(2))[0] == 5.0


def test_a_module_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "of_ones_own.py").write_text("K = 1.0\ndef f(z):\n    return z * K\n")
    monkeypatch.syspath_prepend(tmp_path)
    own = __import__("of_ones_own")
    f = gn.compile(lambda z: own.f(z) + own.K)
    same(f(ONE), [2])
    own.K = 3.0
    same(f(ONE), [6])
    own.f = lambda z: z
    same(f(ONE), [4])
    del sys.modules["of_ones_own"]


# -- networks --------------------------------------------------------------------------------------


def test_networks_are_read_at_every_call() -> None:
    """Σ m(x) of one row, by x: the row of the weights' products."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1), dtype="float64")
    boxes: Any = [model], {"a": model}, types.SimpleNamespace(m=model), functools.partial(model)
    slopes = [
        gn.grad(lambda z: ops.sum(model(z))),
        gn.grad(lambda z: ops.sum(boxes[0][0](z))),
        gn.grad(lambda z: ops.sum(boxes[1]["a"](z))),
        gn.grad(lambda z: ops.sum(boxes[2].m(z))),
        gn.grad(lambda z: ops.sum(boxes[3](z))),
        gn.grad(lambda z: ops.sum(model[1](model[0](z)))),
        gn.grad(lambda z: ops.sum(nn.Sequential(*model)(z))),
    ]
    row = X[:1].astype(float)
    for _ in range(2):
        w = model.parameters()
        wanted = (w["linear1.weight"] @ w["linear2.weight"]).T
        for slope in slopes:
            np.testing.assert_allclose(slope(row), wanted, rtol=1e-12)
        gn.train(model, X, Y, loss=gn.losses.MSE(), optimizer=gn.optim.SGD(0.05), epochs=1)
    model[0].W[:] = 0
    for slope in slopes:
        same(slope(row), [[0, 0]])
    assert all(not slope(row.repeat(3, 0)).any() for slope in slopes)


def test_a_network_in_a_closure_may_be_another_one() -> None:
    model = nn.Sequential(nn.Linear(2, 1))
    f = gn.compile(lambda z: model(z))
    f(X)
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), seed=3)
    same(f(X), model(X))


def test_a_loss_that_reads_the_weights_of_the_network_and_of_another() -> None:
    """L = mean Σ (ŷ − y)² + Σ w² + b of the other: ∂L/∂w = 2/n Σ x(ŷ − y) + 2w."""
    model, other = (nn.Sequential(nn.Linear(2, 1), dtype="float64", seed=s) for s in (0, 1))

    def loss(p: Any, y: Any) -> Any:
        penalty = ops.sum(ops.square(model[0].parameters()["weight"]))
        return ops.sum(ops.square(p - y), 1) + penalty + other.parameters()["linear1.bias"]

    pair = gn.value_and_grad(loss)
    for bias in (0.0, 2.0):
        other.parameters()["linear1.bias"] = bias
        value, slope = pair(model, X, Y)
        w = model.parameters()["linear1.weight"]
        miss = model(X) - Y
        same(value, np.mean(miss**2) + np.sum(w**2) + bias)
        np.testing.assert_allclose(slope[:2, None], 2 * X.T @ miss / 20 + 2 * w, rtol=1e-5)
        gn.train(model, X, Y, loss=loss, optimizer=gn.optim.SGD(0.05), epochs=1)


# -- everywhere code of the user's is traced -------------------------------------------------------


def test_losses_steps_and_samples_see_the_change() -> None:
    k = [1.0]
    plain = gn.losses.as_loss(lambda p, y: ops.sum(ops.square(p - y), 1) * k[0])
    batch = gn.losses.BatchLoss(lambda p, y: ops.mean(ops.square(p - y)) * k[0])
    model = nn.Sequential(nn.Linear(2, 1), nn.Dropout(0.5), lambda z: z * k[0])
    model.W = 0
    steps = [gn.Step(model, loss=own, optimizer=SMALL) for own in (plain, batch)]
    pairs = [gn.value_and_grad(own) for own in (plain, batch)]
    for number in (1.0, 2.0, 0.0):
        k[0] = number
        for own, step, pair in zip((plain, batch), steps, pairs, strict=True):
            same(own(0 * Y, Y), SQUARES * number)
            np.testing.assert_allclose(step(X, Y), SQUARES * number, rtol=1e-4)
            np.testing.assert_allclose(pair(model, X, Y)[0], SQUARES * number, rtol=1e-4)
    model.W = 1
    assert not model(X).any()
    assert not model.sample(X, 2).any()
    assert not model.activations(X)["function1"].any()
    k[0] = 1.0
    assert model(X).all()
    assert model.sample(X, 2).any()
    assert model.activations(X)["function1"].all()


def test_layers_and_optimisers_of_ones_own_see_the_change() -> None:
    @dataclasses.dataclass(eq=False)
    class Scaled(Module):
        box: list[float]

        def build(self, x: Any, parameters: Any) -> Any:
            return x * self.box[0]

    rate = [1.0]

    @dataclasses.dataclass(frozen=True)
    class Rule(Optimizer):
        def slots(self) -> dict[str, float]:
            return {}

        def update(self, w: Any, g: Any, memory: Any, now: Any) -> Any:
            return w - now.lr * g * rate[0], {}

    layer = Scaled([1.0])
    model = nn.Sequential(nn.Linear(2, 1), layer)
    seen: list[np.ndarray] = []

    def watch(run: Any) -> None:
        seen.append(run.model.W.copy())
        rate[0] = 0.0

    gn.train(model, X, Y, loss=gn.losses.MSE(), optimizer=Rule(0.01), epochs=3, callbacks=[watch])
    assert (seen[0] == seen[1]).all()
    assert (seen[1] == seen[2]).all()
    before = model(X)
    layer.box[0] = 2.0
    same(model(X), 2 * before)


# -- what cannot be noticed is said ----------------------------------------------------------------


@pytest.mark.parametrize(
    "draw",
    [
        np.random.default_rng(0).standard_normal,
        np.random.RandomState(0).standard_normal,
        lambda: np.random.standard_normal(),
        random.Random(0).random,
        lambda: random.random(),
    ],
)
def test_random_numbers_that_are_drawn_once_are_warned_of(draw: Any) -> None:
    generator = getattr(draw, "__self__", None)
    f = (lambda z: z * draw()) if generator is None else lambda z: z * generator.random()
    if isinstance(generator, np.random.RandomState):
        f = lambda z: z * generator.random_sample()  # noqa: E731
    with pytest.warns(UserWarning, match=r"drew random numbers while it was traced"):
        gn.compile(f)(ONE)


def test_first_weights_that_are_drawn_meanwhile_are_not() -> None:
    rng = np.random.default_rng(0)

    class Noisy(Module):
        def __init__(self) -> None:
            self.first = lambda shape, seed, stream: rng.standard_normal(shape)

        def parameter_specs(self) -> Any:
            return {"w": nn.Parameter((2,), self.first)}

        def build(self, x: Any, parameters: Any) -> Any:
            return x * parameters["w"]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Noisy()
        gn.compile(lambda x: model(x))(X)


def test_a_network_in_place_of_an_array_is_answered() -> None:
    model = nn.Sequential(nn.Linear(2, 1))
    with pytest.raises(
        ShapeError, match=r"was passed where an array is expected\n.*value_and_grad\(loss"
    ):
        gn.grad(gn.losses.MSE())(model, X, Y)


def test_what_has_not_changed_is_not_traced_again() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    mapping, several, inner = {"a": 2.0, "b": ONE}, [1.0, ONE], {"deep": [ONE, {"x": 3}]}
    parameters, ordered, stack = model.parameters(), OrderedDict(a=ONE), deque([ONE, 2.0])
    runs: list[int] = []

    def f(x: Any) -> Any:
        runs.append(1)
        total = ops.sum(model(x)) * mapping["a"] + several[0] + inner["deep"][1]["x"]
        return total + len(parameters) + len(ordered) + len(stack)

    compiled = gn.compile(f)
    first = compiled(X)
    count = len(runs)
    for _ in range(3):
        assert compiled(X) == first
    assert len(runs) == count
    mapping["a"] = 4.0
    assert compiled(X) != first
    assert len(runs) > count


def test_long_chains_and_circles_of_objects() -> None:
    first = last = types.SimpleNamespace(k=1.0)
    for _ in range(3000):
        last.next = types.SimpleNamespace(k=1.0)
        last = last.next
    last.next = first
    f = gn.compile(lambda z: z * first.k * first.next.k)
    same(f(ONE), [1])
    first.next.k = 3.0
    same(f(ONE), [3])
    circle: list[Any] = [1.0]
    circle.append(circle)
    g = gn.compile(lambda z: z * circle[0])
    same(g(ONE), [1])
    circle[0] = 2.0
    same(g(ONE), [2])

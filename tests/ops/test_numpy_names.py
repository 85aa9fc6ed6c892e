"""NumPy's functions and methods on graph values: the same numbers as NumPy gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import nn, ops
from glassnet.errors import GraphError, ShapeError

X = np.array([[0.5, 1.25, 2.0], [0.25, 3.0, 0.75]])

SAME: list[Any] = [
    np.tanh, np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10, np.log1p, np.sin, np.cos, np.tan,
    np.sinh, np.cosh, np.sqrt, np.square, np.abs, np.sign, np.negative, np.reciprocal, np.floor,
    np.ceil, np.rint, np.round, np.sum, np.mean, np.var, np.std, np.max, np.min, np.ravel,
    np.transpose, np.linalg.norm, np.zeros_like, np.ones_like, abs,
    lambda x: np.add(np.ones((2, 3)), x), lambda x: np.multiply(x, 2), lambda x: np.power(x, 1.5),
    lambda x: np.maximum(x, 1.0), lambda x: np.minimum(1.0, x), lambda x: np.clip(x, 0.5, 1.0),
    lambda x: np.where(x > 1.0, x, 0.0), lambda x: np.sum(x, axis=1), lambda x: np.mean(x, 0),
    lambda x: np.max(x, axis=1, keepdims=True), lambda x: np.concatenate([x, x], 1),
    lambda x: np.stack([x, 2 * x]), lambda x: np.dot(x, np.ones((3, 2))), lambda x: x @ x.T,
    lambda x: np.ones((4, 2)) @ x, lambda x: np.reshape(x, (3, 2)),
    lambda x: np.squeeze(x[:, None]),
    lambda x: np.expand_dims(x, 1), lambda x: np.argmax(x, 1),
    lambda x: x.sum(), lambda x: x.mean(1), lambda x: x.max(axis=0), lambda x: x.min(),
    lambda x: x.var(0), lambda x: x.std(1), lambda x: x.argmin(1), lambda x: x.reshape(6),
    lambda x: x.reshape(3, -1), lambda x: x.reshape((-1, 2)), lambda x: x.T, lambda x: x.flatten(),
    lambda x: x.transpose(1, 0), lambda x: x.dot(np.ones(3)), lambda x: x.clip(0.5, 1.0),
    lambda x: x.astype("float32"), lambda x: x[..., 0], lambda x: x[0, ...], lambda x: x[:, None],
    lambda x: x[None], lambda x: x[:, None, 1], lambda x: x[..., None, :2], lambda x: x[[1, 0, 1]],
    lambda x: x[np.array([1])], lambda x: 2**x, lambda x: 2.0**x, lambda x: x**2, lambda x: +x,
    lambda x: (x > 0.5) & (x < 2.0), lambda x: ~(x > 0.5),
    lambda x: (x > 2.5) | (x < 0.5), lambda x: sum(x), lambda x: np.array([1.0, 2.0, 3.0]) * x,
    lambda x: np.float64(0.5) < x, lambda x: [1.0, 2.0, 3.0] * x, lambda x: x.shape[0] + len(x) + x,
]  # fmt: skip


@pytest.mark.parametrize("place", range(len(SAME)))
def test_the_numbers_of_numpy(place: int) -> None:
    f = SAME[place]
    found, wanted = gn.compile(f)(X), np.asarray(f(X))
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-6 if found.dtype == np.float32 else 1e-12)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.array([1.0, 2.0, 3.0]) * x,
        lambda x: np.float64(2.0) * x + np.array(1.0),
        lambda x: ops.where(x > 1.0, 3.0, 1.0),
        lambda x: ops.where(ops.logical_and(x > 1.0, x < 2.0), np.array([1.0, 2.0, 3.0]), 0.5) * x,
        lambda x: ops.where(ops.equal(np.array([0, 1, 2]), 1), 3.0, 1.0) * x,
        lambda x: np.where(x > 1.0, 3.0, 1.0),
        lambda x: np.maximum(x, np.array([0.5])),
    ],
)
def test_constants_take_the_dtype_of_the_values(f: Any) -> None:
    assert gn.compile(f)(X.astype("float32")).dtype == np.float32
    assert gn.compile(f)(X).dtype == np.float64


def test_whole_numbers_that_are_chosen_stay_whole() -> None:
    assert gn.compile(lambda x: ops.where(x > 1.0, 3, 1))(X).dtype == np.int64


def test_a_layer_and_a_loss_may_be_written_with_numpy() -> None:
    x = X.astype("float32")
    model = nn.Sequential(nn.Linear(3, 2), lambda z: np.tanh(z) + 0.1 * abs(z), nn.Linear(2, 1))

    def loss(p: Any, y: Any) -> Any:
        return np.sum(np.where(np.abs(p - y) > 1.0, 3.0, 1.0) * np.square(p - y), axis=1)

    twin = nn.Sequential(nn.Linear(3, 2), lambda z: ops.tanh(z) + 0.1 * ops.abs(z), nn.Linear(2, 1))
    for own in (model, twin):
        gn.train(
            own, x, [0.0, 1.0], loss=loss, optimizer=gn.optim.SGD(0.1), epochs=3, shuffle=False
        )
    assert np.array_equal(model.W, twin.W)


@pytest.mark.parametrize(
    ("f", "right"),
    [
        (np.arcsinh, "functions of glassnet.ops"),
        (np.sort, "functions of glassnet.ops"),
        (lambda x: np.add.accumulate(x), "functions of glassnet.ops"),
        (lambda x: x[x > 1.0], r"ops.where\(mask, x, 0\)"),
        (lambda x: np.asarray(x), "no numbers while tracing"),
        (lambda x: float(x), "no numbers while tracing"),
    ],
)
def test_what_there_is_no_op_for_is_told(f: Any, right: str) -> None:
    with pytest.raises(GraphError, match=right):
        gn.compile(f)(X)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("detach", "ops.stop_gradient"),
        ("tanh", "ops.tanh"),
        ("unsqueeze", "None"),
        ("foo", "'foo'"),
    ],
)
def test_methods_of_other_libraries_are_answered(name: str, right: str) -> None:
    with pytest.raises(AttributeError, match=right):
        gn.compile(lambda x: getattr(x, name)())(X)


LINE = np.linspace(-2.0, 2.0, 9)


@pytest.mark.parametrize(
    ("f", "order", "wanted"),
    [
        (ops.tanh, 1, 1 - np.tanh(LINE) ** 2),
        (np.tanh, 1, 1 - np.tanh(LINE) ** 2),
        (ops.tanh, 2, -2 * np.tanh(LINE) * (1 - np.tanh(LINE) ** 2)),
        (ops.sin, 0, np.sin(LINE)),
        (lambda x: x**4, 3, 24 * LINE),
        (nn.ReLU(), 1, (LINE > 0).astype(float)),
        (lambda x: 3.0 * x[:, None][:, 0], 1, np.full(9, 3.0)),
        (lambda x: 0.0 * x, 1, np.zeros(9)),
    ],
)
def test_a_derivative_number_by_number(f: Any, order: int, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(gn.derivative(f, order)(LINE), wanted, rtol=1e-12, atol=1e-13)


def test_derivatives_of_numbers_lists_and_derivatives() -> None:
    assert gn.derivative(lambda x: x * x)(3).tolist() == 6.0
    assert gn.derivative(lambda x: x * x)([1, 2]).tolist() == [2.0, 4.0]
    assert gn.derivative(ops.exp)(np.ones((2, 3), "float32")).dtype == np.float32
    assert gn.derivative(lambda x, a: a * x)(LINE, 3.0).tolist() == [3.0] * 9
    second = gn.derivative(gn.derivative(ops.sin))(LINE)
    np.testing.assert_allclose(second, -np.sin(LINE), rtol=1e-12, atol=1e-13)
    assert gn.grad(lambda x: ops.sum(x * x))(np.array([1, 2, 3])).tolist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize("f", [ops.softmax, ops.sum, lambda x: x[::-1] * 1.0, lambda x: 1.0])
def test_a_derivative_that_is_no_number_by_number_is_refused(f: Any) -> None:
    with pytest.raises(ShapeError, match=r"must be elementwise"):
        gn.derivative(f)(LINE)


def test_the_gradient_of_many_numbers_names_both_ways() -> None:
    with pytest.raises(ShapeError, match=r"(?s)ops\.sum\(f\(x\)\).*gn\.derivative\(f\)"):
        gn.grad(ops.sigmoid)(LINE)

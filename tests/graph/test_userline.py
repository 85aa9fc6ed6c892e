"""Errors name the op, the shapes seen and wanted, and the user's line with its text."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops
from glassnet.errors import GlassnetError, GraphError, ShapeError
from glassnet.graph.op import Value
from glassnet.nn import Linear, Module, ReLU, Sequential
from glassnet.nn.module import Parameter
from glassnet.nn.scope import Scope

X = np.ones((4, 3), "float32")
W = np.ones((5, 2), "float32")


def line_of(text: str) -> int:
    """The number of the line of this file that ends with a mark."""
    found = [
        number
        for number, line in enumerate(Path(__file__).read_text("utf-8").splitlines(), 1)
        if line.endswith(f"# {text}")
    ]
    assert len(found) == 1
    return found[0]


def said(error: type[GlassnetError], f: Callable[[], Any]) -> str:
    with pytest.raises(error) as raised:
        f()
    return str(raised.value)


def ends(message: str, mark: str) -> bool:
    """Whether the last line of a message is about the marked line of this file."""
    last = message.splitlines()[-1]
    source = Path(__file__).read_text("utf-8").splitlines()[line_of(mark) - 1].strip()
    return last.startswith("  at ") and last.endswith(
        f"{Path(__file__).name}:{line_of(mark)}: {source}"
    )


def product(x: Any, w: Any) -> Any:
    warm = ops.exp(x)
    return warm @ w  # the product


def addition(x: Any) -> Any:
    return x + np.zeros(7, "float32")  # the addition


def reduction(x: Any) -> Any:
    return ops.sum(x, 5)  # the reduction


def reshaping(x: Any) -> Any:
    return ops.reshape(x, (5, 5))  # the reshaping


def joining(x: Any) -> Any:
    return ops.concatenate([x, x[:, :1]], 0)  # the joining


def gathering(x: Any) -> Any:
    return ops.take(x, x)  # the gathering


def choosing(x: Any) -> Any:
    return x if x else -x  # the choice


CASES: list[tuple[Callable[..., Any], str, tuple[str, ...]]] = [
    (product, "the product", ("matmul", "f32[4,3]", "f32[5,2]", "wanted [..., m, k]")),
    (addition, "the addition", ("add", "[4,3]", "[7]", "sizes must be equal or 1")),
    (reduction, "the reduction", ("sum", "axis 5", "wanted -2 to 1")),
    (reshaping, "the reshaping", ("reshape", "[4,3]", "5")),
    (joining, "the joining", ("concatenate", "[4,3]", "[4,1]")),
    (gathering, "the gathering", ("f32[4,3]",)),
    (choosing, "the choice", ("f32[4,3]", "ops.where")),
]


@pytest.mark.parametrize(("f", "mark", "parts"), CASES, ids=[case[1] for case in CASES])
def test_ops(f: Callable[..., Any], mark: str, parts: tuple[str, ...]) -> None:
    args = (X, W) if f is product else (X,)
    for run in (lambda: gn.trace(f, *args), lambda: gn.compile(f)(*args)):
        message = said(GlassnetError, run)
        assert all(part in message for part in parts), message
        assert ends(message, mark)
        assert message.count("  at ") == 1


def test_the_line_is_told_when_a_gradient_is_taken() -> None:
    assert ends(said(ShapeError, lambda: gn.grad(product)(X, W)), "the product")


def test_a_function_that_returns_no_array() -> None:
    def f(x: Any) -> Any:
        return {"x": x}

    message = said(GraphError, lambda: gn.trace(f, X))  # the call
    assert "returned dict" in message
    assert ends(message, "the call")


def test_a_wrongly_sized_linear() -> None:
    def build() -> Sequential:
        return Sequential(Linear(3, 4), Linear(5, 1))  # the network

    message = said(ShapeError, build)
    assert "Linear(5, 1), takes 5 numbers a row, but layer 1, Linear(3, 4), gives 4" in message
    assert ends(message, "the network")


def test_a_linear_of_size_0() -> None:
    message = said(ShapeError, lambda: Linear(0, 4))  # no inputs
    assert ends(message, "no inputs")


def test_a_linear_behind_a_function_is_named() -> None:
    def twice(x: Value) -> Value:
        return ops.concatenate([x, x], 1)

    model = Sequential(Linear(3, 4), twice, Linear(5, 1))
    message = said(ShapeError, lambda: model(X))  # the prediction
    assert "f32[n,8] times f32[5,1]" in message
    assert "in linear2, Linear(5, 1), for x: f32[n,8]" in message
    assert ends(message, "the prediction")


@dataclass(eq=False)
class Wrong(Module):
    """A layer whose weight has one row too many."""

    width: int

    def parameter_specs(self) -> dict[str, Parameter]:
        return {"weight": Parameter((self.width + 1, 2))}

    def build(self, x: Value, parameters: Scope) -> Value:
        return x @ parameters["weight"]  # the layer


def test_a_layer_of_the_user() -> None:
    model = Sequential(Linear(3, 3), ReLU(), Wrong(3))
    message = said(ShapeError, lambda: model.graph(3))
    assert "f32[n,3] times f32[4,2]" in message
    assert "in wrong1, Wrong(width=3)" in message
    assert ends(message, "the layer")


def test_a_loss_of_the_user() -> None:
    def loss(prediction: Any, y: Any) -> Any:
        return ops.sum(prediction - y, 2)  # the loss

    y = np.zeros((4, 1))
    options: dict[str, Any] = {"loss": loss, "optimizer": gn.optim.SGD(lr=0.1), "epochs": 1}
    message = said(ShapeError, lambda: gn.train(Sequential(Linear(3, 1)), X, y, **options))
    assert "sum: axis 2" in message
    assert ends(message, "the loss")


def test_the_command_line_has_no_line_of_the_user(tmp_path: Path) -> None:
    code = (
        "import glassnet.cli.app\n"
        "import sys\n"
        "app = sys.modules['glassnet.cli.app']\n"
        "from glassnet.nn import Linear\n"
        "app.Linear = Linear\n"
        "app._run = eval('lambda arguments: Linear(0, 1)', vars(app))\n"
        "app.main([])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    said = "glassnet: Linear(fan_in=0): fan_in is a whole number, 1 or more"
    assert done.stderr == f"{said} right: Linear(4, 3)\n"

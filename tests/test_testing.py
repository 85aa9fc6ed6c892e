"""The checkers catch what is wrong, and pass what is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops
from glassnet.errors import GraphError
from glassnet.nn.losses import Loss
from glassnet.pipeline import compile_graph
from glassnet.testing import Line, Report, check_grads, compare, difference

X = np.array([[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]])
W = np.array([[1.0, -0.5, 0.25], [0.75, 2.0, -1.0]])


def test_a_right_derivative_passes() -> None:
    report = check_grads(lambda x, w: ops.tanh(x @ w), X, W)
    assert report.ok
    # two arrays, two orders: two directions, and each of the 6 elements
    assert len(report.lines) == 2 * 2 * (2 + 6)
    assert report.worst < 1e-9


def test_the_numbers_are_those_of_the_function() -> None:
    """Σ x²·w has the derivative 2·x·w by x: what one would work out by hand is what is shown."""
    x = np.array([1.5, -2.0])
    report = check_grads(lambda x: ops.sum(ops.square(x) * np.array([3.0, 5.0])), x)
    seen = {line.what: line for line in report.lines}
    assert seen["x' [0]"].first == pytest.approx(9.0, rel=1e-14)
    assert seen["x' [1]"].first == pytest.approx(-20.0, rel=1e-14)
    assert seen["x' [1]"].second == pytest.approx(-20.0, rel=1e-9)


def wrong_by(factor: float) -> Any:
    """x², whose derivative comes out as 2x times a factor."""
    return lambda x: (
        ops.square(x * factor) / factor
        - ops.stop_gradient(ops.square(x * factor) / factor - ops.square(x))
    )


def test_a_planted_wrong_derivative_is_caught() -> None:
    assert check_grads(wrong_by(1.0), X, order=1).ok
    with pytest.raises(AssertionError, match=r"<- wrong"):
        check_grads(wrong_by(1.00001), X, order=1)


def test_a_wrong_second_derivative_is_caught() -> None:
    def f(x: Any) -> Any:
        # x³ with the derivative 3·x·stop(x), right as a number and wrong to differentiate again
        held = ops.stop_gradient(x)
        return 1.5 * held * ops.square(x) - ops.stop_gradient(0.5 * x * x * x)

    assert check_grads(f, X, order=1).ok
    with pytest.raises(AssertionError, match="x''"):
        check_grads(f, X, order=2)


def test_a_single_wrong_element_is_caught() -> None:
    def f(x: Any) -> Any:
        mask = np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        return ops.square(x) * mask + ops.stop_gradient(ops.square(x)) * (1.0 - mask)

    with pytest.raises(AssertionError) as caught:
        check_grads(f, X, order=1)
    wrong = [line for line in str(caught.value).splitlines() if "<- wrong" in line]
    assert any(line.startswith("x' [1, 1]") for line in wrong)
    assert not any(line.startswith("x' [0, 0]") for line in wrong)


def test_a_nan_is_caught() -> None:
    with pytest.raises(AssertionError, match="inf"):
        check_grads(ops.sqrt, np.array([0.0, 1.0]), order=1)


def test_kinks_beside_the_point_do_no_harm() -> None:
    assert check_grads(ops.relu, np.array([0.003, -0.002, 1.0])).ok


def test_integers_are_left_alone() -> None:
    labels = np.array([0, 2, 1])
    report = check_grads(lambda x, y: ops.take(x, y), X, labels, order=1)
    assert {line.what.partition(" ")[0] for line in report.lines} == {"x'"}
    with pytest.raises(GraphError, match="no argument"):
        check_grads(lambda y: ops.cast(y, "float64"), labels)


def test_modules_and_losses() -> None:
    model = gn.nn.Sequential(gn.nn.Linear(2, 3), gn.nn.Tanh(), gn.nn.Linear(3, 2))
    heads = {"linear1.weight'", "linear1.bias'", "linear2.weight'", "linear2.bias'", "x'"}
    report = check_grads(model, X, order=1)
    assert {line.what.partition(" ")[0] for line in report.lines} == heads
    report = check_grads(gn.losses.CrossEntropy(), model, X, [0, 1, 1], order=1)
    assert {line.what.partition(" ")[0] for line in report.lines} == heads
    weighted = check_grads(gn.losses.HalfMSE(), model, X, X, [1.0, 2.0, 0.5])
    assert {"y'", "weight'"} < {line.what.partition(" ")[0] for line in weighted.lines}


@dataclass(frozen=True)
class Wrong(Loss):
    """A loss that forgets part of its gradient."""

    def rows(self, prediction: Any, y: Any) -> Any:
        return ops.sum(ops.square(prediction) - ops.stop_gradient(prediction) * y, 1)


def test_a_wrong_loss_is_caught() -> None:
    model = gn.nn.Sequential(gn.nn.Linear(2, 2))
    with pytest.raises(AssertionError):
        check_grads(Wrong(), model, X, X, order=1)


def test_differences_of_a_polynomial() -> None:
    slope, rounding = difference(lambda h: (2 + h) ** 3)
    assert slope == pytest.approx(12, abs=1e-9)
    assert 0 < rounding < 1e-9


def test_compare_passes_compiled_code() -> None:
    assert compare(lambda x, w: ops.sigmoid(x @ w), X, W).ok
    model = gn.nn.Sequential(gn.nn.Linear(2, 3), gn.nn.Sigmoid(), gn.nn.Linear(3, 1))
    assert compare(model, X).ok
    assert compare(gn.losses.HalfMSE(), model, X, np.ones(3)).ok


def test_compare_catches_a_difference() -> None:
    # float32 cannot hold 1 + 1e-7, the interpreter computes it in float64
    x = np.array([1e-7, 2.0], np.float32)
    assert compare(lambda x: (x + 1.0) - 1.0, x).ok
    with pytest.raises(AssertionError, match=r"0\[0\]"):
        compare(lambda x: (x[:1] + 1.0) - 1.0, x)


def test_compare_knows_nan_and_infinity() -> None:
    x = np.array([-1.0, 0.0, np.inf, np.nan])
    assert compare(ops.log, x).ok


def test_the_table() -> None:
    report = Report(("what", "a", "b"), (Line("x", 1.0, 1.0, 0.0), Line("y", 1.0, 2.0, 0.5)), 0.1)
    assert not report.ok
    assert str(report).splitlines() == [
        "what  a  b  error",
        "x     1  1  0.0e+00",
        "y     1  2  5.0e-01  <- wrong",
        "worst 5.0e-01, allowed 1e-01",
    ]


def test_a_kink_close_by_does_not_count() -> None:
    """|h − 3e-6| falls at 0 with slope −1, and rises from 3e-6 on."""
    slope, rounding = difference(lambda h: abs(h - 3e-6))
    assert slope == pytest.approx(-1, abs=1e-9)
    assert rounding < 1e-9


XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def test_a_kink_is_reported_as_a_kink() -> None:
    """relu has slope 0 to the left of 0 and 1 to the right; 0, which is computed, lies between."""
    report = check_grads(ops.relu, np.array([0.0, 1.0, -1.0]), order=1)
    line = next(own for own in report.lines if own.what.endswith("' [0]"))
    assert (line.error, line.kink.startswith("kink: ")) == (0.0, True)
    assert report.kinks >= 1
    assert "kink: " in str(report)
    assert not any(own.kink for own in report.lines if own.what[-4:] in (" [1]", " [2]"))
    assert check_grads(ops.relu, np.array([0.0, 1.0, -1.0]), order=2).ok
    assert check_grads(ops.abs, np.array([0.0, 2.0]), order=1).ok


def test_xor_with_biases_of_0() -> None:
    model = gn.nn.Sequential(gn.nn.Linear(2, 4), gn.nn.ReLU(), gn.nn.Linear(4, 1))
    model.parameters()["linear1.bias"][...] = 0.0
    report = check_grads(gn.losses.HalfMSE(), model, XOR, [1.0, 0.0, 0.0, 1.0], order=1)
    assert report.kinks > 0


def test_a_planted_error_at_a_kink_is_caught() -> None:
    def outside(x: Any) -> Any:
        return ops.relu(x) + 2.0 * (x - ops.stop_gradient(x))  # 2 more than the slope of the value

    with pytest.raises(AssertionError, match="<- wrong"):
        check_grads(outside, np.array([0.0, 0.0]), order=1)

    def inside(x: Any) -> Any:
        return ops.relu(x) + 0.3 * (
            x - ops.stop_gradient(x)
        )  # between both slopes at 0; beside it not

    with pytest.raises(AssertionError, match="<- wrong"):
        check_grads(inside, np.array([0.0]), order=1)

    with pytest.raises(AssertionError, match="<- wrong"):
        check_grads(
            Wrong(), gn.nn.Sequential(gn.nn.Linear(2, 3), gn.nn.ReLU()), XOR, XOR @ np.ones((2, 3))
        )


def test_what_float32_cancels_is_no_disagreement() -> None:
    """L of a network that fits almost exactly: ŷ − y has few digits that are not rounding."""
    x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    model = gn.nn.Sequential(gn.nn.Linear(1, 1))
    model.W = [3.0, 5.0]
    y = (model(x).astype(float) + 1e-5 * np.sign(np.sin(1000 * x))).astype("float32")
    assert compare(gn.losses.MSE(), model, x, y).ok
    real = compile_graph

    class Wrong:
        def __init__(self, graph: Any) -> None:
            self.program = real(graph)

        def run(self, arrays: Any) -> Any:
            return [1.001 * own for own in self.program.run(arrays)]

    with mock.patch("glassnet.testing.compile_graph", Wrong), pytest.raises(AssertionError):
        compare(gn.losses.MSE(), model, x, y + 1)

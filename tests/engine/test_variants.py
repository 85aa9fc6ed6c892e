"""The comparisons that other tests rest on can fail."""

from __future__ import annotations

from collections import Counter
from unittest import mock

import numpy as np
import pytest

from glassnet import ops
from glassnet.graph.graph import Graph
from glassnet.run.program import Plan
from glassnet.tracing import trace
from tests.engine.check import agree, close, numbers, reference
from tests.engine.variants import FEW, Way, assert_same_bits, difference, few, outcomes, runnable
from tests.fuzz.test_fuzz import check_plan


def test_difference_looks_at_bits() -> None:
    x = np.array([1.0, -0.0, np.nan], "float32")
    assert difference(x, x.copy()) == ""
    assert "1 of 3 differ, the first at (1,)" in difference(x, np.array([1, 0, np.nan], "float32"))
    assert difference(x, np.nextafter(x, np.float32(2)))
    assert "float32[3] is not float64[3]" in difference(x, x.astype("float64"))
    assert difference(x, x[:2])
    assert difference(np.array([True]), np.array([False]))
    assert difference(np.array(1), np.array(2))
    assert difference(np.zeros((0, 2)), np.zeros((0, 2))) == ""


def test_difference_takes_any_nan_for_any_other() -> None:
    quiet = np.array([0x7FC00000, 0xFFC00001], np.uint32).view(np.float32)
    assert difference(quiet, quiet[::-1].copy()) == ""


def summed(rows: int) -> tuple[Graph, dict[str, np.ndarray]]:
    x = numbers("float32", rows, 3)
    return trace(lambda x: ops.sum(x, 0), x), {"x": x}


def test_other_leaves_are_seen() -> None:
    """A planted fault: code with loops sums leaves of 32 rows, code without them leaves of 64."""
    graph, args = summed(200)
    assert_same_bits(Plan(graph), args)
    with (
        mock.patch("glassnet.lower.reduce.LEAF", 32),
        pytest.raises(AssertionError, match="without loops"),
    ):
        assert_same_bits(Plan(graph), args, every=True)


def test_a_wrong_function_is_seen() -> None:
    """A planted fault: the interpreter and the machine compute different things."""
    x = numbers("float64", 40)
    graph = trace(lambda x: ops.tanh(x), x)
    check_plan(Plan(graph), {"x": x}, 1, {})
    agree(graph, {"x": x})
    (node,) = (node for node in graph.nodes if node.op.name == "tanh")
    with mock.patch.dict(node.op.__dict__, {"numpy": lambda x: np.tanh(x) + 1e-9}):
        with pytest.raises(AssertionError):
            check_plan(Plan(graph), {"x": x}, 1, {})
        with pytest.raises(AssertionError):
            agree(graph, {"x": x})


def test_close_looks_at_what_is_not_finite() -> None:
    close(np.array([1.0, np.inf]), np.array([1.0, np.inf]))
    for wrong in (np.array([1.0, -np.inf]), np.array([1.0, np.nan]), np.array([np.inf, np.inf])):
        with pytest.raises(AssertionError):
            close(wrong, np.array([1.0, np.inf]))


def test_the_reference_steps_by_hand() -> None:
    graph = trace(lambda x, y: (x + y, x * y), np.zeros(()), np.zeros(()))
    plan = Plan(graph, {"x": 0}, frozenset({"y"}), frozenset({1}))
    args = {"x": np.array(1.0), "y": np.array([2.0, 3.0, 4.0])}
    new, products = reference(plan, args, 3, wide=False)
    assert new == 10.0  # 1 + 2 + 3 + 4
    assert products.tolist() == [2.0, 9.0, 24.0]  # 1·2, 3·3, 6·4


def test_every_way_is_tried() -> None:
    graph, args = summed(10)
    names = [name for name, _ in outcomes(Plan(graph), args, every=True)]
    others = [target.name for target in runnable()[1:]]
    first = ["plain", "dirty memory", "unfused"]
    last = ["tiles (3, 2, 256)", "3 threads", "pieces", "blocks", "without loops"]
    assert names == [*first, *others, "open widths", *last]


def test_some_ways_are_drawn_the_same_each_time() -> None:
    """Plans differ in theirs, so that every way is taken for many of them."""
    found: list[Way] = [(f"way {i}", list) for i in range(12)]
    drawn = [few(found, f"plan {i}") for i in range(100)]
    assert drawn == [few(found, f"plan {i}") for i in range(100)]
    assert {len(set(own)) for own in drawn} == {FEW}
    counts = Counter(name for own in drawn for name, _ in own)
    assert len(counts) == len(found)
    assert min(counts.values()) >= 10  # 25 on average


def test_the_ways_that_a_test_is_about_are_always_taken() -> None:
    graph, args = summed(10)
    names = [n for n, _ in outcomes(Plan(graph), args, every=False, always=("threads", "loops"))]
    assert names[:2] == ["plain", "dirty memory"]
    assert {"3 threads", "without loops"} <= set(names)
    assert len(names) <= 2 + 2 + FEW

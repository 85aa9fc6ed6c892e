"""Programs of many steps: inputs updated in place, inputs and outputs with an entry a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassnet import ops
from glassnet.graph.types import Dim, Type
from glassnet.run.program import Interpreted, Plan
from glassnet.tracing import trace
from tests.engine.check import close, numbers, reference
from tests.engine.variants import assert_same_bits, call, copies, loops, thresholds

# a function of x, y (and w, i), and which of its outputs replaces which input
UPDATES: dict[str, tuple[Callable[..., Any], dict[str, int]]] = {
    "in place": (lambda x, y: 0.5 * x - y, {"x": 0}),
    "both in place": (lambda x, y: (0.5 * x - y, 0.5 * y + x), {"x": 0, "y": 1}),
    "swapped": (lambda x, y: (y, x), {"x": 0, "y": 1}),
    "swapped and changed": (lambda x, y: (y * 0.5, x * 0.5), {"x": 0, "y": 1}),
    "swapped, one changed": (lambda x, y: (y, x * 0.5), {"x": 0, "y": 1}),
    "itself": (lambda x, y: (x, x + y), {"x": 0}),
    "the other": (lambda x, y: y, {"x": 0}),
    "number": (lambda x, y: (ops.broadcast(np.float32(2.0), x.shape), x + y), {"x": 0}),
    "transposed": (lambda x, y: x.T, {"x": 0}),
    "transposed and added": (lambda x, y: x * 0.5 + x.T * 0.25, {"x": 0}),
    "each the other's transpose": (lambda x, y: (y.T * 0.5, x.T * 0.5), {"x": 0, "y": 1}),
    "reversed": (lambda x, y: x[::-1], {"x": 0}),
    "reversed and changed": (lambda x, y: x[::-1] * 0.5 + x, {"x": 0}),
    "shifted": (lambda x, y: ops.concatenate([x[1:], x[:1]], 0), {"x": 0}),
    "old value kept": (lambda x, y: (0.5 * x - y, x), {"x": 0}),
    "old value used later": (lambda x, y: (0.5 * x - y, ops.sum(x * y), x.T), {"x": 0}),
    "new value used": (lambda x, y: (0.5 * x - y, ops.sum(0.5 * x - y)), {"x": 0}),
    "given twice": (lambda x, y: (0.5 * x, 0.5 * x), {"x": 1}),
    "given twice, first": (lambda x, y: (0.5 * x, 0.5 * x), {"x": 0}),
    "two updates of one": (lambda x, y: (0.5 * x, 0.25 * x), {"x": 0, "y": 1}),
    "product": (lambda x, y: 0.1 * (x @ y), {"x": 0}),
    "product of itself": (lambda x, y: 0.1 * (x @ x), {"x": 0}),
    "product, both": (lambda x, y: (0.1 * (x @ y), 0.1 * (y @ x)), {"x": 0, "y": 1}),
    "epilogue in place": (lambda x, y: x - 0.01 * (y @ y), {"x": 0}),
    "epilogue over an argument": (lambda x, y: y - 0.01 * (x @ y), {"y": 0}),
    "row statistics": (lambda x, y: x - ops.mean(x, 0) + y * ops.sum(y, 1, True), {"x": 0}),
    "gathered": (lambda x, y: ops.take(x, np.arange(18)[::-1].copy()) * 0.5, {"x": 0}),
    "momentum": (lambda x, y: (x - 0.1 * (0.9 * y + x), 0.9 * y + x), {"x": 0, "y": 1}),
    "unused": (lambda x, y: (y * 0.5, y), {"x": 0}),
}


@pytest.mark.parametrize("name", UPDATES)
def test_updates_in_place(name: str) -> None:
    f, donate = UPDATES[name]
    steps = 3  # odd: a swap done twice would show nothing
    args = {"x": numbers("float32", 18, 18), "y": numbers("float32", 18, 18, seed=1)}
    plan = Plan(trace(f, *args.values()), donate)
    results = assert_same_bits(plan, args, steps)
    for got, wanted in zip(results, reference(plan, args, steps, wide=True), strict=True):
        close(got, wanted, scale=10)
    for got, wanted in zip(results, Interpreted(plan).run(copies(args), steps), strict=True):
        close(got, wanted, scale=10)


def test_three_arrays_in_a_circle() -> None:
    args = {name: numbers("float32", 3, 5, seed=i) for i, name in enumerate("xyz")}
    plan = Plan(trace(lambda x, y, z: (y, z, x), *args.values()), {"x": 0, "y": 1, "z": 2})
    for steps in (1, 2):
        results = assert_same_bits(plan, args, steps)
        for i, got in enumerate(results):
            assert np.array_equal(got, args["xyz"[(i + steps) % 3]])


def test_the_given_arrays_are_the_results() -> None:
    args = {"x": numbers("float32", 4, 5), "y": numbers("float32", 4, 5, seed=1)}
    plan = Plan(trace(lambda x, y: (x + y, x - y, x * y), *args.values()), {"x": 2, "y": 0})
    before = copies(args)
    for program in (Interpreted(plan), loops(plan)):
        now = copies(args)
        total, difference, product = program.run(now)
        assert product is now["x"]
        assert total is now["y"]
        assert np.array_equal(total, before["x"] + before["y"])
        assert np.array_equal(product, before["x"] * before["y"])
        assert np.array_equal(difference, before["x"] - before["y"])


def test_inputs_that_are_not_updated_stay() -> None:
    args = {"x": numbers("float32", 4, 5), "y": numbers("float32", 4, 5, seed=1)}
    plan = Plan(trace(lambda x, y: (x + y, y.T), *args.values()), {"x": 0})
    now = copies(args)
    with thresholds():
        loops(plan).run(now, steps=3)
    assert np.array_equal(now["y"], args["y"])


def test_results_do_not_share_memory_with_inputs() -> None:
    x = numbers("float32", 4, 5)
    with thresholds():
        whole, turned = loops(Plan(trace(lambda x: (x, x.T), x))).run({"x": x})
    assert not np.shares_memory(whole, x)
    assert not np.shares_memory(turned, x)
    assert turned.flags.c_contiguous


def test_stepped_inputs_and_collected_outputs_by_hand() -> None:
    """x ← x + y[step], collected before and after; the sums are those of 1, 2, 3 …"""
    steps = 4
    graph = trace(lambda x, y: (x + y, x, 2 * y), Type("float32", (2,)), Type("float32", (2,)))
    plan = Plan(graph, {"x": 0}, frozenset({"y"}), frozenset({1, 2}))
    args = {
        "x": np.array([0, 10], "float32"),
        "y": np.array([[1, 10], [2, 20], [3, 30], [4, 40]], "float32"),
    }
    for unrolling in (0, 1 << 60):
        with thresholds(unrolling=unrolling):
            after, before, twice = call(loops(plan), args, steps)
        assert after.tolist() == [10, 110]
        assert before.tolist() == [[0, 10], [1, 20], [3, 40], [6, 70]]
        assert twice.tolist() == [[2, 20], [4, 40], [6, 60], [8, 80]]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "bool"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 17), (0, 2)])
def test_stepping_over_every_dtype(dtype: str, shape: tuple[int, ...]) -> None:
    steps = 5
    graph = trace(lambda x: (x, ops.broadcast(x, (2, *shape))), Type(dtype, shape))
    plan = Plan(graph, stepped=frozenset({"x"}), collect=frozenset({0}))
    x = numbers(dtype, steps, *shape)
    every, last = assert_same_bits(plan, {"x": x}, steps)
    assert np.array_equal(every, x)
    assert np.array_equal(last, np.broadcast_to(x[-1], (2, *shape)))


def test_run_time_sizes_in_stepped_arrays() -> None:
    n = Dim("n")

    def f(x: Any, w: Any) -> Any:
        y = x @ w
        return w - 0.001 * (x.T @ y), ops.sum(y * y), y

    graph = trace(f, Type("float32", (n, 5)), Type("float32", (5, 3)))
    plan = Plan(graph, {"w": 0}, frozenset({"x"}), frozenset({1, 2}))
    program = loops(plan)
    for rows in (1, 4, 70):
        args = {"x": numbers("float32", 3, rows, 5), "w": numbers("float32", 5, 3)}
        for got, wanted in zip(
            call(program, args, 3), reference(plan, args, 3, wide=True), strict=True
        ):
            close(got, wanted, scale=20)


def test_a_batch_gathered_every_step() -> None:
    """The rows of a step are chosen by a stepped index, as in an epoch of training."""
    table = numbers("float32", 100, 7)
    index = np.random.default_rng(0).permutation(100)[:96].reshape(6, 16)

    def f(table: Any, index: Any, w: Any) -> Any:
        x = ops.take(table, index)
        return w - 0.01 * (x.T @ (x @ w)), ops.sum(ops.square(x @ w))

    w = numbers("float32", 7, 2)
    plan = Plan(
        trace(f, Type("float32", (Dim("rows"), 7)), index[0], w),
        {"w": 0},
        frozenset({"index"}),
        frozenset({1}),
    )
    args = {"table": table, "index": index, "w": w}
    results = assert_same_bits(plan, args, 6)
    for got, wanted in zip(results, reference(plan, args, 6, wide=True), strict=True):
        close(got, wanted, scale=20)


def test_a_prepared_call_reads_its_arrays_anew() -> None:
    args = {"x": np.zeros(3, "float32"), "y": np.ones(3, "float32")}
    plan = Plan(trace(lambda x, y: (x + y, x * 2), *args.values()), {"x": 0})
    for program in (Interpreted(plan), loops(plan)):
        now = copies(args)
        again = program.prepare(now)
        first = again()
        assert first[0] is now["x"]
        assert first[0].tolist() == [1, 1, 1]
        now["y"][:] = 5
        second = again()
        assert all(a is b for a, b in zip(first, second, strict=True))
        assert second[0].tolist() == [6, 6, 6]
        assert second[1].tolist() == [2, 2, 2]


def test_many_steps_switch_to_code_without_loops_and_keep_their_bits() -> None:
    args = {"x": numbers("float32", 3), "y": numbers("float32", 3, seed=1)}
    plan = Plan(trace(lambda x, y: ops.tanh(0.9 * x + y), *args.values()), {"x": 0})
    with thresholds(unrolling=50):
        program = loops(plan)
        one = copies(args)
        for _ in range(120):
            program.run(one)
    with thresholds():
        (other,) = call(loops(plan), args, 120)
    assert np.array_equal(one["x"], other)

"""Long calls of machine code are made of pieces, between which Python hears Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest

from glassnet import ops
from glassnet.graph.types import Dim, Type
from glassnet.run import call as prepared
from glassnet.run.compiled import CALL_WORK
from glassnet.run.program import Plan
from glassnet.tracing import trace
from tests.engine.variants import loops, thresholds

N = Dim("n")


def product() -> Plan:
    """w ← w xᵀx, a step of 2·n·width² multiply-adds."""
    shapes = Type("float32", (N, 256)), Type("float32", (256, 256))
    return Plan(trace(lambda x, w: (w @ (x.T @ x),), *shapes), {"w": 0})


def elements() -> Plan:
    """x ← tanh x + sin x."""
    return Plan(trace(lambda x: (ops.tanh(x) + ops.sin(x),), Type("float32", (N,))), {"x": 0})


def sums() -> Plan:
    """s ← s + Σ x, all of x read at every step."""
    shapes = Type("float32", (N,)), Type("float32", ())
    return Plan(trace(lambda x, s: (s + ops.sum(x),), *shapes), {"s": 0})


def recorded(
    plan: Plan, arrays: dict[str, np.ndarray], steps: int, threads: int = 1
) -> list[tuple[int, int]]:
    """First and last step of every call of machine code; nothing is computed."""
    found: list[tuple[int, int]] = []

    def function(table: Any, sizes: Any, first: Any, last: Any, *rest: Any) -> None:
        if rest[0].value == 0:  # the first thread
            found.append((first.value, last.value))

    with (
        mock.patch.object(prepared, "SIGNATURE", return_value=function),
        thresholds(threads=0 if threads > 1 else 1 << 60),
    ):
        loops(plan).run(arrays, steps, threads)
    return found


CASES: list[tuple[Callable[[], Plan], dict[str, np.ndarray], int]] = [
    (product, {"x": np.ones((1000, 256), "f4"), "w": np.ones((256, 256), "f4")}, 82_000_000),
    (elements, {"x": np.ones(1_000_000, "f4")}, 3_000_000),
    (sums, {"x": np.ones(1_000_000, "f4"), "s": np.zeros((), "f4")}, 1_000_000),
]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("make", "arrays", "work"), CASES, ids=["products", "elements", "sums"])
def test_a_piece_is_no_more_than_a_twentieth_of_a_second(
    make: Callable[[], Plan], arrays: dict[str, np.ndarray], work: int, threads: int
) -> None:
    """`work` is what a step does at least: multiply-adds, or numbers computed or read. 2³¹ of the
    ones take a twentieth of a second on one core, and as many of the others a second."""
    steps = 1000
    found = recorded(make(), arrays, steps, threads)
    assert [first for first, _ in found] == [0, *(last for _, last in found[:-1])]
    assert found[-1][1] == steps
    most = max(last - first for first, last in found)
    assert 1 <= most * work <= threads * (CALL_WORK if make is product else CALL_WORK // 16)


def test_few_small_steps_are_one_call() -> None:
    assert recorded(elements(), {"x": np.ones(10, "f4")}, 1000) == [(0, 1000)]


def test_ctrl_c_is_heard_after_a_piece() -> None:
    """The signal comes while the second piece runs; the third is not begun."""
    x = np.full(1_000_000, 0.5, "f4")
    calls: list[int] = []
    whole = prepared.SIGNATURE

    def interrupted(address: int) -> Callable[..., None]:
        function = whole(address)

        def call(*args: Any) -> None:
            function(*args)
            calls.append(args[2].value)
            if len(calls) == 2:
                signal.raise_signal(signal.SIGINT)

        return call

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with (
            mock.patch.object(prepared, "SIGNATURE", interrupted),
            mock.patch("glassnet.run.compiled.CALL_WORK", 1),
            pytest.raises(KeyboardInterrupt),
        ):
            loops(elements()).run({"x": x}, 50)
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == [0, 1]
    value = np.float32(0.5)
    for _ in range(2):
        value = np.float32(np.tanh(value) + np.sin(value))
    assert np.allclose(x, value, rtol=1e-6)  # two whole steps


@pytest.mark.xfail(strict=True, reason="one step is one call of machine code, however long it is")
def test_one_long_step_is_made_of_pieces_too() -> None:
    size = 4096
    x = np.ones((size, size), "f4")
    plan = Plan(trace(lambda x: (x @ x,), Type("float32", (size, size))))
    assert size**3 > 16 * CALL_WORK
    assert len(recorded(plan, {"x": x}, 1)) > 1

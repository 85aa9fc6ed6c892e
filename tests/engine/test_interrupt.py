"""Long calls of machine code are made of pieces, between which Python hears Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import pytest

from glassnet import ops
from glassnet.graph.types import Dim, Type
from glassnet.run import call as prepared
from glassnet.run.call import ThreadPlan
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


@contextmanager
def pressed(*numbers: int) -> Iterator[list[tuple[int, ...]]]:
    """Ctrl-C comes while the calls of these numbers run. The numbers of every call: first and last
    step, thread and threads, or step, kernel, share and shares."""
    calls: list[tuple[int, ...]] = []
    whole = prepared.SIGNATURE

    def interrupted(address: int) -> Callable[..., None]:
        function = whole(address)

        def call(*args: Any) -> None:
            function(*args)
            calls.append(tuple(number.value for number in args[2:6]))
            if len(calls) in numbers:
                signal.raise_signal(signal.SIGINT)

        return call

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with mock.patch.object(prepared, "SIGNATURE", interrupted):
            yield calls
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def limit(work: int) -> Iterator[None]:
    with mock.patch("glassnet.run.compiled.CALL_WORK", work):
        yield


def test_ctrl_c_is_heard_after_a_piece() -> None:
    """The signal comes while the second piece runs; the third is not begun."""
    x = np.full(1_000_000, 0.5, "f4")
    with limit(50_000_000), pressed(2) as calls, pytest.raises(KeyboardInterrupt):
        loops(elements()).run({"x": x}, 50)
    assert calls == [(0, 1, 0, 1), (1, 2, 0, 1)]
    assert np.allclose(x, after(2), rtol=1e-6)  # two whole steps


def after(steps: int) -> np.float32:
    """What `elements` makes of ½."""
    value = np.float32(0.5)
    for _ in range(steps):
        value = np.float32(np.tanh(value) + np.sin(value))
    return value


def square(size: int) -> tuple[Plan, dict[str, np.ndarray]]:
    plan = Plan(trace(lambda x: (x @ x,), Type("float32", (size, size))))
    return plan, {"x": np.ones((size, size), "f4")}


@pytest.mark.parametrize("threads", [1, 2])
def test_one_long_step_is_made_of_parts(threads: int) -> None:
    size = 1024
    plan, arrays = square(size)
    with limit(size**3 // 8), thresholds(threads=0), pressed() as calls:
        result = loops(plan).run(arrays, 1, threads)[0]
    assert (result == size).all()
    parts = len(calls)
    assert 8 <= parts <= 12
    assert sorted(calls) == [(0, 0, share, parts) for share in range(parts)]


def test_ctrl_c_is_heard_within_a_step() -> None:
    plan, arrays = square(512)
    with limit(512**3 // 8), pressed(3) as calls, pytest.raises(KeyboardInterrupt):
        loops(plan).run(arrays, 1, 1)
    assert len(calls) == 3 < calls[0][3]


def test_a_step_that_overwrites_its_arguments_is_finished_first() -> None:
    """x is what three whole steps make of it, though Ctrl-C came in the third's second part."""
    x = np.full(1_000_000, 0.5, "f4")
    with limit(12_000_000), pressed(10) as calls, pytest.raises(KeyboardInterrupt):
        loops(elements()).run({"x": x}, 50)
    assert len({number[3] for number in calls}) == 1
    assert len(calls) == 3 * calls[0][3]
    assert np.allclose(x, after(3), rtol=1e-6)


def test_a_second_ctrl_c_is_obeyed_at_once() -> None:
    x = np.full(1_000_000, 0.5, "f4")
    with limit(12_000_000), pressed(2, 3) as calls, pytest.raises(KeyboardInterrupt):
        loops(elements()).run({"x": x}, 50)
    assert len(calls) == 3


def test_no_part_of_a_kernel_is_left_out() -> None:
    """A planted fault: the last part is never done."""
    plan, arrays = square(384)
    parts = ThreadPlan.parts

    def planted(self: ThreadPlan, step: int, work: list[tuple[int, int]]) -> list[Any]:
        return list(parts(self, step, work))[:-1]

    with limit(384**3 // 8), mock.patch.object(ThreadPlan, "parts", planted):
        assert not (loops(plan).run(arrays)[0] == 384).all()

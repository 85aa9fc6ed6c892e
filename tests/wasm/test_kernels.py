"""Compiled kernels in WebAssembly: the bits of machine code, for every op, for whole training steps
with loops and without, for random graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from glassnet import ops
from glassnet.errors import CompileError
from glassnet.fuse.kernel_order import schedule
from glassnet.graph.graph import Graph
from glassnet.graph.types import Dim
from glassnet.llvm import wasm
from glassnet.llvm.wasm import Mode, link, wasm_module
from glassnet.run.program import Plan
from glassnet.tracing import trace
from tests.engine.networks import arguments, dense
from tests.engine.variants import call, copies, difference, loops, thresholds
from tests.fuzz.graphs import Case, cases, programs
from tests.ops.arguments import CASES, draw, dtype_choices
from tests.wasm.node import Job, job, needs_node, run

Given = tuple[Plan, Mapping[str, np.ndarray], int]


def native(own: Plan, arrays: Mapping[str, np.ndarray], steps: int) -> list[np.ndarray]:
    with thresholds():
        return call(loops(own), arrays, steps)


def compare(folder: Path, given: Sequence[Given], jobs: Sequence[Job]) -> None:
    for (own, arrays, steps), results in zip(given, run(folder, jobs), strict=True):
        for wanted, got in zip(native(own, arrays, steps), results, strict=True):
            found = difference(wanted, got)
            assert not found, f"{found}\n{own.graph}"


@needs_node
@pytest.mark.parametrize("share", range(8))
def test_every_op(share: int, tmp_path: Path) -> None:
    """Each with one of the dtypes that it takes, another one for every case."""
    given: list[Given] = []
    for number, (op, shapes, attrs) in enumerate(CASES):
        if number % 8 == share:
            choices = list(dtype_choices(op, len(shapes), attrs))
            arrays = draw(op, shapes, attrs, choices[number // 8 % len(choices)])
            graph: Graph = trace(lambda *xs, op=op, attrs=attrs: op(*xs, **attrs), *arrays)
            given.append((Plan(graph), dict(zip(graph.inputs, arrays, strict=True)), 1))
    assert given
    compare(tmp_path, given, [job(own, arrays, merge=False) for own, arrays, _ in given])


@needs_node
@pytest.mark.parametrize("mode", ["exact", "relaxed"])
def test_steps_of_training(mode: Mode, tmp_path: Path) -> None:
    """Open numbers of rows; fused, and a kernel for every node; tiny ones written out."""
    given: list[Given] = []
    jobs: list[Job] = []
    for widths, rule, dtype, classes, how in (
        ((2, 3, 1), "sgd", "float32", False, {"unrolled": True}),
        ((2, 3, 1), "adam", "float64", False, {"unrolled": True}),
        ((5, 8, 8, 1), "momentum", "float32", False, {}),
        ((5, 8, 8, 1), "sgd", "float64", False, {"merge": False}),
        ((13, 21, 9, 3), "adam", "float32", True, {}),
        ((13, 21, 9, 3), "adam", "float32", True, {"merge": False}),
    ):
        rows = 4 if "unrolled" in how else 70
        own = dense(widths, rows if "unrolled" in how else Dim("n"), rule, dtype, classes)
        arrays = arguments(own, rows, 3)
        given.append((own, arrays, 3))
        jobs.append(job(own, copies(arrays), 3, mode, **how))
    compare(tmp_path, given, jobs)


def quick(count: int) -> settings:
    return settings(max_examples=count, suppress_health_check=list(HealthCheck))


@needs_node
@quick(12)
@given(case=cases())
def test_random_graphs(case: Case, tmp_path_factory: pytest.TempPathFactory) -> None:
    given = [(case.plan, case.args, 1)]
    jobs = [job(case.plan, copies(case.args), mode="exact", merge=False)]
    compare(tmp_path_factory.mktemp("wasm"), given, jobs)


@needs_node
@quick(12)
@given(case=cases(special=True))
def test_random_graphs_with_special_numbers(
    case: Case, tmp_path_factory: pytest.TempPathFactory
) -> None:
    given = [(case.plan, case.args, 1)] * 2
    jobs = [job(case.plan, copies(case.args), mode=mode) for mode in ("exact", "relaxed")]
    compare(tmp_path_factory.mktemp("wasm"), given, jobs)


@needs_node
@quick(12)
@given(case=programs())
def test_random_programs(case: Case, tmp_path_factory: pytest.TempPathFactory) -> None:
    given = [(case.plan, case.args, case.steps)]
    jobs = [job(case.plan, copies(case.args), case.steps, "relaxed")]
    compare(tmp_path_factory.mktemp("wasm"), given, jobs)


@needs_node
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_numbers_of_every_function(dtype: str, tmp_path: Path) -> None:
    """NaN, infinities and both zeros in every lane; LLVM's relaxed minima would lose NaN."""
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1.5] * 3, dtype)
    names = [op for op, _, _ in CASES if op.kind == "elementwise" and op.arity == 1]
    given: list[Given] = []
    for op in dict.fromkeys(names):
        if op.name not in ("cast", "logical_not"):
            graph: Graph = trace(lambda v, op=op: op(v), x)
            given.append((Plan(graph), dict(zip(graph.inputs, [x], strict=True)), 1))
    assert len(given) > 15
    compare(tmp_path, given, [job(own, arrays, mode="relaxed") for own, arrays, _ in given])


def test_an_unknown_mode_is_refused() -> None:
    fused = schedule(trace(ops.exp, np.zeros(3, np.float32)))
    with pytest.raises(CompileError, match="choose 'relaxed' or 'exact'"):
        wasm_module(fused, mode="fast")  # type: ignore[arg-type]


def test_code_that_needs_a_library_is_refused() -> None:
    """A sine of the platform would have other bits in every browser."""
    text = """
    declare float @sinf(float)
    define void @run(ptr %p) #0 {
      %x = load float, ptr %p
      %y = call float @sinf(float %x)
      store float %y, ptr %p
      ret void
    }"""
    with pytest.raises(CompileError, match="sinf"):
        link(wasm._object(text, "exact"), ["run"])


def test_code_with_data_of_its_own_is_refused() -> None:
    text = """
    @table = internal constant [2 x float] [float 1.0, float 2.0]
    define void @run(ptr %p, i64 %i) #0 {
      %q = getelementptr float, ptr @table, i64 %i
      %x = load float, ptr %q
      store float %x, ptr %p
      ret void
    }"""
    with pytest.raises(CompileError, match="section"):
        link(wasm._object(text, "exact"), ["run"])


def test_a_missing_entry_is_refused() -> None:
    text = "define void @run(ptr %p) #0 { ret void }"
    with pytest.raises(CompileError, match="no function 'part'"):
        link(wasm._object(text, "exact"), ["part"])


@pytest.mark.parametrize("size", [0, 7, 20])
def test_what_is_no_object_file_is_refused(size: int) -> None:
    text = "define void @run(ptr %p) #0 { ret void }"
    whole = wasm._object(text, "exact")
    with pytest.raises(CompileError):
        link(whole[:size], ["run"])

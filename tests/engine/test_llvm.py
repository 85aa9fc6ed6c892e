"""The text of a module: what may stand in it, and what never does."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings

from glassnet import ops
from glassnet.errors import CompileError
from glassnet.fuse.kernel_order import schedule
from glassnet.graph.graph import Graph
from glassnet.graph.op import OPS
from glassnet.graph.types import Dim, Type
from glassnet.llvm.machine_code import assembly, host, instruction_set, parse
from glassnet.llvm.registers import literal
from glassnet.llvm.writer import LlvmModule
from glassnet.lower.protocol import Use
from glassnet.run.compiled import CodeVariant, assembly_text
from glassnet.run.program import Plan
from glassnet.tracing import trace
from tests.engine.networks import dense
from tests.engine.variants import runnable
from tests.fuzz.graphs import Case, programs

# exactly rounded operations, and moves of data
ALLOWED = {"fma", "sqrt", "floor", "rint", "fabs", "masked", "prefetch", "cttz"}
FAST = re.compile(r"\b(fast|nnan|ninf|nsz|arcp|contract|afn|reassoc)\b")


def text(plan: Plan, parallel: bool = False, merge: bool = True, unrolled: bool = False) -> str:
    fused = schedule(plan.graph, plan.donate, merge)
    return assembly_text(plan, fused, host(), CodeVariant((), Use(parallel), unrolled))[0]


def faults(module: str) -> list[str]:
    """What breaks rule 4: fast-math flags, and functions that are not exactly rounded."""
    wrong = [line for line in module.splitlines() if FAST.search(line)]
    for name in re.findall(r"@llvm\.([\w.]+)\(", module):
        first = name.split(".")[0]
        if first not in ALLOWED and not name.startswith(("x86.sse.", "aarch64.")):
            wrong.append(f"llvm.{name}")
    declared = set(re.findall(r"declare \S+(?: \S+)* @([\w.]+)\(", module))
    wrong += [name for name in declared if not name.startswith("llvm.") and name != "sched_yield"]
    return wrong


@settings(max_examples=60)
@given(programs())
def test_no_fast_math_and_no_library_function(case: Case) -> None:
    assert not faults(text(case.plan))


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("parallel", [False, True])
def test_training_steps(rule: str, parallel: bool) -> None:
    assert not faults(text(dense((5, 4, 3), Dim("n"), rule, classes=True), parallel))


def test_every_elementwise_op() -> None:
    for op in OPS.values():
        if op.kind == "elementwise" and op.arity == 1:
            for dtype in ("float32", "float64"):
                attrs: dict[str, Any] = dict(op.examples[0][1])
                try:
                    graph = trace(lambda x, op=op, attrs=attrs: op(x, **attrs), Type(dtype, (20,)))
                except ValueError:
                    continue  # an op of truth values
                assert not faults(text(Plan(graph))), op.name


@pytest.mark.parametrize(
    "line",
    [
        "%r1 = fadd fast float %a, %b",
        "%r1 = fmul contract float %a, %b",
        "%r1 = call float @llvm.exp.f32(float %a)",
        "%r1 = call float @llvm.vector.reduce.fadd.v4f32(float %a, <4 x float> %b)",
        "%r1 = call float @llvm.fmuladd.f32(float %a, float %b, float %c)",
        "declare float @expf(float)",
    ],
)
def test_planted_faults_are_caught(line: str) -> None:
    assert faults(line)


def machine_code(graph: Graph, target: str) -> list[list[str]]:
    """Lines of assembly, as words."""
    code, _ = assembly_text(Plan(graph), schedule(graph), instruction_set(target))
    return [line.split() for line in assembly(code, target).splitlines() if line.strip()]


def mnemonics(graph: Graph, target: str) -> set[str]:
    return {words[0] for words in machine_code(graph, target)}


@pytest.mark.parametrize("target", [target.name for target in runnable()])
def test_machine_code_uses_no_estimates_and_calls_no_library(target: str) -> None:
    graph = trace(
        lambda x: ops.sigmoid(x @ x) / ops.sqrt(1.0 + ops.sum(ops.exp(x), 0)),
        Type("float32", (40, 40)),
    )
    found = mnemonics(graph, target)
    estimates = {m for m in found if m.startswith(("vrcp", "vrsqrt", "rcp", "rsqrt"))}
    assert not estimates
    if host().family == "x86":
        assert any(m.startswith("vfmadd") for m in found)
        assert any(m.startswith("vdivps") for m in found)
        assert any(m.startswith("vsqrtps") for m in found)


def test_plain_products_and_sums_are_not_fused() -> None:
    """x·y + z rounds twice: only an op that says so is a fused multiply-add."""
    if host().family != "x86":
        pytest.skip("names of x86 instructions")
    graph = trace(lambda x, y, z: x * y + z, *[Type("float32", (64,))] * 3)
    for target in runnable():
        found = mnemonics(graph, target.name)
        assert not [m for m in found if m.startswith("vfm")]
        assert any(m.startswith("vmulps") for m in found)
        assert any(m.startswith("vaddps") for m in found)


def test_equal_kernels_are_written_once() -> None:
    square = Type("float32", (8, 8))
    graph = trace(lambda x, y, z, w: (x @ y, z @ w), square, square, square, square)
    module = text(Plan(graph))
    assert len(re.findall(r"define internal void @kernel\d+", module)) == 1
    assert len(re.findall(r"call void @kernel0", module)) == 2


def test_a_tiny_program_has_no_loops_but_the_steps() -> None:
    module = text(dense((2, 3, 1), 4, "sgd"), unrolled=True)
    entry = module[module.index("@run(") :].split("\n}")[0]
    assert len(re.findall(r" = phi ", entry)) == 1
    assert "kernel" not in module


@pytest.mark.parametrize(
    ("value", "dtype", "wanted"),
    [
        (1.0, "float64", "0x3FF0000000000000"),
        (0.1, "float32", "0x3FB99999A0000000"),  # the float32 next to 0.1
        (-0.0, "float32", "0x8000000000000000"),
        (float("inf"), "float64", "0x7FF0000000000000"),
        (True, "bool", "true"),
        (-3, "int32", "-3"),
        (1 << 40, "int64", "1099511627776"),
    ],
)
def test_constants_are_written_by_their_bits(value: Any, dtype: str, wanted: str) -> None:
    assert literal(value, dtype) == wanted


def test_text_that_llvm_refuses_is_a_compile_error() -> None:
    with pytest.raises(CompileError, match="assembly that LLVM rejects"):
        parse("define void @f() { ret i32 0 }")


def test_loops_that_are_known_to_be_empty_or_single_are_not_written() -> None:
    function = LlvmModule().function("f", ["int64"])
    seen: list[str] = []
    zero = function.const(0.0, "float32")
    for stop in (0, 1, 2):
        before = len(function.lines)

        def body(i: Any, total: Any) -> list[Any]:
            seen.append(str(i))
            return [total + total]

        (result,) = function.loop(0, stop, 1, [zero], body)
        grew = len(function.lines) - before
        assert (grew, result is zero) == {0: (0, True), 1: (1, False), 2: (grew, False)}[stop]
    assert seen[0] == "i64 0"
    assert len(seen) == 2

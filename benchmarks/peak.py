"""What is the most that this core can do?

In: nothing. Out: multiply-adds a second of a loop that does nothing else: independent fused
multiply-adds, all operands in registers. No program can be faster; shares are shares of this.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from functools import cache

from glassnet.llvm.machine_code import host, load, object_code

from .machine import describe, pin
from .report import Result, table, versions

ACCUMULATORS = {"avx512": (24, 16), "avx2": (12, 8), "neon": (24, 4)}
ROUNDS = 100_000


def text(count: int, lanes: int) -> str:
    """A function (rounds, target): `count` chains of multiply-adds of `lanes` float32 numbers."""
    kind = f"<{lanes} x float>"
    names = range(count)
    phis = [f"  %a{i} = phi {kind} [ zeroinitializer, %entry ], [ %n{i}, %loop ]" for i in names]
    fmas = [
        f"  %n{i} = call {kind} @llvm.fma.v{lanes}f32({kind} %x, {kind} %y, {kind} %a{i})"
        for i in names
    ]
    stores = [
        f"  %p{i} = getelementptr {kind}, ptr %target, i64 {i}\n  store {kind} %n{i}, ptr %p{i}"
        for i in names
    ]
    lines = [
        f"declare {kind} @llvm.fma.v{lanes}f32({kind}, {kind}, {kind})",
        "define void @start_run(i64 %rounds, ptr %target) #0 {",
        "entry:",
        f"  %x = load {kind}, ptr %target, align 4",
        f"  %q = getelementptr {kind}, ptr %target, i64 1",
        f"  %y = load {kind}, ptr %q, align 4",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [ 0, %entry ], [ %j, %loop ]",
        *phis,
        *fmas,
        "  %j = add i64 %i, 1",
        "  %more = icmp ult i64 %j, %rounds",
        "  br i1 %more, label %loop, label %end",
        "end:",
        *stores,
        "  ret void",
        "}",
        'attributes #0 = { nounwind "prefer-vector-width"="512" "min-legal-vector-width"="512" }',
    ]
    return "\n".join(lines)


@cache
def burst() -> tuple[Callable[[], object], float]:
    """A function that keeps the multipliers busy for some milliseconds, and its operations."""
    name = host().name
    count, lanes = ACCUMULATORS[name]
    code = load(object_code(text(count, lanes), name), name)
    kernel = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(code.run)
    room = ctypes.create_string_buffer(4 * lanes * count + 64)
    target = (ctypes.addressof(room) + 63) & ~63

    def run(_keep: object = (code, room)) -> None:
        kernel(ROUNDS, target)

    return run, 2.0 * count * lanes * ROUNDS


def peak(seconds: float = 0.5) -> float:
    """Floating-point operations a second, the best of what fits in the time."""
    run, operations = burst()
    end = time.perf_counter() + seconds
    best = float("inf")
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return operations / best


def main() -> None:
    pin(1)
    result = Result("peak", describe(1))
    result.rows = [{"peak_gflops": peak(2.0) / 1e9}]
    result.save()
    print(page(result))


def page(result: Result) -> str:
    rows = [[f"{row['peak_gflops']:.0f}"] for row in result.rows]
    return f"{table(['GFLOP/s of one core, float32'], rows)}\n\n{versions(result)}"


if __name__ == "__main__":
    main()

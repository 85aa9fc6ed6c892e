"""The runtime: code around the kernels that is the same in every program.

In: the family of the instruction set. Out: LLVM assembly: the barrier for threads, and a wrapper of
each entry point that sets rounding to nearest, switches flush-to-zero off, and afterwards restores
the floating-point mode of the caller's thread.
"""

from __future__ import annotations

from glassnet.lower.entry_point import PART, RUN

BARRIER = """
define internal void @barrier(ptr %state, i64 %threads) noinline {
entry:
  %gate = getelementptr i8, ptr %state, i64 64
  %turn = load atomic i64, ptr %gate acquire, align 8
  %before = atomicrmw add ptr %state, i64 1 acq_rel, align 8
  %count = add i64 %before, 1
  %last = icmp eq i64 %count, %threads
  br i1 %last, label %open, label %spin
open:
  store atomic i64 0, ptr %state monotonic, align 8
  %opened = atomicrmw add ptr %gate, i64 1 acq_rel, align 8
  ret void
spin:
  %tries = phi i64 [ 0, %entry ], [ %more, %again ]
  %now = load atomic i64, ptr %gate acquire, align 8
  %done = icmp ne i64 %now, %turn
  br i1 %done, label %leave, label %wait
wait:
  %more = add i64 %tries, 1
  %long = icmp ugt i64 %more, 4000
  br i1 %long, label %yield, label %again
yield:
  %ignored = call i32 @sched_yield()
  br label %again
again:
  br label %spin
leave:
  ret void
}
declare i32 @sched_yield()
"""

X86 = """
define void @start_ENTRY(ptr %a, ptr %b, i64 %c, i64 %d, i64 %e, i64 %f, ptr %g, ptr %h) {
entry:
  %saved = alloca i32, align 4
  %plain = alloca i32, align 4
  call void @llvm.x86.sse.stmxcsr(ptr %saved)
  store i32 8064, ptr %plain, align 4
  call void @llvm.x86.sse.ldmxcsr(ptr %plain)
  call void @ENTRY(ptr %a, ptr %b, i64 %c, i64 %d, i64 %e, i64 %f, ptr %g, ptr %h)
  call void @llvm.x86.sse.ldmxcsr(ptr %saved)
  ret void
}
"""
X86_DECLARED = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
"""

ARM = """
define void @start_ENTRY(ptr %a, ptr %b, i64 %c, i64 %d, i64 %e, i64 %f, ptr %g, ptr %h) {
entry:
  %saved = call i64 @llvm.aarch64.get.fpcr()
  call void @llvm.aarch64.set.fpcr(i64 0)
  call void @ENTRY(ptr %a, ptr %b, i64 %c, i64 %d, i64 %e, i64 %f, ptr %g, ptr %h)
  call void @llvm.aarch64.set.fpcr(i64 %saved)
  ret void
}
"""
ARM_DECLARED = """
declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)
"""

START = {"x86": X86, "arm": ARM}
DECLARED = {"x86": X86_DECLARED, "arm": ARM_DECLARED}
ENTRIES = RUN, PART


def runtime(family: str, parallel: bool) -> str:
    """Return `start_run`, which calls `run`; if `parallel`, also `start_part` and the barrier."""
    starts = [START[family].replace("ENTRY", name) for name in ENTRIES[: 1 + parallel]]
    return "\n".join([*starts, DECLARED[family], BARRIER if parallel else ""])

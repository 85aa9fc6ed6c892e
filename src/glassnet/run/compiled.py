"""A plan as machine code.

In: a plan and an instruction set. Out: a program: arrays go in as addresses, results come out in
arrays; intermediate values live in one workspace that is kept between calls.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from glassnet.fuse import Fused
from glassnet.graph.graph import Literal
from glassnet.graph.types import bind
from glassnet.llvm.builder import Module
from glassnet.llvm.target import Code, InstructionSet, load, module_text
from glassnet.lower.memory import place, temporaries
from glassnet.lower.program import Lowered, lower_program
from glassnet.run.program import Plan
from glassnet.run.threads import run_on, thread_count
from glassnet.schedule import schedule

SIGNATURE = ctypes.CFUNCTYPE(
    None,
    *[ctypes.c_void_p] * 2,
    *[ctypes.c_int64] * 4,
    *[ctypes.c_void_p] * 2,
)
WORTH_THREADS = 2_000_000  # multiply-adds a step: below, meeting costs more than sharing saves
PAGE = 4096


@dataclass(frozen=True)
class Build:
    """Assembly text of a program, and what calling it takes."""

    text: str
    lowered: Lowered


def build(plan: Plan, fused: Fused, target: InstructionSet, parallel: bool) -> Build:
    """Lower a plan to the text of a module."""
    module = Module()
    lowered = lower_program(fused, module, target.machine, stepped_buffers(plan, fused), parallel)
    return Build(module_text(str(module), target.family, parallel), lowered)


def stepped_buffers(plan: Plan, fused: Fused) -> list[int]:
    """Buffers with one entry a step."""
    inputs = [plan.graph.inputs[name] for name in plan.stepped]
    return inputs + [fused.outputs[output] for output in plan.collect]


class Compiled:
    """A program that runs as machine code; the parts for one and for many threads are made when
    first needed."""

    def __init__(self, plan: Plan, target: InstructionSet, merge: bool = True) -> None:
        self.plan, self.target = plan, target
        self.fused = schedule(plan.graph, plan.donate, merge)
        self.temporaries = temporaries(self.fused)
        self._codes: dict[bool, tuple[Code, Lowered]] = {}
        self._lock = threading.Lock()
        self._constants = {
            i: node.attr("value").array
            for i, node in enumerate(plan.graph.nodes)
            if isinstance(node.attr("value"), Literal)
        }

    def code(self, parallel: bool) -> tuple[Code, Lowered]:
        with self._lock:
            if parallel not in self._codes:
                made = build(self.plan, self.fused, self.target, parallel)
                self._codes[parallel] = load(made.text, self.target.name), made.lowered
            return self._codes[parallel]

    def run(
        self, arrays: Mapping[str, np.ndarray], steps: int = 1, threads: int | None = None
    ) -> list[np.ndarray]:
        """See `Program.run`."""
        dims = self.plan.bind(arrays, steps)
        team = thread_count(threads) if self._work(dims) >= WORTH_THREADS else 1
        code, lowered = self.code(team > 1)
        results = self._results(arrays, dims, steps)
        call = _Call(self, lowered, arrays, results, dims, team)
        call.go(code, steps)
        return results

    def _work(self, dims: Mapping[str, int]) -> int:
        """Multiply-adds of a step, roughly: elements of contractions times their length."""
        nodes = self.plan.graph.nodes
        total = 0
        for node in nodes:
            if node.op.kind == "contract":
                inner = bind(nodes[node.inputs[0]].type.shape, dims)[-1]
                total += int(np.prod(bind(node.type.shape, dims))) * inner
        return total

    def _results(
        self, arrays: Mapping[str, np.ndarray], dims: Mapping[str, int], steps: int
    ) -> list[np.ndarray]:
        owners = {output: name for name, output in self.plan.donate.items()}
        results: list[np.ndarray] = []
        for i, type in enumerate(self.plan.graph.output_types):
            if i in owners:
                results.append(arrays[owners[i]])
                continue
            shape = bind(type.shape, dims)
            results.append(
                np.empty((steps, *shape) if i in self.plan.collect else shape, type.dtype)
            )
        return results


class _Call:
    """The tables of addresses for one call."""

    def __init__(
        self,
        program: Compiled,
        lowered: Lowered,
        arrays: Mapping[str, np.ndarray],
        results: list[np.ndarray],
        dims: Mapping[str, int],
        team: int,
    ) -> None:
        fused = program.fused
        offsets, size = place(program.temporaries, dims)
        scratch = max((sum(p.at(dims) for p in parts) for parts in lowered.scratch), default=0)
        self.team, self.scratch = team, -(-scratch // PAGE) * PAGE + PAGE
        self.space = _aligned(size + team * self.scratch)
        start = self.space.ctypes.data
        self.scratch_start = start + size
        self.keep = [arrays, results]
        where = {b: start + offset for b, offset in offsets.items()}
        where |= {i: a.ctypes.data for i, a in program._constants.items()}
        where |= {i: arrays[name].ctypes.data for name, i in fused.graph.inputs.items()}
        where |= {b: r.ctypes.data for b, r in zip(fused.outputs, results, strict=True)}
        self.table = np.array([where[b] for b in lowered.buffers], np.int64)
        self.dims = np.array([dims[name] for name in fused.graph.dims], np.int64)
        self.barrier = _aligned(128)
        self.barrier[:] = 0

    def go(self, code: Code, steps: int) -> None:
        function = SIGNATURE(code.address)

        def work(thread: int) -> None:
            function(
                self.table.ctypes.data,
                self.dims.ctypes.data,
                0,
                steps,
                thread,
                self.team,
                self.barrier.ctypes.data,
                self.scratch_start + thread * self.scratch,
            )

        if self.team == 1:
            work(0)
        else:
            run_on(self.team, work)


def _aligned(size: int) -> np.ndarray:
    """Bytes that begin at a multiple of 64."""
    raw = np.empty(size + 64, np.uint8)
    return raw[(-raw.ctypes.data) % 64 :][:size]

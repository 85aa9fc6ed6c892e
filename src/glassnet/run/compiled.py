"""A plan as machine code.

In: a plan and an instruction set. Out: a program: arrays go in as addresses, results come out in
arrays; intermediate values live in one workspace that is kept between calls.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from glassnet.fuse import Fused
from glassnet.graph.graph import Literal
from glassnet.graph.specialise import specialise
from glassnet.graph.types import Dim, bind
from glassnet.llvm.builder import Module
from glassnet.llvm.target import Code, InstructionSet, load, module_text, object_code, versions
from glassnet.lower.memory import Temporary, place, temporaries
from glassnet.lower.program import Lowered, lower_program
from glassnet.lower.unrolled import fits, lower_unrolled
from glassnet.run import cache
from glassnet.run.program import Call, Plan
from glassnet.run.threads import run_on, thread_count
from glassnet.schedule import schedule

SIGNATURE = ctypes.CFUNCTYPE(
    None,
    *[ctypes.c_void_p] * 2,
    *[ctypes.c_int64] * 4,
    *[ctypes.c_void_p] * 2,
)
WORTH_THREADS = 2_000_000  # multiply-adds a step: below, meeting costs more than sharing saves
WORTH_UNROLLING = 100  # steps: below, compiling a tiny step for its sizes does not pay
PAGE = 4096


@dataclass(frozen=True)
class Build:
    """Machine code for a plan, and what calling it takes."""

    code: Code
    fused: Fused
    lowered: Lowered
    temporaries: tuple[Temporary, ...]


def assembly_text(
    plan: Plan, fused: Fused, target: InstructionSet, parallel: bool, unrolled: bool = False
) -> tuple[str, Lowered]:
    """Lower a plan to the text of a module."""
    module = Module()
    stepped = [plan.graph.inputs[name] for name in plan.stepped]
    stepped += [fused.outputs[output] for output in plan.collect]
    if unrolled:
        lowered = lower_unrolled(fused, module, stepped)
    else:
        lowered = lower_program(fused, module, target.machine, stepped, parallel)
    return module_text(str(module), target.family, parallel), lowered


def code_for(text: str, target: str) -> Code:
    """Loaded code, compiled or from the disk."""
    name = cache.key(text, target, versions())
    kept = cache.read(name)
    if kept is None:
        kept = object_code(text, target)
        cache.write(name, kept)
    return load(kept, target)


class Compiled:
    """A program that runs as machine code, made when first needed: for one thread, for many, and
    for the sizes of a tiny network that takes many steps."""

    def __init__(self, plan: Plan, target: InstructionSet, merge: bool = True) -> None:
        self.plan, self.target, self.merge = plan, target, merge
        self.constants = {
            i: node.attr("value").array
            for i, node in enumerate(plan.graph.nodes)
            if isinstance(node.attr("value"), Literal)
        }
        self._builds: dict[object, Build | None] = {}
        self._steps: dict[object, int] = {}
        self._lock = threading.Lock()

    def build(self, parallel: bool = False) -> Build:
        """The code for one thread or for many."""
        with self._lock:
            found = self._builds.get(parallel)
            if found is None:
                fused = schedule(self.plan.graph, self.plan.donate, self.merge)
                found = self._builds[parallel] = self._load(fused, parallel)
            return found

    def _load(self, fused: Fused, parallel: bool, unrolled: bool = False) -> Build:
        text, lowered = assembly_text(self.plan, fused, self.target, parallel, unrolled)
        return Build(code_for(text, self.target.name), fused, lowered, temporaries(fused))

    def _tiny(self, dims: Mapping[str, int], steps: int) -> Build | None:
        """Code for just these sizes, if the graph is tiny and the steps so far were many."""
        key = tuple(sorted((name, dims[name]) for name in self._inner_dims))
        with self._lock:
            self._steps[key] = self._steps.get(key, 0) + steps
            if not self.merge or self._steps[key] < WORTH_UNROLLING:
                return None
            if key not in self._builds:
                graph = specialise(self.plan.graph, dict(key))
                fused = schedule(graph, self.plan.donate)
                tiny = fits(fused)
                self._builds[key] = self._load(fused, False, unrolled=True) if tiny else None
            return self._builds[key]

    @cached_property
    def _inner_dims(self) -> tuple[str, ...]:
        """Run-time sizes of computed values, and not just of tables to gather rows from."""
        computed = [n for n in self.plan.graph.nodes if n.op.kind != "source"]
        sizes = {size for node in computed for size in node.type.shape}
        return tuple(sorted(size.name for size in sizes if isinstance(size, Dim)))

    def prepare(
        self, arrays: Mapping[str, np.ndarray], steps: int = 1, threads: int | None = None
    ) -> Call:
        """See `Program.prepare`."""
        dims = self.plan.bind(arrays, steps)
        results = self._results(arrays, dims, steps)
        build = self._tiny(dims, steps)
        team = 1
        if build is None:
            team = thread_count(threads) if self._work(dims) >= WORTH_THREADS else 1
            build = self.build(team > 1)
        return _Call(build, self.constants, arrays, results, dims, team, steps)

    def run(
        self, arrays: Mapping[str, np.ndarray], steps: int = 1, threads: int | None = None
    ) -> list[np.ndarray]:
        """See `Program.run`."""
        return self.prepare(arrays, steps, threads)()

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
    """One call, ready to be made again: addresses of arrays that stay where they are."""

    def __init__(
        self,
        build: Build,
        constants: Mapping[int, np.ndarray],
        arrays: Mapping[str, np.ndarray],
        results: list[np.ndarray],
        dims: Mapping[str, int],
        team: int,
        steps: int,
    ) -> None:
        fused, lowered = build.fused, build.lowered
        offsets, size = place(build.temporaries, dims)
        scratch = max((sum(p.at(dims) for p in parts) for parts in lowered.scratch), default=0)
        scratch = -(-scratch // PAGE) * PAGE + PAGE
        space = _aligned(size + team * scratch)
        start = space.ctypes.data
        where = {b: start + offset for b, offset in offsets.items()}
        where |= {i: a.ctypes.data for i, a in constants.items()}
        where |= {i: arrays[name].ctypes.data for name, i in fused.graph.inputs.items()}
        where |= {b: r.ctypes.data for b, r in zip(fused.outputs, results, strict=True)}
        table = np.array([where[b] for b in lowered.buffers], np.int64)
        sizes = np.array([dims[name] for name in fused.graph.dims], np.int64)
        barrier = _aligned(128)
        barrier[:] = 0
        self.results = results
        self._kept = (build, arrays, space, table, sizes, barrier)
        self._function = SIGNATURE(build.code.address)
        tables = (ctypes.c_void_p(table.ctypes.data), ctypes.c_void_p(sizes.ctypes.data))
        self._arguments = [
            (
                *tables,
                *map(ctypes.c_int64, (0, steps, thread, team)),
                ctypes.c_void_p(barrier.ctypes.data),
                ctypes.c_void_p(start + size + thread * scratch),
            )
            for thread in range(team)
        ]

    def __call__(self) -> list[np.ndarray]:
        if len(self._arguments) == 1:
            self._function(*self._arguments[0])
        else:
            run_on(len(self._arguments), lambda i: self._function(*self._arguments[i]))
        return self.results


def _aligned(size: int) -> np.ndarray:
    """Bytes that begin at a multiple of 64."""
    raw = np.empty(size + 64, np.uint8)
    return raw[(-raw.ctypes.data) % 64 :][:size]

"""Runs WebAssembly modules in Node.

In: plans and arrays. Out: what the modules leave in memory, as arrays.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet.fuse.kernel_order import schedule
from glassnet.graph.types import bind
from glassnet.llvm.wasm import Mode, wasm_module
from glassnet.lower.workspace import place
from glassnet.run.artifact import Image, make_image
from glassnet.run.program import Plan

SCRIPT = Path(__file__).with_name("run.mjs")
NODE = shutil.which("node")
ALIGN = 64


def flags() -> list[str]:
    """Older versions of Node have relaxed instructions behind an option."""
    return ["--experimental-wasm-relaxed-simd"] if _version() < (21,) else []


@cache
def _version() -> tuple[int, ...]:
    assert NODE is not None
    told = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in told.strip().lstrip("v").split("."))


needs_node = pytest.mark.skipif(NODE is None, reason="Node is not installed")


@dataclass(frozen=True)
class Job:
    """A plan as a module, its memory before the call, and where results lie in it."""

    code: bytes
    memory: bytes
    call: Mapping[str, int]
    results: Sequence[tuple[int, tuple[int, ...], str]]


def job(
    plan: Plan,
    arrays: Mapping[str, np.ndarray],
    steps: int = 1,
    mode: Mode = "exact",
    merge: bool = True,
    unrolled: bool = False,
) -> Job:
    """Compile a plan, and lay its arrays out in memory as `run.call` does."""
    dims = plan.bind(arrays, steps)
    fused = schedule(plan.graph, plan.donate, merge)
    stepped = [fused.graph.inputs[name] for name in plan.stepped]
    stepped += [fused.outputs[output] for output in plan.collect]
    made = wasm_module(fused, stepped, mode, unrolled)
    own = make_image(fused, made.lowered, made.code)
    results = _results(plan, arrays, dims, steps)
    memory = _Memory()
    places: dict[int, int] = {}  # of arrays, by identity: an output may be an input
    offsets, size = place(own.temporaries, dims)
    temporary = memory.space(size)
    given: dict[str, Any] = {"input": arrays, "output": results, "constant": own.constants}
    addresses = [
        temporary + offsets[int(which)]
        if kind == "temporary"
        else places.setdefault(id(given[kind][which]), memory.array(given[kind][which]))
        for kind, which in own.buffers
    ]
    table = memory.array(np.array(addresses, np.int32))
    sizes = memory.array(np.array([*(dims[name] for name in own.dims), 0, 1, 0], np.int64))
    scratch = memory.space(_scratch(own, dims))
    call = {"table": table, "sizes": sizes, "first": 0, "last": steps, "scratch": scratch}
    found = [(places[id(r)], r.shape, r.dtype.name) for r in results]
    return Job(made.code, bytes(memory.data), call, found)


def _results(
    plan: Plan, arrays: Mapping[str, np.ndarray], dims: Mapping[str, int], steps: int
) -> list[np.ndarray]:
    owners = {output: name for name, output in plan.donate.items()}
    results: list[np.ndarray] = []
    for i, type in enumerate(plan.graph.output_types):
        shape = bind(type.shape, dims)
        shape = (steps, *shape) if i in plan.collect else shape
        results.append(arrays[owners[i]] if i in owners else np.zeros(shape, type.dtype))
    return results


def _scratch(own: Image, dims: Mapping[str, int]) -> int:
    assert not any(own.stacks), "a single thread needs no stacks"
    return max((sum(part.at(dims) for part in parts) for parts in own.scratch), default=0)


class _Memory:
    """The memory of a module. The first bytes stay free, as address 0 means nothing."""

    def __init__(self) -> None:
        self.data = bytearray(1024)

    def space(self, size: int) -> int:
        start = -(-len(self.data) // ALIGN) * ALIGN
        self.data.extend(b"\xff" * (start - len(self.data) + size + ALIGN))
        return start

    def array(self, array: np.ndarray) -> int:
        start = self.space(array.nbytes)
        self.data[start : start + array.nbytes] = np.ascontiguousarray(array).tobytes()
        return start


def run(folder: Path, jobs: Sequence[Job]) -> list[list[np.ndarray]]:
    """The results of jobs, all run by one process."""
    assert NODE is not None
    told: list[dict[str, Any]] = []
    for number, own in enumerate(jobs):
        module, memory = folder / f"{number}.wasm", folder / f"{number}.bin"
        module.write_bytes(own.code)
        memory.write_bytes(own.memory)
        told.append({"module": str(module), "image": str(memory), "call": own.call})
    listed = folder / "jobs.json"
    listed.write_text(json.dumps({"memories": told}))
    done = subprocess.run(
        [NODE, *flags(), SCRIPT, listed], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [_read(folder / f"{number}.bin", own) for number, own in enumerate(jobs)]


def _read(path: Path, own: Job) -> list[np.ndarray]:
    data = path.read_bytes()
    return [
        np.frombuffer(data, dtype, int(np.prod(shape)), start).reshape(shape).copy()
        for start, shape, dtype in own.results
    ]

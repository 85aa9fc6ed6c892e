"""The same kernels on AArch64: cross-compiled, linked, run under emulation, compared bit for bit.

Needs a cross compiler and qemu's user-mode emulator; skipped without them.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from glassnet import losses, nn, optim
from glassnet.fuse.kernel_order import schedule
from glassnet.graph.interpret import bind_shapes
from glassnet.graph.layout import count
from glassnet.graph.types import bind
from glassnet.llvm.machine_code import instruction_set, object_code
from glassnet.lower.protocol import PLAIN, Use
from glassnet.run.compiled import CodeVariant, assembly_text
from glassnet.run.program import Plan
from glassnet.simplify import simplify
from glassnet.training.programs import step_program
from tests.data import HANG
from tests.engine.variants import thresholds

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
TRIPLE = "aarch64-unknown-linux-gnu"
pytestmark = pytest.mark.skipif(
    not (shutil.which(COMPILER) and shutil.which(EMULATOR)),
    reason=f"needs {COMPILER} and {EMULATOR}",
)

DRIVER = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
void start_run(void *, void *, int64_t, int64_t, int64_t, int64_t, void *, void *);
static int64_t number(FILE *f) { int64_t n; if (fread(&n, 8, 1, f) != 1) exit(2); return n; }
static void *block(size_t size) { return aligned_alloc(64, (size + 127) / 64 * 64); }
int main(int argc, char **argv) {
  FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
  int64_t buffers = number(in), dims = number(in), steps = number(in), scratch = number(in);
  void **table = block(8 * buffers); int64_t *sizes = block(8 * buffers), *known = block(8 * dims);
  for (int64_t i = 0; i < dims; i++) known[i] = number(in);
  for (int64_t i = 0; i < buffers; i++) {
    sizes[i] = number(in);
    table[i] = block(sizes[i]);
    if (sizes[i] && fread(table[i], sizes[i], 1, in) != 1) exit(3);
  }
  int64_t *barrier = block(128);
  barrier[0] = barrier[8] = 0;
  start_run(table, known, 0, steps, 0, 1, barrier, block(scratch));
  for (int64_t i = 0; i < buffers; i++) fwrite(table[i], 1, sizes[i], out);
  return fclose(out);
}
"""


def emulate(
    plan: Plan, arrays: dict[str, np.ndarray], steps: int, folder, use: Use = PLAIN
) -> dict[str, bytes]:
    """Run a plan under emulation; the arrays that it updates, as bytes, by input name."""
    plan = replace(plan, graph=simplify(plan.graph))
    fused = schedule(plan.graph, plan.donate)
    text, lowered = assembly_text(plan, fused, instruction_set("neon"), CodeVariant((), use))
    (folder / "net.o").write_bytes(object_code(text, "neon", TRIPLE))
    (folder / "driver.c").write_text(DRIVER)
    call = [COMPILER, "-O1", "-static", "-o", "run", "driver.c", "net.o"]
    subprocess.run(call, cwd=folder, check=True, capture_output=True)
    dims = plan.bind(arrays, steps)
    by_place = {place: arrays[name] for name, place in plan.graph.inputs.items()}
    contents = [content(plan, fused, buffer, by_place, dims, steps) for buffer in lowered.buffers]
    scratch = max((sum(p.at(dims) for p in parts) for parts in lowered.scratch), default=0)
    known = [dims[name] for name in plan.graph.dims]
    head = struct.pack(
        f"<{4 + len(known)}q", len(contents), len(known), steps, scratch + 64, *known
    )
    body = b"".join(struct.pack("<q", len(data)) + data for data in contents)
    (folder / "in").write_bytes(head + body)
    subprocess.run([EMULATOR, "./run", "in", "out"], cwd=folder, check=True, timeout=HANG)
    result = (folder / "out").read_bytes()
    found: dict[str, bytes] = {}
    for buffer, data in zip(lowered.buffers, contents, strict=True):
        part, result = result[: len(data)], result[len(data) :]
        name = next((n for n, place in plan.graph.inputs.items() if place == buffer), None)
        if name in plan.donate:
            found[name] = part
    return found


def content(plan, fused, buffer, by_place, dims, steps) -> bytes:
    """What a buffer holds before the first step: an input, a constant, or zeros."""
    nodes = plan.graph.nodes
    if buffer in by_place:
        return by_place[buffer].tobytes()
    place = buffer if buffer < len(nodes) else plan.graph.outputs[buffer - len(nodes)]
    value = nodes[place].attr("value")
    if value is not None and hasattr(value, "array"):
        return value.array.tobytes()
    type = nodes[place].type
    size = count(bind(type.shape, dims)).factor * np.dtype(type.dtype).itemsize
    return bytes(size * (steps if buffer in fused.outputs else 1))


def training_arrays(plan: Plan, model: nn.Module, rows: int, batch: int, steps: int, y):
    rng = np.random.default_rng(0)
    width = model.parameters()["linear1.weight"].shape[0]
    arrays = {
        "x": rng.standard_normal((rows, width)).astype(model.dtype),
        "y": y,
        "rows": rng.integers(0, rows, (steps, batch)).astype(np.int32),
        "lr": np.full(steps, 0.01, model.dtype),
        "step": np.arange(steps, dtype=np.int64),
    }
    held = {f"W.{name}": value.copy() for name, value in model.parameters().items()}
    types = plan.graph.input_types
    widths = bind_shapes({n: types[n] for n in held}, {n: a.shape for n, a in held.items()})
    for name, type in types.items():
        if name not in arrays and name not in held:
            held[name] = np.zeros(bind(type.shape, widths), type.dtype)
    return arrays | held


CASES = {
    "sigmoid": (lambda: nn.Sequential(nn.Linear(33, 50), nn.Sigmoid(), nn.Linear(50, 1)), 130),
    "tanh": (lambda: nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)), 19),
    "double": (
        lambda: nn.Sequential(nn.Linear(9, 20), nn.Sigmoid(), nn.Linear(20, 2), dtype="float64"),
        70,
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("optimizer", [optim.SGD(lr=0.01, momentum=0.9), optim.Adam(lr=0.01)])
def test_weights_after_training_are_the_same_bits(name, optimizer, tmp_path) -> None:
    make, batch = CASES[name]
    model, steps = make(), 20
    outputs = model(np.zeros((1, model.parameters()["linear1.weight"].shape[0]))).shape[1]
    program = step_program(model, losses.HalfMSE(), optimizer, _width(model), False, 0)
    y = np.random.default_rng(1).standard_normal((200, outputs)).astype(model.dtype)
    arrays = training_arrays(program.plan, model, 200, batch, steps, y)
    emulated = emulate(program.plan, arrays, steps, tmp_path)
    program.run(arrays, steps, threads=1)
    assert emulated
    for updated, data in emulated.items():
        assert data == arrays[updated].tobytes(), updated


def test_softmax_and_labels_are_the_same_bits(tmp_path) -> None:
    model = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 10))
    program = step_program(model, losses.CrossEntropy(), optim.Adam(), 12, False, 0)
    y = (np.arange(200) % 10).astype(np.int32)
    arrays = training_arrays(program.plan, model, 200, 37, 20, y)
    emulated = emulate(program.plan, arrays, 20, tmp_path)
    program.run(arrays, 20, threads=1)
    assert all(data == arrays[name].tobytes() for name, data in emulated.items())


@pytest.mark.parametrize("name", CASES)
def test_without_products_with_zero_they_are_the_same_bits(name, tmp_path) -> None:
    make, batch = CASES[name]
    model, width = make(), _width(make())
    outputs = model(np.zeros((1, width))).shape[1]
    program = step_program(model, losses.HalfMSE(), optim.Adam(lr=0.01), width, False, 0)
    random = np.random.default_rng(1)
    y = random.standard_normal((200, outputs)).astype(model.dtype)
    arrays = training_arrays(program.plan, model, 200, batch, 20, y)
    arrays["x"] *= random.random(arrays["x"].shape) < 0.15
    emulated = emulate(program.plan, arrays, 20, tmp_path, Use(sparse=True))
    with thresholds():
        program.run(arrays, 20, threads=1)
    assert all(data == arrays[name].tobytes() for name, data in emulated.items())


def _width(model: nn.Module) -> int:
    return model.parameters()["linear1.weight"].shape[0]

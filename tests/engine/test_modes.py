"""Another library's floating-point mode changes no bit of a result, and is put back."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pytest
from llvmlite import binding as llvm

import glassnet as gn
from glassnet import ops
from glassnet.llvm.runtime import START, X86
from glassnet.run.program import Plan
from glassnet.tracing import trace
from tests.engine.check import numbers
from tests.engine.variants import anew, call, difference, loops, thresholds

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="sets a register of x86 processors"
)

FLUSH, DENORMALS_ARE_ZERO, TOWARD_ZERO, DEFAULT = 0x8000, 0x0040, 0x6000, 0x1F80
MODES = [FLUSH, FLUSH | DENORMALS_ARE_ZERO, TOWARD_ZERO, 0xFFC0]
REGISTER = """
define i32 @get() {
  %p = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %p)
  %v = load i32, ptr %p
  ret i32 %v
}
define void @set(i32 %v) {
  %p = alloca i32
  store i32 %v, ptr %p
  call void @llvm.x86.sse.ldmxcsr(ptr %p)
  ret void
}
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
"""


class Register:
    """This thread's control register."""

    def __init__(self) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(REGISTER), machine)
        self._engine.finalize_object()
        address = self._engine.get_function_address
        self.get: Callable[[], int] = ctypes.CFUNCTYPE(ctypes.c_uint32)(address("get"))
        self.put: Callable[[int], None] = ctypes.CFUNCTYPE(None, ctypes.c_uint32)(address("set"))

    @contextmanager
    def mode(self, mode: int) -> Iterator[None]:
        """A mode for a while, which must still be there at its end."""
        before = self.get()
        self.put(DEFAULT | mode)
        try:
            yield
            after = self.get()
        finally:
            self.put(before)
        assert after & 0xFFC0 == (DEFAULT | mode) & 0xFFC0


@pytest.fixture(scope="module")
def register() -> Register:
    return Register()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("mode", MODES)
def test_another_librarys_mode_changes_no_bit_and_is_put_back(
    register: Register, mode: int, threads: int
) -> None:
    x = (numbers("float32", 17, 17) * 1e-20).astype("float32")
    args = {"x": x, "y": x[::-1].copy()}  # products of such numbers are denormal
    plan = Plan(
        trace(lambda x, y: (x * y, (1e10 * x) @ y, ops.sum(x * y, 0), ops.exp(x)), *args.values())
    )
    with thresholds(threads=0):
        program = loops(plan)
        wanted = call(program, args, threads=threads)
        assert any(0 < abs(v) < 1.1754944e-38 for v in wanted[0].ravel().tolist())
        prepared = program.prepare(args, threads=threads)
        with register.mode(mode):
            numpys = args["x"] * args["y"]
            found = prepared()
    assert not any(difference(a, b) for a, b in zip(wanted, found, strict=True))
    if mode & FLUSH:  # the mode was on: NumPy's product lost its denormals
        assert difference(numpys, wanted[0])


X = np.sin(np.arange(150 * 6)).astype("float32").reshape(150, 6)
X[:, 0] = np.float32(1e-40) * np.arange(-75, 75)  # denormal
Y = (np.arange(150) % 3).astype("int32")


def trained(threads: int) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Weights, predictions and losses. The first column counts, since its weights are huge; steps
    are so short that biases, which are 0 at first, become denormal numbers."""
    model = gn.nn.Sequential(gn.nn.Linear(6, 40), gn.nn.Tanh(), gn.nn.Linear(40, 3), seed=3)
    model.parameters()["linear1.weight"][0] *= np.float32(1e38)
    history = gn.train(
        model, X, Y, loss=gn.losses.CrossEntropy(), optimizer=gn.optim.SGD(2e-38), epochs=3,
        batch_size=50, validation=(X, Y), threads=threads,
    )  # fmt: skip
    return model.W.copy(), model(X), [*history.loss, *history.validation_loss]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mode", [FLUSH, DENORMALS_ARE_ZERO, FLUSH | DENORMALS_ARE_ZERO])
def test_training_in_another_librarys_mode(register: Register, mode: int, threads: int) -> None:
    with thresholds(threads=0):
        wanted = trained(threads)
        with register.mode(mode):
            found = trained(threads)
    assert not difference(wanted[0], found[0])
    assert not difference(wanted[1], found[1])
    assert wanted[2] == found[2]


@pytest.mark.parametrize("mode", [FLUSH, DENORMALS_ARE_ZERO])
def test_code_that_keeps_the_callers_mode_is_seen(mode: int) -> None:
    """A planted fault: machine code that makes or takes no denormal numbers."""
    wanted = trained(1)
    planted = X86.replace("store i32 8064", f"store i32 {DEFAULT | mode}")
    assert planted != X86
    with anew(), mock.patch.dict(START, x86=planted):
        found = trained(1)
    assert difference(wanted[0], found[0])

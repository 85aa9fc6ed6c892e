"""What a program refuses, in one sentence each; and the interpreter in its place."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops, pipeline
from glassnet.errors import CompileError, GlassnetError, GraphError, ShapeError
from glassnet.graph.types import Dim, Type
from glassnet.llvm import machine_code as target
from glassnet.pipeline import compile_graph, program_for
from glassnet.run.compiled import Compiled
from glassnet.run.program import Interpreted, Plan
from glassnet.tracing import trace
from tests.engine.check import close
from tests.engine.networks import arguments, dense
from tests.engine.variants import copies, loops

N = Dim("n")


def plan() -> Plan:
    graph = trace(
        lambda x, w: (w - 0.1 * (x.T @ x), ops.sum(x)),
        Type("float32", (N, 3)),
        Type("float32", (3, 3)),
    )
    return Plan(graph, {"w": 0}, frozenset({"x"}), frozenset({1}))


PROGRAMS = [lambda: loops(plan()), lambda: Interpreted(plan())]


def good() -> dict[str, Any]:
    return {"x": np.ones((2, 4, 3), "float32"), "w": np.ones((3, 3), "float32")}


def read_only() -> np.ndarray:
    array = np.ones((3, 3), "float32")
    array.flags.writeable = False
    return array


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"x": None}, r"input 'x' is missing; inputs are \['x', 'w'\]"),
    ({"w": None}, "input 'w' is missing"),
    ({"x": np.ones((2, 4, 3))}, "input 'x' is float64, wanted float32"),
    ({"x": np.ones((2, 4, 3), "int32")}, "input 'x' is int32, wanted float32"),
    ({"x": np.ones((2, 4, 3), ">f4")}, "input 'x' is .*, wanted float32"),
    ({"x": np.ones((3, 4, 2), "float32").T}, r"'x' is not contiguous; use np\.ascontiguousarray"),
    ({"x": np.ones((2, 8, 3), "float32")[:, ::2]}, "input 'x' is not contiguous"),
    ({"w": read_only()}, "input 'w' is updated in place but read-only"),
    ({"x": np.ones((1, 4, 3), "float32")}, r"input 'x' has shape \(1, 4, 3\), fewer than 2 steps"),
    ({"x": np.ones((2, 4, 2), "float32")}, r"'x' has shape \[4, 2\], wanted f32\[n,3\]"),
    ({"x": np.ones((2, 3), "float32")}, r"'x' has shape \[3\], wanted f32\[n,3\]"),
    ({"w": np.ones((3, 4), "float32")}, r"'w' has shape \[3, 4\], wanted f32\[3,3\] with n=4"),
    ({"extra": np.ones(3)}, "inputs are x, w; got x, w, extra"),
    ({"x": [[[1.0] * 3] * 4] * 2}, "input 'x' is a list, wanted an array"),
    ({"w": np.float32(1)}, "input 'w' is a float32, wanted an array"),
]


@pytest.mark.parametrize("make", PROGRAMS, ids=["machine code", "interpreter"])
@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_wrong_arguments_are_refused(make: Any, changes: dict[str, Any], message: str) -> None:
    args = good() | changes
    args = {name: array for name, array in args.items() if array is not None}
    with pytest.raises(GlassnetError, match=message):
        make().run(args, steps=2)


@pytest.mark.parametrize("make", PROGRAMS, ids=["machine code", "interpreter"])
@pytest.mark.parametrize("steps", [0, -1])
def test_a_number_of_steps_below_one_is_refused(make: Any, steps: int) -> None:
    with pytest.raises(GlassnetError, match=f"^{steps} steps were requested; use 1 or more"):
        make().run(good(), steps=steps)


@pytest.mark.parametrize("make", PROGRAMS, ids=["machine code", "interpreter"])
def test_good_arguments_are_taken(make: Any) -> None:
    new, sums = make().run(good(), steps=2)
    # xᵀx is 4 everywhere: 1 − 0.4 − 0.4
    assert np.allclose(new, 0.2)
    assert sums.tolist() == [12.0, 12.0]


def two(donate: dict[str, int], **more: Any) -> Plan:
    graph = trace(lambda x, y: (x + y, ops.sum(x)), Type("float32", (3,)), Type("float32", (3,)))
    return Plan(graph, donate, **more)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: two({"x": 1}), r"output 1 is f32\[\]; it cannot update 'x': f32\[3\]"),
        (lambda: two({"z": 0}), "it cannot update 'z'"),
        (lambda: two({"x": 2}), "output 2|outputs"),
        (lambda: two({"x": 0, "y": 0}), "one output cannot update two inputs; return it twice"),
        (lambda: two({"x": 0}, stepped=frozenset({"x"})), "'x' is updated in place, so it has no"),
        (lambda: two({"x": 0}, collect=frozenset({0})), "'x' is updated in place, so it has no"),
        (lambda: two({}, stepped=frozenset({"z"})), "'z'"),
        (lambda: two({}, collect=frozenset({2})), "output 2|outputs"),
    ],
)
def test_wrong_plans_are_refused(make: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        make()


def test_shape_errors_are_value_errors() -> None:
    with pytest.raises(ValueError, match="missing"):
        loops(plan()).run({})
    assert issubclass(ShapeError, GlassnetError)


# -- the interpreter instead of machine code -----------------------------------------------------


@pytest.fixture
def no_machine_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise CompileError("this processor has no fused multiply-add")

    monkeypatch.setattr(target, "host", refuse)
    pipeline._warn_once.cache_clear()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("no_machine_code")
def test_the_interpreter_takes_over_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    training = dense((10, 7, 3), 20, "adam")
    args = arguments(training, 20, steps=4)
    slow = program_for(training)
    assert isinstance(slow, Interpreted)
    fast = loops(training)
    for a, b in zip(slow.run(copies(args), 4), fast.run(copies(args), 4), strict=True):
        close(a, b, scale=20)
    assert isinstance(program_for(training), Interpreted)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "glassnet: no machine code (this processor has no fused multiply-add); "
        "NumPy runs instead, slower\n"
    )


@pytest.mark.usefixtures("no_machine_code")
def test_functions_work_without_machine_code(capsys: pytest.CaptureFixture[str]) -> None:
    value, slope = gn.value_and_grad(lambda x: ops.sum(x * x * x))(np.array([1.0, 2.0]))
    assert (value, slope.tolist()) == (9.0, [3.0, 12.0])
    assert capsys.readouterr().err.count("\n") == 1


def test_any_failure_of_llvm_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (ImportError("no llvmlite"), OSError("cannot load"), CompileError("refused")):

        def refuse(error: Exception = error) -> Any:
            raise error

        monkeypatch.setattr(target, "host", refuse)
        assert isinstance(compile_graph(plan().graph), Interpreted)


DENIED = """
import ctypes
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
    sys.exit(77)
"""
NO_LLVM = "sys.modules['llvmlite'] = None"
WORK = """
import numpy as np
import glassnet as gn
from glassnet import ops
model = gn.nn.Sequential(gn.nn.Linear(1, 1), dtype="float64")
model.W = 1.0
gn.train(model, np.ones((4, 1)), np.ones(4), loss=gn.losses.HalfMSE(),
         optimizer=gn.optim.SGD(0.25), epochs=1, batch_size=4)
print(gn.compile(lambda x: ops.sum(x * x))(np.arange(4.0)), model.W.tolist())
gn.MLPClassifier(max_iter=2).fit(np.eye(4), [0, 1, 0, 1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to deny executable memory")
@pytest.mark.parametrize(
    ("lack", "reason"),
    [(DENIED, "this system allows no executable memory"), (NO_LLVM, "import of llvmlite halted")],
    ids=["executable memory", "llvmlite"],
)
def test_what_machine_code_needs_is_missing(lack: str, reason: str) -> None:
    """In a process of its own: the interpreter takes over, with one line."""
    run = [sys.executable, "-W", "ignore", "-c", f"import sys\n{lack}\n{WORK}"]
    told = subprocess.run(run, capture_output=True, text=True, check=False)
    if told.returncode == 77:
        pytest.skip("this kernel cannot deny it")
    # the sum of squares of 0 to 3; one step from w = b = 1 with both slopes 1
    assert (told.returncode, told.stdout) == (0, "14.0 [0.75, 0.75]\n"), told.stderr
    (line,) = told.stderr.splitlines()
    assert line.startswith(f"glassnet: no machine code ({reason}")
    assert line.endswith("); NumPy runs instead, slower")


def test_machine_code_is_the_default() -> None:
    assert isinstance(compile_graph(plan().graph), Compiled)


def test_a_machine_without_fused_multiply_add_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    host = target.host.__wrapped__
    monkeypatch.setattr(target.llvm, "get_host_cpu_features", lambda: {"sse2": True})
    with pytest.raises(CompileError, match="no fused multiply-add"):
        host()
    monkeypatch.setattr(target.llvm, "get_process_triple", lambda: "x86_64-unknown-linux-gnu")
    monkeypatch.setattr(
        target.llvm, "get_host_cpu_features", lambda: {"avx2": True, "fma": True, "bmi2": True}
    )
    assert host().name == "avx2"
    monkeypatch.setenv("GLASSNET_ISA", "avx512")
    with pytest.raises(GlassnetError, match=r"GLASSNET_ISA is 'avx512'.*supports only avx2$"):
        host()
    wanted = target.instruction_set("avx512").needs
    monkeypatch.setattr(target.llvm, "get_host_cpu_features", lambda: dict.fromkeys(wanted, True))
    assert host().name == "avx512"
    both = dict.fromkeys((*wanted, "avx2"), True)
    monkeypatch.setattr(target.llvm, "get_host_cpu_features", lambda: both)
    assert host().name == "avx512"
    monkeypatch.setenv("GLASSNET_ISA", "avx2")
    assert host().name == "avx2"

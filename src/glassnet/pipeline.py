"""Compiles a Python function or a graph to a program.

In: functions, graphs. Out: programs, and callables on arrays. `stages.py` shows the steps between.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np

from glassnet.errors import CompileError, ShapeError
from glassnet.gradient import gradients
from glassnet.graph.graph import Graph
from glassnet.graph.legality import check
from glassnet.graph.op import Value
from glassnet.graph.types import Size, Type
from glassnet.references import References, Traceable
from glassnet.rounding import computed_to_nearest
from glassnet.run.program import Interpreted, Plan, Program
from glassnet.simplify import simplify
from glassnet.tracing import Traced, as_type, trace_function


@computed_to_nearest
def compile_graph(
    graph: Graph,
    *,
    donate: Mapping[str, int] | None = None,
    stepped: Collection[str] = (),
    collect: Collection[int] = (),
    widths: Collection[Size] = (),
) -> Program:
    """Return a program that runs the graph for many steps; see `Plan` for the arguments."""
    plan = Plan(
        graph, dict(donate or {}), frozenset(stepped), frozenset(collect), frozenset(widths)
    )
    return program_for(plan)


def program_for(plan: Plan) -> Program:
    """Return machine code where this machine allows it, otherwise the interpreter; the first time a
    line on stderr says so."""
    try:
        return load_compiler()(plan)
    except (ImportError, OSError, CompileError) as error:
        _warn_once(str(error))
        return Interpreted(plan)


def load_compiler() -> Callable[[Plan], Program]:
    """Import LLVM and return the function that compiles plans. The import takes some hundredths of
    a second; call this early so that the first program does not wait for it."""
    # imported here so that a missing or broken LLVM costs speed, not the package
    from glassnet.llvm.machine_code import host
    from glassnet.run.compiled import Compiled
    from glassnet.run.executable import check_executable

    def made(plan: Plan) -> Program:
        check_executable()
        return Compiled(plan, host(), simplify=_simplified)

    return made


def _simplified(graph: Graph) -> Graph:
    return check(simplify(graph))


@cache
def _warn_once(reason: str) -> None:
    print(f"glassnet: no machine code ({reason}); NumPy runs instead, slower", file=sys.stderr)


class compile(Traceable):  # used like a function, hence the lower-case name
    """Compile `f` for the dtypes and shapes of each call; the machine code is cached.

    f takes arrays (or numbers) by position and returns an array or a tuple of arrays, computed with
    `gn.ops`. Called on graph values it runs `f` itself, so that compiled functions compose. Raises
    GraphError where f returns something else, ShapeError where shapes or dtypes do not fit an op.

    What f refers to may change between calls. Arrays outside f, and the parameters of networks that
    it calls, are read at every call. A number outside f is a constant of the machine code, as is
    everything that f computes with NumPy instead of ops; when one of these has changed, f is
    compiled again, which takes some tenths of a second. To change a number often, keep it in an
    array, `beta = numpy.array(0.5)`, and assign to it, `beta[...] = 0.7`. f itself runs once per
    combination of shapes and dtypes: it prints, and draws random numbers with NumPy, only then; a
    warning says so. One change is not noticed: that of an array of more than 64 KiB from which f
    computes something with NumPy and which it also uses with ops.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        self._references = References()
        self._traced: dict[tuple[Any, ...], tuple[Program, Traced]] | None = None
        self._programs: dict[Graph, Program] = {}

    def referenced_code(self) -> Iterable[Any]:
        return (self.f,)

    @computed_to_nearest
    def __call__(self, *args: Any) -> Any:
        if any(isinstance(arg, Value) for arg in args):
            return self.f(*args)
        arrays = [to_native(arg) for arg in args]
        types = tuple(as_type(array) for array in arrays)
        if self._traced is None or self._references.changed():
            self._references, self._traced = References(self.f), {}
        found = self._traced.get(types)
        if found is None:
            found = self._traced[types] = self._compiled(types)
        program, traced = found
        given = dict(zip(program.plan.graph.inputs, arrays, strict=False))
        outputs = program.run({**given, **traced.captured} if traced.captured else given)
        return outputs[0] if traced.single else tuple(outputs)

    def _compiled(self, types: tuple[Type, ...]) -> tuple[Program, Traced]:
        traced = trace_function(self.f, types, self._references)
        known = [traced, *(earlier for _, earlier in (self._traced or {}).values())]
        self._references = self._references.refreshed(a for t in known for a in t.captured.values())
        if traced.graph not in self._programs:
            self._programs[traced.graph] = compile_graph(traced.graph)
        return self._programs[traced.graph], traced


def to_native(arg: Any) -> np.ndarray:
    """Convert an argument to an array in row-major order and native byte order.

    Raises ShapeError for a model, a loss or an optimiser."""
    if isinstance(arg, Traceable):
        raise ShapeError(NO_ARRAY.format(arg))
    array = np.asarray(arg, order="C")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def value_and_grad(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0
) -> Callable[..., tuple[Any, Any]]:
    """Return a function that computes (f(…), gradient) for a scalar-valued f, written with
    `gn.ops`.

    The gradient is with respect to the argument at position `argnums`, in its shape; for a tuple of
    positions it is a tuple. Integer and bool arguments at these positions become float64. The
    returned function raises ShapeError where f does not return one number, f32[] or f64[]."""
    places = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def both(*args: Any) -> tuple[Any, ...]:
        y = f(*args)
        if getattr(y, "shape", ()) != ():
            raise ShapeError(NOT_ONE.format(y.type))
        return (y, *gradients(y, [args[i] for i in places]))

    def packed(*args: Any) -> tuple[Any, Any]:
        given = [_as_floats(arg) if i in places else arg for i, arg in enumerate(args)]
        y, *parts = call(*given)
        return y, parts[0] if isinstance(argnums, int) else tuple(parts)

    call = compile(both)
    return packed


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that computes the gradient of a scalar-valued f, as `value_and_grad` does
    without the value. It can be differentiated again: grad(grad(f))."""
    pair = value_and_grad(f, argnums)
    return lambda *args: pair(*args)[1]


def _as_floats(arg: Any) -> Any:
    """Convert integers and bools to float64, so that they have a derivative."""
    if isinstance(arg, Value):
        return arg
    array = to_native(arg)
    return array.astype(float) if array.dtype.kind in "iub" else array


NO_ARRAY = (
    "{!r} was passed where an array is expected\n"
    "  right: gn.value_and_grad(loss)(model, x, y), the loss and its gradient for model.W\n"
    "  right: gn.grad(lambda x: ops.sum(model(x))), the gradient for the inputs"
)
NOT_ONE = (
    "cannot take the gradient of {}; wanted one number, f32[] or f64[]\n"
    "  right: gn.grad(lambda x: ops.sum(f(x))), the gradient of the sum\n"
    "  right: gn.derivative(f), the elementwise derivative, as for a plot of f and f′"
)

"""The join: a Python function or a graph becomes a program.

In: functions, graphs. Out: programs and callables on arrays; `stages` stops after any stage.
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
    """A program that runs the graph for many steps; see `Plan` for the arguments."""
    plan = Plan(
        graph, dict(donate or {}), frozenset(stepped), frozenset(collect), frozenset(widths)
    )
    return program_for(plan)


def program_for(plan: Plan) -> Program:
    """Machine code where this machine allows it; otherwise the interpreter, with one notice."""
    try:
        return load_compiler()(plan)
    except (ImportError, OSError, CompileError) as error:
        _warn_once(str(error))
        return Interpreted(plan)


def load_compiler() -> Callable[[Plan], Program]:
    """What makes machine code. Loading it takes some hundredths of a second, which the first
    program waits for unless it was loaded before."""
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


class compile(Traceable):  # a function in use: named like the verb users type
    """`f` compiled for the dtypes and shapes of each call, kept for the next call.

    f takes arrays (or numbers) by position and returns an array or a tuple of arrays, written with
    ops. Called on graph values it is `f` itself, so that compiled functions compose.

    What f refers to may change between calls: arrays around it and the parameters of networks that
    it calls are read at every call. A number around it is part of the code, as is what f works out
    with NumPy, not with ops; where such a thing has changed, f is compiled again, which takes some
    tenths of a second. To change a number often, keep it in an array, `beta = numpy.array(0.5)`,
    and set that, `beta[...] = 0.7`. f itself runs once for each shape: what it prints, and random
    numbers that it draws by NumPy, are those of that time; a warning says so. What f works out
    with NumPy from an array of more than 64 KiB that it also uses with ops is not compared.
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
    """An argument as an array in row-major order and the byte order of this machine."""
    if isinstance(arg, Traceable):
        raise ShapeError(NO_ARRAY.format(arg))
    array = np.asarray(arg, order="C")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def value_and_grad(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0
) -> Callable[..., tuple[Any, Any]]:
    """A function giving (f(…), gradient): f is scalar-valued; the gradient is by the arguments at
    `argnums` (a tuple gives a tuple of gradients)."""
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
    """The gradient of a scalar-valued function, as a function; grad(grad(f)) works."""
    pair = value_and_grad(f, argnums)
    return lambda *args: pair(*args)[1]


def _as_floats(arg: Any) -> Any:
    """Whole numbers as numbers that have a derivative."""
    if isinstance(arg, Value):
        return arg
    array = to_native(arg)
    return array.astype(float) if array.dtype.kind in "iub" else array


NO_ARRAY = (
    "{!r} stands where an array is wanted\n"
    "  right: gn.value_and_grad(loss)(model, x, y), the loss and its gradient by model.W\n"
    "  right: gn.grad(lambda x: ops.sum(model(x))), the gradient by the inputs"
)
NOT_ONE = (
    "the gradient of {} is asked; wanted one number, f32[] or f64[]\n"
    "  right: gn.grad(lambda x: ops.sum(f(x))), the gradient of the sum\n"
    "  right: gn.derivative(f), the derivative number by number, as for a plot of f and f′"
)

"""Programs: graphs that run for many steps.

In: arrays by input name. Out: the output arrays; some inputs are updated in place. This module
defines plans and programs, and the interpreter for systems where machine code cannot run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from glassnet.errors import GraphError, ShapeError
from glassnet.graph.graph import Graph
from glassnet.graph.interpret import bind_shapes, evaluate
from glassnet.graph.types import Size
from glassnet.run.beside import BesideCompiler
from glassnet.words import plural


@dataclass(frozen=True)
class Plan:
    """How a graph runs for several steps.

    `donate` maps an input to the output that is written into its array (of the same type), so that
    the next step reads it. `stepped` inputs and `collect`ed outputs have one more axis in front,
    with one entry per step. Other outputs are those of the last step. `widths` are sizes that the
    compiler may treat as run-time sizes or as constants: numbers in the graph, or symbolic sizes.
    """

    graph: Graph
    donate: Mapping[str, int] = field(default_factory=dict[str, int])
    stepped: frozenset[str] = frozenset()
    collect: frozenset[int] = frozenset()
    widths: frozenset[Size] = frozenset()

    def __post_init__(self) -> None:
        count = len(self.graph.outputs)
        for output in {*self.donate.values(), *self.collect}:
            if not 0 <= output < count:
                has = plural(count, "output")
                raise GraphError(f"there is no output {output}; the graph has {has}")
        for name in sorted(self.stepped - self.graph.inputs.keys()):
            raise GraphError(f"there is no input {name!r}; inputs are {list(self.graph.inputs)}")
        if len(set(self.donate.values())) < len(self.donate):
            raise GraphError("one output cannot update two inputs; return it twice")
        for name, output in self.donate.items():
            given, result = self.graph.input_types.get(name), self.graph.output_types[output]
            if given != result:
                raise GraphError(f"output {output} is {result}; it cannot update {name!r}: {given}")
            if name in self.stepped or output in self.collect:
                raise GraphError(f"input {name!r} is updated in place, so it has no step axis")

    def bind(self, arrays: Mapping[str, np.ndarray], steps: int) -> dict[str, int]:
        """Return the run-time sizes of a call. Raises ShapeError or GraphError for wrong arrays."""
        if steps < 1:
            raise GraphError(f"{steps} steps were requested; use 1 or more")
        for name, type in self.graph.input_types.items():
            array = arrays.get(name)
            if array is None:
                raise ShapeError(f"input {name!r} is missing; inputs are {list(self.graph.inputs)}")
            if not isinstance(array, np.ndarray):  # pyright: ignore[reportUnnecessaryIsInstance]
                kind = array.__class__.__name__
                raise ShapeError(f"input {name!r} is a {kind}, wanted an array {type}: np.asarray")
            if array.dtype != np.dtype(type.dtype):
                raise ShapeError(f"input {name!r} is {array.dtype}, wanted {type.dtype}: astype")
            if not array.flags.c_contiguous:
                raise ShapeError(f"input {name!r} is not contiguous; use np.ascontiguousarray")
            if name in self.donate and not array.flags.writeable:
                raise ShapeError(f"input {name!r} is updated in place but read-only")
            if name in self.stepped and (array.ndim == 0 or array.shape[0] < steps):
                raise ShapeError(
                    f"input {name!r} has shape {array.shape}, fewer than {plural(steps, 'step')}"
                )
        shapes = {n: a.shape[1:] if n in self.stepped else a.shape for n, a in arrays.items()}
        return bind_shapes(self.graph.input_types, shapes)


class Call(Protocol):
    """A call that can be repeated, for all its steps or for those from `first` to `last`."""

    def __call__(self, first: int = 0, last: int | None = None) -> list[np.ndarray]: ...


class Program(Protocol):
    """An executable plan."""

    plan: Plan

    def prepare(
        self,
        arrays: Mapping[str, np.ndarray],
        steps: int = 1,
        threads: int | None = None,
        ahead: int = 0,
        beside: BesideCompiler | None = None,
    ) -> Call:
        """Return a call that can be repeated. Each time it reads the current values of the arrays
        and writes to the same result arrays, at the entries of the steps it runs. Only one thread
        may use it at a time. `ahead` is the approximate number of steps of all calls together,
        which determines how much optimisation is worth its compilation time.
        With `beside`, existing code may run first while better code is offered to it for
        compilation; a call that is prepared after that uses the better code.
        """
        ...

    def run(
        self, arrays: Mapping[str, np.ndarray], steps: int = 1, threads: int | None = None
    ) -> list[np.ndarray]:
        """Run the steps and return the outputs; donated ones are the updated input arrays."""
        ...


class Interpreted:
    """The fallback without machine code: runs every step with the NumPy interpreter."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def prepare(
        self,
        arrays: Mapping[str, np.ndarray],
        steps: int = 1,
        threads: int | None = None,
        ahead: int = 0,
        beside: BesideCompiler | None = None,
    ) -> Call:
        results: list[np.ndarray] = []

        def call(first: int = 0, last: int | None = None) -> list[np.ndarray]:
            part = slice(first, steps if last is None else last)
            given = {n: a[part] if n in self.plan.stepped else a for n, a in arrays.items()}
            fresh = self.run(given, part.stop - part.start, threads)
            for i, new in enumerate(fresh):
                collected = i in self.plan.collect
                if i == len(results):
                    shape = (steps, *new.shape[1:]) if collected else new.shape
                    owner = next((n for n, o in self.plan.donate.items() if o == i), None)
                    results.append(arrays[owner] if owner else np.empty(shape, new.dtype))
                results[i][part if collected else ...] = new
            return results

        return call

    def run(
        self, arrays: Mapping[str, np.ndarray], steps: int = 1, threads: int | None = None
    ) -> list[np.ndarray]:
        plan = self.plan
        dims = plan.bind(arrays, steps)
        collected: dict[int, list[np.ndarray]] = {i: [] for i in plan.collect}
        outputs: list[np.ndarray] = []
        for step in range(steps):
            args = {n: a[step] if n in plan.stepped else a for n, a in arrays.items()}
            values = evaluate(plan.graph, args, dims)
            outputs = [np.array(values[place]) for place in plan.graph.outputs]
            for name, output in plan.donate.items():
                arrays[name][...] = outputs[output]
            for output, found in collected.items():
                found.append(outputs[output])
        donated = {output: arrays[name] for name, output in plan.donate.items()}
        stacked = {output: np.stack(found) for output, found in collected.items()}
        return [stacked.get(i, donated.get(i, out)) for i, out in enumerate(outputs)]

"""Finds the cause of divergence: the operation whose result is infinite or NaN, and what to do.

In: a step with the parameters from before it. Out: the first operation with finite arguments and a
result that is not finite, with its layer and row; and an error that describes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.errors import DivergenceError
from glassnet.graph.graph import Graph, Node
from glassnet.graph.interpret import bind_shapes, evaluate
from glassnet.graph.types import FLOATS
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.optim.optimizer import Optimizer
from glassnet.training.probe import ProbedModule
from glassnet.training.step_graph import BATCH, StepGraph, step_graph

MOST = 1 << 30  # bytes; steps whose values need more memory are not analysed
FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"

# Operations with a limited domain -> how to keep arguments within it.
DOMAINS = {
    "log": "keep what goes into log above 0: ops.log(ops.maximum(z, 1e-6))",
    "log1p": "keep what goes into log1p above −1: ops.log1p(ops.maximum(z, -0.999))",
    "sqrt": "keep what goes into sqrt above 0: ops.sqrt(ops.maximum(z, 0.0) + 1e-6)",
    "div": "keep the divisor away from 0: a / (b + 1e-6), or ops.where",
    "pow": "keep the base of a power above 0: ops.maximum(z, 1e-6) ** p",
    "exp": "keep what goes into exp below 80: ops.exp(ops.minimum(z, 80.0))",
}


@dataclass(frozen=True)
class NonFinite:
    """The first operation whose result is not finite; `row` is a row number of the data."""

    part: str  # forward, backward or update
    operation: str  # the name of the op
    text: str  # the operation with its values
    layer: str | None
    row: int | None
    learnt: bool = True  # whether its arguments depend on a parameter

    def __str__(self) -> str:
        where = "" if self.layer is None else f" in {self.layer}"
        where += "" if self.row is None else f", row {self.row}"
        if self.part == BACKWARD:
            return f"first not finite, in backward propagation: {self.text}{where}"
        return f"first not finite: {self.text}{where}"


@dataclass(frozen=True)
class FailingStep:
    """A step with all its inputs."""

    model: Module
    loss: Loss
    optimizer: Optimizer
    seed: int
    arrays: Mapping[str, np.ndarray]  # x, y, weight, rows, lr, step, parameters, optimiser state

    def fault(self, numbers: np.ndarray | None = None) -> NonFinite | None:
        """Return the first operation that is not finite; None where the step is too large to
        analyse, or finite when NumPy computes it. `numbers` are the user's row numbers."""
        weighted = np.ndim(self.arrays["weight"]) if "weight" in self.arrays else 0
        width = self.arrays["x"].shape[1]
        probed = ProbedModule(self.model)
        step = step_graph(probed, self.loss, self.optimizer, width, weighted, self.seed)
        if _bytes(step.graph, self.arrays) > MOST:
            return None
        shapes = {name: array.shape for name, array in self.arrays.items()}
        dims = bind_shapes(step.graph.input_types, {n: shapes[n] for n in step.graph.inputs})
        values = evaluate(step.graph, self.arrays, dims)
        place = _origin(step, values)
        if place is None:
            return None
        rows = self.arrays["rows"] if numbers is None else numbers
        return _Finding(step, probed, values, rows).of(place)


def divergence(
    what: str, put_back: str, step: int, fault: NonFinite | None, advice: str
) -> DivergenceError:
    """Return the error: `what` happened, in which step, and to which state the model was
    restored."""
    lines = [f"{what}; {put_back}"]
    lines += [] if fault is None else [f"  {fault}"]
    where = (None, None, None) if fault is None else (fault.operation, fault.layer, fault.row)
    return DivergenceError("\n".join([*lines, advice]), step, *where)


def advice(lr: float, x: np.ndarray, fault: NonFinite | None, updates: int) -> str:
    """Return advice. A smaller learning rate does not help where there was no update before (unless
    the update itself is not finite), nor where the value depends on the data alone."""
    lines: list[str] = []
    if fault is not None and fault.operation in DOMAINS and fault.part != UPDATE:
        lines.append(DOMAINS[fault.operation])
    if fault is None or fault.part == UPDATE or (updates and fault.learnt):
        lines.append(f"try a smaller learning rate: lr={lr / 10:.2g}")
    largest = float(max(x.max(), -x.min())) if x.size else 0.0
    if largest > 100:
        lines.append(f"scale x, whose largest number is {largest:.3g}")
    if not lines and fault is not None and not fault.learnt:
        lines.append("the learning rate is not the cause: this number depends on the data alone")
    elif not lines:
        lines.append("the learning rate is not the cause, since there was no update before: check "
                     "this operation and the model's initial weights")  # fmt: skip
    return "\n".join(f"  {'or ' if i else ''}{line}" for i, line in enumerate(lines))


def _bytes(graph: Graph, arrays: Mapping[str, np.ndarray]) -> int:
    """Return the approximate memory of all values of a step, in bytes."""
    rows = len(arrays["rows"])
    total = 0
    for node in graph.nodes:
        sizes = [size if isinstance(size, int) else rows for size in node.type.shape]
        total += 8 * int(np.prod(sizes, dtype=float)) if node.op.name != "input" else 0
    return total


def _origin(step: StepGraph, values: list[np.ndarray]) -> int | None:
    """Return the first node with finite arguments and a result that is not finite, among those that
    the loss depends on; if the loss is finite, a new weight or the optimiser's new state."""
    graph = step.graph
    floats = [node.type.dtype in FLOATS for node in graph.nodes]
    bad = [f and not np.isfinite(v).all() for f, v in zip(floats, values, strict=True)]
    for output in graph.outputs:
        if bad[output]:
            found = _ancestors(graph.nodes, bad, output)
            return min(i for i in found if not any(bad[k] for k in graph.nodes[i].inputs))
    return None


def _ancestors(nodes: tuple[Node, ...], bad: list[bool], output: int) -> set[int]:
    """Return the nodes that are not finite and on which `output` depends."""
    found, rest = {output}, [output]
    while rest:
        for place in nodes[rest.pop()].inputs:
            if bad[place] and place not in found:
                found.add(place)
                rest.append(place)
    return found


@dataclass(frozen=True)
class _Finding:
    """Describes a node whose value is not finite."""

    step: StepGraph
    probed: ProbedModule
    values: list[np.ndarray]
    rows: np.ndarray

    def of(self, place: int) -> NonFinite:
        nodes = self.step.graph.nodes
        source = self.step.sources[place] if place < len(self.step.sources) else place
        index = self._index(place)
        row = self._row(place, index)
        if place >= len(self.step.sources):
            names = [n for n, output in self.step.donate.items() if not self._finite(output)]
            layer = f"the update of {names[0].removeprefix('W.')}" if names else None
            return NonFinite(
                UPDATE, nodes[place].op.name, self._in_numbers(place, index), layer, row
            )
        if source < 0:
            text = self._in_numbers(place, index)
            learnt = self._learnt(place)
            return NonFinite(FORWARD, nodes[place].op.name, text, self._layer(place), row, learnt)
        text = f"the derivative of {self._in_numbers(source, index)}"
        if nodes[source].op.kind != "elementwise":
            text = f"the derivative of {nodes[source].op.name}"
        return NonFinite(BACKWARD, nodes[source].op.name, text, self._layer(source), row)

    def _index(self, place: int) -> tuple[int, ...]:
        """Return the index of the first number of a value that is not finite."""
        value = np.asarray(self.values[place])
        return tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0]) if value.ndim else ()

    def _row(self, place: int, index: tuple[int, ...]) -> int | None:
        shape = self.step.graph.nodes[place].type.shape
        return int(self.rows[index[0]]) if shape and shape[0] == BATCH else None

    def _in_numbers(self, place: int, index: tuple[int, ...]) -> str:
        """Return "log(-0.31) = nan" for an elementwise op; the name of the op for others."""
        node, value = self.step.graph.nodes[place], self.values[place]
        given = [self.values[source] for source in node.inputs]
        if node.op.kind != "elementwise" or np.shape(value) != tuple(np.shape(given[0])):
            return node.op.name
        if len(index) != np.ndim(value):
            return node.op.name
        return f"{node.op.name}({', '.join(_short(array[index]) for array in given)}) = " + _short(
            value[index]
        )

    def _layer(self, place: int) -> str | None:
        """Return the layer to which a node belongs: the first one that was built after it."""
        for trace in self.probed.seen:
            if place <= trace.result.index:
                return trace.name
        return "the loss"

    def _learnt(self, place: int) -> bool:
        """Whether a value depends on a parameter."""
        nodes = self.step.graph.nodes
        found, rest = {place}, [place]
        while rest:
            fresh = set(nodes[rest.pop()].inputs) - found
            found |= fresh
            rest += fresh
        return any(str(nodes[i].attr("name", "")).startswith("W.") for i in found)

    def _finite(self, output: int) -> bool:
        return bool(np.isfinite(self.values[self.step.graph.outputs[output]]).all())


def _short(number: Any) -> str:
    return f"{float(number):.4g}"

"""The graphs of an MLP estimator: a step of training, value and gradient, prediction.

In: a `Network`, the description of an estimator's network. Out: programs, one for each
description; learning rate, momentum, penalty and the data are inputs of them, so that a search
over these compiles nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

from glassnet import ops
from glassnet.errors import GlassnetError
from glassnet.gradient import gradients
from glassnet.graph.build import GraphBuilder
from glassnet.graph.op import Value
from glassnet.graph.types import Dim, Size, Type
from glassnet.nn import Dropout, Module
from glassnet.nn.compose import Function
from glassnet.nn.loss import Loss
from glassnet.nn.scope import Circumstances, Scope
from glassnet.pipeline import compile_graph
from glassnet.run.program import Program
from glassnet.training.estimator_step import (
    adam_step,
    cost_of,
    momentum_step,
    part_of,
    penalty_of,
    share_of,
)

STEPPED = ("rows", "lr", "step")
PROGRAMS = 64  # kept in a process, the ones used last


@dataclass(frozen=True)
class Network:
    """`activations` has one layer for each hidden layer; `out` is the output's activation and,
    where `loss` is None, decides the loss with it."""

    sizes: tuple[int, ...]
    activations: tuple[Module, ...]
    out: str
    loss: Loss | None
    dtype: str
    dropout: float = 0.0
    seed: int = 0

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the weights of every layer, then of the biases of every layer."""
        return [*pairwise(self.sizes), *((size,) for size in self.sizes[1:])]

    @property
    def widths(self) -> frozenset[Size]:
        """Sizes that code may be made for, and may leave open."""
        return frozenset(size for size in self.sizes[:-1] if size != 1) - {self.sizes[-1]}

    @property
    def plain(self) -> bool:
        """Whether no layer is the user's own, which may look at numbers."""
        kinds = [type(layer) for layer in self.activations]
        return all(k.__module__.startswith("glassnet.") and k is not Function for k in kinds)

    def opened(self) -> Network:
        """The network with columns and neurons known at run time, so that one graph serves all
        widths; single ones, and the outputs, stay numbers, as small sizes are faster when known."""
        layers = enumerate(self.sizes[:-1])
        sizes: list[Any] = [size if size == 1 else Dim(f"width{i}") for i, size in layers]
        return replace(self, sizes=(*sizes, self.sizes[-1]))

    @property
    def names(self) -> list[str]:
        layers = range(1, len(self.sizes))
        return [f"W{i}" for i in layers] + [f"b{i}" for i in layers]

    def inputs(self, builder: GraphBuilder, prefix: str = "") -> list[Value]:
        pairs = zip(self.names, self.shapes, strict=True)
        return [builder.input(prefix + name, Type(self.dtype, s)) for name, s in pairs]

    def hidden(self, x: Value, held: list[Value], around: Circumstances, last: int) -> Value:
        """Activations of hidden layer number `last` (0 is x)."""
        scope = Scope({}, around)
        layers = len(self.sizes) - 1
        for i in range(last):
            x = self.activations[i].build(x @ held[i] + held[layers + i], scope)
            x = Dropout(self.dropout).build(x, scope) if self.dropout else x
        return x

    def raw(self, x: Value, held: list[Value], around: Circumstances) -> Value:
        """The output before its activation."""
        layers = len(self.sizes) - 1
        return self.hidden(x, held, around, layers - 1) @ held[layers - 1] + held[-1]

    def cost(self, z: Value, y: Value) -> Any:
        """The loss of every row, from the raw output."""
        return cost_of(self.out, self.loss, z, y)

    def objective(self, cost: Value, weight: Value, alpha: Any, held: list[Value]) -> Any:
        """The weighted mean of the rows' losses, and α/2 · Σ w² divided by the rows' weights."""
        share = share_of(weight)
        return ops.sum(cost * weight, 0) * share + penalty_of(self.weights(held)) * (alpha * share)

    def weights(self, held: list[Value]) -> list[Value]:
        """Those of the parameters that are no biases."""
        return held[: len(self.sizes) - 1]


def _data(builder: GraphBuilder, network: Network, rows: str) -> dict[str, Value]:
    shapes = {
        "x": (Dim(rows), network.sizes[0]),
        "y": (Dim(rows), network.sizes[-1]),
        "weight": (Dim(rows),),
    }
    return {name: builder.input(name, Type(network.dtype, s)) for name, s in shapes.items()}


def _for_all_widths(make: Callable[..., Program]) -> Callable[..., Program]:
    """Make a program once for all widths; for each network where its layers ask for numbers."""
    kept = lru_cache(PROGRAMS)(make)

    @lru_cache(PROGRAMS)
    def opened(network: Network, *how: str) -> Program | None:
        try:
            return kept(network, *how)
        except (GlassnetError, TypeError, AssertionError):
            return None  # what is wrong with the network itself is raised for its numbers

    def program(network: Network, *how: str) -> Program:
        found = opened(network.opened(), *how) if network.plain else None
        return found or kept(network, *how)

    return program


@_for_all_widths
def step_program(network: Network, rule: str) -> Program:
    """Steps of training by "adam", "momentum" or "nesterov" over rows by number."""
    builder = GraphBuilder()
    data = _data(builder, network, "N")
    rows = builder.input("rows", Type("int32", (Dim("n"),)))
    scalar = Type(network.dtype, ())
    lr, step = builder.input("lr", scalar), builder.input("step", Type("int64", ()))
    names = ("alpha", "beta1", "beta2", "epsilon") if rule == "adam" else ("alpha", "momentum")
    setting: dict[str, Any] = {name: builder.input(name, scalar) for name in names}
    held = network.inputs(builder)
    slots = ("m", "v") if rule == "adam" else ("m",)
    memory = {slot: network.inputs(builder, f"{slot}.") for slot in slots}
    taken: dict[str, Any] = {name: ops.take(value, rows) for name, value in data.items()}
    z = network.raw(taken["x"], held, Circumstances(True, network.seed, step, rows))
    loss = network.objective(network.cost(z, taken["y"]), taken["weight"], setting["alpha"], held)
    new: dict[str, Any] = {}
    for i, (name, g) in enumerate(zip(network.names, gradients(loss, held), strict=True)):
        own = [memory[slot][i] for slot in slots]
        changed = _changed(rule, held[i], g, own, lr, setting)
        new |= dict(zip((name, *(f"{slot}.{name}" for slot in slots)), changed, strict=True))
    donate = {name: place for place, name in enumerate(new, 1)}
    graph = builder.finish([loss, *new.values()])
    return compile_graph(graph, donate=donate, stepped=STEPPED, collect=(0,), widths=network.widths)


def _changed(
    rule: str, w: Value, g: Any, memory: list[Any], lr: Value, setting: dict[str, Any]
) -> tuple[Any, ...]:
    """The new weights, and the new memory."""
    if rule != "adam":
        return momentum_step(w, g, memory[0], lr, setting["momentum"], rule == "nesterov")
    kept = setting["beta1"], setting["beta2"]
    new = 1.0 - kept[0], 1.0 - kept[1]
    return adam_step(w, g, (memory[0], memory[1]), lr, kept, new, setting["epsilon"])


@_for_all_widths
def gradient_program(network: Network) -> Program:
    """The part that some rows have in loss and gradient; see `part_of`."""
    builder = GraphBuilder()
    data = _data(builder, network, "n")
    share: Any = builder.input("share", Type(network.dtype, ()))
    decay: Any = builder.input("decay", Type(network.dtype, ()))
    held = network.inputs(builder)
    cost = network.cost(network.raw(data["x"], held, Circumstances()), data["y"])
    loss = part_of(cost, data["weight"], share, network.weights(held), decay)
    graph = builder.finish([loss, *gradients(loss, held)])
    return compile_graph(graph, widths=network.widths)


@_for_all_widths
def predict_program(network: Network, what: str) -> Program:
    """The outputs of rows: "output", "raw" (before the output's activation), or the number of a
    hidden layer."""
    builder = GraphBuilder()
    x = builder.input("x", Type(network.dtype, (Dim("n"), network.sizes[0])))
    held = network.inputs(builder)
    if what.isdigit():
        found: Any = network.hidden(x, held, Circumstances(), int(what))
        return compile_graph(builder.finish([found]), widths=network.widths)
    z = network.raw(x, held, Circumstances())
    last = {"softmax": ops.softmax, "logistic": ops.sigmoid, "exp": ops.exp}
    ends = what == "raw" or network.out not in last
    found = z if ends else last[network.out](z)
    return compile_graph(builder.finish([found]), widths=network.widths)

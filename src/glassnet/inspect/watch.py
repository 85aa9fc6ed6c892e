"""The graph of a step with everything inside it as a result.

In: a model, a loss, an optimiser. Out: the same step graph that training runs, with more outputs:
the values between layers, and gradients by them and by the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

from glassnet import ops
from glassnet.gradient import gradients
from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph
from glassnet.graph.op import Value
from glassnet.nn.activations import ParametricSigmoid, Sigmoid, Softplus, Tanh
from glassnet.nn.compose import Container, Parallel, Residual, Sequential
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module, Parameter
from glassnet.nn.rectifiers import (
    ELU,
    GELU,
    SELU,
    Blend,
    LeakyReLU,
    Mish,
    PReLU,
    ReLU,
    SiLU,
)
from glassnet.nn.scope import Scope
from glassnet.optim.optimizer import Optimizer
from glassnet.training.step import StepGraph, step_graph, trained

# Functions of one number each: the gradient of the sum of what they give is the derivative.
ONE_BY_ONE = (
    ParametricSigmoid, Sigmoid, Softplus, Tanh,
    ELU, GELU, SELU, LeakyReLU, Mish, PReLU, ReLU, SiLU,
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A layer as it was built: its name, itself, and what went in and came out."""

    name: str
    layer: Module
    given: Value
    result: Value


class Watched(Module):
    """A model that notes what its layers give in a training step."""

    def __init__(self, model: Module) -> None:
        self.model = model
        self.seed, self.dtype = model.seed, model.dtype
        self.seen: list[Seen] = []

    def declared(self) -> dict[str, Parameter]:
        return self.model.declared()

    def takes(self) -> int | None:
        return self.model.takes()

    def gives(self, width: int | None) -> int | None:
        return self.model.gives(width)

    def build(self, x: Value, parameters: Scope) -> Value:
        self.seen.clear()
        return self._built("", self.model, x, parameters)

    def _built(self, name: str, layer: Module, x: Value, scope: Scope) -> Value:
        """What the layer builds, part by part where its parts are known: the same nodes."""
        if type(layer) in (Sequential, Residual):
            assert isinstance(layer, Container)
            y = x
            for own, part in layer.parts.items():
                y = self._built(_under(name, own), part, y, scope.under(own))
            y = x + y if isinstance(layer, Residual) else y
            if isinstance(layer, Sequential):
                return y
        elif type(layer) is Parallel:
            parts = layer.parts.items()
            found = [self._built(_under(name, n), p, x, scope.under(n)) for n, p in parts]
            y = ops.concatenate(found, 1)
        else:
            y = layer.build(x, scope)
        self.seen.append(Seen(name or type(layer).__name__.lower(), layer, x, y))
        return y


def _under(name: str, own: str) -> str:
    return f"{name}.{own}" if name else own


@dataclass(frozen=True)
class OpenGraph:
    """The step graph, and what its outputs are called beyond those of training: "a.<layer>",
    "da.<layer>", "dW.<parameter>", "f.<activation>" for ∂a/∂z, "x", "y"."""

    step: StepGraph
    graph: Graph
    names: tuple[str, ...]
    layers: tuple[tuple[str, Module, str], ...]  # name, layer, what is given to it


def open_graph(
    model: Module, loss: Loss, optimizer: Optimizer, width: int, weighted: bool, seed: int
) -> OpenGraph:
    """Training's own graph with more outputs; by the rules of the arithmetic an output more
    changes no bit of the others."""
    watched = Watched(model)
    step = step_graph(watched, loss, optimizer, width, weighted, seed)
    builder = GraphBuilder(step.graph.nodes)
    seen = {own.name: builder.value(own.result.index) for own in watched.seen}
    held = {n: builder.value(step.graph.inputs[f"W.{n}"]) for n in trained(model, model.declared())}
    by = [*seen.values(), *held.values()]
    slopes = gradients(builder.value(step.graph.outputs[0]), by)
    names = [f"a.{n}" for n in seen] + [f"da.{n}" for n in seen] + [f"dW.{n}" for n in held]
    bent = [own for own in watched.seen if _one_by_one(own.layer)]
    names += [f"f.{own.name}" for own in bent]
    rows = builder.value(step.graph.inputs["rows"])
    data = {n: builder.value(step.graph.inputs[n]) for n in ("x", "y")}
    taken = [ops.take(value, rows) for value in data.values()]
    outputs = [builder.value(place) for place in step.graph.outputs]
    graph = builder.finish(
        [*outputs, *seen.values(), *slopes, *_derivatives(builder, bent), *taken]
    )
    sources = {own.result.index: f"a.{own.name}" for own in reversed(watched.seen)}
    layers = tuple((o.name, o.layer, sources.get(o.given.index, "x")) for o in watched.seen)
    return OpenGraph(step, graph, (*names, *data), layers)


def _derivatives(builder: GraphBuilder, bent: list[Seen]) -> list[Value]:
    """∂a/∂z of each activation."""
    found: list[Value] = []
    for own in bent:
        given, result = builder.value(own.given.index), builder.value(own.result.index)
        found += gradients(ops.sum(result), [given])
    return found


def _one_by_one(layer: Module) -> bool:
    return isinstance(layer.inner if isinstance(layer, Blend) else layer, ONE_BY_ONE)

"""Build the graph of a training step with its intermediate values as outputs.

In: a model, a loss, an optimiser. Out: the same step graph that training runs, with more outputs:
the values between layers, and the gradients with respect to them and to the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

from glassnet import ops
from glassnet.gradient import gradients
from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph
from glassnet.graph.op import Value
from glassnet.nn.linear import Neuron
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.nn.rectifiers import Blend
from glassnet.nn.storage import layout_of
from glassnet.optim.optimizer import Optimizer
from glassnet.training.probe import LayerTrace, ProbedModule
from glassnet.training.step_graph import StepGraph, step_graph, trained_only


@dataclass(frozen=True)
class OpenGraph:
    """The step graph with additional outputs. `names` are theirs: "a.<layer>", "da.<layer>",
    "dW.<parameter>", "f.<activation>" for ∂a/∂z, "x", "y"."""

    step: StepGraph
    graph: Graph
    names: tuple[str, ...]
    layers: tuple[PlacedLayer, ...]


@dataclass(frozen=True)
class PlacedLayer:
    """A layer with its place in the network; in `source` and `joined`, "x" is the data."""

    name: str
    layer: Module
    source: str  # the layer whose output it takes
    under: str  # the prefix of its parameters' names
    joined: tuple[str, ...]  # the layers whose outputs it adds or concatenates


def open_graph(
    model: Module, loss: Loss, optimizer: Optimizer, width: int, weighted: int, seed: int
) -> OpenGraph:
    """Build training's step graph with more outputs. An additional output changes no bit of the
    others (see docs/math.md)."""
    probed = ProbedModule(model)
    step = step_graph(probed, loss, optimizer, width, weighted, seed)
    builder = GraphBuilder(step.graph.nodes)
    seen = {layer.name: builder.value(layer.result.index) for layer in probed.seen}
    declared = layout_of(model).parameters
    parameters = {
        n: builder.value(step.graph.inputs[f"W.{n}"]) for n in trained_only(model, declared)
    }
    by = [*seen.values(), *parameters.values()]
    slopes = gradients(builder.value(step.graph.outputs[0]), by)
    names = [f"a.{n}" for n in seen] + [f"da.{n}" for n in seen] + [f"dW.{n}" for n in parameters]
    bent = [layer for layer in probed.seen if _is_pointwise(layer.layer)]
    names += [f"f.{layer.name}" for layer in bent]
    rows = builder.value(step.graph.inputs["rows"])
    data = {n: builder.value(step.graph.inputs[n]) for n in ("x", "y")}
    taken = [ops.take(value, rows) for value in data.values()]
    outputs = [builder.value(place) for place in step.graph.outputs]
    graph = builder.finish(
        [*outputs, *seen.values(), *slopes, *_derivatives(builder, bent), *taken]
    )
    return OpenGraph(step, graph, (*names, *data), _place_layers(probed.seen))


def _place_layers(seen: list[LayerTrace]) -> tuple[PlacedLayer, ...]:
    """Find the layers that each layer reads; of several with the same output, the last before
    it."""
    givers: dict[int, str] = {}
    found: list[PlacedLayer] = []
    for layer in seen:
        source = givers.get(layer.given.index, "x")
        joined = tuple(givers.get(value.index, "x") for value in layer.joined)
        found.append(PlacedLayer(layer.name, layer.layer, source, layer.under, joined))
        givers[layer.result.index] = layer.name
    return tuple(found)


def _derivatives(builder: GraphBuilder, bent: list[LayerTrace]) -> list[Value]:
    """Return ∂a/∂z of each activation."""
    found: list[Value] = []
    for layer in bent:
        given, result = builder.value(layer.given.index), builder.value(layer.result.index)
        found += gradients(ops.sum(result), [given])
    return found


def _is_pointwise(layer: Module) -> bool:
    """Return whether a layer works element by element, so that the gradient of its summed output is
    the derivative of each element."""
    function = layer_function(layer)
    return (function.inner if isinstance(function, Blend) else function).pointwise


def layer_function(layer: Module) -> Module:
    """Return the module that computes a layer's output from its input. Of a `Neuron`, whose sum is
    traced as a layer of its own, this is the activation."""
    return layer.squash if type(layer) is Neuron else layer

"""Wraps a model to record the inputs and outputs of its layers.

In: a model. Out: the same nodes, and the input and output values of every layer by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from glassnet import ops
from glassnet.graph.op import Value
from glassnet.nn.compose import Container, Parallel, Residual, Sequential
from glassnet.nn.linear import Neuron
from glassnet.nn.module import Module
from glassnet.nn.scope import Scope


@dataclass(frozen=True)
class LayerTrace:
    """A layer as it was built: its name, the layer, its input `given` and `result`, the prefix
    `under` of its parameters' names, and the values `joined` by a `Residual` or `Parallel`."""

    name: str
    layer: Module
    given: Value
    result: Value
    under: str
    joined: tuple[Value, ...] = ()


class ProbedModule(Module, in_files=False):
    """A model that records the inputs and outputs of its layers in a training step."""

    def __init__(self, model: Module) -> None:
        self.model = model
        self.seed, self.dtype = model.seed, model.dtype
        self.seen: list[LayerTrace] = []

    def children(self) -> Mapping[str, Module]:
        return {"": self.model}

    def input_width(self) -> int | None:
        return self.model.input_width()

    def output_width(self, width: int | None) -> int | None:
        return self.model.output_width(width)

    def build(self, x: Value, parameters: Scope) -> Value:
        self.seen.clear()
        return self._built("", self.model, x, parameters)

    def _built(self, name: str, layer: Module, x: Value, scope: Scope) -> Value:
        """Build a layer, part by part for known containers; the nodes are the same."""
        called, joined = name or type(layer).__name__.lower(), ()
        if type(layer) is Neuron:
            z = layer.linear.build(x, scope)
            self.seen.append(LayerTrace(f"{called}.linear", layer.linear, x, z, name))
            x, y = z, layer.squash.build(z, scope.under("activation"))
        elif type(layer) in (Sequential, Residual):
            assert isinstance(layer, Container)
            y = x
            for key, part in layer.parts.items():
                y = self._built(join(name, key), part, y, scope.under(key))
            if isinstance(layer, Sequential):
                return y
            joined, y = (x, y), x + y
        elif type(layer) is Parallel:
            parts = layer.parts.items()
            found = [self._built(join(name, n), p, x, scope.under(n)) for n, p in parts]
            joined, y = tuple(found), ops.concatenate(found, 1)
        else:
            y = layer.build(x, scope)
        self.seen.append(LayerTrace(called, layer, x, y, name, joined))
        return y


def join(under: str, name: str) -> str:
    """Return the full name of a part of `under`; an empty `under` is the whole network."""
    return f"{under}.{name}" if under else name

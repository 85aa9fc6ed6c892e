"""Networks made of layers.

In: layers. Out: modules whose parameters are those of their parts, named after them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from glassnet.errors import ShapeError
from glassnet.graph.op import Value
from glassnet.nn.module import Module, Parameter
from glassnet.nn.scope import Scope

Layer = Module | Callable[[Value], Value]


class Container(Module):
    """A module of named parts."""

    parts: dict[str, Module]

    def declared(self) -> dict[str, Parameter]:
        return {
            f"{name}.{own}": parameter
            for name, part in self.parts.items()
            for own, parameter in part.declared().items()
        }

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, place: int) -> Module:
        return tuple(self.parts.values())[place]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.parts.values()))})"


class Function(Module):
    """A layer that is a plain function of graph values: a = f(z)."""

    def __init__(self, f: Callable[[Value], Value]) -> None:
        self.f = f

    def build(self, x: Value, parameters: Scope) -> Value:
        result: Any = self.f(x)
        if not isinstance(result, Value) or result.ndim < 1 or result.shape[0] != x.shape[0]:
            raise ShapeError(
                f"{self!r} gave {result!r} for {x.type}; a layer gives one row for every row"
            )
        return result

    def gives(self, width: int | None) -> int | None:
        return None

    def __repr__(self) -> str:
        return str(getattr(self.f, "__name__", self.f))


class Sequential(Container):
    """Layers one after the other: f(x) = fₖ(… f₂(f₁(x))).

    `seed` decides the first weights, `dtype` is "float32" or "float64". Parameters are called
    after the layer's class and its number among layers of that class: "linear1.weight". A plain
    function of graph values is a layer too.
    """

    def __init__(self, *layers: Layer, seed: int = 0, dtype: str = "float32") -> None:
        if dtype not in ("float32", "float64"):
            raise ShapeError(f'Sequential(dtype={dtype!r}): use "float32" or "float64"')
        self.seed, self.dtype = int(seed), dtype
        self.parts = named([as_layer(layer, "Sequential") for layer in layers])
        self.first, self.last = chained(tuple(self.parts.values()))

    def takes(self) -> int | None:
        return self.first

    def gives(self, width: int | None) -> int | None:
        for part in self.parts.values():
            width = part.gives(width)
        return width

    def build(self, x: Value, parameters: Scope) -> Value:
        for name, part in self.parts.items():
            x = part.build(x, parameters.under(name))
        return x


def as_layer(layer: Any, where: str) -> Module:
    """The layer, or a function as a layer; ShapeError where it is neither."""
    if isinstance(layer, Module):
        return layer
    if callable(layer) and not isinstance(layer, type):
        return Function(cast(Callable[[Value], Value], layer))
    written = getattr(layer, "__name__", "ReLU")
    raise ShapeError(_NO_MODULE.format(where, layer, written, written))


def named(layers: list[Module]) -> dict[str, Module]:
    """Layers by the name of their class and their number among layers of that class."""
    seen: dict[str, int] = {}
    parts: dict[str, Module] = {}
    for layer in layers:
        kind = type(layer).__name__.lower()
        seen[kind] = seen.get(kind, 0) + 1
        parts[f"{kind}{seen[kind]}"] = layer
    return parts


def chained(layers: tuple[Module, ...]) -> tuple[int | None, int | None]:
    """How many numbers a row the first layer takes and the last one gives, where that is known;
    ShapeError where a layer gives another number than the next one takes."""
    first: int | None = None
    width: int | None = None
    known_from_the_start = True
    giver = ""
    for place, layer in enumerate(layers, 1):
        taken = layer.takes()
        if taken is not None and width is not None and taken != width:
            raise ShapeError(_NO_CHAIN.format(place, layer, taken, giver, width, taken, width))
        if first is None and width is None and known_from_the_start:
            first = taken
        entering = taken if width is None else width
        width = layer.gives(entering)
        known_from_the_start = known_from_the_start and width == entering
        if width is not None and (taken is not None or width != entering):
            giver = f"layer {place}, {layer!r},"
    return first, width


_NO_MODULE = (
    "{} takes layers, and {!r} is none\n"
    "  wrong: Sequential(Linear(2, 3), {})\n"
    "  right: Sequential(Linear(2, 3), {}())"
)
_NO_CHAIN = (
    "layer {}, {!r}, takes {} numbers a row, but {} gives {}; neighbours must agree\n"
    "  wrong: Sequential(Linear(2, 3), Linear(4, 1))\n"
    "  right: Sequential(Linear(2, 3), Linear(3, 1)), so here {} and {} should be one number"
)

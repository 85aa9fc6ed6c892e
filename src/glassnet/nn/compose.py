"""Networks made of layers.

In: layers. Out: modules whose parameters are those of their parts, named after them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, cast

from glassnet import ops
from glassnet.errors import GlassnetError, ShapeError
from glassnet.graph.op import Value
from glassnet.graph.userline import in_layer
from glassnet.nn.module import Module, Parameter
from glassnet.nn.scope import Scope
from glassnet.words import counted

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

    def __iter__(self) -> Iterator[Module]:
        return iter(self.parts.values())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.parts.values()))})"


class Function(Module):
    """A layer that is a plain function of graph values: a = f(z)."""

    def __init__(self, f: Callable[[Value], Value]) -> None:
        self.f = f

    def build(self, x: Value, parameters: Scope) -> Value:
        result: Any = self._called(x)
        if not isinstance(result, Value) or result.ndim < 1 or result.shape[0] != x.shape[0]:
            raise ShapeError(
                f"{self!r} gave {result!r} for {x.type}; a layer gives one row for every row\n"
                "  wrong: lambda x: ops.sum(x)\n"
                "  right: lambda x: ops.sum(x, 1, keepdims=True)"
            )
        return result

    def _called(self, x: Value) -> Any:
        try:
            return self.f(x)
        except TypeError as error:
            if "ufunc" not in str(error):
                raise
            raise GlassnetError(
                f"{self!r} calls a function of NumPy; a layer is written with ops, so that it can "
                "be differentiated and compiled\n"
                "  wrong: lambda x: numpy.sin(x)\n"
                "  right: lambda x: glassnet.ops.sin(x)"
            ) from error

    def gives(self, width: int | None) -> int | None:
        return None

    def __repr__(self) -> str:
        return str(getattr(self.f, "__name__", self.f))


@dataclass(eq=False, repr=False)
class Columns(Module):
    """Some of the columns, by number from 0: `Columns(0, 3)`."""

    chosen: tuple[int, ...]

    def __init__(self, *chosen: int) -> None:
        if not chosen or not all(isinstance(c, Integral) and int(c) >= 0 for c in chosen):
            raise ShapeError(
                f"Columns({', '.join(map(repr, chosen))}): name the columns by numbers from 0\n"
                "  right: Columns(0, 3) for the first and the fourth"
            )
        self.chosen = chosen

    def gives(self, width: int | None) -> int | None:
        if width is not None and max(self.chosen) >= width:
            raise ShapeError(
                f"{self!r}: column {max(self.chosen)} of rows of {counted(width, 'number')}; their "
                f"columns are 0 to {width - 1}"
            )
        return len(self.chosen)

    def build(self, x: Value, parameters: Scope) -> Value:
        first, last = self.chosen[0], self.chosen[-1]
        if self.chosen == tuple(range(first, last + 1)):
            return x[:, first : last + 1]
        return ops.concatenate([x[:, i : i + 1] for i in self.chosen], 1)

    def __repr__(self) -> str:
        return f"Columns({', '.join(map(str, self.chosen))})"


class Sequential(Container):
    """Layers one after the other: f(x) = fₖ(… f₂(f₁(x))).

    `seed` decides the first weights, `dtype` is "float32" or "float64". Parameters are called
    after the layer's class and its number among layers of that class: "linear1.weight". A plain
    function of graph values is a layer too.
    """

    def __init__(self, *layers: Layer, seed: int = 0, dtype: str = "float32") -> None:
        if dtype not in ("float32", "float64"):
            raise ShapeError(f'Sequential(dtype={dtype!r}): use "float32" or "float64"')
        if not isinstance(seed, Integral):
            raise ShapeError(
                f"Sequential(seed={seed!r}): a seed is a whole number\n  right: seed=0"
            )
        self.seed, self.dtype = int(seed), dtype
        self.parts = named([as_layer(layer, "Sequential(Linear(2, 3), {})") for layer in layers])
        self.first, _ = chained(self.parts.values())

    def takes(self) -> int | None:
        return self.first

    def gives(self, width: int | None) -> int | None:
        return chained(self.parts.values(), width)[1]

    def chain(self) -> Mapping[str, Module]:
        return self.parts

    def build(self, x: Value, parameters: Scope) -> Value:
        for name, part in self.parts.items():
            x = _applied(name, part, x, parameters)
        return x


class Residual(Container):
    """x + f(x), f being layers one after the other, which give as many numbers as they take."""

    def __init__(self, *layers: Layer) -> None:
        self.parts = named([as_layer(layer, "Residual(Linear(3, 3), {})") for layer in layers])
        first, last = chained(self.parts.values())
        if first is not None and last is not None and first != last:
            raise ShapeError(
                f"{self!r} takes {counted(first, 'number')} a row and gives {last}; x + f(x) needs "
                "as many\n"
                "  wrong: Residual(Linear(4, 8), ReLU())\n"
                "  right: Residual(Linear(4, 8), ReLU(), Linear(8, 4))"
            )
        self.width = first

    def takes(self) -> int | None:
        return self.width

    def build(self, x: Value, parameters: Scope) -> Value:
        y = x
        for name, part in self.parts.items():
            y = _applied(name, part, y, parameters)
        return x + y


class Parallel(Container):
    """Every branch computes from the same x; their results stand side by side, in order."""

    def __init__(self, *branches: Layer) -> None:
        if not branches:
            raise ShapeError(
                "Parallel() has no branch; give it at least one layer\n"
                "  right: Parallel(Linear(2, 3), Columns(0, 1))"
            )
        self.parts = named([as_layer(branch, "Parallel(Linear(2, 3), {})") for branch in branches])
        taken = {part.takes() for part in self.parts.values()} - {None}
        if len(taken) > 1:
            raise ShapeError(
                f"{self!r}: branches take {' and '.join(map(str, sorted(map(int, taken))))} "  # type: ignore[arg-type]
                "numbers a row, but all get the same x\n"
                "  right: Sequential(Columns(0, 1), Linear(2, 4)) as a branch takes two columns"
            )
        self.width = next(iter(taken), None)

    def takes(self) -> int | None:
        return self.width

    def gives(self, width: int | None) -> int | None:
        total = 0
        for part in self.parts.values():
            own = part.gives(width)
            if own is None:
                return None
            total += own
        return total

    def build(self, x: Value, parameters: Scope) -> Value:
        results = [_applied(name, part, x, parameters) for name, part in self.parts.items()]
        return ops.concatenate(results, 1)


def _applied(name: str, part: Module, x: Value, parameters: Scope) -> Value:
    """What a part makes of x; an error says which part it was, and for what."""
    try:
        return part.build(x, parameters.under(name))
    except GlassnetError as error:
        in_layer(error, f"{name}, {part!r}, for x: {x.type}")
        raise


def as_layer(layer: Any, where: str) -> Module:
    """The layer, or a function as a layer; ShapeError where it is neither. `where` is the code in
    which it stands, {} being its place."""
    if isinstance(layer, Module):
        return layer
    if callable(layer) and not isinstance(layer, type):
        return Function(cast(Callable[[Value], Value], layer))
    owner = where.partition("(")[0]
    if isinstance(layer, list | tuple):
        kind = "list" if isinstance(layer, list) else "tuple"
        raise ShapeError(
            f"{owner} takes layers one by one, not in a {kind}\n"
            f"  wrong: {owner}(layers)\n  right: {owner}(*layers)"
        )
    name = getattr(layer, "__name__", layer)
    kinds = {kind.__name__.lower(): kind.__name__ for kind in _below(Module)}
    meant = f"{kinds.get(str(name).lower(), 'ReLU')}()"
    wrong = name if isinstance(layer, type) else repr(layer)
    kind = "is a class; the layer is what it makes" if isinstance(layer, type) else "is no layer"
    raise ShapeError(
        f"{owner} takes layers, and {wrong} {kind}\n"
        f"  wrong: {where.format(wrong)}\n  right: {where.format(meant)}"
    )


def _below(kind: type) -> Iterator[type]:
    for own in kind.__subclasses__():
        yield own
        yield from _below(own)


def named(layers: list[Module]) -> dict[str, Module]:
    """Layers by the name of their class and their number among layers of that class."""
    seen: dict[str, int] = {}
    parts: dict[str, Module] = {}
    for layer in layers:
        kind = type(layer).__name__.lower()
        seen[kind] = seen.get(kind, 0) + 1
        parts[f"{kind}{seen[kind]}"] = layer
    return parts


def chained(layers: Iterable[Module], width: int | None = None) -> tuple[int | None, int | None]:
    """How many numbers a row the first layer takes and the last one gives, where that is known;
    ShapeError where a layer gives another number than the next one takes."""
    first = width
    seeking = width is None  # so far, all layers give as many numbers as they take
    giver = "" if width is None else f"x has {counted(width, 'number')} a row"
    for place, layer in enumerate(layers, 1):
        taken = layer.takes()
        if taken is not None and width is not None and taken != width:
            raise ShapeError(
                _NO_CHAIN.format(place, layer, counted(taken, "number"), giver, taken, width)
            )
        first = taken if seeking else first
        seeking = seeking and taken is None and type(layer).gives is Module.gives
        entering = taken if width is None else width
        width = layer.gives(entering)
        if width is not None and (taken is not None or width != entering):
            giver = f"layer {place}, {layer!r}, gives {width}"
    return first, width


_NO_CHAIN = (
    "layer {}, {!r}, takes {} a row, but {}; neighbours must agree\n"
    "  wrong: Sequential(Linear(2, 3), Linear(4, 1))\n"
    "  right: Sequential(Linear(2, 3), Linear(3, 1)), so here {} and {} should be one number"
)

"""Containers: networks made of layers.

In: layers. Out: modules with the parameters of their parts, whose names are prefixes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any, cast, overload

import numpy as np

from glassnet import ops
from glassnet.describe import is_ours
from glassnet.errors import GlassnetError, ShapeError
from glassnet.graph.build import GraphBuilder
from glassnet.graph.op import Value
from glassnet.graph.types import Dim, Type
from glassnet.graph.userline import add_layer
from glassnet.nn.module import Module, Parameter
from glassnet.nn.scope import Probe, Scope, substituted
from glassnet.nn.storage import Slot, as_dtype, declared_slots, descendants, layout_of
from glassnet.nn.widths import checked_result
from glassnet.references import References
from glassnet.words import plural

Layer = Module | Callable[[Value], Value]


class Container(Module, in_files=False):
    """A module with named parts."""

    parts: dict[str, Module]

    def children(self) -> Mapping[str, Module]:
        return self.parts

    def parameter_specs(self) -> dict[str, Parameter]:
        """Return the parameters of all parts, each once."""
        return dict(layout_of(self).parameters) if "constructed" in vars(self) else {}

    def categorical_columns(self, columns: Sequence[int]) -> dict[int, int]:
        """Return the categorical columns of the parts, which are applied one after the other."""
        found: dict[int, int] = {}
        left: Sequence[int] | None = columns
        for part in self.parts.values():
            if left is not None:
                found = part.categorical_columns(left) | found
                left = part.passed_columns(left)
        return found

    def get_config(self) -> dict[str, Any]:
        return {"layers": tuple(self.parts.values())}

    def __len__(self) -> int:
        return len(self.parts)

    @overload
    def __getitem__(self, place: int | str) -> Module: ...
    @overload
    def __getitem__(self, place: slice) -> Container: ...
    def __getitem__(self, place: int | str | slice) -> Module:
        """Return a part by its index or name; a slice gives a container of parts, which share their
        parameters with this one."""
        if isinstance(place, slice):
            return self._some(place)
        try:
            if isinstance(place, str):
                return self.parts[place]
            return tuple(self.parts.values())[place]
        except (KeyError, IndexError) as error:
            raise type(error)(
                f"{place!r} is not a part; there are 0 to {len(self) - 1}: {', '.join(self.parts)}"
            ) from None

    def _some(self, place: slice) -> Container:
        key = "parts", place.start, place.stop, place.step
        if key not in self.programs:
            layers = list(self.parts.values())[place]
            self.programs[key] = self._of(layers)
        return self.programs[key]

    def _of(self, layers: list[Module]) -> Container:
        return Sequential(*layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.parts.values())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.parts.values()))})"


class Function(Module, in_files=False):
    """A layer that is a plain function of graph values: a = f(z). Layers that it calls, in
    variables outside f, are its parts: they are trained, counted and saved with the network."""

    def __init__(self, f: Callable[[Value], Value]) -> None:
        self.f = f
        self.parts = named_layers(modules_in(f))

    def children(self) -> Mapping[str, Module]:
        return self.parts

    def referenced_code(self) -> Iterable[Any]:
        return (self.f, *self.parts.values())

    def get_config(self) -> None:
        """Return None: the object is user code."""

    def build(self, x: Value, parameters: Scope) -> Value:
        with substituted(cast(GraphBuilder, x.builder), self._pairs):
            result: Any = self.f(x)
        return checked_result(result, self, x)

    @cached_property
    def _pairs(self) -> list[tuple[Slot, Slot]]:
        """For a copied network: pairs of the slots that the function's code uses, which is not
        copied, and the slots of this copy that replace them."""
        if "copied" not in vars(self):
            return []
        code, inner = [
            [(name, p.shape, at.slots[name]) for at in map(layout_of, held) for name, p in
             at.parameters.items()]
            for held in (modules_in(self.f), self.parts.values())
        ]  # fmt: skip
        if [place[:2] for place in code] != [place[:2] for place in inner]:
            raise GlassnetError(
                f"{self!r} calls other layers than it did when the network was copied or pickled"
            )
        return [(a[2], b[2]) for a, b in zip(code, inner, strict=True) if a[2] is not b[2]]

    def __getstate__(self) -> dict[str, Any]:
        return {n: value for n, value in super().__getstate__().items() if n != "_pairs"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "copied": True})

    def output_width(self, width: int | None) -> int | None:
        return None

    def __repr__(self) -> str:
        return str(getattr(self.f, "__name__", self.f))


@dataclass(eq=False, repr=False)
class Columns(Module):
    """Selects columns by number, from 0: `Columns(0, 3)` gives the first and the fourth."""

    chosen: tuple[int, ...]

    def __init__(self, *chosen: int) -> None:
        if not chosen or not all(isinstance(c, Integral) and int(c) >= 0 for c in chosen):
            raise ShapeError(
                f"Columns({', '.join(map(repr, chosen))}): name the columns by numbers from 0\n"
                "  right: Columns(0, 3) for the first and the fourth"
            )
        self.chosen = chosen

    def passed_columns(self, columns: Sequence[int]) -> Sequence[int] | None:
        fits = max(self.chosen) < len(columns)  # else `output_width` raises an error
        return [columns[i] for i in self.chosen] if fits else None

    def output_width(self, width: int | None) -> int | None:
        if width is not None and max(self.chosen) >= width:
            raise ShapeError(
                f"{self!r}: column {max(self.chosen)} of rows of {plural(width, 'number')}; their "
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
    """Applies layers one after the other: f(x) = fₖ(… f₂(f₁(x))), x being [rows, columns].

    `seed` determines the initial weights; `dtype` is "float32" (the default) or "float64".
    Parameters are named after the layer's class and its number among layers of that class:
    "linear1.weight". A plain function of graph values can be a layer, too.

    `model[0]`, `model["linear1"]` and `model[:2]` are views: they share the parameters of the
    model. A layer that already has parameters, because it was used or is part of another network,
    keeps them; all networks of which it is a part share them. Raises ShapeError where the widths
    of successive layers differ.
    """

    def __init__(self, *layers: Layer, seed: int = 0, dtype: Any = None) -> None:
        if not isinstance(seed, Integral):
            raise ShapeError(
                f"Sequential(seed={seed!r}): a seed is a whole number\n  right: seed=0"
            )
        self.seed, self.asked = int(seed), as_dtype(dtype, "Sequential")
        self.parts = named_layers(
            [as_layer(layer, "Sequential(Linear(2, 3), {})") for layer in layers]
        )
        self.first, _ = chain_widths(self.parts.values())

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed, "dtype": self.dtype or None}

    def input_width(self) -> int | None:
        return self.first

    def output_width(self, width: int | None) -> int | None:
        return chain_widths(self.parts.values(), width)[1]

    def chain(self) -> Mapping[str, Module]:
        return self.parts

    def build(self, x: Value, parameters: Scope) -> Value:
        for name, part in self.parts.items():
            x = _apply_part(name, part, x, parameters)
        return x


class Residual(Container):
    """A residual block: x + f(x), where f applies the layers one after the other. The result of f
    must have the width of x; ShapeError otherwise."""

    def __init__(self, *layers: Layer) -> None:
        self.parts = named_layers(
            [as_layer(layer, "Residual(Linear(3, 3), {})") for layer in layers]
        )
        first, last = chain_widths(self.parts.values())
        if first is not None and last is not None and first != last:
            raise ShapeError(
                f"{self!r} takes {plural(first, 'number')} a row and gives {last}; x + f(x) needs "
                "as many\n"
                "  wrong: Residual(Linear(4, 8), ReLU())\n"
                "  right: Residual(Linear(4, 8), ReLU(), Linear(8, 4))"
            )
        self.width = first

    def input_width(self) -> int | None:
        return self.width

    def build(self, x: Value, parameters: Scope) -> Value:
        y = x
        for name, part in self.parts.items():
            y = _apply_part(name, part, y, parameters)
        return x + y


class Parallel(Container):
    """Applies every branch to the same x and concatenates their results along the columns."""

    def __init__(self, *layers: Layer) -> None:
        if not layers:
            raise ShapeError(
                "Parallel() has no branch; give it at least one layer\n"
                "  right: Parallel(Linear(2, 3), Columns(0, 1))"
            )
        self.parts = named_layers(
            [as_layer(layer, "Parallel(Linear(2, 3), {})") for layer in layers]
        )
        taken = {part.input_width() for part in self.parts.values()} - {None}
        if len(taken) > 1:
            raise ShapeError(
                f"{self!r}: branches take {' and '.join(map(str, sorted(map(int, taken))))} "  # type: ignore[arg-type]
                "numbers a row, but all get the same x\n"
                "  right: Sequential(Columns(0, 1), Linear(2, 4)) as a branch takes two columns"
            )
        self.width = next(iter(taken), None)

    def input_width(self) -> int | None:
        return self.width

    def _of(self, layers: list[Module]) -> Container:
        return Parallel(*layers)

    def categorical_columns(self, columns: Sequence[int]) -> dict[int, int]:
        found = [part.categorical_columns(columns) for part in self.parts.values()]
        return {i: min(sizes[i] for sizes in found if i in sizes) for sizes in found for i in sizes}

    def output_width(self, width: int | None) -> int | None:
        total = 0
        for part in self.parts.values():
            more = part.output_width(width)
            if more is None:
                return None
            total += more
        return total

    def build(self, x: Value, parameters: Scope) -> Value:
        results = [_apply_part(name, part, x, parameters) for name, part in self.parts.items()]
        return ops.concatenate(results, 1)


def _apply_part(name: str, part: Module, x: Value, parameters: Scope) -> Value:
    """Return the result of a part for x; an error names the part and the type of x."""
    try:
        result = part.build(x, parameters.under(name))
        result = result if is_ours(type(part)) else checked_result(result, part, x)
    except GlassnetError as error:
        add_layer(error, f"{name}, {part!r}, for x: {x.type}")
        raise
    parameters.note(name, result)
    return result


def modules_in(f: Any) -> list[Module]:
    """Return the modules that a function calls, or whose parameters it uses. It is called with
    graph values to find out which of the modules that it refers to it uses."""
    references = References(f)
    found = [item for item in references.objects if isinstance(item, Module)]
    widths = dict.fromkeys(module.input_width() for module in found)
    for width in [width for width in widths if width is not None] + [1] * bool(found):
        builder = GraphBuilder(references=references)
        builder.context = probe = Probe()
        x = builder.input("x", Type("float32", (Dim("n"), width)))
        try:
            with builder.tracing():
                f(x)
        except Exception:  # the user's code, which may be for rows of another width
            continue
        used = [module for module in found if _declares_any(module, builder.captured.values())]
        return list({id(module): module for module in (*probe.called, *used)}.values())
    inside = {id(part) for outer in found for part in descendants(outer) if part is not outer}
    return [module for module in found if id(module) not in inside]


def _declares_any(module: Module, arrays: Iterable[np.ndarray]) -> bool:
    """Whether one of the arrays is a parameter that the module itself declares."""
    declared = [slot.array for slot in declared_slots(module).values() if slot.array is not None]
    return any(np.shares_memory(array, parameter) for array in arrays for parameter in declared)


def as_layer(layer: Any, where: str) -> Module:
    """Return a layer, or a function as a layer; raise ShapeError for others. `where` is the code to
    show in the error, with {} in place of the layer."""
    if isinstance(layer, Module):
        return layer
    torch = type(layer).__module__.startswith("torch.")
    if callable(layer) and not isinstance(layer, type) and not torch:
        return Function(cast(Callable[[Value], Value], layer))
    owner = where.partition("(")[0]
    if isinstance(layer, list | tuple):
        kind = "list" if isinstance(layer, list) else "tuple"
        raise ShapeError(
            f"{owner} takes layers one by one, not in a {kind}\n"
            f"  wrong: {owner}(layers)\n  right: {owner}(*layers)"
        )
    if hasattr(layer, "forward"):
        raise ShapeError(
            f"{owner} takes layers, and {type(layer).__name__} is not a layer\n"
            "  wrong: class Block: def forward(self, x)\n"
            "  right: class Block(gn.nn.Module): def build(self, x, parameters)"
        )
    name = getattr(layer, "__name__", layer)
    kinds = {kind.__name__.lower(): kind.__name__ for kind in _all_subclasses(Module)}
    meant = f"{kinds.get(str(name).lower(), 'ReLU')}()"
    wrong = name if isinstance(layer, type) else repr(layer)
    kind = "is a class, not a layer object" if isinstance(layer, type) else "is not a layer"
    raise ShapeError(
        f"{owner} takes layers, and {wrong} {kind}\n"
        f"  wrong: {where.format(wrong)}\n  right: {where.format(meant)}"
    )


def _all_subclasses(kind: type) -> Iterator[type]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _all_subclasses(subclass)


def named_layers(layers: list[Module]) -> dict[str, Module]:
    """Return layers by name: their class and their number among layers of that class."""
    seen: dict[str, int] = {}
    parts: dict[str, Module] = {}
    for layer in layers:
        kind = type(layer).__name__.lower()
        seen[kind] = seen.get(kind, 0) + 1
        parts[f"{kind}{seen[kind]}"] = layer
    return parts


def chain_widths(
    layers: Iterable[Module], width: int | None = None
) -> tuple[int | None, int | None]:
    """Return the input width of the first layer and the output width of the last one, None where
    not known. Raises ShapeError where the widths of successive layers differ."""
    first = width
    seeking = width is None  # so far, all layers keep the width
    before: list[Module] = []  # users' layers among them, which may not keep it
    giver = f"x has {plural(width, 'number')} a row" if isinstance(width, Integral) else ""
    for place, layer in enumerate(layers, 1):
        taken = layer.input_width()
        if taken is not None and width is not None and taken != width:
            raise ShapeError(
                _NO_CHAIN.format(place, layer, plural(taken, "number"), giver, taken, width)
            )
        if seeking and taken is not None:
            first = taken if all(part.output_width(taken) == taken for part in before) else None
        seeking = seeking and taken is None and type(layer).output_width is Module.output_width
        before += [layer] if seeking and not is_ours(type(layer)) else []
        entering = taken if width is None else width
        width = layer.output_width(entering)
        if width is not None and (taken is not None or width != entering):
            giver = f"layer {place}, {layer!r}, gives {width}"
    return first, width


_NO_CHAIN = (
    "layer {}, {!r}, takes {} a row, but {}; neighbours must agree\n"
    "  wrong: Sequential(Linear(2, 3), Linear(4, 1))\n"
    "  right: Sequential(Linear(2, 3), Linear(3, 1)), so here {} and {} should be one number"
)

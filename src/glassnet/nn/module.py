"""`Module`, the base class of layers and networks: a fixed structure, and its parameters.

In: parameters declared by a layer. Out: a `Module`; called on graph values it adds nodes, called on
arrays it computes with its parameters.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import numpy as np

from glassnet import ops
from glassnet.arguments import ArgumentChecker
from glassnet.describe import Described, is_ours, warn_of_former_name
from glassnet.errors import GlassnetError, ShapeError
from glassnet.foreign import missing_method_error
from glassnet.graph.build import GraphBuilder, builder_being_traced
from glassnet.graph.graph import Graph
from glassnet.graph.op import Value
from glassnet.graph.types import Type
from glassnet.graph.userline import add_user_line
from glassnet.nn.picture import page
from glassnet.nn.predictor import Predictor
from glassnet.nn.scope import Building, Probe, Scope, apply
from glassnet.nn.storage import (
    NamedParameters,
    Parameter,
    Slot,
    adopt,
    adopt_vector,
    arrays_of,
    as_dtype,
    checked_values,
    convert,
    draw_before_copy,
    layout_of,
    rejoin_after_copy,
    split,
    vector_of,
)
from glassnet.nn.widths import built_width, check_declared, check_methods
from glassnet.references import Traceable, base_of, is_foreign, methods_of
from glassnet.words import plural

__all__ = ["Module", "Parameter", "split"]

Element = TypeVar("Element")

FORMER_METHODS = {  # names of earlier releases, which work for one more release
    "declared": "parameter_specs",
    "takes": "input_width",
    "gives": "output_width",
    "passes": "passed_columns",
    "categorical": "categorical_columns",
}


class ModuleMeta(ArgumentChecker):
    """Metaclass of modules: after construction the structure of a module is fixed."""

    if not TYPE_CHECKING:  # type checkers see the constructor itself

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            try:
                made = super().__call__(*args, **kwargs)
                if not is_ours(cls):
                    vars(made)["_arguments"] = args, kwargs
                finish_construction(made)
            except GlassnetError as error:
                add_user_line(error)
                raise
            return made


class Module(Traceable, Described, metaclass=ModuleMeta, in_files=False):
    """Base class of layers and networks.

    A subclass declares its parameters (`parameter_specs`) and computes its result (`build`). It
    overrides `input_width` if its input must have a certain width, and `output_width` if its result
    has another width than its input. Modules in its attributes are its parts: `build` calls them,
    `self.hidden(x)`, and their parameters are among those of the module.

    A module and its parts share their parameters: `model[0].W` is a view of `model.W`. A module
    that occurs in several places, or in several networks, has its parameters once.
    `copy.deepcopy` returns a module with its own parameters.
    """

    pointwise: ClassVar[bool] = False  # whether the layer is elementwise
    short_names: ClassVar[tuple[str, ...]] = ()  # names in settings, such as "relu"

    seed: int = 0
    dtype: str = "float32"
    shared: ClassVar[bool] = True
    torch_names: ClassVar[Mapping[str, str]] = {}  # PyTorch's names of parameters, if different
    torch_transposed: ClassVar[frozenset[str]] = frozenset()  # parameters transposed in PyTorch

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Rename methods that a subclass defines under their former names."""
        super().__init_subclass__(**kwargs)
        for former, name in FORMER_METHODS.items():
            if former in vars(cls) and name not in vars(cls):
                warn_of_former_name(f"{cls.__name__}.{former}", name)
                setattr(cls, name, vars(cls)[former])

    def parameter_specs(self) -> dict[str, Parameter]:
        """Return the parameters of the layer itself, by name, in their order in W."""
        return {}

    def children(self) -> Mapping[str, Module]:
        """Return the parts of this module by name: modules among its attributes, also in lists,
        tuples and dicts."""
        found: Mapping[str, Module] | None = vars(self).get("_children")
        return _modules_among(vars(self)) if found is None else found

    def build(self, x: Value, parameters: Scope) -> Value:
        """Return the result for a mini-batch x [rows, width], a graph value [rows, width of the
        output]; `parameters` are graph values by name."""
        raise NotImplementedError(
            f"{type(self).__name__} does not define build, which computes its result\n"
            + (
                "  wrong: def forward(self, x), which is PyTorch's name\n"
                * hasattr(type(self), "forward")
            )
            + "  right: def build(self, x, parameters): return x * parameters['scale']"
        )

    def input_width(self) -> int | None:
        """Return how many numbers a row of the input must have; None where any number is valid."""
        return None

    def output_width(self, width: int | None) -> int | None:
        """Return how many numbers a row of the result has for an input of `width`; None where not
        known. For users' classes that do not override it, the layer is built to find out."""
        if is_ours(type(self)):
            return width
        width = self.input_width() if width is None else width
        if width is None or "constructed" not in vars(self):
            return None
        key = "gives", width
        if key not in self.programs:
            self.programs[key] = built_width(self, width)
        return self.programs[key]

    def categorical_columns(self, columns: Sequence[int]) -> dict[int, int]:
        """Return which columns of the data have category numbers, with the number of categories;
        `columns` are the data's columns that this module gets."""
        return {}

    def passed_columns(self, columns: Sequence[int]) -> Sequence[int] | None:
        """Return which of the data's `columns` this module returns, if it only selects columns;
        None if it computes."""
        return None

    def chain(self) -> Mapping[str, Module]:
        """Return the parts that are applied one after the other, by name."""
        return {"": self}

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "W":
            object.__setattr__(self, name, value)
        elif "constructed" not in vars(self):
            vars(self)[name] = value
        else:
            raise GlassnetError(
                f"{type(self).__name__}.{name} cannot be set: the structure of a module is fixed\n"
                "  to change numbers: model.W[...] = w\n"
                "  to change the structure: build a new module"
            )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in FORMER_METHODS:
                warn_of_former_name(f"{type(self).__name__}.{name}", FORMER_METHODS[name])
                return getattr(self, FORMER_METHODS[name])
            raise missing_method_error(self, name)

    def __delattr__(self, name: str) -> None:
        raise GlassnetError(f"{type(self).__name__}.{name} cannot be deleted; build a new module")

    @property
    def W(self) -> np.ndarray:
        """All parameters as one vector, layer by layer, row-major. It is a view: changes take
        effect at once, also where parts have their parameters in separate arrays. Inside a traced
        function it is a graph value."""
        builder = builder_being_traced()
        if builder is not None:
            return cast(Any, _flatten_values(_values(self, builder)))
        found: np.ndarray | None = vars(self).get("_vector")
        if found is None:
            found = vars(self)["_vector"] = vector_of(self)
        return found

    @W.setter
    def W(self, value: Any) -> None:
        weights = self.W
        if value is not weights:
            weights[...] = checked_values(value, weights, "W")

    def adopt(self, block: np.ndarray) -> None:
        """Use the vector `block` as W, without a copy and without drawing initial values. Raises
        ShapeError where its size or dtype do not fit."""
        size = sum(parameter.size for parameter in layout_of(self).parameters.values())
        if block.shape != (size,) or block.dtype != self.dtype:
            raise ShapeError(
                f"W is a vector of {plural(size, 'number')} of {self.dtype}; got {block.dtype} "
                f"of shape {block.shape}"
            )
        adopt_vector(self, block)
        vars(self)["_vector"] = block

    def parameters(self) -> dict[str, np.ndarray]:
        """Return the parameters by name, as views of W: changing or assigning one changes the
        model. Inside a traced function, such as a loss, they are graph values."""
        builder = builder_being_traced()
        if builder is not None:
            return cast(Any, _values(self, builder))
        return NamedParameters(arrays_of(self))

    def __call__(self, x: Any) -> Any:
        """Compute the result for rows x [rows, columns], or one row [columns].

        For a graph value it adds nodes; inside a network that contains this module they use its
        parameters, else the current values whenever the graph runs. Raises ShapeError where x does
        not fit."""
        builder = builder_being_traced()
        if isinstance(x, Value):
            return call_on_graph(self, x)
        return self._predictor(x) if builder is None else call_on_graph(self, builder.constant(x))

    def activations(self, x: Any) -> dict[str, np.ndarray]:
        """Return the output of every layer for rows x, by the layer's name, in the order of
        computation; the last one is `model(x)`."""
        return self._predictor.activations(x)

    def sample(self, x: Any, count: int = 100, seed: int = 0) -> np.ndarray:
        """Return `count` predictions with dropout active (Monte Carlo dropout), [count, rows,
        outputs]; their spread measures the network's uncertainty. All other layers compute as in a
        prediction. Raises GlassnetError where there is no Dropout. Gal and Ghahramani, 2016."""
        return self._predictor.sample(x, count, seed)

    def astype(self: Element, dtype: Any) -> Element:
        """Return a copy that computes in another dtype, with the parameters converted."""
        name = as_dtype("" if dtype is None else dtype, "astype")
        other = copy.deepcopy(self)
        convert(cast(Module, other), cast(str, name))
        return other

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self)

    @cached_property
    def programs(self) -> dict[Any, Any]:
        """The cache of this module's compiled programs."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        draw_before_copy(self)
        return {name: item for name, item in vars(self).items() if name not in _OF_THE_PROCESS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        rejoin_after_copy(self)

    def referenced_code(self) -> Iterable[Any]:
        """Return the user's code in this module and its parts."""
        found: tuple[Any, ...] | None = vars(self).get("_referred")
        if found is None:
            found = vars(self)["_referred"] = tuple(_code_in(self))
        return found

    def mutable_arrays(self) -> Iterable[np.ndarray]:
        slots = layout_of(self).slots.values()
        return [base_of(slot.array) for slot in slots if slot.array is not None]

    def graph(self, width: int | None = None) -> Graph:
        """Return the forward graph: inputs x [n, width] and the parameters, output ŷ."""
        return self._predictor.graph(width)

    def summary(self) -> str:
        """Return a table of the parameters: name, shape, number of values."""
        rows = [(n, str(p.shape), f"{p.size:,}") for n, p in layout_of(self).parameters.items()]
        rows.append(("all", "", f"{self.W.size:,}"))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        return "\n".join([repr(self), *lines])

    def _repr_html_(self) -> str:
        parts: Mapping[str, Module] = getattr(self, "parts", {"": self})
        named = {
            name if "." in name else f".{name}": parameter
            for name, parameter in self.parameters().items()
        }
        return page(self.summary(), parts, named, self.input_width())


Module.inside = (Module,)

# Attributes that are not copied or pickled: they belong to this process or can be recomputed.
_OF_THE_PROCESS = {
    "_predictor",
    "programs",
    "_vector",
    "_layout",
    "_within",
    "_referred",
    "_trained",
    "_warned_of_repeat",
    "_categories",
}


def finish_construction(module: Module) -> None:
    """Complete a module after its constructor: store its parts and create its parameter slots."""
    attributes = vars(module)
    if not is_ours(type(module)):
        check_methods(module)
        check_declared(type(module), module.parameter_specs())
    attributes["_children"] = dict(module.children())
    attributes["_slots"] = {name: Slot() for name in module.parameter_specs()}
    attributes["constructed"] = True
    if attributes["_children"]:
        adopt(module)


def _modules_among(attributes: Mapping[str, Any]) -> dict[str, Module]:
    """Return modules among attributes, by name; in collections by name and index or key."""
    found: dict[str, Module] = {}
    for name, item in attributes.items():
        if name.startswith("_"):
            continue
        if isinstance(item, Module):
            found[name] = item
        elif isinstance(item, (list, tuple)):
            items = enumerate(cast("list[Any]", item))
            found |= {f"{name}{i}": part for i, part in items if isinstance(part, Module)}
        elif isinstance(item, dict):
            pairs = cast("dict[Any, Any]", item).items()
            found |= {f"{name}.{key}": part for key, part in pairs if isinstance(part, Module)}
    return found


def _code_in(module: Module) -> Iterable[Any]:
    """Yield the parts of a module and, where its class is the user's, methods and settings."""
    yield from module.children().values()
    if not is_foreign(type(module).__module__, None):
        yield from methods_of(module)
        yield from (item for name, item in vars(module).items() if not name.startswith("_"))


def call_on_graph(module: Module, x: Value) -> Value:
    """Call a module on a graph value. Its parameters are those of the network that is being built,
    if it is a part of it; else they become inputs of the graph."""
    builder = cast(GraphBuilder, x.builder)
    building: Building | Probe | None = builder.context
    values = _values(module, builder)
    x, values = _to_common_dtype(x, values)
    if isinstance(building, Probe):
        builder.context = None
        result = apply(module, x, Scope(values))
        builder.context = building
        return result
    layout = layout_of(module)
    return apply(
        module, x, Scope(values) if building is None else building.scope_of(layout, values)
    )


def _values(module: Module, builder: GraphBuilder) -> dict[str, Value]:
    """Return the parameters of a module as values of a graph."""
    building: Building | Probe | None = builder.context
    if isinstance(building, Probe):
        building.called.append(module)
    layout, known = layout_of(module), builder.known
    for name, slot in layout.slots.items():
        if slot in known:
            continue
        if isinstance(building, Probe):
            type = Type("float32", layout.parameters[name].shape)
            known[slot] = builder.late_input(f"probe{len(builder.nodes)}", type)
        elif building is not None and building.closed:
            raise GlassnetError(_UNKNOWN.format(module, building.owner))
        else:
            known[slot] = builder.capture(arrays_of(module)[name], f"W.{name}")
    return {name: known[slot] for name, slot in layout.slots.items()}


def _flatten_values(values: dict[str, Value]) -> Value:
    """Concatenate the elements of values to a vector."""
    flat = [ops.reshape(value, (math.prod(cast(Any, value.shape)),)) for value in values.values()]
    return ops.concatenate(flat, 0)


_UNKNOWN = (
    "{!r} is called inside {!r}, but is not a part of it, so that it would not be trained\n"
    "  right: a module in a variable that the function uses, named before the network is made\n"
    "  right: a class of its own, whose attribute it is:\n"
    "    class Block(gn.nn.Module):\n"
    "        def __init__(self): self.hidden = gn.nn.Linear(2, 3)\n"
    "        def build(self, x, parameters): return ops.tanh(self.hidden(x))"
)


def _to_common_dtype(x: Value, values: dict[str, Value]) -> tuple[Value, dict[str, Value]]:
    """Convert x and parameters to the wider of their dtypes."""
    dtypes = {value.dtype for value in values.values()}
    if not dtypes or dtypes == {x.dtype}:
        return x, values
    wide = "float64" if "float64" in {x.dtype, *dtypes} else "float32"
    return ops.cast(x, wide), {name: ops.cast(value, wide) for name, value in values.items()}

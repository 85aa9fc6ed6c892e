"""What every layer and network is: a fixed structure, and numbers in one flat vector.

In: parameters declared by a layer. Out: `Module`: called on graph values it adds nodes, called on
arrays it computes with the parameters it holds.
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

FORMER_METHODS = {  # names of earlier releases, which work for one release more
    "declared": "parameter_specs",
    "takes": "input_width",
    "gives": "output_width",
    "passes": "passed_columns",
    "categorical": "categorical_columns",
}


class ModuleMeta(ArgumentChecker):
    """The type of modules: when a module is constructed, its structure becomes fixed."""

    if not TYPE_CHECKING:  # a checker of types sees the constructor itself

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
    """A layer or a network.

    A subclass says which parameters it has (`parameter_specs`) and how its result comes about
    (`build`); where it takes rows of a certain width, it says so (`input_width`), and where it
    gives rows of another width than it took, that too (`output_width`). Modules that it has as
    attributes are parts of it: `build` calls them, `self.hidden(x)`, and their parameters are among
    its own.

    The parameters of a module and of its parts are the same numbers, wherever they are reached
    from: `model[0].W` is a view of `model.W`. A module that stands in several places, or in
    several networks, has its numbers once. `copy.deepcopy` gives a module with its own.
    """

    pointwise: ClassVar[bool] = False  # each number of the result comes of the same number of x
    short_names: ClassVar[tuple[str, ...]] = ()  # in settings that are texts: "relu"

    seed: int = 0
    dtype: str = "float32"
    shared: ClassVar[bool] = True
    torch_names: ClassVar[Mapping[str, str]] = {}  # of parameters that PyTorch calls otherwise
    torch_transposed: ClassVar[frozenset[str]] = frozenset()  # those that it keeps transposed

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Methods by their former names take the place of those by the present ones."""
        super().__init_subclass__(**kwargs)
        for former, name in FORMER_METHODS.items():
            if former in vars(cls) and name not in vars(cls):
                warn_of_former_name(f"{cls.__name__}.{former}", name)
                setattr(cls, name, vars(cls)[former])

    def parameter_specs(self) -> dict[str, Parameter]:
        """The parameters of the layer itself, by name, in the order in which they lie in W."""
        return {}

    def children(self) -> Mapping[str, Module]:
        """The parts of this module by name: modules among its attributes, also in lists, tuples
        and dicts."""
        found: Mapping[str, Module] | None = vars(self).get("_children")
        return _modules_among(vars(self)) if found is None else found

    def build(self, x: Value, parameters: Scope) -> Value:
        """The result for a batch x [rows, width], as nodes."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say how its result comes about\n"
            + (
                "  wrong: def forward(self, x), which is PyTorch's name\n"
                * hasattr(type(self), "forward")
            )
            + "  right: def build(self, x, parameters): return x * parameters['scale']"
        )

    def input_width(self) -> int | None:
        """How many numbers a row must have; None where any number will do."""
        return None

    def output_width(self, width: int | None) -> int | None:
        """How many numbers a row has that came in with `width`; None where that is not known. Of a
        class of the user's that does not say it this is found by building the layer."""
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
        """Which columns of the data hold category numbers, and of how many categories; `columns`
        are the data's columns that this module gets."""
        return {}

    def passed_columns(self, columns: Sequence[int]) -> Sequence[int] | None:
        """Of the data's columns that this module gets those that it gives, where that is all that
        it does."""
        return None

    def chain(self) -> Mapping[str, Module]:
        """The parts that x goes through one after the other, by name."""
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
        """Every parameter in one vector, layer by layer, row-major; changes show at once. Where
        parts had numbers before they became parts, the vector reads and writes where those lie."""
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
        """Let a vector be W from now on, the very one; first values are then never drawn."""
        size = sum(parameter.size for parameter in layout_of(self).parameters.values())
        if block.shape != (size,) or block.dtype != self.dtype:
            raise ShapeError(
                f"W is a vector of {plural(size, 'number')} of {self.dtype}; got {block.dtype} "
                f"of shape {block.shape}"
            )
        adopt_vector(self, block)
        vars(self)["_vector"] = block

    def parameters(self) -> dict[str, np.ndarray]:
        """Named parts of W: views, so changing one changes the model, and so does setting one.
        Inside a traced function, such as a loss, they are graph values."""
        builder = builder_being_traced()
        if builder is not None:
            return cast(Any, _values(self, builder))
        return NamedParameters(arrays_of(self))

    def __call__(self, x: Any) -> Any:
        """Nodes for a graph value (inside a network that holds this module with its parameters,
        else with the numbers that they have whenever the graph runs), numbers for an array."""
        builder = builder_being_traced()
        if isinstance(x, Value):
            return call_on_graph(self, x)
        return self._predictor(x) if builder is None else call_on_graph(self, builder.constant(x))

    def activations(self, x: Any) -> dict[str, np.ndarray]:
        """What every layer gives for rows x, by the layer's name, in the order of computing;
        the last one is `model(x)`."""
        return self._predictor.activations(x)

    def sample(self, x: Any, count: int = 100, seed: int = 0) -> np.ndarray:
        """Predictions with dropout, [count, rows, outputs]: their spread tells how sure the
        network is. Everything else computes as in a prediction. Gal and Ghahramani, 2016."""
        return self._predictor.sample(x, count, seed)

    def astype(self: Element, dtype: Any) -> Element:
        """A copy that computes in another dtype, with its own numbers: these, converted."""
        name = as_dtype("" if dtype is None else dtype, "astype")
        other = copy.deepcopy(self)
        convert(cast(Module, other), cast(str, name))
        return other

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self)

    @cached_property
    def programs(self) -> dict[Any, Any]:
        """Compiled programs of this module by what they do, so that none is compiled twice."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        draw_before_copy(self)
        return {name: item for name, item in vars(self).items() if name not in _OF_THE_PROCESS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        rejoin_after_copy(self)

    def referenced_code(self) -> Iterable[Any]:
        """Code of the user in this module and its parts."""
        found: tuple[Any, ...] | None = vars(self).get("_referred")
        if found is None:
            found = vars(self)["_referred"] = tuple(_code_in(self))
        return found

    def mutable_arrays(self) -> Iterable[np.ndarray]:
        slots = layout_of(self).slots.values()
        return [base_of(slot.array) for slot in slots if slot.array is not None]

    def graph(self, width: int | None = None) -> Graph:
        """The forward graph: inputs x [n, width] and the parameters, output ŷ."""
        return self._predictor.graph(width)

    def summary(self) -> str:
        """A table of the parameters: name, shape, number of values."""
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

# What a copy or a file does not take along: it belongs to this process or can be worked out.
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
    """What every module gets when its constructor is done: its parts, and places for numbers."""
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
    """Modules among attributes, by name; in collections by name and number or key."""
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
    """The parts of a module and, where its class is the user's, methods and settings."""
    yield from module.children().values()
    if not is_foreign(type(module).__module__, None):
        yield from methods_of(module)
        yield from (item for name, item in vars(module).items() if not name.startswith("_"))


def call_on_graph(module: Module, x: Value) -> Value:
    """A module called on a graph value: with the parameters of the network that is being built,
    where they are among them, else with those of the module as inputs of the graph."""
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
    """The parameters of a module as values of a graph."""
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
    """Values one after the other, as a vector."""
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
    """x and parameters in the wider of their dtypes."""
    dtypes = {value.dtype for value in values.values()}
    if not dtypes or dtypes == {x.dtype}:
        return x, values
    wide = "float64" if "float64" in {x.dtype, *dtypes} else "float32"
    return ops.cast(x, wide), {name: ops.cast(value, wide) for name, value in values.items()}

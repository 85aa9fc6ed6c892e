"""What every layer and network is: a fixed structure, and numbers in one flat vector.

In: parameters declared by a layer. Out: `Module`: called on graph values it adds nodes, called on
arrays it computes with the parameters it holds.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, cast

import numpy as np

from glassnet.errors import GlassnetError, ShapeError
from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph
from glassnet.graph.op import Value
from glassnet.graph.userline import point_out
from glassnet.nn.initializers import Initializer, initializer
from glassnet.nn.picture import page
from glassnet.nn.predict import Predictor
from glassnet.nn.scope import Scope
from glassnet.rounding import to_nearest
from glassnet.words import counted

Element = TypeVar("Element")

_making_block = threading.RLock()


@dataclass(frozen=True)
class Parameter:
    """A parameter as its layer declares it. One that is not `trained` has no gradient: it stays
    as it is, or the layer says in every training step what becomes of it (`Scope.update`)."""

    shape: tuple[int, ...]
    initializer: str | Initializer = "zeros"
    trained: bool = True

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class Frozen(type):
    """The type of modules: when a module is constructed, its structure becomes fixed."""

    def __call__(cls: type[Element], *args: Any, **kwargs: Any) -> Element:
        try:
            made: Element = cast(Any, type).__call__(cls, *args, **kwargs)
        except GlassnetError as error:
            point_out(error)
            raise
        vars(made)["constructed"] = True
        return made


class Module(metaclass=Frozen):
    """A layer or a network.

    A subclass says which parameters it has (`declared`) and how its result comes about (`build`);
    where it takes rows of a certain width, it says so (`takes`), and where it gives rows of
    another width than it took, that too (`gives`).
    """

    seed: int = 0
    dtype: str = "float32"

    def declared(self) -> dict[str, Parameter]:
        """Parameters by name, in the order in which they lie in W."""
        return {}

    def build(self, x: Value, parameters: Scope) -> Value:
        """The result for a batch x [rows, width], as nodes."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say how its result comes about\n"
            "  right: def build(self, x, parameters): return x * parameters['scale']"
        )

    def takes(self) -> int | None:
        """How many numbers a row must have; None where any number will do."""
        return None

    def gives(self, width: int | None) -> int | None:
        """How many numbers a row has that came in with `width`; None where that is not known."""
        return width

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

    def __delattr__(self, name: str) -> None:
        raise GlassnetError(f"{type(self).__name__}.{name} cannot be deleted; build a new module")

    @cached_property
    @to_nearest
    def _block(self) -> np.ndarray:
        with _making_block:  # or two threads would each make one, and one of them be lost
            if "_block" not in vars(self):
                vars(self)["_block"] = self._first_block()
            return vars(self)["_block"]

    def _first_block(self) -> np.ndarray:
        parts = [
            first_values(name, parameter, self.seed, stream).ravel()
            for stream, (name, parameter) in enumerate(self.declared().items())
        ]
        return np.concatenate([*parts, np.empty(0)]).astype(self.dtype)

    @property
    def W(self) -> np.ndarray:
        """Every parameter in one vector, layer by layer, row-major; changes show at once."""
        return self._block

    @W.setter
    def W(self, value: Any) -> None:
        self._block[...] = _fitting(value, self._block)

    def adopt(self, block: np.ndarray) -> None:
        """Let a vector be W from now on, the very one; first values are then never drawn."""
        size = sum(parameter.size for parameter in self.declared().values())
        if block.shape != (size,) or block.dtype != self.dtype:
            raise ShapeError(
                f"W is a vector of {counted(size, 'number')} of {self.dtype}; got {block.dtype} "
                f"of shape {block.shape}"
            )
        vars(self)["_block"] = block

    def parameters(self) -> dict[str, np.ndarray]:
        """Named parts of W: views, so changing one changes the model."""
        return split(self._block, self.declared())

    def __call__(self, x: Any) -> Any:
        """Nodes for a graph value (the parameters become constants), numbers for an array."""
        if not isinstance(x, Value):
            return self._predictor(x)
        builder = x.builder
        assert isinstance(builder, GraphBuilder)
        held = {name: builder.constant(own) for name, own in self.parameters().items()}
        return self.build(x, Scope(held))

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self)

    @cached_property
    def programs(self) -> dict[Any, Any]:
        """Compiled programs of this module by what they do, so that none is compiled twice."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        kept = {"_predictor", "programs"}
        return {name: item for name, item in vars(self).items() if name not in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def graph(self, width: int | None = None) -> Graph:
        """The forward graph: inputs x [n, width] and the parameters, output ŷ."""
        return self._predictor.graph(width)

    def summary(self) -> str:
        """A table of the parameters: name, shape, number of values."""
        rows = [(n, str(p.shape), f"{p.size:,}") for n, p in self.declared().items()]
        rows.append(("all", "", f"{self.W.size:,}"))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        return "\n".join([repr(self), *lines])

    def _repr_html_(self) -> str:
        parts: Mapping[str, Module] = getattr(self, "parts", {"": self})
        named = {
            name if "." in name else f".{name}": own for name, own in self.parameters().items()
        }
        return page(self.summary(), parts, named, self.takes())


def split(
    block: np.ndarray, declared: Mapping[str, Parameter] | Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """A flat vector as named views, of the sizes and shapes of parameters or arrays."""
    views: dict[str, np.ndarray] = {}
    start = 0
    for name, parameter in declared.items():
        views[name] = block[start : start + parameter.size].reshape(parameter.shape)
        start += parameter.size
    return views


def first_values(name: str, parameter: Parameter, seed: int, stream: int) -> np.ndarray:
    """What a parameter is at first; ShapeError where an initialiser gives something else."""
    values = np.asarray(initializer(parameter.initializer)(parameter.shape, seed, stream), float)
    if values.shape != parameter.shape:
        raise ShapeError(
            f"the initializer of {name} gave shape {values.shape}; wanted {parameter.shape}, the "
            "first of its arguments (shape, seed, stream)"
        )
    return values


def _fitting(value: Any, block: np.ndarray) -> np.ndarray:
    array = np.asarray(value)
    if array.shape not in (block.shape, ()):
        raise ShapeError(
            f"W has {counted(block.size, 'parameter')}; the new values have shape {array.shape}\n"
            f"  right: one number for all of them, or {counted(block.size, 'number')} in a vector"
        )
    return array

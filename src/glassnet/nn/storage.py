"""Stores the parameters of networks.

In: modules. Out: for each parameter a `Slot`, shared by all modules that contain the parameter, and
for each module one vector of its parameters. When they are first needed, the outermost module draws
all missing initial values of its parts in one block, so that the parameters of every part are views
of it. Existing parameters are never moved: a network uses those of a part that already has some.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, cast

import numpy as np

from glassnet.arguments import plain
from glassnet.errors import ArgumentError, GlassnetError, ShapeError
from glassnet.graph.op import Value
from glassnet.graph.types import FLOATS
from glassnet.nn.initializers import Initializer, initializer
from glassnet.rounding import computed_to_nearest
from glassnet.words import plural

_drawing = threading.RLock()


@dataclass(frozen=True)
class Parameter:
    """The declaration of a parameter: shape, initialiser (a name, or a function of shape, seed and
    stream), and whether a gradient trains it. With `trained=False` it is constant, or the layer
    computes its new value in every training step (`Scope.update`)."""

    shape: tuple[int, ...]
    initializer: str | Initializer = "zeros"
    trained: bool = True

    def __post_init__(self) -> None:
        sizes, flag = cast("tuple[Any, Any]", (self.shape, self.trained))
        if not isinstance(sizes, tuple | list) or not isinstance(flag, bool):
            raise ArgumentError(
                f"Parameter({sizes!r}, {self.initializer!r}, {self.trained!r}): wanted a shape, "
                "an initializer, and whether a gradient trains it\n"
                '  right: Parameter((3, 4), "glorot_uniform"), Parameter((4,), trained=False)'
            )
        object.__setattr__(self, "shape", tuple([plain(size) for size in cast("Any", sizes)]))

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class Part(Protocol):
    """The interface of a module that storage and building need."""

    dtype: str
    seed: int

    def parameter_specs(self) -> dict[str, Parameter]: ...
    def children(self) -> Mapping[str, Part]: ...
    def build(self, x: Value, parameters: Any) -> Value: ...
    def input_width(self) -> int | None: ...
    def output_width(self, width: int | None) -> int | None: ...
    def categorical_columns(self, columns: Sequence[int]) -> dict[int, int]: ...


@dataclass(eq=False)
class Slot:
    """The storage of one parameter: its array, or the module `home` that will draw it."""

    array: np.ndarray | None = None
    home: Part | None = None


@dataclass(frozen=True)
class ParameterLayout:
    """The parameters of a module by name, each once: declarations and slots. `aliases` are the
    further names of parameters that several parts share."""

    parameters: dict[str, Parameter]
    slots: dict[str, Slot]
    aliases: dict[str, str]


def declared_slots(module: Part) -> dict[str, Slot]:
    """Return the slots of the parameters that a module itself declares, by name."""
    return vars(module)["_slots"]


def layout_of(module: Part) -> ParameterLayout:
    """Return all parameters of a module: its own, then those of its parts."""
    found: ParameterLayout | None = vars(module).get("_layout")
    if found is None:
        found = vars(module)["_layout"] = ParameterLayout({}, {}, {})
        names: dict[int, str] = {}
        for name, parameter, slot in _every(module, ""):
            first = names.setdefault(id(slot), name)
            if first == name:
                found.parameters[name], found.slots[name] = parameter, slot
            else:
                found.aliases[name] = first
    return found


def _every(module: Part, prefix: str) -> Iterator[tuple[str, Parameter, Slot]]:
    """Yield parameters under all their names. A parameter that both a layer and one of its parts
    declare belongs to the part."""
    inner = [
        item
        for name, part in module.children().items()
        for item in _every(part, f"{prefix}{name}." if name else prefix)
    ]
    theirs = {name for name, *_ in inner}
    slots = declared_slots(module)
    for name, parameter in module.parameter_specs().items() if slots else ():
        if prefix + name not in theirs:
            yield prefix + name, parameter, slots[name]
    yield from inner


def descendants(module: Part) -> Iterator[Part]:
    """Yield the module and all parts inside it."""
    yield module
    for part in module.children().values():
        yield from descendants(part)


def adopt(outer: Part) -> None:
    """Make a newly constructed module responsible for drawing its parts' missing parameters."""
    layout = layout_of(outer)
    inside = {id(part) for part in descendants(outer)}
    for slot in layout.slots.values():
        if slot.home is not None and id(slot.home) not in inside:
            draw(slot.home)
    dtype = _dtype(outer, layout)
    for module in descendants(outer):
        attributes = vars(module)
        earlier = attributes["_within"]() if "_within" in attributes else None
        apart = earlier is not None and id(earlier) not in inside and attributes["dtype"] != dtype
        attributes["dtype"] = "" if apart and not layout_of(module).slots else dtype
        attributes["_within"] = weakref.ref(outer)
    for slot in layout.slots.values():
        if slot.array is None:
            slot.home = outer


def _dtype(outer: Part, layout: ParameterLayout) -> str:
    """Return the dtype that the module was constructed with; else that of existing parameters;
    else the one that a part was constructed with."""
    dtypes: dict[str, str] = {}
    for name, slot in layout.slots.items():
        if slot.array is not None:
            dtypes.setdefault(slot.array.dtype.name, name)
    asked = [vars(part).get("asked") for part in descendants(outer)]
    wanted = asked[0] or next(iter(dtypes), None) or next(filter(None, asked), None) or "float32"
    for dtype, name in dtypes.items():
        if dtype != wanted:
            raise ShapeError(
                f"{name} has numbers in {dtype} already, and {type(outer).__name__} is {wanted}; "
                "parts of a network are views of its numbers, so all have one dtype\n"
                f'  right: dtype="{dtype}" here\n'
                f'  right: part.astype("{wanted}"), a copy that has its own numbers'
            )
    return wanted


def draw(module: Part) -> None:
    """Draw all missing parameters in one block, each from its own random stream, whose number is
    the index of the parameter."""
    with _drawing:  # otherwise two threads could both draw, and one result would be lost
        _draw(module)


@computed_to_nearest
def _draw(module: Part) -> None:
    layout = layout_of(module)
    homes = {id(s.home): s.home for s in layout.slots.values() if s.array is None}
    for home in homes.values():
        if home is not None and home is not module:
            _draw(home)
    drawn = {
        name: first_values(name, layout.parameters[name], module.seed, place).ravel()
        for place, (name, slot) in enumerate(layout.slots.items())
        if slot.array is None
    }
    if drawn:
        block = np.concatenate(list(drawn.values())).astype(module.dtype or "float32")
        vars(module)["_drew"] = tuple(drawn)
        _place(block, layout, tuple(drawn))


def _place(block: np.ndarray, layout: ParameterLayout, names: tuple[str, ...]) -> None:
    views = split(block, {name: layout.parameters[name] for name in names})
    for name, view in views.items():
        layout.slots[name].array, layout.slots[name].home = view, None


def as_dtype(dtype: Any, owner: str) -> str | None:
    """Return the name of a dtype; raise ShapeError unless it is float32 or float64."""
    if dtype is None:
        return None
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = ""
    if name not in FLOATS:
        raise ShapeError(f'{owner}(dtype={dtype!r}): use "float32" or "float64"')
    return name


def convert(module: Part, dtype: str) -> None:
    """Convert the parameters of a module to another dtype; no other module may share them."""
    arrays = arrays_of(module)
    block = np.concatenate([*(a.ravel() for a in arrays.values()), np.empty(0)]).astype(dtype)
    _place(block, layout_of(module), tuple(arrays))
    vars(module)["_drew"] = tuple(arrays)
    for part in descendants(module):
        vars(part)["dtype"] = dtype
        vars(part).pop("_vector", None)
        if "asked" in vars(part):
            vars(part)["asked"] = dtype


def adopt_vector(module: Part, block: np.ndarray) -> None:
    """Use a vector as the parameters of a module that has none yet and shares none."""
    names = tuple(layout_of(module).slots)
    vars(module)["_drew"] = names
    _place(block, layout_of(module), names)


def draw_before_copy(module: Part) -> None:
    """Draw the parameters that another module would draw, before a module is copied."""
    inside = {id(part) for part in descendants(module)}
    for slot in layout_of(module).slots.values():
        if slot.home is not None and id(slot.home) not in inside:
            draw(slot.home)


def rejoin_after_copy(module: Part) -> None:
    """Restore the storage of a copied module: parameters that it drew are again in one block, and
    it will draw missing ones."""
    layout = layout_of(module)
    names = tuple(vars(module).get("_drew", ()))
    arrays = [layout.slots[name].array for name in names]
    parts = [array.reshape(-1) for array in arrays if array is not None]
    if parts and not _are_contiguous(parts):
        _place(np.concatenate(parts), layout, names)
    for slot in layout.slots.values():
        if slot.array is None:
            slot.home = module if module.children() else None


def arrays_of(module: Part) -> dict[str, np.ndarray]:
    """Return the array of every parameter by name; draw missing ones."""
    layout = layout_of(module)
    if any(slot.array is None for slot in layout.slots.values()):
        draw(module)
    return {name: cast(np.ndarray, slot.array) for name, slot in layout.slots.items()}


def vector_of(module: Part) -> np.ndarray:
    """Return all parameters as one vector: an array if they are contiguous, else a
    `JoinedVector`."""
    parts = [array.reshape(-1) for array in arrays_of(module).values()]
    if len(parts) < 2:
        return parts[0] if parts else np.empty(0, module.dtype)
    if not _are_contiguous(parts):
        return cast(Any, JoinedVector(parts))
    base = cast(np.ndarray, parts[0].base)
    first = (parts[0].ctypes.data - base.ctypes.data) // base.itemsize
    size = sum(part.size for part in parts)
    return base if size == base.size else base[first : first + size]


def memory_of(vector: np.ndarray) -> list[np.ndarray]:
    """Return the arrays that contain a module's `W`."""
    return vector.parts if isinstance(vector, JoinedVector) else [vector]


def _are_contiguous(parts: list[np.ndarray]) -> bool:
    """Whether vectors are contiguous in one block."""
    base = parts[0].base
    starts = [part.ctypes.data for part in parts]
    ends = [part.ctypes.data + part.nbytes for part in parts]
    return (
        isinstance(base, np.ndarray)
        and base.ndim == 1
        and all(part.base is base for part in parts)
        and starts[1:] == ends[:-1]
    )


def split(
    block: np.ndarray, declared: Mapping[str, Parameter] | Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Split a flat vector into named views with the shapes of parameters or arrays."""
    views: dict[str, np.ndarray] = {}
    start = 0
    for name, parameter in declared.items():
        views[name] = block[start : start + parameter.size].reshape(parameter.shape)
        start += parameter.size
    return views


def first_values(name: str, parameter: Parameter, seed: int, stream: int) -> np.ndarray:
    """Return the initial values of a parameter; raise ShapeError where the initialiser returns
    another shape."""
    values = np.asarray(initializer(parameter.initializer)(parameter.shape, seed, stream), float)
    if values.shape != parameter.shape:
        raise ShapeError(
            f"the initializer of {name} gave shape {values.shape}; wanted {parameter.shape}, the "
            "first of its arguments (shape, seed, stream)"
        )
    return values


class NamedParameters(dict[str, np.ndarray]):
    """Parameters by name, as views. Assigning to a name copies the values into the model."""

    __slots__ = ()

    def __setitem__(self, name: str, value: Any) -> None:
        place = self[name]
        if value is not place:
            place[...] = checked_values(value, place, name)

    def __missing__(self, name: str) -> NoReturn:
        raise KeyError(f"{name} is not a parameter; there are {', '.join(self) or 'none'}")

    def update(self, *args: Any, **kwargs: Any) -> None:
        given = dict(*args, **kwargs)
        for name, value in given.items():
            checked_values(value, self[name], name)  # all are checked before one is set
        for name, value in given.items():
            self[name] = value

    def __ior__(self, other: Any) -> NamedParameters:  # type: ignore[override, misc]
        self.update(other)
        return self

    def _fixed(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise GlassnetError(
            "parameters cannot be added or removed: the structure of a module is fixed\n"
            '  to change numbers: model.parameters()["linear1.weight"] = w\n'
            "  to get an independent dict: dict(model.parameters())"
        )

    __delitem__ = pop = popitem = clear = setdefault = _fixed  # type: ignore[assignment]

    def __reduce__(self) -> Any:
        return dict, (dict(self),)


def checked_values(value: Any, place: np.ndarray, name: str) -> np.ndarray:
    """Return new values for a parameter or for W as an array; raise ShapeError where they do not
    fit."""
    array = np.asarray(value)
    if array.shape in (place.shape, ()) and array.dtype.kind in "fiub":
        return array
    if name == "W" and array.dtype.kind in "fiub":
        raise ShapeError(
            f"W has {plural(place.size, 'parameter')}; the new values have shape {array.shape}\n"
            f"  right: one number for all of them, or {plural(place.size, 'number')} in a vector"
        )
    raise ShapeError(
        f"{name} has shape {place.shape}; the new values have shape {array.shape} and dtype "
        f"{array.dtype}\n  right: numbers of that shape, or one number for all of them"
    )


class JoinedVector(np.lib.mixins.NDArrayOperatorsMixin):
    """Several arrays as one vector, which reads and writes the arrays. Operations that return
    another view of an array, such as `reshape`, return a read-only copy here."""

    def __init__(self, parts: list[np.ndarray]) -> None:
        self.parts = [part for part in parts if part.size]
        self.dtype = parts[0].dtype
        self.size = sum(part.size for part in parts)
        self.shape, self.ndim, self.itemsize = (self.size,), 1, self.dtype.itemsize
        self.nbytes = self.size * self.itemsize

    def copy(self, order: str = "C") -> np.ndarray:
        """Return the values as a new array."""
        return np.concatenate([*self.parts, np.empty(0, self.dtype)])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("the parameters are in several arrays; one array of them is a copy")
        return self.copy() if dtype is None else self.copy().astype(dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        given = [item.copy() if isinstance(item, JoinedVector) else item for item in inputs]
        outputs = kwargs.get("out", ())
        if not any(isinstance(output, JoinedVector) for output in outputs):
            return getattr(ufunc, method)(*given, **kwargs)
        arrays = tuple(
            output.copy() if isinstance(output, JoinedVector) else output for output in outputs
        )
        getattr(ufunc, method)(*given, **{**kwargs, "out": arrays})
        for output, array in zip(outputs, arrays, strict=True):
            if isinstance(output, JoinedVector):
                output[...] = array
        return outputs[0] if len(outputs) == 1 else outputs

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple) and len(cast("tuple[Any, ...]", key)) == 1:
            (key,) = cast("tuple[Any, ...]", key)
        if key is Ellipsis:
            return self
        if isinstance(key, slice):
            return self._slice(cast("slice[Any, Any, Any]", key))
        return self._frozen()[key]

    def _slice(self, key: slice[Any, Any, Any]) -> Any:
        start, stop, step = key.indices(self.size)
        if step != 1:
            return self._frozen()[key]
        found: list[np.ndarray] = []
        first = 0
        for part in self.parts:
            piece = part[max(0, start - first) : max(0, stop - first)]
            first += part.size
            found += [piece] if piece.size else []
        return JoinedVector(found) if len(found) > 1 else found[0] if found else self.copy()[:0]

    def __setitem__(self, key: Any, value: Any) -> None:
        whole = self.copy()
        whole[key] = value
        start = 0
        for part in self.parts:
            part[...] = whole[start : start + part.size]
            start += part.size

    def fill(self, value: Any) -> None:
        self[...] = value

    def _frozen(self) -> np.ndarray:
        array = self.copy()
        array.flags.writeable = False
        return array

    def __iter__(self) -> Iterator[Any]:
        return iter(self._frozen())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._frozen(), name)

    def __repr__(self) -> str:
        return repr(self.copy())

    def __deepcopy__(self, memo: Any) -> np.ndarray:
        return self.copy()

    def __reduce__(self) -> Any:
        return np.array, (self.copy(),)

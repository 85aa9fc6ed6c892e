"""Where the numbers of networks lie.

In: modules. Out: for each parameter a `Slot`, which all modules share that hold the parameter, and
for each module one vector of its slots. The first time that numbers are asked for, the outermost
module draws all that its parts lack, in one block, so that every part is a view of it. Numbers
that exist never move: where a part has numbers already, a network that it is put into uses them.
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
    """A parameter as its layer declares it. One that is not `trained` has no gradient: it stays
    as it is, or the layer says in every training step what becomes of it (`Scope.update`)."""

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
    """What is asked of a module where its numbers are laid out and its nodes are built."""

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
    """The place of one parameter: its numbers, or who will draw them."""

    array: np.ndarray | None = None
    home: Part | None = None


@dataclass(frozen=True)
class ParameterLayout:
    """The parameters of a module by name, each once: what is declared, and where it lies.
    `aliases` are the further names of parameters that several parts share."""

    parameters: dict[str, Parameter]
    slots: dict[str, Slot]
    aliases: dict[str, str]


def declared_slots(module: Part) -> dict[str, Slot]:
    """The places of the parameters that a module itself declares, by its own names."""
    return vars(module)["_slots"]


def layout_of(module: Part) -> ParameterLayout:
    """All parameters of a module: its own, then those of its parts."""
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
    """Parameters under all their names; what a layer declares for its parts is theirs."""
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
    """The module and all parts inside it."""
    yield module
    for part in module.children().values():
        yield from descendants(part)


def adopt(outer: Part) -> None:
    """Make a module that was just constructed the one that draws what its parts lack."""
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
    """What was asked for; else that of numbers that exist; else what a part was asked for."""
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
    """Give numbers to all parameters that have none: in one block, each from its own stream of
    random numbers, the place of the parameter among all."""
    with _drawing:  # or two threads would each draw, and the numbers of one be lost
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
    """The name of a dtype; ShapeError where it is not one that networks compute in."""
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
    """Give a module that shares with no other its numbers in another dtype."""
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
    """Let a vector hold the numbers of a module that has none yet, and shares with no other."""
    names = tuple(layout_of(module).slots)
    vars(module)["_drew"] = names
    _place(block, layout_of(module), names)


def draw_before_copy(module: Part) -> None:
    """Before a module is copied: numbers that another module would draw are drawn now."""
    inside = {id(part) for part in descendants(module)}
    for slot in layout_of(module).slots.values():
        if slot.home is not None and id(slot.home) not in inside:
            draw(slot.home)


def rejoin_after_copy(module: Part) -> None:
    """After it was copied: numbers that the module drew lie in one block again, and those that it
    lacks are for it to draw."""
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
    """The numbers of every parameter by name, in its shape."""
    layout = layout_of(module)
    if any(slot.array is None for slot in layout.slots.values()):
        draw(module)
    return {name: cast(np.ndarray, slot.array) for name, slot in layout.slots.items()}


def vector_of(module: Part) -> np.ndarray:
    """All numbers of a module as one vector: an array where they lie side by side."""
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
    """The arrays that hold a module's `W`."""
    return vector.parts if isinstance(vector, JoinedVector) else [vector]


def _are_contiguous(parts: list[np.ndarray]) -> bool:
    """Whether vectors lie side by side in one block."""
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


class NamedParameters(dict[str, np.ndarray]):
    """Parameters by name. Each is a view of the model's numbers, and to set one sets them."""

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
            "parameters cannot be added or taken away: the structure of a module is fixed\n"
            '  to change numbers: model.parameters()["linear1.weight"] = w\n'
            "  to have a dict of one's own: dict(model.parameters())"
        )

    __delitem__ = pop = popitem = clear = setdefault = _fixed  # type: ignore[assignment]

    def __reduce__(self) -> Any:
        return dict, (dict(self),)


def checked_values(value: Any, place: np.ndarray, name: str) -> np.ndarray:
    """New numbers for a parameter or for W; ShapeError where they do not fit."""
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
    """Numbers that lie in several places as one vector: it reads and writes where they lie. What
    in an array would be a view of another kind (`reshape`) is a copy here, which cannot be
    written to."""

    def __init__(self, parts: list[np.ndarray]) -> None:
        self.parts = [part for part in parts if part.size]
        self.dtype = parts[0].dtype
        self.size = sum(part.size for part in parts)
        self.shape, self.ndim, self.itemsize = (self.size,), 1, self.dtype.itemsize
        self.nbytes = self.size * self.itemsize

    def copy(self, order: str = "C") -> np.ndarray:
        """The numbers as an array of their own."""
        return np.concatenate([*self.parts, np.empty(0, self.dtype)])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("these numbers lie in several places; as one array they are a copy")
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

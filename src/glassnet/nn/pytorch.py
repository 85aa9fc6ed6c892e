"""Converts parameters to and from PyTorch state dicts.

In: a network, or a state dict. Out: a state dict for a PyTorch module of the same layers, or the
network with the parameters of one. PyTorch stores the weights of a linear layer transposed, and
names layers by their index; each layer declares the differences (`torch_names`,
`torch_transposed`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from glassnet.errors import GlassnetError, ShapeError
from glassnet.nn.compose import Container
from glassnet.nn.module import Module
from glassnet.nn.saving import side_by_side
from glassnet.nn.storage import arrays_of, declared_slots
from glassnet.rounding import computed_to_nearest

COUNTED = "num_batches_tracked"  # an entry of PyTorch's BatchNorm, which is not used here


@dataclass(frozen=True)
class StateEntry:
    """An entry of a state dict: its name, and the corresponding array of the model."""

    name: str
    array: np.ndarray
    transposed: bool

    @property
    def values(self) -> np.ndarray:
        """The values in PyTorch's layout."""
        return self.array.T if self.transposed else self.array


@computed_to_nearest
def to_torch(model: Module) -> dict[str, Any]:
    """Return a state dict of PyTorch tensors, copies of the model's parameters.

    Load it into a PyTorch module of the same layers, such as an `nn.Sequential` of `nn.Linear`,
    `nn.BatchNorm1d` and so on: `torch_model.load_state_dict(gn.to_torch(model))`. Names have the
    index of the layer ("0.weight", "2.bias"), in a custom class its attributes ("hidden.weight").
    Weights of linear layers are transposed to PyTorch's [outputs, inputs]; scale, shift, mean and
    variance of a normalisation become weight, bias, running_mean and running_var. Raises
    GlassnetError where PyTorch is not installed.
    """
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise GlassnetError(
            "gn.to_torch gives PyTorch's tensors, and PyTorch is not installed\n"
            "  to install it: pip install torch\n"
            "  to have NumPy arrays: model.parameters()"
        ) from None
    make: Any = torch  # pyright: ignore[reportUnknownVariableType]
    found: dict[str, Any] = {}
    for entry in _entries(model):
        found[entry.name] = make.from_numpy(np.array(entry.values, order="C"))
        if entry.name.rpartition(".")[2] == "running_var":
            found[f"{entry.name.removesuffix('running_var')}{COUNTED}"] = make.tensor(0)
    return found


@computed_to_nearest
def from_torch(state_dict: Any, model: Module) -> Module:
    """Copy the parameters of a PyTorch state dict into a network, and return the network.

    `state_dict` is `torch_model.state_dict()`, the module itself, or a dict of arrays. If its names
    are those of `to_torch`, entries are matched by name; else by order, and shape and kind
    ("weight", "bias") must be equal. PyTorch lists layers in the order of their creation, so create
    them in the order of computation. Values are converted to the model's dtype. Where they do not
    fit, ShapeError shows both lists side by side, and the model is not changed.
    """
    if isinstance(state_dict, Module):
        raise ShapeError(
            "from_torch takes the state dict first, then the network\n"
            "  right: gn.from_torch(torch_model.state_dict(), model)"
        )
    given = state_dict.state_dict() if hasattr(state_dict, "state_dict") else state_dict
    if not isinstance(given, Mapping):
        raise ShapeError(
            f"from_torch: {type(state_dict).__name__} is not a state dict\n"
            "  right: gn.from_torch(torch_model.state_dict(), model)"
        )
    pairs = cast("Mapping[str, Any]", given).items()
    seen = {name: _numbers(tensor) for name, tensor in pairs if not name.endswith(COUNTED)}
    entries = list(_entries(model))
    names = {entry.name for entry in entries}
    values = [seen[entry.name] for entry in entries] if names == set(seen) else list(seen.values())
    kinds = names == set(seen) or [_kind(entry.name) for entry in entries] == [
        _kind(n) for n in seen
    ]
    if not kinds or [v.shape for v in values] != [entry.values.shape for entry in entries]:
        wanted = {entry.name: entry.values.shape for entry in entries}
        raise ShapeError(
            "the state dict does not fit the network; on the left what it takes, in PyTorch's "
            "names and shapes\n"
            + side_by_side(wanted, {n: values.shape for n, values in seen.items()})
        )
    _check_ties(entries, values)
    for entry, value in zip(entries, values, strict=True):
        entry.array[...] = value.T if entry.transposed else value
    return model


def _entries(model: Module) -> Iterator[StateEntry]:
    """Yield the entries of a state dict, in PyTorch's order; shared ones under all their names."""
    arrays_of(model)  # draws missing initial values
    yield from _below(model, "")


def _below(module: Module, prefix: str) -> Iterator[StateEntry]:
    for name, slot in declared_slots(module).items():
        if slot.array is not None:  # it has none where a part declares the parameter, too
            torch_name = module.torch_names.get(name, name)
            yield StateEntry(prefix + torch_name, slot.array, name in module.torch_transposed)
    for place, (name, part) in enumerate(module.children().items()):
        step = str(place) if isinstance(module, Container) else name
        yield from _below(part, f"{prefix}{step}." if step else prefix)


def _kind(name: str) -> str:
    return name.rpartition(".")[2]


def _numbers(value: Any) -> np.ndarray:
    """Return a tensor, of any device and dtype, or an array as a NumPy array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.double() if value.is_floating_point() else value).numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ShapeError(f"the state dict has {type(value).__name__} where numbers belong")
    return array


def _check_ties(entries: list[StateEntry], values: list[np.ndarray]) -> None:
    """Raise ShapeError where a shared parameter has two different values."""
    first: dict[int, tuple[str, np.ndarray]] = {}
    for entry, value in zip(entries, values, strict=True):
        name, known = first.setdefault(entry.array.ctypes.data, (entry.name, value))
        if entry.array.size and not np.array_equal(known, value, equal_nan=True):
            raise ShapeError(
                f"{name} and {entry.name} are one parameter of the network, and the state dict has "
                "different numbers for them; build a network that does not share them"
            )

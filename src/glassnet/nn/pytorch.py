"""Parameters to and from PyTorch, as state dicts.

In: a network, or a state dict. Out: a state dict for a PyTorch module of the same layers, or the
network with the numbers of one. PyTorch keeps the weights of a linear layer transposed, and calls
layers by their places: what differs is said by each layer (`torch_names`, `torch_transposed`).
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

COUNTED = "num_batches_tracked"  # of a batch normalisation of PyTorch; decides no number here


@dataclass(frozen=True)
class StateEntry:
    """An entry of a state dict: its name, and the array that it has here."""

    name: str
    array: np.ndarray
    transposed: bool

    @property
    def values(self) -> np.ndarray:
        """As PyTorch has them."""
        return self.array.T if self.transposed else self.array


@computed_to_nearest
def to_torch(model: Module) -> dict[str, Any]:
    """A state dict of PyTorch tensors, copies of the model's numbers.

    It is for a PyTorch module of the same layers: `torch_model.load_state_dict(gn.to_torch(model))`
    where that is an `nn.Sequential` of `nn.Linear`, `nn.BatchNorm1d` and so on. Names are places
    ("0.weight", "2.bias"), in a class of your own its attributes ("hidden.weight"). Weights of
    linear layers are transposed to PyTorch's [outputs, inputs]; scale, shift, mean and variance of
    a normalisation become weight, bias, running_mean and running_var. PyTorch must be installed.
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
    """Let a network have the numbers of a PyTorch state dict, and return it.

    `state_dict` is `torch_model.state_dict()`, the module itself, or a dict of arrays. Where its
    names are those of `to_torch`, they decide; else its entries are taken in their order, and every
    one must have the shape and the kind ("weight", "bias") that is wanted there: PyTorch lists
    layers in the order in which they were made, so make them in the order of computing. Numbers are
    converted to the model's dtype. ShapeError, with both lists side by side, where they do not fit;
    the model is then as it was.
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
    """The entries of a state dict, in PyTorch's order; a shared parameter under all its names."""
    arrays_of(model)  # draws what there is not yet
    yield from _below(model, "")


def _below(module: Module, prefix: str) -> Iterator[StateEntry]:
    for name, slot in declared_slots(module).items():
        if slot.array is not None:  # it has none where a part declares the parameter, too
            known = module.torch_names.get(name, name)
            yield StateEntry(prefix + known, slot.array, name in module.torch_transposed)
    for place, (name, part) in enumerate(module.children().items()):
        step = str(place) if isinstance(module, Container) else name
        yield from _below(part, f"{prefix}{step}." if step else prefix)


def _kind(name: str) -> str:
    return name.rpartition(".")[2]


def _numbers(value: Any) -> np.ndarray:
    """A tensor, on whatever device and in whatever dtype, or an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.double() if value.is_floating_point() else value).numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ShapeError(f"the state dict has {type(value).__name__} where numbers belong")
    return array


def _check_ties(entries: list[StateEntry], values: list[np.ndarray]) -> None:
    """ShapeError where a shared parameter has two different values."""
    first: dict[int, tuple[str, np.ndarray]] = {}
    for entry, value in zip(entries, values, strict=True):
        name, known = first.setdefault(entry.array.ctypes.data, (entry.name, value))
        if entry.array.size and not np.array_equal(known, value, equal_nan=True):
            raise ShapeError(
                f"{name} and {entry.name} are one parameter of the network, and the state dict has "
                "different numbers for them; build a network that does not share them"
            )

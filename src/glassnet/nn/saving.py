"""Saves and loads networks with their architecture, in one file without code.

In: a network. Out: a model file: a .safetensors file with a SHA-256, the parameters by name and a
description of the layers; and from such a file the network with the same parameters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict, cast

import numpy as np

from glassnet import model_file
from glassnet.describe import CodeError, DescriptionError, as_data, from_data
from glassnet.errors import GlassnetError, ModelFileError, warn_user
from glassnet.nn.module import Module
from glassnet.nn.storage import arrays_of, layout_of
from glassnet.outputs import check_writable
from glassnet.rounding import computed_to_nearest
from glassnet.serialize import parse, read_value
from glassnet.version import __version__, computes_alike, numerics_version

FORMAT = "glassnet network"
FORMAT_VERSION = "1"
MOST_LINES = 41  # most lines shown of two lists side by side


class Texts(TypedDict):
    """The metadata of a model file."""

    network: str
    numerics_version: str
    glassnet: str


@computed_to_nearest
def save(model: Module, path: str | Path) -> int:
    """Write a network to a file, with its architecture; return the size in bytes.

    It is a .safetensors file, which other programs can read, too: every parameter under its name
    (`model.parameters()`) in the model's dtype, and a description of the layers, with a SHA-256.
    It is written completely or not at all, and replaces a file of that name, but never a run file.
    It contains no code: a custom layer is stored as the name of its class and its arguments
    (numbers, strings, arrays, layers), a function as its name; see `load`. Raises OutputError where
    the file cannot be written.
    """
    if not isinstance(model, Module):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise GlassnetError(
            f"gn.save takes a network; {type(model).__name__} is not one\n"
            "  right: gn.save(gn.nn.Sequential(gn.nn.Linear(2, 1)), 'network.safetensors')\n"
            "  right: gn.save(estimator.to_network(), 'network.safetensors')"
        )
    check_writable(path, option="path=", example="network.safetensors")
    _check_sharing(model)
    texts = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "numerics_version": str(numerics_version),
        "glassnet": __version__,
        "network": json.dumps(as_data(model, with_code=True)),
    }
    return model_file.save(path, arrays_of(model), texts)


@computed_to_nearest
def load(
    path: str | Path,
    model: Module | None = None,
    *,
    layers: Mapping[str, Any] | None = None,
) -> Any:
    """Load a network that `save` wrote: the same layers, with the same ones shared, and the same
    bits in every parameter, so that its predictions are equal.

    A file contains no code. If the network has custom layers or functions, pass them by name,
    `gn.load(path, layers={"MyLayer": MyLayer})`; or pass a network of the same structure,
    `gn.load(path, model)`, into which the parameters are loaded. Raises ModelFileError where the
    file is missing, damaged, of another kind, or does not fit.
    """
    tensors, texts = model_file.load(path)
    _check_format(path, texts)
    try:
        found = read_value(Texts, texts, "its metadata")
        version = read_value(int, parse(found["numerics_version"]), "numerics_version")
        if model is None:
            model = cast(Module, from_data(parse(found["network"]), (Module,), code=layers))
    except CodeError as error:
        raise ModelFileError(_CODE.format(path, error, repr(error.name))) from None
    except DescriptionError as error:
        raise ModelFileError(f"{path} cannot be used: its network {error}") from None
    except (GlassnetError, ValueError) as error:
        raise ModelFileError(f"{path} cannot be used: {error}") from None
    _check_tensors(path, model, tensors)
    _set_parameters(model, tensors)
    if not computes_alike(version, found["network"]):
        warn_user(
            f"{path} was written with numerics version {version}, this program has "
            f"{numerics_version}; the last digits of predictions may differ"
        )
    return model


def _check_sharing(model: Module) -> None:
    """Raise GlassnetError for a network that would be different after loading: one in which a part
    of a built-in layer, such as that of a `Neuron`, is also used without the layer."""
    try:
        again = from_data(as_data(model), (Module,))
    except (CodeError, DescriptionError):
        return  # the user's code creates these parts
    if _shapes(again) != _shapes(model) or layout_of(again).aliases != layout_of(model).aliases:
        raise GlassnetError(
            f"{model!r} shares parameters in a way that a file cannot describe: a part of a layer "
            "is also used without the layer\n"
            "  right: use the layer as a whole, or copy.deepcopy(part), which has its own numbers"
        )


def _check_format(path: str | Path, texts: Mapping[str, str]) -> None:
    kind, version = texts.get("format"), texts.get("format_version")
    if kind == "glassnet table model":
        raise ModelFileError(
            f"{path} is a model of a table, which predicts from columns\n"
            f"  right: gn.TabularClassifier.load({str(path)!r}), or TabularRegressor"
        )
    if kind != FORMAT:
        raise ModelFileError(model_file.NO_MODEL.format(path))
    if version != FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format {str(version)[:20]}, this program reads {FORMAT_VERSION}; update "
            "glassnet"
        )


def _shapes(model: Module) -> dict[str, tuple[int, ...]]:
    return {name: parameter.shape for name, parameter in layout_of(model).parameters.items()}


def _check_tensors(path: str | Path, model: Module, tensors: Mapping[str, np.ndarray]) -> None:
    """Raise ModelFileError where the file has other parameters than the network."""
    wanted, seen = _shapes(model), {name: tensor.shape for name, tensor in tensors.items()}
    if wanted != seen:
        raise ModelFileError(
            f"{path} does not contain the parameters of {str(model)[:200]}\n"
            + side_by_side(wanted, seen)
        )
    dtypes = {tensor.dtype.newbyteorder("=").name for tensor in tensors.values()}
    if dtypes - {model.dtype}:
        other = next(iter(dtypes - {model.dtype}))
        raise ModelFileError(
            f"{path} has parameters in {other}, and the network is {model.dtype}\n"
            f'  right: gn.load(path, model.astype("{other}"))'
        )


def side_by_side(wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    """Return two lists of parameters side by side, with a mark at each line that differs."""
    rows = [("network", "file")]
    left, right = (
        [f"{name} {list(shape)}" for name, shape in one.items()] for one in (wanted, seen)
    )
    left += ["-"] * (len(right) - len(left))
    right += ["-"] * (len(left) - len(right))
    rows += zip(left, right, strict=True)
    width = max(len(left) for left, _ in rows)
    lines = [
        f"  {'≠' if place and a != b else ' '} {a:<{width}}  {b}"
        for place, (a, b) in enumerate(rows)
    ]
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"    … and {len(lines) - MOST_LINES} lines more"]
    return "\n".join(lines)


def _set_parameters(model: Module, tensors: Mapping[str, np.ndarray]) -> None:
    """Set the parameters of the network to these values."""
    layout = layout_of(model)
    if all(slot.array is None and slot.home in (None, model) for slot in layout.slots.values()):
        dtype = model.dtype or "float32"
        parts = [np.ravel(tensors[name]) for name in layout.slots]
        model.adopt(np.concatenate([*parts, np.empty(0, dtype)]).astype(dtype))
        return
    for name, array in arrays_of(model).items():
        array[...] = tensors[name]


_CODE = (
    "{0}: the network {1}, and files contain no code\n"
    "  right: gn.load(path, layers={{{2}: …}}), the class or the function\n"
    "  right: gn.load(path, model), a network of the same structure, made by your code"
)

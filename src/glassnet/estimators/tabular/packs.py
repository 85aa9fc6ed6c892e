"""Store the further networks of a model (from a fit with a time limit) in a model file.

In: networks with their weights in the mean. Out: tensors and a text, and from these the networks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from glassnet.estimators.tabular.table_network import Architecture, restore_network
from glassnet.nn import Sequential
from glassnet.serialize import Length, Within, from_plain, parse
from glassnet.tables.table_schema import Schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_OTHERS = 1000
Share = Annotated[float, Within(0.0, 1.0, above=True)]


@dataclass(frozen=True)
class StoredPack:
    """A further network: its architecture, its weight in the mean of all predictions, and the
    factor that turns medians into means for a logarithmic target."""

    network: Architecture
    weight: Share
    factor: Annotated[float, Within(0.0, above=True)]


@dataclass(frozen=True)
class StoredPacks:
    """The weight of the main network in the mean, and the other networks."""

    weight: Share
    others: Annotated[tuple[StoredPack, ...], Length(1, MOST_OTHERS)]


@dataclass(frozen=True)
class TrainedPack:
    """A further network with its weight in the mean, and the factor of its target."""

    architecture: Architecture
    network: Sequential
    weight: float
    factor: float

    def to_plain(self) -> dict[str, Any]:
        network = self.architecture.to_plain()
        return {"network": network, "weight": self.weight, "factor": self.factor}


def packs_text(weight: float, others: Sequence[TrainedPack]) -> str:
    """Return the metadata of the other networks, and the weight of the main one, as JSON text."""
    return json.dumps({"weight": weight, "others": [other.to_plain() for other in others]})


def packs_tensors(others: Sequence[TrainedPack]) -> dict[str, NDArray[Any]]:
    """Return the tensors of the other networks, with distinct names."""
    return {
        _prefix(number) + name: tensor
        for number, other in enumerate(others)
        for name, tensor in other.network.parameters().items()
    }


def main_tensors(named: dict[str, NDArray[Any]], text: str | None) -> dict[str, NDArray[Any]]:
    """Return the tensors of the main network; `text` is that of the others, None without others."""
    return named if text is None else {k: v for k, v in named.items() if not k.startswith("pack")}


def read_packs(
    text: str, named: dict[str, NDArray[Any]], schema: Schema
) -> tuple[float, list[TrainedPack]]:
    """Return the weight of the main network, and the others; ValueError if the text, the tensors
    and the schema do not match."""
    stored = from_plain(StoredPacks, parse(text), "packs")
    known = len(main_tensors(named, text))
    others: list[TrainedPack] = []
    for number, pack in enumerate(stored.others):
        prefix, plan = _prefix(number), pack.network
        tensors = {k.removeprefix(prefix): v for k, v in named.items() if k.startswith(prefix)}
        known += len(tensors)
        check_fits(plan, schema)
        others.append(TrainedPack(plan, restore_network(plan, tensors), pack.weight, pack.factor))
    if known != len(named):
        raise ValueError("the tensors do not fit the layers")
    return stored.weight, others


def check_fits(network: Architecture, schema: Schema) -> None:
    """Raise ValueError if a network does not match the inputs and the target of a schema."""
    if len(schema.inputs) != network.inputs or schema.target.outputs != network.outputs:
        raise ValueError("the network does not fit the columns")
    if network.per_group != (schema.per_group if network.folds > 1 else 0):
        raise ValueError("the network does not fit the statistics of the columns")
    if network.numbers not in (0, schema.numbers * bool(network.members)):
        raise ValueError("the network does not fit the columns that are numbers")


def _prefix(number: int) -> str:
    return f"pack{number + 2}."

"""The networks that a model file can hold: dense layers with a named activation between them, or
packs of such networks that are trained together.

In: sizes and a seed, or the description and the tensors in a model file. Out: a `Sequential`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from glassnet.estimators.tabular.recipe import Recipe
from glassnet.nn import (
    Average,
    BatchEnsemble,
    GroupInputs,
    InFolds,
    Linear,
    MemberLinear,
    Module,
    PeriodicEmbedding,
    PiecewiseEmbedding,
    ReLU,
    Repeat,
    Sequential,
    Sigmoid,
    SiLU,
    Tanh,
)
from glassnet.nn.embed import embedding_edges
from glassnet.serialize import LATER, Count, Length, Total, Within, to_plain
from glassnet.tables.table_schema import Schema
from glassnet.words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A closed list: a model file can never name code to import.
ACTIVATIONS: dict[str, type[Module]] = {
    "relu": ReLU, "tanh": Tanh, "sigmoid": Sigmoid, "silu": SiLU,
}  # fmt: skip
_MOST_PARAMETERS = 1 << 30
_MOST_MEMBERS = 1 << 10
WAVES = 16
Temperature = Annotated[float, Within(0.0, above=True)]


@dataclass(frozen=True)
class Architecture:
    """Everything about a network but its weights.

    Without members it is one network. A pack has `folds` groups of `members` networks each, which
    share most of their weights inside a group; the members of a group are trained without the rows
    of its fold. The first `numbers` inputs of a pack have learnt embeddings, `width` numbers each:
    piecewise linear ones of `bins` bins, or periodic ones of `waves` frequencies if that is not 0.
    The last `per_group · folds` inputs belong to one group each, `per_group` to each. The raw
    scores of classes are divided by `temperature` before softmax.
    """

    inputs: Count
    hidden: Annotated[tuple[Count, ...], Length(0, 1000)]
    outputs: Count
    activation: Literal["relu", "tanh", "sigmoid", "silu"] = "relu"
    dtype: Literal["float32", "float64"] = "float32"
    members: Total = field(default=0, metadata=LATER)
    folds: Count = field(default=1, metadata=LATER)
    numbers: Total = field(default=0, metadata=LATER)
    width: Count = field(default=1, metadata=LATER)
    bins: Count = field(default=1, metadata=LATER)
    per_group: Total = field(default=0, metadata=LATER)
    temperature: Temperature = field(default=1.0, metadata=LATER)
    waves: Total = field(default=0, metadata=LATER)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The widths of the layers of one network."""
        return (self.embedded, *self.hidden, self.outputs)

    @property
    def embedded(self) -> int:
        """The number of inputs of the first layer, after embeddings."""
        others = self.inputs - self.per_group * (self.folds - 1)
        return others + self.numbers * (self.width - 1) if self.members else self.inputs

    @property
    def together(self) -> int:
        """The number of networks."""
        return max(1, self.members * self.folds)

    @property
    def parameters(self) -> int:
        """The number of parameters, of all networks together."""
        pairs = list(itertools.pairwise(self.sizes))
        if not self.members:
            return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairs)
        embedding = self.bins + 1 + self.folds * self.width * (self.bins + 2)
        if self.waves:
            embedding = self.folds * (self.waves * (self.width + 1) + self.width - 1)
        shared = sum(fan_in * fan_out for fan_in, fan_out in pairs[:-1]) * self.folds
        each_member = sum(fan_in + 2 * fan_out for fan_in, fan_out in pairs[:-1])
        head = (pairs[-1][0] + 1) * pairs[-1][1]
        return self.numbers * embedding + shared + (each_member + head) * self.together

    def to_plain(self) -> dict[str, Any]:
        """Return JSON values. Without members, these are only the fields that the first model files
        had; `waves` is left out if it is 0, so that earlier versions can read such packs."""
        later = {field.name for field in fields(self) if dict(field.metadata) == LATER}
        plain = {k: v for k, v in to_plain(self).items() if self.members or k not in later}
        return {name: value for name, value in plain.items() if name != "waves" or value}

    def check(self) -> None:
        """Raise ValueError unless the values describe a network of allowed size."""
        if self.parameters > _MOST_PARAMETERS:
            raise ValueError(
                f"it has {plural(self.parameters, 'parameter')}; allowed are {_MOST_PARAMETERS:,}"
            )
        if self.numbers + self.per_group * self.folds > self.inputs:
            raise ValueError(
                f"{self.numbers} of its {plural(self.inputs, 'input')} are numbers, and "
                f"{self.per_group} belong to each of {plural(self.folds, 'fold')}"
            )
        if self.waves and not (self.numbers and self.width > 1):
            raise ValueError(
                f"it has {plural(self.waves, 'wave')}, and {plural(self.numbers, 'number')} that "
                f"become {plural(self.width, 'number')} each; waves belong to 1 or more that "
                "become 2 or more"
            )
        if self.per_group and self.folds == 1:
            raise ValueError(
                f"{self.per_group} of its inputs belong to each fold, and there are none"
            )
        if self.together > _MOST_MEMBERS or (self.folds > 1 and not self.members):
            raise ValueError(
                f"it has {self.members} members in {plural(self.folds, 'fold')}; allowed are "
                f"1 to {_MOST_MEMBERS:,} networks"
            )


def architecture_of(schema: Schema, recipe: Recipe) -> Architecture:
    """Return the architecture of a recipe for the inputs and the target of a table."""
    sizes = len(schema.inputs), recipe.hidden, schema.target.outputs
    if not recipe.members:
        return Architecture(*sizes)
    embedded = schema.numbers if recipe.width > 1 else 0
    return Architecture(
        *sizes, members=recipe.members, folds=recipe.folds, numbers=embedded,
        width=recipe.width, bins=recipe.bins, per_group=schema.per_group if recipe.folds > 1 else 0,
        waves=WAVES if embedded and recipe.frequency else 0, activation=recipe.activation,
    )  # fmt: skip


def build(
    architecture: Architecture,
    seed: int = 0,
    x: NDArray[Any] | None = None,
    frequency: float = 1.0,
) -> Sequential:
    """Return a network with new random weights.

    With x, the bins of piecewise linear embeddings have equally many of its rows; without, the
    edges of the layer's default. `frequency` is the standard deviation of the initial frequencies
    of periodic embeddings.
    """
    plan = architecture
    if plan.members:
        layers = _pack(plan, _embedding(plan, x, frequency))
    else:
        layers: list[Module] = []
        for fan_in, fan_out in itertools.pairwise(plan.sizes):
            if layers:
                layers.append(ACTIVATIONS[plan.activation]())
            layers.append(Linear(fan_in, fan_out))
    return Sequential(*layers, seed=seed, dtype=plan.dtype)


def _pack(architecture: Architecture, embedding: Module | None) -> list[Module]:
    """Return the layers of a pack. With folds, a row has a last input: the number of its fold, from
    0, or −1 for none."""
    layers: list[Module] = []
    if embedding is not None:
        layers += [embedding, Repeat(architecture.members, architecture.folds)]
    elif architecture.per_group:
        shared = architecture.inputs - architecture.per_group * architecture.folds
        layers.append(GroupInputs(shared, architecture.per_group, architecture.folds))
        layers.append(Repeat(architecture.members, architecture.folds))
    else:
        layers.append(Repeat(architecture.together))
    for place, (fan_in, fan_out) in enumerate(itertools.pairwise(architecture.sizes[:-1])):
        layers.append(
            BatchEnsemble(
                fan_in, fan_out, architecture.together, "he_uniform", place == 0, architecture.folds
            )
        )
        layers.append(ACTIVATIONS[architecture.activation]())
    layers.append(MemberLinear(architecture.sizes[-2], architecture.outputs, architecture.together))
    probabilities = architecture.outputs > 1
    if architecture.folds == 1:
        return [*layers, Average(architecture.members, probabilities)]
    return [InFolds(Sequential(*layers), architecture.together, architecture.folds, probabilities)]


def _embedding(
    architecture: Architecture, x: NDArray[Any] | None, frequency: float
) -> Module | None:
    """Return the embedding of a pack's numbers; None if they have none."""
    plan = architecture
    if not plan.numbers:
        return None
    others = plan.inputs - plan.numbers - plan.per_group * plan.folds
    behind = others, plan.folds, plan.per_group
    if plan.waves:
        return PeriodicEmbedding(plan.numbers, plan.width, plan.waves, *behind, sigma=frequency)
    embedding = PiecewiseEmbedding(plan.numbers, plan.width, plan.bins, *behind)
    if x is None:
        return embedding
    return embedding.with_edges(embedding_edges(x[:, : plan.numbers], plan.bins))


def with_fold_column(architecture: Architecture, x: NDArray[Any]) -> NDArray[Any]:
    """Return rows as the network takes them: with folds, a last column of −1 (no fold) is added,
    so that all members predict; without folds, x itself."""
    return x if architecture.folds == 1 else with_column(x, np.full(len(x), -1))


def with_column(x: NDArray[Any], column: NDArray[Any] | None) -> NDArray[Any]:
    """Return a copy of the rows with a last column, or x itself if `column` is None."""
    if column is None:
        return x
    wider = np.empty((len(x), x.shape[1] + 1), x.dtype)
    wider[:, :-1], wider[:, -1] = x, column
    return wider


def restore_network(architecture: Architecture, tensors: dict[str, NDArray[Any]]) -> Sequential:
    """Return the network of an architecture with the weights in named tensors; ValueError if they
    do not match, or a weight is not finite."""
    if sum(tensor.size for tensor in tensors.values()) != architecture.parameters:
        raise ValueError("the tensors do not fit the layers")
    network = build(architecture)
    places = network.parameters()
    if {name: tensor.shape for name, tensor in tensors.items()} != {
        name: place.shape for name, place in places.items()
    }:
        raise ValueError("the tensors do not fit the layers")
    for name, place in places.items():
        place[...] = tensors[name]
    if not np.isfinite(network.W).all():
        raise ValueError("some weights are not finite")
    return network

"""The default recipe: how large a network, and how it is trained, for a table of a given size.

In: the numbers of training rows, of inputs, and of those that are numbers. Out: a `Recipe`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from glassnet.optim import Adam, AdamW, FlatCos, Group, Muon, Optimizer
from glassnet.serialize import LATER, Count, Length, Total, Within

Rate = Annotated[float, Within(0.0, above=True)]
Share = Annotated[float, Within(0.0, 1.0)]

_BUDGET = 600.0  # microseconds of one core that a row may take in training
_LEAST_BUDGET = 0.8e6  # microseconds that any table may take
_NARROW = 48  # numbers that the first layer takes where there can be more members
_WIDE = 128  # numbers that embeddings give together, where each can have as few as 4
_BETWEEN = ("*batchensemble2.weight",)  # hidden layers
_TURNS = 5
_FREQUENCY = 0.3  # of a number that is scaled to about −1 to 1
_MOST_EMBEDDED = 1000  # with more numbers each is an input, and a fold has one network


@dataclass(frozen=True)
class Recipe:
    """The settings of a fit. With `members` it trains an ensemble (see `Architecture`), else one
    network. Numbers have piecewise linear embeddings or, with a `frequency`, periodic ones with
    initial frequencies of about this size."""

    hidden: Annotated[tuple[Count, ...], Length(0, 1000)]
    learning_rates: Annotated[tuple[Rate, ...], Length(1, 1000)]  # one a phase
    batch_size: Count
    epochs: Count  # at most, over all phases
    patience: Count  # epochs without a better validation loss that end the first phase
    rest: Count  # the same for the later phases
    members: Total = field(default=0, metadata=LATER)  # in each fold
    folds: Count = field(default=1, metadata=LATER)
    width: Count = field(default=1, metadata=LATER)  # numbers that a number becomes
    bins: Count = field(default=1, metadata=LATER)
    decay: Annotated[float, Within(0.0)] = field(default=0.0, metadata=LATER)
    average: Share = field(default=0.0, metadata=LATER)  # of weights over steps
    planned: Total = field(default=0, metadata=LATER)  # epochs until the rate is 0; 0 for `epochs`
    turns: Annotated[int, Within(0, 99)] = field(default=0, metadata=LATER)  # of Muon; 0: AdamW
    frequency: Annotated[float, Within(0.0)] = field(default=0.0, metadata=LATER)
    activation: Literal["relu", "silu"] = field(default="relu", metadata=LATER)

    def with_epochs(self, epochs: int) -> Recipe:
        """Return the recipe with another maximum number of epochs; `planned` stays."""
        return replace(self, epochs=epochs)

    def optimizer(self, phase: int) -> Optimizer:
        """Return the optimiser of a phase, from 0. One network uses Adam. The weights of an
        ensemble decay, but not its biases and scales; the matrix between its hidden layers uses
        Muon if there are `turns`. Gradients are not clipped: their common norm would leak
        information between folds."""
        rate = self.learning_rates[phase]
        if not self.members:
            return Adam(lr=rate)
        shared: dict[str, Any] = {
            "lr": FlatCos(rate, epochs=self.planned or None), "weight_decay": self.decay,
            "average": self.average,
            "groups": tuple(Group(pattern, decay=0.0) for pattern in ("*.bias", "*.r", "*.s")),
        }  # fmt: skip
        if not self.turns:
            return AdamW(**shared)
        return Muon(**shared, steps=self.turns, matrices=_BETWEEN)


def default_recipe(rows: int, inputs: int, numbers: int, outputs: int, folds: int = 1) -> Recipe:
    """Return the default recipe: an ensemble of networks with two hidden layers of 64 units, Muon
    and AdamW with averaged weights, and 6 to 100 epochs: as many as 0.6 ms of one core per row, or
    0.8 s in all, allow.

    A table with many columns gets fewer members, with smaller embeddings; one with more than 1,000
    numbers gets one member per fold, no embeddings, and an eighth of the least time.
    """
    width, bins = (min(max(_WIDE // max(numbers, 1), 4), 8), 32 if numbers <= 16 else 16)
    embedded = inputs + numbers * (width - 1)
    members = 3 if folds > 1 else 8
    if embedded <= _NARROW:
        members += members // 3
    if embedded > 2 * _WIDE:
        members = 2 if folds > 1 else 4
    if numbers > _MOST_EMBEDDED:
        width, bins, members, embedded = 1, 1, 1, inputs
    hidden = (64, 64)
    cost = _cost(embedded, numbers * bins * width * folds, hidden, outputs, members * folds)
    least = _LEAST_BUDGET / (8 if numbers > _MOST_EMBEDDED else 1)
    epochs = int(min(max(max(_BUDGET, least / rows) / cost, 6), 100))
    return Recipe(
        hidden=hidden,
        learning_rates=(8e-3,),
        batch_size=64 if rows < 10_000 else 128 if rows < 40_000 else 256,
        epochs=epochs,
        patience=4,
        rest=4,
        members=members,
        folds=folds,
        width=width,
        bins=bins,
        decay=0.01,
        average=0.99,
        planned=epochs,
        turns=_TURNS,
    )


def periodic(recipe: Recipe) -> Recipe:
    """Return the recipe with periodic embeddings of numbers and SiLU. Its functions are smooth,
    while those of the default recipe have kinks, so that its errors differ. Without embeddings,
    only the activation differs."""
    return replace(recipe, frequency=_FREQUENCY if recipe.width > 1 else 0.0, activation="silu")


def _cost(
    embedded: int, products: int, hidden: tuple[int, int], outputs: int, members: int
) -> float:
    """Return the approximate microseconds of one core per row and epoch."""
    first, second = hidden
    each = embedded * first + first * second + second * outputs
    moved = embedded + 2 * (first + second)  # numbers that are read and written a few times
    return 1.0 + (members * (each * 6.0 + moved * 60.0) + products * 8.0) / 6e4

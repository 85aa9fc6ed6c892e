"""The default recipe: how large a network, and how it is trained, for a table of a given size.

In: the number of training rows. Out: a `Recipe`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from glassnet.serialize import Count, Length, Within

_SMALL_TABLE = 4_000
Rate = Annotated[float, Within(0.0, above=True)]


@dataclass(frozen=True)
class Recipe:
    """What a fit needs to know besides the data."""

    hidden: Annotated[tuple[Count, ...], Length(0, 1000)]
    learning_rates: Annotated[tuple[Rate, ...], Length(1, 1000)]  # one a phase
    batch_size: Count
    epochs: Count  # at most, over all phases
    patience: Count  # epochs without a better validation loss that end the first phase
    rest: Count  # the same for the later phases

    def with_epochs(self, epochs: int) -> Recipe:
        """The same recipe with another limit."""
        return replace(self, epochs=epochs)


def default_recipe(rows: int) -> Recipe:
    """Two hidden layers and Adam, whose learning rate falls twice when progress ends.

    A small table gets a smaller network, and since it has few steps an epoch, small batches, more
    epochs and more patience.
    """
    small = rows < _SMALL_TABLE
    batch_size = 32 if small else 128
    steps = max(rows // batch_size, 1)
    return Recipe(
        hidden=(128, 128) if small else (256, 256),
        learning_rates=(1e-3, 2e-4, 4e-5),
        batch_size=batch_size,
        epochs=min(max(40_000 // steps, 100), 600),
        patience=min(max(2_000 // steps, 8), 30),
        rest=min(max(1_000 // steps, 4), 15),
    )

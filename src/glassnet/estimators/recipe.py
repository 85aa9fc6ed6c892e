"""The default recipe: how large a network, and how it is trained, for a table of a given size.

In: the number of training rows. Out: a `Recipe`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_SMALL_TABLE = 4_000


@dataclass(frozen=True)
class Recipe:
    """What a fit needs to know besides the data."""

    hidden: tuple[int, ...]
    learning_rates: tuple[float, ...]  # one a phase
    batch_size: int
    epochs: int  # at most, over all phases
    patience: int  # epochs without a better validation loss that end the first phase
    rest: int  # the same for the later phases

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

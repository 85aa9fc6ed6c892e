"""The order of rows drawn from a NumPy RandomState, as in scikit-learn.

In: a RandomState, or its state from a run file. Out: `ShuffledOrder`, in which every epoch's order
is a shuffle of the previous one; states as JSON values and back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np

from glassnet.errors import TrainingError
from glassnet.training.batch_order import Order


@dataclass(frozen=True)
class ShuffledOrder(Order):
    """Mini-batches of rows that are shuffled again for every epoch.

    `random` shuffles the order when an epoch is first requested, so that its state is the same as
    in scikit-learn. With `state`, its state before the first epoch, earlier epochs can be requested
    again; they are drawn by another RandomState.
    """

    random: np.random.RandomState | None = field(default=None, compare=False)
    state: Mapping[str, Any] | None = field(default=None, compare=False)

    def parts(self, epoch: int) -> Iterable[np.ndarray]:
        return self._cut(self._order(epoch).copy())

    def orders(self, epoch: int, count: int) -> np.ndarray:
        found = np.empty((count, self.count), np.int32)
        for place in range(count):
            found[place] = self._order(epoch + place)
        return found

    def after(self, epochs: int) -> np.random.RandomState:
        """Return the RandomState after `epochs` epochs."""
        if epochs:
            self._order(epochs - 1)
        return self._drawing.random

    def _order(self, epoch: int) -> np.ndarray:
        """Return the order of an epoch (from 0); the array is changed in place by the next one."""
        drawing = self._drawing
        if epoch + 1 < drawing.epochs:
            if self.state is None:
                raise TrainingError(f"the order of epoch {epoch + 1} cannot be drawn again")
            drawing.random, drawing.epochs = random_state(self.state), 0
            drawing.order = np.arange(self.count)
        while drawing.epochs <= epoch:
            drawing.random.shuffle(drawing.order)
            drawing.epochs += 1
        return drawing.order

    @cached_property
    def _drawing(self) -> _Drawing:
        random = self.random or random_state(self.state or {})
        return _Drawing(random, np.arange(self.count))


@dataclass
class _Drawing:
    """The order of the last requested epoch, and the number of epochs drawn so far."""

    random: np.random.RandomState
    order: np.ndarray
    epochs: int = 0


def random_state(state: Mapping[str, Any]) -> np.random.RandomState:
    """Return a RandomState with a given state; the bit generator must be one of NumPy's."""
    kind: Any = getattr(np.random, str(state.get("bit_generator")), None)
    if not (isinstance(kind, type) and issubclass(kind, np.random.BitGenerator)):
        raise TrainingError(
            f"{state.get('bit_generator')!r} is not a bit generator of NumPy, so that the order of "
            "rows cannot be repeated; use the NumPy version that recorded the run"
        )
    found = np.random.RandomState(kind())
    found.set_state(_arrays(state))
    return found


def state_as_data(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state as JSON values."""
    return _each(state, lambda value: value.tolist() if isinstance(value, np.ndarray) else value)


def _arrays(state: Mapping[str, Any]) -> dict[str, Any]:
    """Convert lists back to arrays."""
    return _each(
        state, lambda value: np.array(value, np.uint64) if isinstance(value, list) else value
    )


def _each(state: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        name: _each(cast("Mapping[str, Any]", value), change)
        if isinstance(value, Mapping)
        else change(value)
        for name, value in state.items()
    }

"""Orders of rows drawn from a RandomState, as scikit-learn draws them.

In: a RandomState, or its state as a run file has it. Out: `ShuffledOrder`, in which every epoch's
order is a shuffle of the one before; states as JSON values and back.
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
    """Batches of rows in an order that changes by chance from epoch to epoch.

    `random` draws the orders, one when an epoch is first asked for, so that it stands where
    scikit-learn would leave it. With `state`, the state that it had before the first epoch, earlier
    epochs can be asked for again; they are drawn anew by a RandomState of its own.
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
        """The RandomState as it is after so many epochs."""
        if epochs:
            self._order(epochs - 1)
        return self._drawing.random

    def _order(self, epoch: int) -> np.ndarray:
        """The order of an epoch (from 0); the array changes with the next one."""
        drawing = self._drawing
        if epoch + 1 < drawing.epochs:
            if self.state is None:
                raise TrainingError(f"the order of epoch {epoch + 1} was drawn before, and is gone")
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
    """The order of the epoch that was asked for last, and how many were drawn."""

    random: np.random.RandomState
    order: np.ndarray
    epochs: int = 0


def random_state(state: Mapping[str, Any]) -> np.random.RandomState:
    """A RandomState that goes on from a state; its bit generator is one of NumPy's."""
    kind: Any = getattr(np.random, str(state.get("bit_generator")), None)
    if not (isinstance(kind, type) and issubclass(kind, np.random.BitGenerator)):
        raise TrainingError(
            f"{state.get('bit_generator')!r} is not a bit generator of NumPy, so that the orders "
            "of rows are not known; use the NumPy that recorded the run"
        )
    found = np.random.RandomState(kind())
    found.set_state(_arrays(state))
    return found


def state_as_data(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state as JSON values."""
    return _each(state, lambda value: value.tolist() if isinstance(value, np.ndarray) else value)


def _arrays(state: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as the arrays that they were."""
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

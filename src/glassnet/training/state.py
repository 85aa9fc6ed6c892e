"""The state of a training, from which a later one can continue.

In: a training that has ended. Out: `TrainingState`, which `History` contains: the optimiser's
state, the number of steps done, and the settings that determine the order of rows and the random
numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glassnet.errors import TrainingError, warn_user
from glassnet.nn.module import Module
from glassnet.nn.storage import layout_of
from glassnet.words import plural

OTHER = (
    "after=…: {}; pass the same as that training, or train without after=, which resets the "
    "optimiser's state, the order of rows and the random numbers"
)
MOVED = (
    "after=…: model.W has changed since that training: another one has trained the model, or its "
    "parameters were changed\n"
    "  right: after= the history of the last training of this model\n"
    "  right: a callback that changes run.model.W at the end of an epoch"
)

REPEATED = (
    "gn.train has trained this model before with seed={}, and this call repeats from the start: "
    "{}\n"
    "  right: history = gn.train(…), then gn.train(…, after=history), which continues\n"
    "  right: another seed= for each call, if the optimiser's state may be reset"
)


LINE = 4096  # bytes
SUMMED = 1 << 22  # bytes from which sums are hashed instead


@dataclass(frozen=True)
class TrainingState:
    """Everything that the next step depends on, besides the data and the model's parameters."""

    optimizer: Any
    names: tuple[str, ...]  # names of the parameters
    shape: Mapping[str, Any]  # rows, columns, batch_size, shuffle, seed
    steps: int  # number of finished steps
    epochs: int  # number of complete epochs
    weights: np.ndarray | None  # the weights of the last step, if the model now has others
    left: str  # digest of the model's weights at the end
    memory: Mapping[str, np.ndarray]  # the optimiser's state
    losses: np.ndarray  # losses of the steps of an incomplete epoch
    shares: np.ndarray  # weights of these steps
    notes: Mapping[str, Any] = field(default_factory=dict[str, Any])  # state of early stopping
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])


def warn_of_repeat(model: Module, shape: Mapping[str, Any], again: Mapping[str, bool]) -> None:
    """Warn once where a training repeats the settings of the model's last one, and the weights have
    not changed since. `again` says, by name, what would be repeated."""
    known: tuple[Mapping[str, Any], str] | None = vars(model).get("_trained")
    what = [name for name, comes in again.items() if comes]
    warned = vars(model).get("_warned_of_repeat")
    if warned or known is None or not what or known[0] != shape or known[1] != digest(model.W):
        return
    vars(model)["_warned_of_repeat"] = True
    warn_user(REPEATED.format(shape["seed"], ", ".join(what)))


def digest(weights: np.ndarray) -> str:
    """Return a digest that shows whether a vector has changed: its SHA-256, for a large one that
    of the row and column sums of its bits, reshaped to a matrix of integers. That takes a seventh
    of the time, and a change of any single number changes both sums."""
    numbers = np.ascontiguousarray(weights).view(np.uint8)
    cut = len(numbers) // LINE * LINE if len(numbers) >= SUMMED else 0
    found = hashlib.sha256(numbers[cut:].data)
    if cut:
        table = numbers[:cut].view(np.uint64).reshape(-1, LINE // 8)
        for part in (table.sum(0), table.sum(1)):
            found.update(part.data)
    return found.hexdigest()


def check_model(state: TrainingState, model: Any, optimizer: Any) -> None:
    """Raise TrainingError where the state belongs to another network or optimiser."""
    if tuple(layout_of(model).parameters) != state.names or digest(model.W) != state.left:
        raise TrainingError(MOVED)
    other = optimizer.__class__ is not state.optimizer.__class__
    if other or _slots(optimizer) != _slots(state.optimizer):
        raise TrainingError(
            OTHER.format(f"it had optimizer={state.optimizer!r}, and this call has {optimizer!r}")
        )


def check_shape(state: TrainingState, shape: Mapping[str, Any]) -> None:
    """Raise TrainingError where data or settings differ, and with them the mini-batches."""
    for name, current in shape.items():
        before = state.shape[name]
        if current == before:
            continue
        if name in ("rows", "columns"):
            thing = name[:-1]
            raise TrainingError(
                OTHER.format(f"it had {plural(before, thing)}, and these data have {current}")
            )
        raise TrainingError(
            OTHER.format(f"it had {name}={before!r}, and this call has {current!r}")
        )


def _slots(optimizer: Any) -> Any:
    slots = getattr(optimizer, "all_slots", None)
    return slots() if slots is not None else optimizer

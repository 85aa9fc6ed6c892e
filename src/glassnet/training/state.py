"""Where a training stands, so that a later one goes on from there.

In: a training that has ended. Out: `TrainingState`, which `History` carries: the optimiser's
memory, how many steps are done, and what decided the order of rows and the random numbers.
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
    "after=…: {}; pass what that training had, or train without after=, which begins the "
    "optimiser's memory, the order of rows and the random numbers anew"
)
MOVED = (
    "after=…: model.W is not what that training left: another one has trained the model since, or "
    "its numbers were changed\n"
    "  right: after= the history of the last training of this model\n"
    "  right: a callback that changes run.model.W at the end of an epoch"
)

REPEATED = (
    "gn.train has trained this model before with seed={}, and this call begins anew, as that one "
    "did: {}\n"
    "  right: history = gn.train(…), then gn.train(…, after=history), which goes on with that\n"
    "  right: another seed= for each call, where the optimiser's memory may begin anew"
)


LINE = 4096  # bytes
SUMMED = 1 << 22  # bytes from which on sums are taken


@dataclass(frozen=True)
class TrainingState:
    """What the next step depends on, besides the data and what the model holds."""

    optimizer: Any
    names: tuple[str, ...]  # of the parameters
    shape: Mapping[str, Any]  # rows, columns, batch_size, shuffle, seed
    steps: int  # done
    epochs: int  # done, and whole
    weights: np.ndarray | None  # of the last step, where the model was left with other ones
    left: str  # digest of the weights that the model was left with
    memory: Mapping[str, np.ndarray]
    losses: np.ndarray  # of the steps of an epoch that is not whole
    shares: np.ndarray  # what each of those weighs
    notes: Mapping[str, Any] = field(default_factory=dict[str, Any])  # of early stopping
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])


def warn_of_repeat(model: Module, shape: Mapping[str, Any], again: Mapping[str, bool]) -> None:
    """One warning where a training would do once more what the last one of this model did, and
    the model still is as that one left it. `again` says what would come again."""
    known: tuple[Mapping[str, Any], str] | None = vars(model).get("_trained")
    what = [name for name, comes in again.items() if comes]
    warned = vars(model).get("_warned_of_repeat")
    if warned or known is None or not what or known[0] != shape or known[1] != digest(model.W):
        return
    vars(model)["_warned_of_repeat"] = True
    warn_user(REPEATED.format(shape["seed"], ", ".join(what)))


def digest(weights: np.ndarray) -> str:
    """What tells whether the numbers of a vector have changed: SHA-256, of a large one of its sums
    along the lines and columns of a table, bits taken as whole numbers. That takes a seventh of
    the time, and any one number that is another one changes both."""
    numbers = np.ascontiguousarray(weights).view(np.uint8)
    cut = len(numbers) // LINE * LINE if len(numbers) >= SUMMED else 0
    found = hashlib.sha256(numbers[cut:].data)
    if cut:
        table = numbers[:cut].view(np.uint64).reshape(-1, LINE // 8)
        for part in (table.sum(0), table.sum(1)):
            found.update(part.data)
    return found.hexdigest()


def check_model(state: TrainingState, model: Any, optimizer: Any) -> None:
    """TrainingError where the state is that of another network, or of another optimiser."""
    if tuple(layout_of(model).parameters) != state.names or digest(model.W) != state.left:
        raise TrainingError(MOVED)
    other = optimizer.__class__ is not state.optimizer.__class__
    if other or _slots(optimizer) != _slots(state.optimizer):
        raise TrainingError(
            OTHER.format(f"it had optimizer={state.optimizer!r}, and this call has {optimizer!r}")
        )


def check_shape(state: TrainingState, shape: Mapping[str, Any]) -> None:
    """TrainingError where data or settings are others, so that orders and batches would be."""
    for name, mine in shape.items():
        theirs = state.shape[name]
        if mine == theirs:
            continue
        if name in ("rows", "columns"):
            thing = name[:-1]
            raise TrainingError(
                OTHER.format(f"it had {plural(theirs, thing)}, and these data have {mine}")
            )
        raise TrainingError(OTHER.format(f"it had {name}={theirs!r}, and this call has {mine!r}"))


def _slots(optimizer: Any) -> Any:
    slots = getattr(optimizer, "all_slots", None)
    return slots() if slots is not None else optimizer

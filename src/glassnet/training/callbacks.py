"""Callbacks, which are called during training.

In: a `Run`. Out: callbacks: functions of the run, called after every epoch, and objects with
`epoch_end(run)`; both stop the training by returning True. An object may also have
`train_begin(run)`, `train_end(run)`, `epoch_begin(run)`, and `overdue(run)`, which is called every
few milliseconds and can stop the training within an epoch. `ahead(run)` returns how many epochs may
run before `epoch_end` must be called.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from glassnet.arguments import ArgumentChecker
from glassnet.describe import Described
from glassnet.errors import TrainingError
from glassnet.foreign import missing_name_error
from glassnet.training.history import Run

METHODS = ("epoch_end", "epoch_begin", "train_begin", "train_end", "overdue")
KNOWN = {*METHODS, "ahead", "state", "restore", "series"}
SYNONYMS = {
    "start": "begin", "started": "begin", "before": "begin", "finish": "end", "finished": "end",
    "stop": "end", "after": "end", "ended": "end", "training": "train", "fit": "train",
    "epoch": "epoch", "end": "end", "begin": "begin",
}  # fmt: skip
EXPECTED = (
    "callbacks: {}; a callback is a function of the run, called after every epoch, or an object "
    "with one of the methods epoch_end(run), train_begin(run), train_end(run), overdue(run)\n"
    "  right: callbacks=[gn.callbacks.EarlyStopping(patience=5)]\n"
    "  right: callbacks=[lambda run: print(run.epoch, run.history.loss[-1])]"
)


def as_callbacks(given: Any) -> list[Any]:
    """Return callbacks as a list of objects; raise TrainingError for what is not a callback."""
    if given is None:
        return []
    if isinstance(given, str) or not isinstance(given, Iterable):
        given = [given]  # a single callback
    return [_as_callback(item) for item in cast("Iterable[Any]", given)]


def _as_callback(item: Any) -> Any:
    if isinstance(item, type):
        raise TrainingError(
            EXPECTED.format(f"{item.__name__} is a class; make one, {item.__name__}()")
        )
    methods = [name for name in METHODS if _has(item, name)]
    for name in _methods_of(item):
        meant = _intended_method(name)
        if name.startswith("on_") or meant:
            hint = f"; here it is called {meant}" if meant else ""
            raise TrainingError(
                EXPECTED.format(f"{type(item).__name__}.{name} would never be called{hint}")
            )
    if methods:
        return item
    if callable(item):
        return FunctionCallback(item)
    seen = (
        f"{item!r} has none of them"
        if not isinstance(item, Callback)
        else (f"{type(item).__name__} overrides no method of Callback")
    )
    raise TrainingError(EXPECTED.format(seen))


def _methods_of(item: Any) -> list[str]:
    """Return the public methods of an object that `Callback` does not have."""
    names = [name for name in dir(item) if not name.startswith("_") and not hasattr(Callback, name)]
    return [name for name in names if name not in KNOWN and callable(getattr(item, name, None))]


def _intended_method(name: str) -> str | None:
    """Return the method that was probably meant by `onEpochEnd`, `end_epoch`, `epoch_ends`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().removeprefix("on_").split("_")
    same = [SYNONYMS.get(word.rstrip("s"), word) for word in words]
    if len(same) == 2 and same[0] in ("begin", "end"):
        same.reverse()
    close = difflib.get_close_matches("_".join(same), METHODS, n=1, cutoff=0.85)
    return close[0] if close and name not in METHODS else None


def _has(item: Any, name: str) -> bool:
    """Whether an object defines a method itself, rather than inheriting that of `Callback`."""
    method = getattr(item.__class__, name, None)
    return callable(getattr(item, name, None)) and method is not getattr(Callback, name, item)


def call(callback: Any, method: str, run: Run) -> Any:
    """Call a method of a callback; return None where it does not have the method."""
    answer = getattr(callback, method, None)
    return answer(run) if answer is not None else None


def reason(callback: Any) -> str:
    """Return the value of `History.stopped` for a training that this callback stopped."""
    return str(getattr(callback, "reason", "early"))


class Callback(metaclass=ArgumentChecker):
    """Base class of callbacks, which does nothing; subclasses override the methods they need.
    `reason` is the value of `History.stopped` if the callback stopped the training."""

    reason = "early"

    def train_begin(self, run: Run) -> None: ...

    def epoch_end(self, run: Run) -> bool | None: ...

    def train_end(self, run: Run) -> None: ...


class FunctionCallback(Callback):
    """A plain function of the run, called after every epoch; True stops the training."""

    def __init__(self, f: Callable[[Run], Any]) -> None:
        self.f = f

    def epoch_end(self, run: Run) -> bool:
        return self.f(run) is True


class Resumable(Callback):
    """A callback whose state is stored in run files and histories, so that a training can be
    resumed."""

    def state(self, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the state as JSON values and arrays; `name` is a prefix for their keys."""
        return {}, {}

    def restore(
        self, name: str, notes: Mapping[str, Any], arrays: Mapping[str, np.ndarray], run: Run
    ) -> None:
        """Restore the state; called after `train_begin`."""

    def series(self) -> dict[str, list[float]]:
        """Return lists with one number per epoch, by name."""
        return {}


class EarlyStopping(Resumable, Described):
    """Stop when `patience` epochs in a row brought no improvement, and restore the best weights.

    It monitors the validation loss, or `score(model)`, a function that returns a number, lower is
    better. An improvement is a decrease by more than `min_delta`. Raises TrainingError where there
    is neither a validation loss nor a score.
    """

    def __init__(
        self,
        patience: int = 10,
        min_delta: float = 0.0,
        score: Callable[[Any], float] | None = None,
    ) -> None:
        if patience < 1 or not min_delta >= 0.0:
            raise TrainingError(
                f"EarlyStopping(patience={patience!r}, min_delta={min_delta!r}): patience is 1 or "
                "more, min_delta 0 or more"
            )
        self.patience, self.min_delta, self.score = patience, min_delta, score
        self.best = math.inf
        self.best_epoch = 0
        self.since = 0  # patience is counted from this epoch if it is after the best one
        self.weights: np.ndarray | None = None

    def get_config(self) -> dict[str, Any]:
        return {"patience": self.patience, "min_delta": self.min_delta, "score": self.score}

    def train_begin(self, run: Run) -> None:
        self.best, self.best_epoch, self.since, self.weights = math.inf, 0, 0, None

    def epoch_end(self, run: Run) -> bool:
        if self.score is not None:
            current = float(self.score(run.model))
        elif run.history.validation_loss:
            current = run.history.validation_loss[-1]
        else:
            raise TrainingError(
                "EarlyStopping monitors the validation loss, but there is none\n"
                "  right: train(..., validation=(x_val, y_val), callbacks=[EarlyStopping()])\n"
                "  right: EarlyStopping(score=lambda model: ...)"
            )
        if current < self.best - self.min_delta:
            self.best, self.best_epoch = current, run.epoch
            self.weights = run.model.W.copy()
            run.history.best_epoch = run.epoch
        return self._epochs_waited(run.epoch) >= self.patience

    def _epochs_waited(self, epoch: int) -> int:
        return epoch - max(self.best_epoch, self.since)

    def state(self, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        arrays = {} if self.weights is None else {f"{name}.weights": self.weights}
        return {name: [self.best, self.best_epoch, self.since]}, arrays

    def restore(
        self, name: str, notes: Mapping[str, Any], arrays: Mapping[str, np.ndarray], run: Run
    ) -> None:
        """Restore the state. If patience was exhausted, because this callback stopped the training,
        it is counted anew from here."""
        if name not in notes:
            return
        saved = notes[name]
        self.best, self.best_epoch = saved[0], int(saved[1])
        self.since = int(saved[2]) if len(saved) > 2 else 0
        self.weights = arrays.get(f"{name}.weights")
        if self._epochs_waited(run.epoch) >= self.patience:
            self.since = run.epoch
        run.history.best_epoch = self.best_epoch or None

    def train_end(self, run: Run) -> None:
        if self.weights is not None:
            run.model.W[...] = self.weights


def resumable(callbacks: Sequence[Any]) -> dict[str, Resumable]:
    """Return the callbacks that have a state, by a name for it."""
    found = [callback for callback in callbacks if isinstance(callback, Resumable)]
    return {f"stopper{place}": callback for place, callback in enumerate(found)}


def callback_states(callbacks: Sequence[Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the state of callbacks: JSON values and arrays by name."""
    notes: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, callback in resumable(callbacks).items():
        more_notes, more_arrays = callback.state(name)
        notes |= more_notes
        arrays |= more_arrays
    return notes, arrays


class Restorer(Callback):
    """Restores the state of other callbacks, which reset it in `train_begin`; it must come after
    them in the list of callbacks."""

    def __init__(
        self, notes: Mapping[str, Any], arrays: Mapping[str, np.ndarray], callbacks: Sequence[Any]
    ) -> None:
        self.notes, self.arrays, self.others = notes, arrays, resumable(callbacks)

    def train_begin(self, run: Run) -> None:
        for name, callback in self.others.items():
            callback.restore(name, self.notes, self.arrays, run)


class TimeLimit(Callback):
    """Stop when `seconds` have passed since the training began, compilation included."""

    reason = "time"

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise TrainingError(f"TimeLimit({seconds!r}): wanted a number of seconds above 0")
        self.seconds = seconds

    def overdue(self, run: Run) -> bool:
        return run.elapsed() >= self.seconds

    def epoch_end(self, run: Run) -> bool:
        return self.overdue(run)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        raise missing_name_error(
            "glassnet.callbacks", name, ["Callback", "EarlyStopping", "TimeLimit"]
        )

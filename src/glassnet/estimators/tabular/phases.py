"""Training in phases: each with a smaller learning rate, from the best weights so far.

In: a network, a recipe, arrays. Out: the network with the weights of the best validation loss, and
the history of all phases as one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glassnet.errors import OutputError, TrainingError
from glassnet.estimators.tabular.fit_record import (
    given_rows,
    has_phase,
    phase_path,
    phase_recording,
)
from glassnet.estimators.tabular.recipe import Recipe
from glassnet.nn import Sequential
from glassnet.runs.recording import Recording
from glassnet.runs.resume_run import RunData, resume_run
from glassnet.runs.train import train
from glassnet.training.callbacks import EarlyStopping, TimeLimit
from glassnet.training.data_checks import Rows
from glassnet.training.history import History, Run

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHORTEST = 0.001  # seconds that a network is trained, even if the time is over
_SEED_STEP = 1_000_003  # every phase shuffles in another order


@dataclass
class PhaseHistory:
    """The history of all phases of a training."""

    loss: list[float] = field(default_factory=list[float])
    validation_loss: list[float] = field(default_factory=list[float])
    best_epoch: int = 0
    best_loss: float = math.inf
    stopped: str = "epochs"
    compile_seconds: float = 0.0
    train_seconds: float = 0.0
    runs: list[str] = field(default_factory=list[str])  # run files, one per phase
    unrecorded: str = ""  # why a phase is not, or not completely, in a run file; "" if all are
    moved: str = ""  # on run files that were renamed or removed meanwhile
    cut: bool = False  # whether the time limit ended it in the middle of an epoch

    @property
    def seconds(self) -> float:
        """The seconds of compiling and training."""
        return self.compile_seconds + self.train_seconds


def train_in_phases(
    network: Sequential,
    loss: Any,
    recipe: Recipe,
    training: Rows,
    validation: Rows,
    *,
    seed: int,
    seconds: float | None = None,
    threads: int | None = None,
    callbacks: Sequence[Any] = (),
    record: Recording | None = None,
    go_on: bool = False,
) -> PhaseHistory:
    """Train all phases, each until its validation loss stops falling; end before that when the
    epochs are used up, or after about `seconds`. The network ends with the best weights.

    With a `record`, each phase has a run file, unless that cannot be written. With `go_on`, only
    what these lack is trained, with the same result. TrainingError if no loss is finite."""
    course, best = PhaseHistory(), network.W.copy()
    for phase in range(len(recipe.learning_rates)):
        left = None if seconds is None else seconds - course.seconds
        epochs = recipe.epochs - len(course.loss)
        if phase and _is_used_up(course, epochs, left):
            break
        shared: dict[str, Any] = {
            "epochs": epochs, "validation": given_rows(validation), "threads": threads,
            "callbacks": [*_stops(recipe, phase, left), *callbacks],
        }  # fmt: skip
        descend = partial(
            train, network, training, loss=loss, optimizer=recipe.optimizer(phase), **shared,
            batch_size=min(recipe.batch_size, len(training)), seed=seed + phase * _SEED_STEP,
        )  # fmt: skip
        again = partial(_continue_phase, network, training, **shared) if go_on else None
        history, record = _train_recorded(descend, record, phase, course, again)
        _add(course, history, network, best)
        if course.stopped in ("time", "interrupted"):
            course.cut = any(getattr(stop, "cut", False) for stop in shared["callbacks"])
            break
    return _check_course(course)


def _is_used_up(course: PhaseHistory, epochs: int, left: float | None) -> bool:
    """Return whether no epochs or no time are left for another phase; then set `stopped`."""
    if epochs > 0 and (left is None or left > 0):
        return False
    course.stopped = "epochs" if epochs <= 0 else "time"
    return True


def _train_recorded(
    descend: Callable[..., History],
    record: Recording | None,
    phase: int,
    course: PhaseHistory,
    again: Callable[..., History] | None,
) -> tuple[History, Recording | None]:
    """Train and record a phase, or resume a recorded one with `again`; without a record if its file
    cannot be created. Return its history, and where later phases are recorded."""
    if record is None:
        return descend(), None
    if again is not None and has_phase(record, phase):
        place = phase_path(record.path, phase)
        history = again(Recording(place, lock=record.lock))
    else:
        try:
            recording = phase_recording(record, phase)
            place, history = recording.path, descend(record=recording)
        except OutputError as error:
            course.unrecorded = str(error)
            return descend(), record
    course.runs.append(history.recorded or str(place))
    course.unrecorded = history.unrecorded or course.unrecorded
    course.moved = "; ".join(filter(None, (course.moved, history.moved)))
    return history, record if phase else _after_rename(record, history)


def _after_rename(record: Recording, history: History) -> Recording:
    """Return the recording for later phases: beside the first run file if that was moved, and no
    file would be overwritten there."""
    place = history.recorded
    if place is None or Path(place) == Path(record.path):
        return record
    if os.path.lexists(phase_path(place, 1)) or os.path.lexists(phase_path(place, 2)):
        return record
    return replace(record, path=place)


def _continue_phase(
    network: Sequential, training: Rows, record: Recording, *,
    epochs: int, validation: Any, callbacks: Sequence[Any], threads: int | None,
) -> History:  # fmt: skip
    given = RunData(training, None, None, validation, network)
    return resume_run(record, given, epochs, callbacks, False, threads, further=False)[1]


def _stops(recipe: Recipe, phase: int, left: float | None) -> list[Any]:
    patience = recipe.rest if phase else recipe.patience
    stops: list[Any] = [EarlyStopping(patience=patience)]
    return stops if left is None else [*stops, Clock(max(left, _SHORTEST))]


class Clock(TimeLimit):
    """A time limit; `cut` says whether it has ended the training within an epoch."""

    cut = False

    def epoch_end(self, run: Run) -> bool:
        self.cut = run.steps_done * run.epochs != run.steps_total * run.epoch
        return super().epoch_end(run)


def _check_course(course: PhaseHistory) -> PhaseHistory:
    """Return the history. If no validation loss was finite, raise TrainingError, or
    KeyboardInterrupt if the training was interrupted."""
    if math.isfinite(course.best_loss):
        return course
    if course.stopped == "interrupted":
        raise KeyboardInterrupt
    raise TrainingError(
        f"no epoch of {len(course.loss)} had a finite validation loss; "
        "look for extreme values in the table"
    )


def _add(course: PhaseHistory, history: Any, network: Sequential, best: NDArray[Any]) -> None:
    """Append the history of a phase to `course`. If it has a better epoch, copy the network's
    weights to `best`; the network gets the weights in `best`."""
    before = len(course.loss)
    course.loss += history.loss
    course.validation_loss += history.validation_loss
    course.compile_seconds += history.compile_seconds
    course.train_seconds += history.train_seconds
    course.stopped = history.stopped
    lowest = min((loss for loss in history.validation_loss if math.isfinite(loss)), default=None)
    if lowest is not None and lowest < course.best_loss:
        course.best_loss = lowest
        course.best_epoch = before + history.validation_loss.index(lowest) + 1
        best[:] = network.W
    network.W[:] = best

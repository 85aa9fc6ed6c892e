"""Record a training run while it runs.

In: a trainer and its configuration. Out: a run file: history, sparse checkpoints, the result.
Checkpoints are at least a second apart and at most 64, so that they take little of the time.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from glassnet.errors import ModelFileError, OutputError, RecordingWarning
from glassnet.runs.descriptions import as_data
from glassnet.runs.disk import COPY, FileGoneError, recovery_text, unwritable_reason
from glassnet.runs.file import (
    Checkpoint,
    RunFile,
    put_checkpoint,
    put_data,
    put_result,
    put_values,
)
from glassnet.runs.recording import Recording
from glassnet.training.callbacks import Callback, EarlyStopping, callback_states, resumable
from glassnet.training.data_checks import PART, Rows, dense
from glassnet.training.full_batch import FullBatchTrainer
from glassnet.training.history import History, Run
from glassnet.training.metrics import described_metrics
from glassnet.training.trainer import Trainer
from glassnet.version import __version__, numerics_version

EVERY = 1.0  # seconds between checkpoints, at least
SHARE = 100  # the time between two checkpoints, as a multiple of the time to write one, at least
SMALL = 1 << 22  # bytes: data up to this size are stored in the run file
MOST = 64  # checkpoints, at most; then every second one is dropped

GOES_ON = "training goes on, and what is missing is written once {until}"
WITHOUT = "training goes on without its record"
UNRECORDED = (
    "the model in memory is trained; what the file held before is whole, and once {until} "
    "{again} trains the rest once more to the same bits"
)
TRAINED = "the model in memory is trained"


def fingerprint(rows: Rows) -> str:
    """Return the SHA-256 of the data, in the order and dtype in which a step reads them. Sparse
    rows have the digest of the same rows as a dense array."""
    return fingerprint_of((n, *_in_parts(a, rows.y.dtype)) for n, a in rows.arrays().items())


def _in_parts(
    array: Any, dtype: np.dtype[Any]
) -> tuple[np.dtype[Any], tuple[int, ...], Iterable[np.ndarray]]:
    if not hasattr(array, "toarray"):
        return array.dtype, array.shape, [array]
    starts = range(0, array.shape[0], PART)
    return dtype, array.shape, (dense(array[first : first + PART]) for first in starts)


def fingerprint_of(
    arrays: Iterable[tuple[str, np.dtype[Any], tuple[int, ...], Iterable[np.ndarray]]],
) -> str:
    """Return the SHA-256 of arrays that come in parts: name, dtype, whole shape, and the parts."""
    digest = hashlib.sha256()
    for name, dtype, shape, parts in arrays:
        digest.update(f"{name} {dtype.name} {shape}\n".encode())
        for part in parts:
            digest.update(np.ascontiguousarray(part, dtype).data.cast("B"))
    return digest.hexdigest()


class Fingerprint:
    """A fingerprint that a thread computes during training, since reading all data takes time."""

    def __init__(self, rows: Mapping[str, Rows]) -> None:
        self._found: dict[str, str] = {}
        self._thread = threading.Thread(target=self._take, args=(dict(rows),), daemon=True)
        self._thread.start()

    def _take(self, rows: Mapping[str, Rows]) -> None:
        for name, part in rows.items():
            self._found[name] = fingerprint(part)

    def ready(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> dict[str, str]:
        self._thread.join()
        return self._found


def recorded(
    recording: Recording | None,
    trainer: Trainer | FullBatchTrainer,
    rows: Rows,
    validation: Any,
    callbacks: Sequence[Any],
    settings: Mapping[str, Any],
    history: History | None = None,
) -> History:
    """Train, and record the run if `recording` is given.

    `rows` are all rows, including the held-out ones. If the training continues an earlier one,
    `history` has the epochs that are done; they are recorded too."""
    if history is not None:
        settings = {**settings, "epochs": settings["epochs"] + len(history.loss)}
    if recording is None:
        return trainer.train(settings["epochs"], callbacks, history)
    task = trainer.task
    given = validation if isinstance(validation, float | None) else "given"
    values = described_run(trainer, rows, callbacks, {"validation": given, **settings})
    with RunFile.create(recording.path, recording.lock, recording.overwrite) as file:
        data = all_data(rows, task.held_out, values)
        streams = {name: part.mapped.described for name, part in data.items() if part.mapped}
        values["source"] = recording.found(streams)
        recorder = Recorder(file, trainer, Fingerprint(data), callbacks)
        arrays_by_part = {name: part.arrays() for name, part in data.items()}
        size = sum(array.nbytes for arrays in arrays_by_part.values() for array in arrays.values())
        if rows.numbers is not None:
            arrays_by_part["picked"] = {"rows": rows.numbers}
        recorder.begin(values, arrays_by_part if size <= SMALL else {}, history)
        return trainer.train(settings["epochs"], [*callbacks, recorder], history)


def described_run(
    trainer: Trainer | FullBatchTrainer,
    rows: Rows,
    callbacks: Sequence[Any],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the configuration that a run file stores; `settings` are those of the loop."""
    task = trainer.task
    return {
        "model": as_data(task.model),
        "loss": as_data(task.loss),
        "optimizer": as_data(trainer.optimizer),
        "callbacks": [
            as_data(callback) for callback in callbacks if isinstance(callback, EarlyStopping)
        ],
        **described_metrics(callbacks),
        "weighted": rows.weight is not None,
        "rows": len(rows),
        "columns": rows.x.shape[1],
        **({"names": list(rows.names)} if rows.names else {}),
        "glassnet": __version__,
        "numerics_version": numerics_version,
        **settings,
    }


def all_data(rows: Rows, held_out: Rows | None, values: Mapping[str, Any]) -> dict[str, Rows]:
    """Return the data that a run depends on, by name ("training", "validation")."""
    given = values["validation"] == "given" and held_out is not None
    return {"training": rows, **({"validation": held_out} if given and held_out else {})}


class Recorder(Callback):
    """The last callback of a recorded run, which writes its file. `again` is the command that
    resumes the run."""

    again = "`glassnet resume {}`"

    def __init__(
        self,
        file: RunFile,
        trainer: Trainer | FullBatchTrainer,
        prints: Fingerprint | None,
        others: Sequence[Any],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.file, self.trainer, self._prints, self._clock = file, trainer, prints, clock
        self.others = list(resumable(others).values())
        self.series: list[Any] = [other for other in others if hasattr(other, "series")]
        self._lines: list[tuple[int, float, float | None]] = []
        self._last = self._looked = clock()
        self._pause = EVERY
        self._refused = False

    def begin(
        self,
        values: Mapping[str, Any],
        data: Mapping[str, Mapping[str, np.ndarray]],
        history: History | None = None,
    ) -> None:
        """Write the configuration, the data to store, and the state before the first step; for a
        training that continues an earlier one, also the losses of the earlier epochs."""
        before = history or History()
        judged = before.validation_loss or [None] * len(before.loss)
        lines = zip(itertools.count(1), before.loss, judged, strict=False)
        with self.file.begin() as database:
            put_values(database, values)
            for name, arrays in data.items():
                put_data(database, name, arrays)
            database.executemany("INSERT INTO history VALUES (?, ?, ?)", lines)
            put_checkpoint(database, self._state(len(before.loss)))

    def epoch_end(self, run: Run) -> None:
        """Note the epoch's losses; from time to time, and after the last epoch, write them with a
        checkpoint. (Not in `train_end`: by then early stopping has put its best weights into W.)"""
        if run.steps_done != run.epoch * self.trainer.order.steps:
            return  # a time limit ended it within an epoch: no state to resume from
        seen = run.history.validation_loss
        self._lines.append((run.epoch, run.history.loss[-1], seen[-1] if seen else None))
        start = self._clock()
        last = run.epoch == run.epochs or run.history.stopped != "epochs"
        if last or start - self._last >= self._pause:
            self._try(run, lambda: self._write(run.epoch))
            self._last = self._looked = self._clock()
            self._pause = max(self._pause, SHARE * (self._last - start))
        elif start - self._looked >= EVERY:
            self._try(run, self.file.follow)
            self._looked = start

    def train_end(self, run: Run) -> None:
        if run.failed:  # as if the process had been killed: the file can be resumed
            return
        stopped = run.history.stopped
        if stopped == "epochs" and run.epoch < run.epochs:
            stopped = "diverged"
        ended = {"stopped": stopped, "seconds": run.elapsed(), "best_epoch": run.history.best_epoch}
        self._try(run, lambda: self._write(None, run, ended), True)
        run.history.recorded = str(self.file.path)

    def _try(self, run: Run, write: Callable[[], None], last: bool = False) -> None:
        """Call `write`. If the disk refuses, warn and go on training; the next call writes what is
        missing."""
        try:
            write()
            self._refused = False
        except OutputError as error:
            message = self._failure_text(error, last)
            if last:
                run.history.unrecorded = message
            if last or not self._refused:
                warnings.warn(message, RecordingWarning, stacklevel=2)
            self._refused = True
        while self.file.notes:
            note = self.file.notes.pop(0)
            run.history.moved = f"{run.history.moved}; {note}" if run.history.moved else note
            warnings.warn(note, RecordingWarning, stacklevel=2)

    def _failure_text(self, error: OutputError, last: bool) -> str:
        """Return why nothing was recorded, what that means, and what to do."""
        path, cause = self.file.path, error.__cause__
        if isinstance(error, FileGoneError):
            return f"{error}; {TRAINED if last else WITHOUT}"
        reason = str(error) if cause is None else unwritable_reason(path, cause)
        ending = UNRECORDED if last else GOES_ON
        again = self.again.format(path)
        return f"{reason}; {ending.format(until=recovery_text(cause or error), again=again)}"

    def _write(self, epoch: int | None, run: Run | None = None, ended: Any = None) -> None:
        with self.file.change() as database:
            database.executemany("INSERT OR REPLACE INTO history VALUES (?, ?, ?)", self._lines)
            for callback in self.series:  # lists longer than the history are harmless
                put_values(database, callback.series())
            if epoch is not None:
                put_checkpoint(database, self._state(epoch))
                self._thin_checkpoints(database)
            if self._prints is not None and (run is not None or self._prints.ready()):
                put_values(database, {"sha256": self._prints.wait()})
                self._prints = None
            if run is not None:
                put_values(database, {"ended": ended})
                put_result(database, run.model.W)
        self._lines.clear()

    def _thin_checkpoints(self, database: Any) -> None:
        epochs = [row[0] for row in database.execute("SELECT epoch FROM checkpoint ORDER BY epoch")]
        if len(epochs) > MOST:
            dropped = [(epoch,) for epoch in epochs[1:-1:2]]
            database.executemany("DELETE FROM checkpoint WHERE epoch = ?", dropped)
            self._pause *= 2

    def _state(self, epoch: int) -> Checkpoint:
        trainer = self.trainer
        weights = trainer.task.model.W if trainer.raw is None else trainer.raw
        arrays = {"W": weights, **trainer.memory}
        notes, remembered = callback_states(self.others)
        return Checkpoint(epoch, {**arrays, **remembered}, notes)


def restore(trainer: Trainer | FullBatchTrainer, state: Checkpoint) -> None:
    """Copy a checkpoint into the model's weights and the optimiser's state; ModelFileError if its
    arrays have other shapes or dtypes."""
    places = {"W": trainer.task.model.W, **trainer.memory}
    for name, array in places.items():
        _check_fits(state, name, array)
    for name, array in places.items():
        array[...] = state.arrays[name]
    trainer.raw = None


def _check_fits(state: Checkpoint, name: str, array: np.ndarray) -> None:
    found = state.arrays.get(name)
    if found is None or found.shape != array.shape or found.dtype != array.dtype:
        seen = "none" if found is None else f"{found.dtype}{list(found.shape)}"
        raise ModelFileError(
            f"the run file is damaged: its checkpoint after epoch {state.epoch} has {seen} for "
            f"{name}, and the recorded model {array.dtype}{list(array.shape)}; {COPY}"
        )


def check_stoppers(
    trainer: Trainer | FullBatchTrainer, state: Checkpoint, callbacks: Sequence[Any]
) -> None:
    """Raise ModelFileError if the recorded state of early stopping is not numbers, or its weights
    have another shape or dtype than the model's."""
    for name, callback in resumable(callbacks).items():
        if not isinstance(callback, EarlyStopping):
            continue
        noted = state.notes.get(name, [0.0, 0])
        numbers = cast("list[Any]", noted) if isinstance(noted, list) else []
        if not 2 <= len(numbers) <= 3 or not all(isinstance(n, (int, float)) for n in numbers):
            raise ModelFileError(
                f"the run file is damaged: early stopping remembers {str(numbers)[:60]}, which is "
                f"no figure and its epoch; {COPY}"
            )
        if f"{name}.weights" in state.arrays:
            _check_fits(state, f"{name}.weights", trainer.task.model.W)

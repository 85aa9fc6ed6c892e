"""Resume a run by repeating its epochs, for optimisers whose state no checkpoint can hold (L-BFGS).

In: the recorder of a run. Out: its history with the new epochs; the file is not changed until the
recorded epochs have been repeated with the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glassnet.errors import TrainingError
from glassnet.runs.file import Checkpoint, put_continuation
from glassnet.runs.recorder import Recorder, restore
from glassnet.training.callbacks import Callback, Restorer
from glassnet.training.history import History, Run

PROMISED = (
    "the iterations of L-BFGS are SciPy's, whose bits are promised for one machine and one version "
    "of SciPy only"
)
OTHER = (
    "{} cannot be gone on with here: epoch {}, done again, has loss {!r} and weights that are not "
    f"those recorded (loss {{!r}}); {PROMISED}: resume there, or record anew"
)


def repeat_run(recorder: Recorder, epochs: int, callbacks: Sequence[Any]) -> History:
    """Train from the start, and record the new epochs; TrainingError if a repeated epoch has other
    bits than the recorded one."""
    file, trainer = recorder.file, recorder.trainer
    start = file.checkpoint(0)
    restore(trainer, start)
    same = RepeatRecorder(recorder, file.history()[0], file.checkpoint(file.epochs()[-1]), epochs)
    return trainer.train(epochs, [*callbacks, Restorer(start.notes, start.arrays, callbacks), same])


class RepeatRecorder(Callback):
    """A callback that compares repeated epochs with the recorded ones, and records new epochs."""

    def __init__(
        self, recorder: Recorder, losses: list[float], state: Checkpoint, epochs: int
    ) -> None:
        self.recorder, self.losses, self.state, self.epochs = recorder, losses, state, epochs
        self.still = True

    def epoch_end(self, run: Run) -> None:
        epoch, now = run.epoch, run.history.loss[-1]
        if epoch > len(self.losses):
            self.recorder.epoch_end(run)
            return
        then = self.losses[epoch - 1]
        weights = run.model.W if epoch == self.state.epoch else self.state.arrays["W"]
        if now != then or weights.tobytes() != self.state.arrays["W"].tobytes():
            raise TrainingError(OTHER.format(self.recorder.file.path, epoch, now, then))
        self._open(epoch)

    def train_begin(self, run: Run) -> None:
        self._open(0)

    def _open(self, done: int) -> None:
        """After all recorded epochs are repeated, let the recorder write to the file again."""
        if done == len(self.losses):
            self.still = False
            with self.recorder.file.change() as database:
                put_continuation(database, done, {"epochs": self.epochs})

    def train_end(self, run: Run) -> None:
        if not self.still:
            self.recorder.train_end(run)

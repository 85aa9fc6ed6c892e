"""The loop over epochs: callbacks, validation, timing, stopping.

In: a function that runs the epochs. Out: a `History`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from glassnet.errors import TrainingError
from glassnet.run.interrupt import Interrupt
from glassnet.training.callbacks import call, reason
from glassnet.training.history import History, Run


class Stop(Exception):
    """Raised inside an epoch to end it at once without counting it."""


class EpochLoop:
    """The state of one call of `train`."""

    def __init__(
        self,
        run: Run,
        callbacks: Sequence[Any],
        evaluate: Callable[[], float] | None,
        compile_seconds: Callable[[], float],
    ) -> None:
        self.run, self.callbacks, self.evaluate = run, callbacks, evaluate
        self.compile_seconds = compile_seconds
        self.interrupt = Interrupt()
        self._asked = [callback for callback in callbacks if hasattr(callback, "overdue")]
        self._begins, self._ends = (
            _having(callbacks, "epoch_begin"),
            _having(callbacks, "epoch_end"),
        )
        self.watched = bool(callbacks) or evaluate is not None  # whether epochs are observed
        self._parts: Sequence[float] = getattr(evaluate, "parts", ())

    @property
    def continues(self) -> bool:
        """Whether another epoch should run."""
        return self.run.epoch < self.run.epochs and self.run.history.stopped == "epochs"

    def begin_epoch(self) -> None:
        for callback in self._begins:
            callback.epoch_begin(self.run)

    def ahead(self) -> int:
        """Return how many epochs may run before callbacks are called: one, unless all callbacks
        allow more."""
        if self.evaluate is not None:
            return 1
        return min(
            (int(call(callback, "ahead", self.run) or 1) for callback in self.callbacks), default=1
        )

    def follow(self, body: Callable[[], None], end: Callable[[], None]) -> History:
        """Run `body`, which runs the epochs, then `end`, then `train_end` of the callbacks."""
        run = self.run
        with self.interrupt:
            try:
                for callback in self.callbacks:
                    call(callback, "train_begin", run)
                with suppress(Stop):
                    body()
            except KeyboardInterrupt:
                run.history.stopped = "interrupted"
            except TrainingError:
                raise
            except BaseException:
                run.failed = True
                raise
            finally:
                self.clock()
                end()
                for callback in self.callbacks:
                    call(callback, "train_end", run)
        return run.history

    def after_steps(self, count: int, clock: bool = True) -> bool:
        """Count finished steps, between two calls of compiled code; return True to end the
        epoch."""
        run = self.run
        run.steps_done += count
        if self.interrupt.seen:
            run.history.stopped = "interrupted"
        for callback in self._asked:
            if callback.overdue(run):
                run.history.stopped = reason(callback)
        if clock:
            self.clock()
        return run.history.stopped != "epochs"

    def end_epoch(self, loss: float) -> None:
        """Count an epoch, validate, and call the callbacks."""
        if self.run.history.stopped == "interrupted":
            raise Stop
        self.count_epoch(loss, clock=True)

    def count_epoch(self, loss: float, clock: bool = False) -> None:
        """Do the same as `end_epoch`, also for an epoch that was complete at an interruption."""
        run = self.run
        history = run.history
        judged = None if self.evaluate is None else self.evaluate()
        run.epoch += 1
        history.loss.append(loss)
        if judged is not None:
            history.validation_loss.append(judged)
        if self._parts:
            run.fold_losses = [*self._parts]
        if clock:
            self.clock()
        for callback in self._ends:
            if callback.epoch_end(run):
                history.stopped = reason(callback)

    def clock(self) -> None:
        history = self.run.history
        history.compile_seconds = compiling = self.compile_seconds()
        history.train_seconds = max(0.0, self.run.elapsed() - compiling)


def _having(callbacks: Sequence[Any], method: str) -> list[Any]:
    """Return the callbacks that have a method."""
    return [callback for callback in callbacks if getattr(callback, method, None) is not None]

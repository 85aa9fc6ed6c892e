"""A run of epochs, whatever an epoch is: callbacks, validation, times, ways to end.

In: what an epoch does. Out: a `History`.
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
    """Raised inside an epoch that should end at once and not be counted."""


class EpochLoop:
    """One call of `train`."""

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
        self.watched = bool(callbacks) or evaluate is not None  # whether each epoch is looked at
        self._parts: Sequence[float] = getattr(evaluate, "parts", ())

    @property
    def continues(self) -> bool:
        """Whether there should be another epoch."""
        return self.run.epoch < self.run.epochs and self.run.history.stopped == "epochs"

    def begin_epoch(self) -> None:
        for callback in self._begins:
            callback.epoch_begin(self.run)

    def ahead(self) -> int:
        """How many epochs may be done before anybody looks: one, unless all callbacks say more."""
        if self.evaluate is not None:
            return 1
        return min(
            (int(call(callback, "ahead", self.run) or 1) for callback in self.callbacks), default=1
        )

    def follow(self, body: Callable[[], None], end: Callable[[], None]) -> History:
        """Run `body`, which runs the epochs, then `end`, then what callbacks do at the end."""
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
        """Hear of steps done, between two calls of compiled code; True ends the epoch."""
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
        """As `end_epoch`, for one that was done when training was interrupted, too."""
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
    """The callbacks that have a method."""
    return [callback for callback in callbacks if getattr(callback, method, None) is not None]

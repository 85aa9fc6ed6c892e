"""Shows the progress of a training in one line, without slowing it down.

In: a run, as a callback. Out: one line on standard error, written by a thread that reads the run.
On a terminal and in a notebook it is updated in place; elsewhere a new line is written from time to
time.
"""

from __future__ import annotations

import math
import shutil
import sys
import threading
from typing import Any

from glassnet.training.callbacks import Callback
from glassnet.training.history import Run
from glassnet.words import plural, shorten

REPAINT = 0.2  # seconds between updates in place
LINES = 5.0  # seconds between new lines elsewhere
BAR = 16  # width in characters
MOST = 1 << 30


class Progress(Callback):
    """Show epoch, losses, learning rate and time in one line while training runs; at the end the
    line shows why it stopped. `gn.train(…, verbose=True)` adds this callback."""

    def __init__(self, stream: Any = None) -> None:
        self._given, self._over = stream, threading.Event()
        self._painter: threading.Thread | None = None

    def ahead(self, run: Run) -> int:
        """Return a large number: the thread reads the run itself, so that blocks are allowed."""
        return MOST

    def train_begin(self, run: Run) -> None:
        stream: Any = self._given or sys.stderr
        self._stream = getattr(stream, "stream", stream)
        self._live = "ipykernel" in sys.modules or bool(self._stream.isatty())
        self._over = threading.Event()
        self._painter = threading.Thread(target=self._paint, args=(run,), daemon=True)
        self._painter.start()

    def train_end(self, run: Run) -> None:
        self._over.set()
        if self._painter is not None:
            self._painter.join()
        stopped = "" if run.history.stopped == "epochs" else f", {run.history.stopped}"
        start = "\r" if self._live else ""
        self._write(f"{start}{self._fitting(f'{self.line(run)}{stopped}')}\n")

    def line(self, run: Run) -> str:
        """Return the text of the line for a run."""
        losses, judged = run.history.loss, run.history.validation_loss
        parts = [f"epoch {run.epoch:,}/{run.epochs:,}"]
        if losses:
            parts.append(f"loss {losses[-1]:.4g}")
        if judged:
            best = min(judged, key=lambda loss: math.inf if loss != loss else loss)
            parts.append(f"validation {judged[-1]:.4g} (best {best:.4g})")
        parts += [
            f"{name} {values[-1]:.4g}" for name, values in run.history.metrics.items() if values
        ]
        rate = run.history.rate(max(0, len(losses) - 1))
        parts += [] if rate is None else [f"lr {rate:.3g}"]
        return "  ".join([*parts, _time(run.elapsed())])

    def _paint(self, run: Run) -> None:
        while not self._over.wait(REPAINT if self._live else LINES):
            if self._live:
                self._write(f"\r{self._fitting(f'{_bar(run)}  {self.line(run)}')}")
            else:
                self._write(f"{self.line(run)}\n")

    def _fitting(self, text: str) -> str:
        width = shutil.get_terminal_size().columns - 1
        return f"{shorten(text, width):<{width}}" if self._live else text

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError, UnicodeError):
            self._over.set()  # stop writing; never fail because of the line


def _bar(run: Run) -> str:
    done = min(run.steps_done / run.steps_total, 1.0) if run.steps_total else 0.0
    filled = round(done * BAR)
    return "━" * filled + "─" * (BAR - filled)


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{plural(minutes, 'minute')} {rest} s"

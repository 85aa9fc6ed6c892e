"""The progress line of a training run.

In: the run, as a callback of `train`; or the name of other work. Out: on a terminal one line, which
a thread repaints at most ten times a second, so that training does not wait for it; elsewhere a
plain line every few seconds, at most one per epoch.
"""

from __future__ import annotations

import math
import shutil
import sys
import threading
import time
from typing import Any, TextIO

from glassnet.cli.terminal import unguarded
from glassnet.visible import make_visible

_REPAINT_SECONDS = 0.1
_WAIT_SECONDS = 0.5
_LINE_SECONDS = 5.0
_BAR = 20


class Waiting:
    """A context manager that shows on a terminal the name of slow work and its time so far, and
    clears its line at the end."""

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self.what = make_visible(what)
        self.stream = unguarded(stream or sys.stderr)
        self.over = threading.Event()
        self.painter = threading.Thread(target=self._paint, name="waiting", daemon=True)

    def __enter__(self) -> Waiting:
        if self.stream.isatty():
            self.painter.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        if self.painter.is_alive():
            self.painter.join()

    def _paint(self) -> None:
        started = time.monotonic()
        shown = False
        while not self.over.wait(_WAIT_SECONDS):
            width = shutil.get_terminal_size().columns - 1
            shown = self._write(f"\r{self.what}  {time.monotonic() - started:.1f} s"[:width])
        if shown:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> bool:
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError, UnicodeError):
            self.over.set()  # a progress line is never worth a failure
            return False
        return True


class TerminalProgress:
    """A callback of `train`, and a context manager that clears its line at the end."""

    def __init__(self, epochs: int, stream: TextIO | None = None) -> None:
        self.epochs = epochs
        self.stream = unguarded(stream or sys.stderr)
        self.live = self.stream.isatty()
        self.started = time.monotonic()
        self.last_line = self.started
        self.run: Any = None
        self.before = 0  # epochs of earlier phases
        self.lowest = math.inf  # their best validation loss
        self.what = ""
        self.over = threading.Event()
        self.painter = threading.Thread(target=self._paint, name="progress", daemon=True)

    def __enter__(self) -> TerminalProgress:
        if self.live:
            self.painter.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        if self.live:
            self.painter.join()
            self._write("\r\x1b[K")

    def stage(self, what: str) -> None:
        """Start the progress of another network; `what` is its name."""
        self.run, self.before, self.lowest, self.what = None, 0, math.inf, what

    def epoch_end(self, run: Any) -> None:
        """Remember the run; without a terminal, print a line if the last one is 5 s old."""
        if self.run is not None and self.run is not run:
            self.before += self.run.epoch
            self.lowest = min([self.lowest, *self.run.history.validation_loss])
        self.run = run
        now = time.monotonic()
        if not self.live and now - self.last_line >= _LINE_SECONDS:
            self.last_line = now
            self._write(self.text() + "\n")

    def train_end(self, run: Any) -> None:
        """Do nothing; the report follows."""

    def text(self) -> str:
        """Return the text of the line."""
        run = self.run
        what = [self.what] if self.what else []
        if run is None:
            return "  ".join([*what, f"compiling  {time.monotonic() - self.started:.1f} s"])
        history = run.history
        parts = [
            *what,
            f"epoch {self.before + run.epoch}/{self.epochs}",
            f"loss {history.loss[-1]:.4g}",
        ]
        if history.validation_loss:
            best = min([self.lowest, *history.validation_loss])
            parts.append(f"validation {history.validation_loss[-1]:.4g} (best {best:.4g})")
        parts.append(f"{time.monotonic() - self.started:.1f} s")
        return "  ".join(parts)

    def _bar(self) -> str:
        done = 0.0
        run = self.run
        if run is not None and run.steps_total:
            part = min(run.steps_done / run.steps_total, 1.0)
            done = (self.before + part * run.epochs) / max(self.epochs, 1)
        filled = min(round(done * _BAR), _BAR)
        return "━" * filled + "─" * (_BAR - filled)

    def _paint(self) -> None:
        while not self.over.wait(_REPAINT_SECONDS):
            width = shutil.get_terminal_size().columns - 1
            self._write("\r" + f"{self._bar()}  {self.text()}"[:width] + "\x1b[K")

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError, UnicodeError):
            self.over.set()  # a progress line is never worth a failure

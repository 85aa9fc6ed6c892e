"""Compiles better machine code on a background thread while training runs with other code.

In: functions that compile code, and the remaining time of the training. Out: the moment from which
the new code can be used. Both compute the same bits; only the time differs.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cache

from glassnet.rounding import computed_to_nearest
from glassnet.run.threads import thread_count

THREAD = "glassnet compiles"
WORTH_SPARE = 2.0  # shortest remaining training, in compile times, if a processor is free
WORTH_SHARED = 20.0  # the same if none is free, so that compiling slows the training down
PAUSE = 0.02  # seconds: considering takes about as long as a short epoch
BUSY = 0.5  # load above which the last processor does not count as free


@dataclass(frozen=True)
class Offer:
    """A possible compilation: the function that does it, the estimated seconds, and the number of
    threads that train meanwhile."""

    make: Callable[[], None]
    seconds: float
    threads: int

    def pays(self, left: float, granted: int) -> bool:
        """Whether compiling saves time in a training with `left` remaining seconds that may use
        `granted` threads."""
        spare = granted > self.threads and has_free_processor()
        return left >= self.seconds * (WORTH_SPARE if spare else WORTH_SHARED)


class BesideCompiler:
    """Compiles for one training, on one thread at a time; after `close` no thread is running.
    `threads` is the training's number of threads, None for the default."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._offers: dict[Hashable, Offer] = {}
        self._taken: set[Hashable] = set()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._again = 0.0  # when to consider the offers again

    def offer(self, key: Hashable, offer: Offer) -> None:
        """Register a possible compilation; do nothing if `key` was offered before."""
        if key not in self._taken:
            self._taken.add(key)
            self._offers[key] = offer

    @property
    def waits(self) -> bool:
        """Whether there are offers and no compilation is running."""
        return bool(self._offers) and self._thread is None

    def consider(self, left: float) -> None:
        """Start the compilations that pay off in a training with `left` remaining seconds."""
        now = time.monotonic()
        if not self.waits or now < self._again:
            return
        self._again = now + PAUSE
        granted = thread_count(self._threads)
        found = [key for key, offer in self._offers.items() if offer.pays(left, granted)]
        if found:
            offers = [self._offers.pop(key) for key in found]
            self._thread = threading.Thread(target=self._make, args=(offers,), name=THREAD)
            try:
                self._thread.start()
            except RuntimeError as error:  # the system allows no more threads
                self._thread, self._error = None, error

    def finished(self) -> bool:
        """Return True once after a compilation has finished: new code can be used."""
        if self._thread is None or self._thread.is_alive():
            return False
        self.close()
        return True

    def close(self) -> None:
        """Wait for the thread; print a line to stderr if it failed."""
        thread, self._thread = self._thread, None
        if thread is not None:
            try:
                thread.join()
            finally:  # after Ctrl-C too
                thread.join()
        error, self._error = self._error, None
        if error is not None:
            _warn_once(f"{type(error).__name__}: {error}")

    @computed_to_nearest
    def _make(self, offers: list[Offer]) -> None:
        try:
            for offer in offers:
                offer.make()
        except Exception as error:  # reported by `close`, on the training thread
            self._error = error


def has_free_processor() -> bool:
    """Whether the recent load is below the number of processors; True where it is not known."""
    try:
        return os.getloadavg()[0] <= (os.cpu_count() or 1) - BUSY
    except (AttributeError, OSError):
        return True


@cache
def _warn_once(reason: str) -> None:
    print(
        f"glassnet: no faster code could be compiled during the training ({reason}); it continues "
        "with its present code, and the results are the same",
        file=sys.stderr,
    )

"""Machine code that is made on a thread beside a training, while other code trains.

In: what makes the code, and how long the training still takes. Out: the moment from which the code
may be used. Both codes compute the same bits, so that time is all that depends on it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cache

from glassnet.rounding import computed_to_nearest
from glassnet.run.threads import thread_count

THREAD = "glassnet compiles"
WORTH_SPARE = 2.0  # times the compile time: where a processor is free, it has to be in use so long
WORTH_SHARED = 8.0  # the same where it is not, and compiling takes its time from the training
BUSY = 0.5  # of the last processor


@dataclass(frozen=True)
class Offer:
    """What makes code, about how many seconds that takes, threads that train meanwhile."""

    make: Callable[[], None]
    seconds: float
    threads: int

    def pays(self, left: float, granted: int) -> bool:
        """Whether it does in a training that will take `left` more seconds, and has been granted
        so many threads."""
        spare = granted > self.threads and has_free_processor()
        return left >= self.seconds * (WORTH_SPARE if spare else WORTH_SHARED)


class BesideCompiler:
    """Compiles for one training, on one thread at a time; none is left after `close`. `threads` is
    how many the training was given, None for as many as are granted."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._offers: dict[Hashable, Offer] = {}
        self._taken: set[Hashable] = set()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def offer(self, key: Hashable, offer: Offer) -> None:
        """Say what could be made; nothing where the same was said before."""
        if key not in self._taken:
            self._taken.add(key)
            self._offers[key] = offer

    @property
    def waits(self) -> bool:
        """Whether something could be made that was not begun, and nothing is being made."""
        return bool(self._offers) and self._thread is None

    def consider(self, left: float) -> None:
        """Begin where it pays in a training that will take `left` more seconds."""
        if not self.waits:
            return
        granted = thread_count(self._threads)
        found = [key for key, offer in self._offers.items() if offer.pays(left, granted)]
        if found:
            offers = [self._offers.pop(key) for key in found]
            self._thread = threading.Thread(target=self._make, args=(offers,), name=THREAD)
            self._thread.start()

    def finished(self) -> bool:
        """Whether code was made that is not in use; True once."""
        if self._thread is None or self._thread.is_alive():
            return False
        self.close()
        return True

    def close(self) -> None:
        """Wait for the thread; say so where it failed."""
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
        except Exception as error:  # told by `close`, on the thread that trains
            self._error = error


def has_free_processor() -> bool:
    """Whether fewer threads than processors have been running lately; yes where nobody knows."""
    try:
        return os.getloadavg()[0] <= (os.cpu_count() or 1) - BUSY
    except (AttributeError, OSError):
        return True


@cache
def _warn_once(reason: str) -> None:
    print(
        f"glassnet: no faster code could be made beside the training ({reason}); it goes on with "
        "the code it has, and its results are the same",
        file=sys.stderr,
    )

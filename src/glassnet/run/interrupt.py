"""Delays Ctrl-C while arrays are being updated in place.

In: nothing. Out: a context in which the first Ctrl-C is only recorded, so that the caller can stop
when the arrays are consistent again; the second one raises KeyboardInterrupt as usual.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupt:
    """Context manager that records the first Ctrl-C: `seen` is then True."""

    def __init__(self) -> None:
        self.seen = False
        self._installed = False

    def __enter__(self) -> Interrupt:
        # only the main thread may set handlers; a handler of the user's program is not replaced
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._installed = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.seen:
            raise KeyboardInterrupt
        self.seen = True

"""Ensures that only one call trains a model at a time.

In: a model, or another object with weights. Out: a context in which no other call can train them,
neither on another thread nor from a callback of this call.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from weakref import ref

import numpy as np

from glassnet.errors import TrainingError
from glassnet.nn.storage import memory_of


class InTraining:
    """Context manager for code that changes a model's weights; raises TrainingError where other
    code is doing so. Models whose weights share memory count as one. It can be used repeatedly."""

    __slots__ = ("__weakref__", "blocks", "me", "owner")

    def __init__(self, owner: Any) -> None:
        self.owner = owner
        block: Any = getattr(owner, "W", None)  # an estimator has no W
        self.blocks = [] if block is None else memory_of(block)
        self.me: ref[Any] = ref(self)

    def __enter__(self) -> InTraining:
        with _register.lock:
            here = threading.get_ident()
            if _register.held:
                self._check(here)
            # A weak reference: a context that was never exited, because of Ctrl-C before its first
            # line or a fork, is released with its frame.
            _register.held.append((self.me, here))
        return self

    def __exit__(self, *_: object) -> None:
        entries = _register.held
        with _register.lock:
            if entries and entries[-1][0] is self.me:  # as nearly always
                entries.pop()
            else:
                entries[:] = [entry for entry in entries if entry[0] is not self.me]

    def _check(self, here: int) -> None:
        """Raise TrainingError where the same weights are being trained. Entries of contexts that
        no longer exist are removed, and this context's own entry if Ctrl-C left it behind."""
        for other, thread in _register.alive():
            if other is self and thread == here:
                _register.held.remove((self.me, here))
            elif self._conflicts(other):
                raise TrainingError(_already_training_text(self.owner, thread == here))

    def _conflicts(self, other: InTraining) -> bool:
        if self.owner is other.owner:
            return True
        return any(np.may_share_memory(a, b) for a in self.blocks for b in other.blocks)


class _ActiveTrainings:
    """The contexts that are training in this process, and their threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held: list[tuple[ref[Any], int]] = []

    def alive(self) -> list[tuple[InTraining, int]]:
        pairs = [(holder(), thread) for holder, thread in self.held]
        found = [(holder, thread) for holder, thread in pairs if holder is not None]
        self.held[:] = [(holder.me, thread) for holder, thread in found]
        return found

    def forked(self) -> None:
        """Keep only the entries of the current thread, the only one in a forked process."""
        self.lock = threading.Lock()
        here = threading.get_ident()
        self.held[:] = [entry for entry in self.held if entry[1] == here]


_register = _ActiveTrainings()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_register.forked)


def _already_training_text(owner: Any, here: bool) -> str:
    name = type(owner).__name__
    if here:
        return (
            f"this {name} is being trained by the call that this one comes from, perhaps out of a "
            "callback; train it after that call, or train a copy: copy.deepcopy(model)"
        )
    return (
        f"this {name} is being trained by another thread, and both would change the same weights; "
        "wait until that ends, or train a copy: copy.deepcopy(model)"
    )
